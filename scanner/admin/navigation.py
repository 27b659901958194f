"""The sidebar in the order of the work, and the style sheet; named in the setting UNFOLD."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner.admin.unfolded import Words
from scanner.models import (
    Agent,
    AgentReport,
    BackupEntry,
    Channel,
    Delivery,
    Download,
    ExpectedBackupJob,
    Incident,
    MaintenanceWindow,
    Recipient,
    RestoreDrill,
    ScanRun,
    ScheduledTask,
    StatusChange,
    TaskRun,
    VaultCopy,
    VaultFinding,
    VaultRun,
    WallPass,
)

Item = tuple[Words, str, type[Model]]

SIDEBAR: tuple[tuple[Words, tuple[Item, ...]], ...] = (
    (
        _("Backups"),
        (
            (_("Jobs"), "database", ExpectedBackupJob),
            (_("Entries"), "history", BackupEntry),
            (_("Status changes"), "swap_horiz", StatusChange),
        ),
    ),
    (
        _("Alerts"),
        (
            (_("Incidents"), "notifications_active", Incident),
            (_("Deliveries"), "outgoing_mail", Delivery),
            (_("Channels"), "campaign", Channel),
            (_("Maintenance"), "build_circle", MaintenanceWindow),
            (_("Recipients"), "contact_mail", Recipient),
        ),
    ),
    (
        _("Scans"),
        (
            (_("Reports"), "description", AgentReport),
            (_("Runs"), "radar", ScanRun),
            (_("Agents"), "dns", Agent),
        ),
    ),
    (
        _("Vault"),
        (
            (_("Copies"), "archive", VaultCopy),
            (_("Findings"), "report", VaultFinding),
            (_("Restore drills"), "settings_backup_restore", RestoreDrill),
            (_("Downloads"), "download", Download),
            (_("Vault runs"), "fact_check", VaultRun),
        ),
    ),
    (
        _("Scheduler"),
        (
            (_("Tasks"), "schedule", ScheduledTask),
            (_("Task runs"), "playlist_play", TaskRun),
            (_("Job store"), "inventory_2", DjangoJob),
            (_("Executions"), "list_alt", DjangoJobExecution),
        ),
    ),
    (
        _("Access"),
        (
            (_("Users"), "person", User),
            (_("Groups"), "group", Group),
            (_("Wall passes"), "tv", WallPass),
            (_("Failed logins"), "lock", AccessAttempt),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Give the groups of the sidebar with what this user may see; the board comes first."""
    board = {"title": _("Board"), "icon": "grid_view", "link": reverse("admin:index")}
    return [
        {"items": [board]},
        *_groups(request),
    ]


def _groups(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            "separator": True,
            "items": [
                {"title": words, "icon": icon, "link": _list_of(model)}
                for words, icon, model in items
                if may_see(request, model)
            ],
        }
        for title, items in SIDEBAR
    ]


def palette(_request: HttpRequest) -> str:
    """Give the address of the colours that unfold's style sheet names."""
    return static("scanner/colors.css")


def no_inline_colors(_request: HttpRequest) -> dict[str, Any]:
    """Give unfold no colours to write into the page, whose policy allows no style sheet there."""
    return {}


def stylesheet(_request: HttpRequest) -> str:
    """Give the address of our own style sheet."""
    return static("scanner/admin.css")


def favicon(_request: HttpRequest) -> str:
    """Give the address of the icon in the browser's tab."""
    return static("scanner/favicon.svg")


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Tell whether this user may look at a model's pages."""
    return admin.site.get_model_admin(model).has_view_or_change_permission(request)


def _list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
