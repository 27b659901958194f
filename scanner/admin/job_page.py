"""The page of one job: how it stands, first in words; what it is made of; and last its form."""

from datetime import datetime
from functools import partial
from typing import Any

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
    job_facts,
    job_tables,
    job_vault,
    job_words,
    navigation,
    shown,
)
from scanner.admin.page import Page
from scanner.admin.unfolded import Words
from scanner.errors import ScheduleError
from scanner.models import (
    AgentReport,
    BackupEntry,
    ExpectedBackupJob,
    Incident,
    RestoreDrill,
    VaultCopy,
    VaultFinding,
)
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

    def actions_for(
        self, request: HttpRequest, job: ExpectedBackupJob, incident: Incident | None
    ) -> dict[str, Any]:
        """Give the context of the template `job_actions`; see Switching."""
        raise NotImplementedError

    def _shown(self, request: HttpRequest, job: ExpectedBackupJob, now: datetime) -> dict[str, Any]:
        """Give each part of the page; of what lies behind other pages, as much as those show."""
        companies = access.companies_of(request.user)
        may_read = navigation.may_see(request, BackupEntry)
        entries = access.visible(BackupEntry.objects.filter(job_id=job.pk), companies)
        recent = job_charts.recent(entries) if may_read else []
        deadlines = job_deadlines.of(job, now)
        year = job_calendar.year_asked(request.GET.get("year"), job, now)
        incident = incident_facts.open_one(job, request)
        its_entries = job_tables.entries(entries, job) if may_read else job_tables.HIDDEN
        has_entries = its_entries.rows if may_read else job.entries.exists()
        return {
            "job": job,
            "sections": SECTIONS,
            "told": job_words.tell(job_facts.of(job), now),
            "facts": _known(job, incident, request),
            "deadlines": deadlines,
            "charts": job_charts.charts(recent, now),
            "chart_rows": job_charts.table(recent),
            "calendar": job_calendar.of_year(job, year, now, with_links=may_read),
            "calendar_query": _query_without_year(request),
            "may_read_entries": may_read,
            "entries": its_entries,
            "show_delete": not has_entries,
            **self._behind(request, job, companies, now),
            **self.actions_for(request, job, incident),
        }

    def _behind(
        self, request: HttpRequest, job: ExpectedBackupJob, companies: Companies, now: datetime
    ) -> dict[str, Any]:
        copies = access.visible(VaultCopy.objects.filter(job_id=job.pk), companies)
        may_download = request.user.has_perm(DOWNLOAD)
        may_read = navigation.may_see(request, AgentReport)
        changes = access.visible(job.changes.all(), companies)
        return {
            "copies": job_tables.copies(copies, job, now, may_download=may_download)
            if navigation.may_see(request, VaultCopy)
            else job_tables.HIDDEN,
            "reports": job_tables.reports(job, companies if may_read else access.NONE),
            # They have no page of their own.
            "changes": job_tables.changes(changes)
            if request.user.has_perm("scanner.view_jobchange")
            else job_tables.HIDDEN,
        }


def _query_without_year(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("year", None)
    words = query.urlencode()
    return f"{words}&" if words else ""


def _known(
    job: ExpectedBackupJob, incident: Incident | None, request: HttpRequest
) -> list[tuple[Words, SafeString | str]]:
    """Give the facts behind the words, each with its name."""
    named = partial(shown.name_of, ExpectedBackupJob)
    may_see = partial(navigation.may_see, request)
    entry = job.last_entry_id if may_see(BackupEntry) else None
    is_proof_seen = may_see(RestoreDrill) and may_see(VaultCopy)
    return [
        (_("place"), shown.place(job)),
        (named("agent_id"), shown.digest(job.agent_id)),
        (named("schedule"), _schedule(job)),
        (named("status"), shown.status(job.status)),
        (named("reason"), shown.reason(job.reason)),
        (named("status_since"), shown.moment(job.status_since)),
        (named("last_good_at"), shown.moment(job.last_good_at)),
        (named("last_size"), shown.size(job.last_size)),
        (_("last verdict"), shown.link_to(BackupEntry, entry)),
        (_("open incident"), incident_facts.way_to(incident, request)),
        (named("last_restore"), job_vault.proof(job) if is_proof_seen else shown.NOTHING),
        (_("copies in the vault"), job_vault.copies(job) if may_see(VaultCopy) else shown.NOTHING),
        (named("unchanged_cycles"), shown.number(job.unchanged_cycles)),
        (
            _("open findings"),
            job_vault.findings(job) if may_see(VaultFinding) else shown.NOTHING,
        ),
        (named("created_at"), shown.moment(job.created_at)),
    ]


def _schedule(job: ExpectedBackupJob) -> SafeString:
    """Give the schedule in words, pointed at as it is written."""
    try:
        words = cron_words.reading(job.schedule)
    except ScheduleError as error:
        words = in_words(error)
    return format_html('<span title="{}">{}</span>', job.schedule, words)
