"""The admin: one file a model; `page`, `filters` and `shown` hold what the pages share."""

from scanner.admin.agent import AgentAdmin
from scanner.admin.channel import ChannelAdmin
from scanner.admin.delivery import DeliveryAdmin
from scanner.admin.django_job import DjangoJobAdmin
from scanner.admin.django_job_execution import DjangoJobExecutionAdmin
from scanner.admin.download import DownloadAdmin
from scanner.admin.entry import EntryAdmin
from scanner.admin.group import GroupAdmin
from scanner.admin.incident import IncidentAdmin
from scanner.admin.job import JobAdmin
from scanner.admin.login_failure import LoginFailureAdmin
from scanner.admin.maintenance_window import MaintenanceWindowAdmin
from scanner.admin.recipient import RecipientAdmin
from scanner.admin.report import ReportAdmin
from scanner.admin.restore_drill import RestoreDrillAdmin
from scanner.admin.run import RunAdmin
from scanner.admin.status_change import StatusChangeAdmin
from scanner.admin.task import TaskAdmin
from scanner.admin.task_run import TaskRunAdmin
from scanner.admin.user import UserAdmin
from scanner.admin.vault_copy import VaultCopyAdmin
from scanner.admin.vault_finding import VaultFindingAdmin
from scanner.admin.vault_run import VaultRunAdmin
from scanner.admin.wall_pass import WallPassAdmin

__all__ = [
    "AgentAdmin",
    "ChannelAdmin",
    "DeliveryAdmin",
    "DjangoJobAdmin",
    "DjangoJobExecutionAdmin",
    "DownloadAdmin",
    "EntryAdmin",
    "GroupAdmin",
    "IncidentAdmin",
    "JobAdmin",
    "LoginFailureAdmin",
    "MaintenanceWindowAdmin",
    "RecipientAdmin",
    "ReportAdmin",
    "RestoreDrillAdmin",
    "RunAdmin",
    "StatusChangeAdmin",
    "TaskAdmin",
    "TaskRunAdmin",
    "UserAdmin",
    "VaultCopyAdmin",
    "VaultFindingAdmin",
    "VaultRunAdmin",
    "WallPassAdmin",
]
