"""The groups that people are put into: what a viewer, an operator and an administrator may do.

Which companies they may do it for is `access`'s; administrators see every one.
"""

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from scanner.models import EVERY_COMPANY, CompanyGrant

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"
_SEEN = (
    "agent",
    "agentreport",
    "backupentry",
    "channel",
    "delivery",
    "download",
    "expectedbackupjob",
    "incident",
    "jobchange",
    "maintenancewindow",
    "recipient",
    "restoredrill",
    "scanrun",
    "scheduledtask",
    "statuschange",
    "taskrun",
    "vaultcopy",
    "vaultfinding",
    "vaultrun",
)
_VIEWER = (
    *(f"scanner.view_{model}" for model in _SEEN),
    "scanner.view_wall",
    "django_apscheduler.view_djangojob",
    "django_apscheduler.view_djangojobexecution",
)
_OPERATOR = (
    *_VIEWER,
    *(f"scanner.{verb}_expectedbackupjob" for verb in ("add", "change", "delete")),
    *(f"scanner.{verb}_maintenancewindow" for verb in ("add", "change", "delete")),
    "scanner.change_delivery",
    "scanner.change_incident",
    "scanner.change_scheduledtask",
    "scanner.request_scan",
)
_ADMINISTRATOR = (
    *_OPERATOR,
    *(
        f"scanner.{verb}_{model}"
        for model in ("channel", "recipient", "wallpass", "companygrant")
        for verb in ("add", "change", "delete", "view")
    ),
    "scanner.download_backup",
    *(f"auth.{verb}_user" for verb in ("add", "change", "delete", "view")),
    "auth.view_group",
    "axes.view_accessattempt",
    "axes.delete_accessattempt",
)
GROUPS: Mapping[str, tuple[str, ...]] = {
    VIEWER: tuple(sorted(set(_VIEWER))),
    OPERATOR: tuple(sorted(set(_OPERATOR))),
    ADMINISTRATOR: tuple(sorted(set(_ADMINISTRATOR))),
}


def make_groups() -> dict[str, int]:
    """Make the groups that are missing, and give each the permissions it lacks.

    What was added to a group stays. Give how many permissions each group was given.
    """
    given = {}
    with transaction.atomic():
        for name, permissions in GROUPS.items():
            group, _ = Group.objects.get_or_create(name=name)
            wanted = permissions_named(permissions)
            lacking = wanted.difference(group.permissions.all())
            group.permissions.add(*lacking)
            given[name] = len(lacking)
        group = Group.objects.get(name=ADMINISTRATOR)
        CompanyGrant.objects.get_or_create(group=group, company=EVERY_COMPANY)
    return given


def permissions_named(names: tuple[str, ...]) -> set[Permission]:
    """Give the permissions with these names, like scanner.view_agent; raise for an unknown one."""
    wanted = Q()
    for name in names:
        app, _, codename = name.partition(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    found = set(Permission.objects.filter(wanted).select_related("content_type"))
    missing = set(names) - {f"{one.content_type.app_label}.{one.codename}" for one in found}
    if missing:
        raise LookupError(f"no such permission: {', '.join(sorted(missing))}; run migrate first")
    return found
