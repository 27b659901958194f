"""What a schedule means, while somebody writes it: in words, with the next times that it brings."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scanner import conf, cron_words
from scanner.admin import when
from scanner.admin.acting import Acting
from scanner.admin.unfolded import Words
from scanner.cycle import MAX_GRACE, time_zone, timetable
from scanner.errors import ScheduleError
from scanner.models import ExpectedBackupJob, ScheduledTask
from scanner.models.schedule_words import in_words
from scanner.upcoming import Coming, Shift, coming

PREVIEW_URL = "scanner_expectedbackupjob_schedule_preview"
JOB, TASK, ADOPTED = "", "task", "adopted"
"""Whose schedule it is: a blank one means something else to each."""
_BLANK: Mapping[str, Words] = {
    JOB: gettext_lazy("At any time: it is never missing."),
    TASK: gettext_lazy("As the interval says."),
    ADOPTED: gettext_lazy("Write a schedule to see when the backups would be due."),
}
_IN_FORM = {
    "schedule": "id_schedule",
    "time_zone": "id_time_zone",
    "grace_minutes": "id_grace_minutes",
}
_IN_TASK_FORM = {"schedule": "id_cron", "time_zone": "id_time_zone"}
_MAY_LOOK = tuple(
    f"scanner.{verb}_{model}"
    for verb, model in (
        ("view", "expectedbackupjob"),
        ("add", "expectedbackupjob"),
        ("change", "expectedbackupjob"),
        ("view", "scheduledtask"),
        ("change", "scheduledtask"),
    )
)
_MOST_MINUTES = MAX_GRACE // timedelta(minutes=1)
_LONGEST = 200  # characters of what is worth reading
_SHIFTS: Mapping[Shift, Words] = {
    Shift.SKIPPED: gettext_lazy(
        "The clocks are set forward: the time that the schedule names does not come."
    ),
    Shift.FIRST_OF_TWO: gettext_lazy(
        "The clocks are set back: this time comes twice, and this is the first."
    ),
    Shift.SECOND_OF_TWO: gettext_lazy(
        "The clocks are set back: this time comes twice, and this is the second."
    ),
}


class Refused(Exception):
    """Fields that cannot be, each with what is wrong with it."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def read(schedule: str, zone: str, grace: str) -> timedelta:
    """Give the grace of what somebody wrote; blank: as the settings say.

    Raise Refused with what is wrong with each of `schedule`, `time_zone` and `grace_minutes`.
    """
    errors = {}
    try:
        timetable(schedule, "UTC")
    except ScheduleError as error:
        errors["schedule"] = in_words(error)
    try:
        time_zone(zone or conf.agent_time_zone())
    except ScheduleError as error:
        errors["time_zone"] = in_words(error)
    grace = grace.strip()
    is_number = grace.isdecimal() and len(grace) <= len(str(_MOST_MINUTES))
    if grace and not (is_number and int(grace) <= _MOST_MINUTES):
        words = _("Expected 0 to %(most)d minutes, or nothing.")
        errors["grace_minutes"] = words % {"most": _MOST_MINUTES}
    if errors:
        raise Refused(errors)
    return timedelta(minutes=int(grace)) if grace else conf.default_grace()


def preview(
    schedule: str, zone: str, grace: str, *, now: datetime, of: str = JOB
) -> dict[str, Any]:
    """Give in words and as a table what somebody wrote, or what is wrong with it.

    A blank zone, and a blank grace, mean what they mean to a job, or to a task, which has no grace.
    """
    schedule, zone = schedule[:_LONGEST], zone[:_LONGEST].strip()
    zone = zone or (conf.display_time_zone() if of == TASK else conf.agent_time_zone())
    told: dict[str, Any] = {"reading": "", "errors": [], "heads": [], "rows": [], "notes": []}
    try:
        length = read(schedule, zone, grace)
    except Refused as refused:
        return told | {"errors": list(refused.errors.values())}
    if not schedule.strip():
        return told | {"reading": str(_BLANK.get(of, _BLANK[JOB]))}
    words = _("%(when)s (%(zone)s)") % {
        "when": cron_words.reading(schedule),
        "zone": time_zone(zone).key,
    }
    told["reading"] = f"{words[:1].upper()}{words[1:]}"
    found = coming(schedule, zone, length, after=now)
    return told | _table(found, time_zone(zone), now, has_deadline=of != TASK)


def _table(
    found: Sequence[Coming], zone: ZoneInfo, now: datetime, *, has_deadline: bool
) -> dict[str, Any]:
    """Give the dues and deadlines in the schedule's zone, and in the pages' where it differs."""
    zones: list[tuple[str, tzinfo]] = [(zone.key, zone)]
    here = timezone.get_current_timezone()
    if any(_offset(one.due, zone) != _offset(one.due, here) for one in found):
        zones.append((timezone.get_current_timezone_name(), here))
    heads = []
    for name, _each in zones:
        heads.append(_("Due (%(zone)s)") % {"zone": name})
        if has_deadline:
            heads.append(_("Deadline"))
    rows = [list(_cells(one, zones, now, has_deadline=has_deadline)) for one in found]
    notes = [
        _("%(due)s: %(note)s") % {"due": row[0], "note": _SHIFTS[one.shift]}
        for one, row in zip(found, rows, strict=True)
        if one.shift is not None
    ]
    return {"heads": heads, "rows": rows, "notes": notes}


def _offset(at: datetime, zone: tzinfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _cells(
    one: Coming, zones: Sequence[tuple[str, tzinfo]], now: datetime, *, has_deadline: bool
) -> Iterator[str]:
    for _name, zone in zones:
        yield when.reading(one.due, zone, now)
        if has_deadline:
            yield when.reading(one.deadline, zone, now, beside=one.due)


def panel(
    fields: Mapping[str, str], schedule: str, zone: str, grace: str = "", *, of: str = JOB
) -> SafeString:
    """Give the preview of a schedule, which follows what is written into the form's `fields`.

    Those are the ids of the inputs of `schedule`, `time_zone` and `grace_minutes`. Without scripts
    it stays as it is now.
    """
    context = {
        "url": reverse(f"admin:{PREVIEW_URL}"),
        "fields": fields,
        "of": of,
        "preview": preview(schedule, zone, grace, now=timezone.now(), of=of),
    }
    return render_to_string("scanner/admin/schedule_preview.html", context)


def of_job(job: ExpectedBackupJob) -> SafeString:
    """Give the preview in the form of a job."""
    grace = "" if job.grace_minutes is None else str(job.grace_minutes)
    return panel(_IN_FORM, job.schedule, job.time_zone, grace)


def of_task(task: ScheduledTask) -> SafeString:
    """Give the preview in the form of a task."""
    return panel(_IN_TASK_FORM, task.cron, task.time_zone, of=TASK)


class SchedulePreview(Acting):
    """The part of the page of jobs that tells what a schedule means."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of the preview."""
        view = self.admin_site.admin_view(self.schedule_preview_view)
        return [path("schedule-preview/", view, name=PREVIEW_URL), *super().get_urls()]

    def schedule_preview_view(self, request: HttpRequest) -> JsonResponse:
        """Answer a form of a job or a task while somebody writes into it."""
        if not any(request.user.has_perm(permission) for permission in _MAY_LOOK):
            raise PermissionDenied
        said = request.GET
        told = preview(
            said.get("schedule", ""),
            said.get("time_zone", ""),
            said.get("grace_minutes", ""),
            now=timezone.now(),
            of=said.get("of", JOB),
        )
        return JsonResponse(told)
