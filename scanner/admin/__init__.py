"""The admin: one file a model; `page`, `filters` and `shown` hold what the pages share."""

from scanner.admin.agent import AgentAdmin
from scanner.admin.django_job import DjangoJobAdmin
from scanner.admin.django_job_execution import DjangoJobExecutionAdmin
from scanner.admin.entry import EntryAdmin
from scanner.admin.group import GroupAdmin
from scanner.admin.job import JobAdmin
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

__all__ = [
    "AgentAdmin",
    "DjangoJobAdmin",
    "DjangoJobExecutionAdmin",
    "EntryAdmin",
    "GroupAdmin",
    "JobAdmin",
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
]
