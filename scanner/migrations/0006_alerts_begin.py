"""The channel that is built in, and what the alerts have to look at first: what is wrong now."""

from datetime import UTC, datetime

from django.db import migrations

BATCH = 500
PROBLEMS = ("FAILED", "CORRUPT", "MISSING")


def begin(apps, schema_editor):
    apps.get_model("scanner", "Channel").objects.get_or_create(
        is_builtin=True,
        defaults={
            "name": "E-mail to those responsible",
            "kind": "email",
            "created_at": datetime.now(UTC),
        },
    )
    jobs = apps.get_model("scanner", "ExpectedBackupJob").objects
    judged = jobs.exclude(last_entry=None).select_related("last_entry").order_by("pk")
    last = 0
    while some := list(judged.filter(pk__gt=last)[:BATCH]):
        for job in some:
            job.warnings = job.last_entry.warnings
            job.problem_cycles = int(job.status in PROBLEMS)
            if job.is_active and (job.problem_cycles or job.warnings):
                job.alert_check_at = job.last_entry.recorded_at
        jobs.bulk_update(some, ("warnings", "problem_cycles", "alert_check_at"))
        last = some[-1].pk


class Migration(migrations.Migration):
    dependencies = [("scanner", "0005_alerts")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
