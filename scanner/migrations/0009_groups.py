"""The groups viewer, operator and administrator, as `manage.py make_groups` would make them."""

from django.apps import apps as present
from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN = (
    "agent agentreport backupentry channel delivery download expectedbackupjob incident jobchange "
    "maintenancewindow recipient restoredrill scanrun scheduledtask statuschange taskrun vaultcopy "
    "vaultfinding vaultrun"
).split()
WRITTEN = "add change delete".split()
VIEWER = {f"scanner.view_{model}" for model in SEEN} | {
    "scanner.view_wall",
    "django_apscheduler.view_djangojob",
    "django_apscheduler.view_djangojobexecution",
}
OPERATOR = VIEWER | {
    f"scanner.{verb}_{model}"
    for model in ("expectedbackupjob", "maintenancewindow")
    for verb in WRITTEN
} | {
    "scanner.change_delivery",
    "scanner.change_incident",
    "scanner.change_scheduledtask",
    "scanner.request_scan",
}
ADMINISTRATOR = OPERATOR | {
    f"scanner.{verb}_{model}"
    for model in ("channel", "recipient", "wallpass", "companygrant")
    for verb in (*WRITTEN, "view")
} | {f"auth.{verb}_user" for verb in (*WRITTEN, "view")} | {
    "auth.view_group",
    "axes.delete_accessattempt",
    "axes.view_accessattempt",
    "scanner.download_backup",
}
GROUPS = {"viewer": VIEWER, "operator": OPERATOR, "administrator": ADMINISTRATOR}


def make_groups(apps, editor):
    """Make those that are missing; one that somebody made under such a name stays as it is."""
    using = editor.connection.alias
    # Permissions are made after all migrations; here they are needed before.
    for label in ("scanner", "auth", "axes", "django_apscheduler"):
        create_permissions(present.get_app_config(label), verbosity=0, using=using, apps=apps)
    groups = apps.get_model("auth", "Group").objects
    permissions = apps.get_model("auth", "Permission").objects
    known = {
        f"{app}.{codename}": key
        for key, app, codename in permissions.values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for name, wanted in GROUPS.items():
        group, is_new = groups.get_or_create(name=name)
        if is_new:
            group.permissions.set([known[one] for one in sorted(wanted)])
            if name == "administrator":
                apps.get_model("scanner", "CompanyGrant").objects.create(group=group, company="*")


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("axes", "0010_accessattemptexpiration"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("django_apscheduler", "0009_djangojobexecution_unique_job_executions"),
        ("scanner", "0008_fill_pages"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
