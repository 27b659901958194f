"""What becomes of a scan that somebody asked for, in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner.admin import shown
from scanner.admin.task_run import last_line
from scanner.admin.unfolded import Words
from scanner.models import BackupEntry, ExpectedBackupJob, ScanRun, TaskRun
from scanner.models.choices import Status
from scanner.scan_requests import Progress, Stage

MaySee = Callable[[type[Model]], bool]
_STATUSES: dict[str, Words] = dict(Status.choices)
_WAITS: Mapping[Stage, tuple[Words, Words]] = {
    Stage.UNLED: (
        gettext_lazy("Waiting for a scheduler"),
        gettext_lazy(
            "No scheduler leads: nobody takes this up. Start one with manage.py runapscheduler; or "
            "scan at once, on the server, with manage.py scan_now."
        ),
    ),
    Stage.QUEUED: (
        gettext_lazy("Waiting"),
        gettext_lazy("Another scan goes on; this one begins as soon as it has ended."),
    ),
    Stage.WAITING: (
        gettext_lazy("Waiting"),
        gettext_lazy("The scheduler takes it up within a few seconds."),
    ),
    Stage.UNBEGUN: (
        gettext_lazy("The scan was not begun"),
        gettext_lazy("The scheduler took it up and was stopped before it could begin. Ask again."),
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A headline, what there is to say beside it, and how far the bar has come: done, of all.

    `bar` is None while something goes on of which nobody knows how much there is to do.
    """

    headline: str
    explanation: str
    bar: tuple[int, int] | None = (0, 1)
    counted: str = ""


def as_data(progress: Progress, may_see: MaySee, *, now: datetime) -> dict[str, Any]:
    """Give what the page shows, and what it asks for again while the scan goes on."""
    told = tell(progress, may_see, now=now)
    done, total = told.bar or (None, None)
    return {
        "is_over": progress.is_over,
        "headline": told.headline,
        "explanation": told.explanation,
        "done": done,
        "total": total,
        "counted": told.counted,
        "results": render_to_string(
            "scanner/admin/scan_results.html", {"results": _results(progress, may_see)}
        ),
    }


def tell(progress: Progress, may_see: MaySee, *, now: datetime) -> Told:
    """Tell how far a request has come."""
    if progress.stage in _WAITS:
        headline, explanation = _WAITS[progress.stage]
        return Told(str(headline), str(explanation))
    if progress.stage is Stage.RUNNING:
        return _running(progress, now)
    if progress.stage is Stage.RETRYING:
        words = _("It is tried again at %(time)s. %(reason)s")
        at = progress.request.task.retry_at
        time = shown.to_the_second(at) if at is not None else ""
        return Told(_("The scan failed"), words % {"time": time, "reason": _why(progress, may_see)})
    return _over(progress, may_see)


def _running(progress: Progress, now: datetime) -> Told:
    scan = progress.scan
    if scan is None:
        return Told(_("The scan begins"), "", None)
    since = _("It has been going on for %(time)s.") % {
        "time": shown.span((now - scan.started_at).total_seconds())
    }
    if not scan.claims_total:
        return Told(_("The reports are read"), since, None)
    bar = scan.claims_done, scan.claims_total
    return Told(_("The backups are verified"), since, bar, _counted(scan))


def _over(progress: Progress, may_see: MaySee) -> Told:
    scan, run = progress.scan, progress.run
    assert run is not None
    if run.outcome == TaskRun.Outcome.SKIPPED.value:
        return Told(
            _("The scan was not made"),
            _("Another one, that was begun by hand, was going on. Ask again when it has ended."),
        )
    if run.outcome == TaskRun.Outcome.INTERRUPTED.value:
        words = _("Its process ended while it went on. What was not judged is left to the next.")
        return Told(_("The scan was interrupted"), words)
    if scan is None or run.outcome != TaskRun.Outcome.OK.value:
        return Told(_("The scan failed"), _why(progress, may_see))
    bar = (scan.claims_done, scan.claims_total) if scan.claims_total else (1, 1)
    if scan.findings:
        count = len(scan.findings)
        words = ngettext(
            "%(count)d thing could not be looked at, or could not be done. %(verdicts)s",
            "%(count)d things could not be looked at, or could not be done. %(verdicts)s",
            count,
        )
        told = words % {"count": count, "verdicts": _verdicts(progress)}
        return Told(_("The scan is incomplete"), told, bar, _counted(scan))
    return Told(_("The scan is complete"), _verdicts(progress), bar, _counted(scan))


def _counted(scan: ScanRun) -> str:
    if not scan.claims_total:
        return ""
    words = ngettext(
        "%(done)s of %(total)s backup judged",
        "%(done)s of %(total)s backups judged",
        scan.claims_total,
    )
    done, total = shown.digits(scan.claims_done), shown.digits(scan.claims_total)
    return words % {"done": done, "total": total}


def _verdicts(progress: Progress) -> str:
    count = sum((progress.counts or {}).values())
    if not count:
        return _("There was nothing new to judge.")
    words = ngettext("%(count)s new verdict.", "%(count)s new verdicts.", count)
    return words % {"count": shown.digits(count)}


def _why(progress: Progress, may_see: MaySee) -> str:
    """Give the error to those who may see runs: it tells of the server."""
    if progress.run is None or not may_see(ScanRun):
        return _("Whoever looks after the server can see why.")
    return last_line(progress.run.error)


def _results(progress: Progress, may_see: MaySee) -> dict[str, Any]:
    scan = progress.scan
    if scan is None:
        return {}
    links = may_see(BackupEntry)
    return {
        "counts": [
            {
                "label": shown.status(status),
                "count": shown.digits(progress.counts[status]),
                "url": _entries_of(scan, status__exact=status) if links else "",
            }
            for status in _STATUSES
            if progress.counts and progress.counts.get(status)
        ],
        "entries": [_entry(entry, may_see) for entry in progress.entries],
        "all": _entries_of(scan) if links and progress.entries else "",
        "run": shown.link_to(ScanRun, scan.pk, _("The run")) if may_see(ScanRun) else "",
    }


def _entry(entry: BackupEntry, may_see: MaySee) -> dict[str, Any]:
    job = entry.job
    return {
        "status": shown.status(entry.status),
        "database": shown.link_to(ExpectedBackupJob, job.pk, job.database_name)
        if may_see(ExpectedBackupJob)
        else job.database_name,
        "place": ", ".join((job.company_name, job.city, job.neighborhood)),
        "reason": shown.reason(entry.reason) if entry.reason else "",
        "entry": shown.link_to(BackupEntry, entry.pk) if may_see(BackupEntry) else "",
    }


def _entries_of(scan: ScanRun, **query: str) -> str:
    url = reverse("admin:scanner_backupentry_changelist")
    return f"{url}?{urlencode({'run__id__exact': str(scan.pk), **query})}"
