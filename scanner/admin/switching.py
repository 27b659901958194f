"""All that people do to expected backups: from the list, from a job's page, to one or to many."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner.admin import incident_facts, shown, switch
from scanner.admin.acknowledging import PERMISSION as ACKNOWLEDGE
from scanner.admin.acting import TO_LIST
from scanner.admin.adopting import Adopting, adopt_url
from scanner.admin.pausing import PAUSE_URL, RESUME_URL, Pausing, may_be_paused
from scanner.admin.retiring import RETIRE_URL
from scanner.admin.schedule_preview import SchedulePreview
from scanner.models import ExpectedBackupJob, Incident

SCAN_URL = "scanner_scanrun_now"
SCAN_PERMISSION = "scanner.request_scan"
_SHORT = 60  # characters of a reason in the list


class Switching(Pausing, Adopting, SchedulePreview):
    """The part of the page of jobs that acts on them."""

    class Media:
        css = {"all": ("scanner/acting.css",)}  # noqa: RUF012 - as Django documents it
        js = ("scanner/schedule.js",)

    actions = ("pause", "resume", "adopt", "retire")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with the way to what waits to be adopted."""
        context = {"to_adopt": self._link_to_adopt(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    def _link_to_adopt(self, request: HttpRequest) -> dict[str, str] | None:
        count = self.to_adopt(request).count() if self.has_change_permission(request) else 0
        if not count:
            return None
        words = ngettext(
            "%(count)d database that nobody expected waits to be adopted.",
            "%(count)d databases that nobody expected wait to be adopted.",
            count,
        )
        return {"words": words % {"count": count}, "url": adopt_url()}

    def switch_column(self, request: HttpRequest) -> Callable[[ExpectedBackupJob], Any]:
        """Give the column that says who paused a job, why and until when, and switches it.

        It knows who looks, and which list to come back to.
        """
        may_change = self.has_change_permission(request)
        query = "&".join(filter(None, (f"{TO_LIST}=1", self.get_preserved_filters(request))))

        @admin.display(description=gettext_lazy("active"), ordering="is_active")
        def active(job: ExpectedBackupJob) -> SafeString:
            way = _switch(job, query) if may_change else _seen(job)
            return format_html('<span class="bm-standing">{}{}</span>', way, _pause_of(job))

        return active

    def actions_for(
        self, request: HttpRequest, job: ExpectedBackupJob, incident: Incident | None
    ) -> dict[str, Any]:
        """Give the context of the template `job_actions`: what somebody may do to a job now."""
        may_change = self.has_change_permission(request, job)
        is_waiting = job.awaits_adoption and job.retired_at is None
        urls: dict[str, str] = {}
        if may_change and may_be_paused(job):
            urls["pause"] = _url(PAUSE_URL, job)
        if may_change and not job.is_active and not is_waiting:
            urls["resume"] = _url(RESUME_URL, job)
        if may_change and job.retired_at is None:
            urls["retire"] = _url(RETIRE_URL, job)
        if may_change and is_waiting:
            urls["adopt"] = adopt_url([job.pk])
        if job.is_active and (scan := _scan_url(request, job)):
            urls["scan"] = scan
        actions = {
            "urls": urls,
            "is_paused": may_be_paused(job) and not job.is_active,
            "incident": _incident(request, incident),
        }
        return {"job_actions": actions}


def _switch(job: ExpectedBackupJob, query: str) -> SafeString:
    anchor, words = f"job-{job.pk}", {"job": job}
    if job.awaits_adoption and job.retired_at is None:
        url = adopt_url([job.pk])
        return format_html(
            '<a id="{}" class="text-link" href="{}">{}</a>', anchor, url, _("Adopt…")
        )
    if job.is_active:
        url = f"{_url(PAUSE_URL, job)}?{query}"
        return switch.way(anchor, url, _("%(job)s is active: pause it") % words)
    url = f"{_url(RESUME_URL, job)}?{query}"
    words_on = _("%(job)s is active") % words
    return switch.button(anchor, url, words_on, is_on=False)


def _seen(job: ExpectedBackupJob) -> SafeString:
    if job.awaits_adoption and job.retired_at is None:
        return shown.label(_("to adopt"), "warning", small=True)
    if job.is_active:
        return shown.label(_("active"), "success", small=True)
    return SafeString()


def _pause_of(job: ExpectedBackupJob) -> SafeString:
    """Give in small who paused a job, why and until when; or since when it is retired."""
    if job.retired_at is not None:
        words = _("retired {moment}")
        return format_html(
            "<small>{}</small>", format_html(words, moment=shown.moment(job.retired_at))
        )
    if not may_be_paused(job) or job.is_active:
        return SafeString()
    lines = [_("paused by %(who)s") % {"who": job.paused_by} if job.paused_by else _("paused")]
    html = format_html("<small>{}</small>", lines[0])
    if job.paused_until is not None:
        until = format_html(_("until {moment}"), moment=shown.moment(job.paused_until))
        html = format_html("{}<small>{}</small>", html, until)
    if job.pause_reason:
        short = Truncator(job.pause_reason).chars(_SHORT)
        html = format_html('{}<small title="{}">{}</small>', html, job.pause_reason, short)
    return html


def _url(name: str, job: ExpectedBackupJob) -> str:
    return reverse(f"admin:{name}", args=[job.pk])


def _scan_url(request: HttpRequest, job: ExpectedBackupJob) -> str:
    if not request.user.has_perm(SCAN_PERMISSION):
        return ""
    try:
        url = reverse(f"admin:{SCAN_URL}")
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode({'agent': job.agent_id})}"


def _incident(request: HttpRequest, incident: Incident | None) -> dict[str, Any] | None:
    """Give the way to the open incident that a job is in."""
    if incident is None:
        return None
    may_say = request.user.has_perm(f"scanner.{ACKNOWLEDGE}")
    is_new = not incident.is_known(timezone.now())
    return {
        "url": reverse("admin:scanner_incident_change", args=[incident.pk]),
        "words": incident_facts.words(incident),
        "is_to_acknowledge": may_say and is_new,
    }
