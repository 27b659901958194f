"""The page of one job: how it stands, first in words; what it is made of; and last its form."""

from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner import access, cron_words
from scanner.access import Companies
from scanner.admin import (
    incident_facts,
    job_calendar,
    job_charts,
    job_deadlines,
    job_tables,
    job_vault,
    job_words,
    shown,
)
from scanner.admin.page import Page
from scanner.admin.unfolded import Words
from scanner.errors import ScheduleError
from scanner.models import BackupEntry, ExpectedBackupJob, RestoreDrill, VaultCopy
from scanner.models.job import PROBLEM_STATUSES
from scanner.models.schedule_words import in_words

DOWNLOAD = "scanner.download_backup"
SECTIONS: tuple[tuple[str, Words], ...] = (
    ("state", _("State")),
    ("deadlines", _("Deadlines")),
    ("charts", _("Charts")),
    ("calendar", _("Calendar")),
    ("entries", _("Entries")),
    ("copies", _("Copies")),
    ("reports", _("Reports")),
    ("changes", _("Changes")),
    ("settings", _("Settings")),
)
_BEHIND = ("last_entry", "last_good_entry", "last_restore__copy")


class Showing(Page[ExpectedBackupJob]):
    """The part of the page of jobs that shows one."""

    change_form_template = "scanner/admin/job_change.html"

    def around(self, request: HttpRequest, obj: ExpectedBackupJob) -> dict[str, Any]:
        """Give what the page of a job tells above its form."""
        # As it is stored: `obj` has what was filled into a form that is refused, too.
        stored = self.get_queryset(request).select_related(*_BEHIND)
        job = stored.filter(pk=obj.pk).first()
        return {} if job is None else self._shown(request, job, timezone.now())

    def actions_for(self, request: HttpRequest, job: ExpectedBackupJob) -> dict[str, Any]:
        """Give the context of the template `job_actions`; see Switching."""
        raise NotImplementedError

    def _shown(self, request: HttpRequest, job: ExpectedBackupJob, now: datetime) -> dict[str, Any]:
        companies = access.companies_of(request.user)
        entries = access.visible(BackupEntry.objects.filter(job_id=job.pk), companies)
        recent = job_charts.recent(entries)
        deadlines = job_deadlines.of(job)
        year = job_calendar.year_asked(request.GET.get("year"), job, now)
        its_entries = job_tables.entries(entries, job)
        return {
            "job": job,
            "sections": SECTIONS,
            "told": job_words.tell(_facts(job, deadlines), now),
            "facts": _known(job, request),
            "deadlines": deadlines,
            "charts": job_charts.charts(recent),
            "chart_rows": job_charts.table(recent),
            "calendar": job_calendar.of_year(job, year, now),
            "calendar_query": _query_without_year(request),
            "entries": its_entries,
            "show_delete": not its_entries.rows,
            **self._behind(request, job, companies, now),
            **self.actions_for(request, job),
        }

    def _behind(
        self, request: HttpRequest, job: ExpectedBackupJob, companies: Companies, now: datetime
    ) -> dict[str, Any]:
        copies = access.visible(VaultCopy.objects.filter(job_id=job.pk), companies)
        may_download = request.user.has_perm(DOWNLOAD)
        may_read = request.user.has_perm("scanner.view_agentreport")
        return {
            "copies": job_tables.copies(copies, job, now, may_download=may_download),
            "reports": job_tables.reports(job, companies if may_read else access.NONE),
            "changes": job_tables.changes(access.visible(job.changes.all(), companies)),
        }


def _query_without_year(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("year", None)
    words = query.urlencode()
    return f"{words}&" if words else ""


def _facts(job: ExpectedBackupJob, deadlines: job_deadlines.Deadlines) -> job_words.Facts:
    fine_since, is_one_fine = _fine_since(job)
    drill = job.last_restore
    last = job.last_good_entry
    return job_words.Facts(
        status=job.status,
        reason=job.reason,
        warnings=tuple(str(shown.WARNINGS.get(one, one)) for one in job.warnings),
        is_late="late" in job.warnings,
        since=job.status_since,
        problem_cycles=job.problem_cycles,
        is_judged=job.last_entry_id is not None,
        is_scheduled=bool(job.schedule),
        is_daily=deadlines.are_daily,
        fine_since=fine_since,
        is_one_fine=is_one_fine,
        is_active=job.is_active,
        awaits_adoption=job.awaits_adoption,
        retired_at=job.retired_at,
        paused_at=job.paused_at,
        paused_by=job.paused_by,
        pause_reason=job.pause_reason,
        paused_until=job.paused_until,
        last_good_at=job.last_good_at,
        last_copy=_place_of(last),
        restored_at=drill.finished_at or drill.started_at if drill else None,
        restored_backup=drill.copy.made_at if drill else None,
        is_last_restored=_is_of(drill, last),
        unchanged_cycles=job.unchanged_cycles,
        due_at=job.due_at,
        deadline_at=job.deadline_at,
    )


def _fine_since(job: ExpectedBackupJob) -> tuple[datetime | None, bool]:
    """Give the first good backup since the last trouble, and whether it is the only one.

    Two statements, which read the job's entries from the newest back no further than they must.
    """
    entries = job.entries.annotate(words=Cast("warnings", TextField()))
    trouble = Q(status__in=PROBLEM_STATUSES) | Q(words__contains='"late"')
    last = entries.filter(trouble).order_by("-pk").values_list("pk", flat=True).first()
    good = entries.filter(pk__gt=last or 0, status__in=job_charts.GOOD).order_by("pk")
    some = list(good.values_list("cycle_due", "operation_end", "recorded_at")[:2])
    if not some:
        return None, False
    due, ended, recorded = some[0]
    return due or ended or recorded, len(some) == 1


def _place_of(entry: BackupEntry | None) -> job_words.Copy:
    if entry is not None and entry.copy_deleted_at is not None:
        return job_words.Copy.DELETED
    is_kept = entry is not None and entry.vault_path and not entry.vault_pending
    return job_words.Copy.KEPT if is_kept else job_words.Copy.ABSENT


def _is_of(drill: RestoreDrill | None, entry: BackupEntry | None) -> bool:
    return drill is not None and entry is not None and drill.copy.path == entry.vault_path


def _known(job: ExpectedBackupJob, request: HttpRequest) -> list[tuple[Words, SafeString | str]]:
    """Give the facts behind the words, each with its name."""
    named = partial(shown.name_of, ExpectedBackupJob)
    return [
        (_("place"), shown.place(job)),
        (named("agent_id"), shown.digest(job.agent_id)),
        (named("schedule"), _schedule(job)),
        (named("status"), shown.status(job.status)),
        (named("reason"), shown.reason(job.reason)),
        (named("status_since"), shown.moment(job.status_since)),
        (named("last_good_at"), shown.moment(job.last_good_at)),
        (named("last_size"), shown.size(job.last_size)),
        (_("last verdict"), shown.link_to(BackupEntry, job.last_entry_id)),
        (_("open incident"), incident_facts.open_of(job, request)),
        (named("last_restore"), job_vault.proof(job)),
        (_("copies in the vault"), job_vault.copies(job)),
        (named("unchanged_cycles"), shown.number(job.unchanged_cycles)),
        (_("open findings"), job_vault.findings(job)),
        (named("created_at"), shown.moment(job.created_at)),
    ]


def _schedule(job: ExpectedBackupJob) -> SafeString:
    """Give the schedule in words, pointed at as it is written."""
    try:
        words = cron_words.reading(job.schedule)
    except ScheduleError as error:
        words = in_words(error)
    return format_html('<span title="{}">{}</span>', job.schedule, words)
