"""What the pages need of what was there before: the last days of each job, and who sees what."""

from collections import defaultdict
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db import migrations
from django.db.models import Max

BATCH = 500
KEPT = 100
RANK = "SU?WMFC"
LETTERS = {"SUCCESS": "S", "UNCHANGED": "U", "MISSING": "M", "FAILED": "F", "CORRUPT": "C"}
READ = (
    "report_id",
    "status",
    "reason",
    "warnings",
    "cycle_due",
    "operation_end",
    "recorded_at",
)


def fill_days(apps, _editor):
    """Give each job the worst verdict of each of its last days."""
    jobs = apps.get_model("scanner", "ExpectedBackupJob").objects
    entries = apps.get_model("scanner", "BackupEntry").objects
    newest = entries.aggregate(newest=Max("recorded_at"))["newest"]
    if newest is None:
        return
    start = newest - timedelta(days=KEPT)
    last = 0
    while some := list(jobs.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = some[-1].pk
        of_job = defaultdict(list)
        found = entries.filter(job_id__in=[job.pk for job in some], recorded_at__gte=start)
        # Not sorted by the database, which might walk through all entries for that.
        for entry in found.order_by().only("job_id", *READ).iterator(chunk_size=10_000):
            of_job[entry.job_id].append(entry)
        for job in some:
            job.days = _days(of_job[job.pk], ZoneInfo(job.zone_in_force))
        jobs.bulk_update(some, ["days"], batch_size=BATCH)


def _days(entries, zone):
    entries = sorted(entries, key=lambda entry: entry.pk)
    newest = {(entry.report_id, entry.report_id is None and entry.pk): entry for entry in entries}
    counted = sorted(newest.values(), key=lambda entry: entry.pk)
    came = {entry.cycle_due for entry in counted if entry.reason != "no_report"}
    days = {}
    for entry in counted:
        if entry.reason == "no_report" and entry.cycle_due in came:
            continue
        moment = entry.cycle_due or entry.operation_end or entry.recorded_at
        day = moment.astimezone(zone).date().toordinal()
        letter = LETTERS.get(entry.status, "?")
        if letter in "SU" and entry.warnings:
            letter = "W"
        if day not in days or RANK.index(letter) >= RANK.index(days[day][1]):
            days[day] = [day, letter, entry.pk]
    return [days[day] for day in sorted(days) if day > max(days) - KEPT]


def mark_what_awaits_adoption(apps, _editor):
    """Tell jobs that were registered by themselves from those that somebody paused."""
    jobs = apps.get_model("scanner", "ExpectedBackupJob").objects
    touched = (
        apps.get_model("admin", "LogEntry")
        .objects.filter(content_type__app_label="scanner", content_type__model="expectedbackupjob")
        .values_list("object_id", flat=True)
    )
    known = {int(key) for key in touched if key and key.isdigit()}
    registered = jobs.filter(
        is_active=False, schedule="", time_zone="", grace_minutes=None, notification_recipients=""
    )
    keys = [key for key in registered.values_list("pk", flat=True) if key not in known]
    for start in range(0, len(keys), BATCH):
        jobs.filter(pk__in=keys[start : start + BATCH]).update(awaits_adoption=True)


def let_people_see_what_they_saw(apps, _editor):
    """Grant every company to the people and groups of before; to whoever comes later, nobody has."""
    grants = apps.get_model("scanner", "CompanyGrant").objects
    users = apps.get_model("auth", "User").objects.filter(is_staff=True, is_superuser=False)
    # Some have it where this is not done for the first time.
    every = [grants.model(user=user, company="*") for user in users]
    grants.bulk_create(every, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("scanner", "0007_pages"),
    ]

    operations = [
        migrations.RunPython(fill_days, migrations.RunPython.noop),
        migrations.RunPython(mark_what_awaits_adoption, migrations.RunPython.noop),
        migrations.RunPython(let_people_see_what_they_saw, migrations.RunPython.noop),
    ]
