"""Pausing expected backups, with a reason and an end, and resuming them: one, or many."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner import roster
from scanner.admin.acting import Acting
from scanner.admin.deeds import Deed
from scanner.admin.pause_form import PauseForm
from scanner.models import ExpectedBackupJob

PAUSE_URL = "scanner_expectedbackupjob_pause"
RESUME_URL = "scanner_expectedbackupjob_resume"
_TEMPLATE = "scanner/admin/pause.html"
PAUSABLE = Q(retired_at=None, awaits_adoption=False)
"""Active jobs, and paused ones, whose pause can be changed. One to adopt is adopted, or retired."""
RESUMABLE = Q(is_active=False, awaits_adoption=False)


def may_be_paused(job: ExpectedBackupJob) -> bool:
    """Tell whether a job is one of the PAUSABLE."""
    return job.retired_at is None and not job.awaits_adoption


class Pausing(Acting):
    """The part of the page of jobs that pauses and resumes them."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of what pauses and resumes one job."""
        pausing = self.admin_site.admin_view(self.pause_view)
        resuming = self.admin_site.admin_view(self.resume_view)
        return [
            path("<int:pk>/pause/", pausing, name=PAUSE_URL),
            path("<int:pk>/resume/", resuming, name=RESUME_URL),
            *super().get_urls(),
        ]

    # --- One job ----------------------------------------------------------------------------------

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why and until when; then pause the job, or change its pause."""
        job = self.job_to_change(request, pk)
        if not may_be_paused(job):
            words = _("“%(job)s” is not watched: there is nothing to pause.") % {"job": job}
            return self.go_back(request, job, words, messages.WARNING)
        now = timezone.now()
        form = PauseForm(request.POST, now=now) if request.method == "POST" else None
        if form is not None and form.is_valid():
            count = self._pause(request, [job], form)
            if not count:
                return self.go_back(request, job, _("It was so already."), messages.INFO)
            words = _("“%(job)s” is paused: it gets no verdicts, and nobody is told of it.")
            return self.go_back(request, job, words % {"job": job}, messages.SUCCESS)
        return self.ask(
            request,
            _TEMPLATE,
            [job],
            title=_("Change the pause") if not job.is_active else _("Pause"),
            form=form or PauseForm.filled_by(job, now=now),
        )

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let a paused or retired job be judged again, from its next deadline on."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = self.job_to_change(request, pk)
        if self._resume(request, [job]):
            words = _("“%(job)s” is watched again, from its next deadline on.") % {"job": job}
            return self.go_back(request, job, words, messages.SUCCESS)
        return self.go_back(request, job, _("It was so already."), messages.INFO)

    # --- Many -------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Pause…"), permissions=["change"])
    def pause(
        self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]
    ) -> HttpResponse | None:
        """Ask why and until when; then pause the selected jobs."""
        jobs = self.named(queryset.filter(PAUSABLE))
        if not jobs:
            words = _("None of these is watched: there is nothing to pause.")
            self.message_user(request, words, messages.INFO)
            return None
        now = timezone.now()
        form = PauseForm(now=now)
        if self.is_confirmed(request, jobs):
            form = PauseForm(request.POST, now=now)
            if form.is_valid():
                count = self._pause(request, jobs, form)
                words = ngettext("%(count)d job paused.", "%(count)d jobs paused.", count)
                self.tell_count(request, words, count)
                return None
        title = ngettext("Pause %(count)d job", "Pause %(count)d jobs", len(jobs))
        return self.ask(request, _TEMPLATE, jobs, title=title % {"count": len(jobs)}, form=form)

    @admin.action(description=gettext_lazy("Resume"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]) -> None:
        """Resume the selected jobs; each awaits its next deadline from now."""
        count = self._resume(request, self.named(queryset.filter(RESUMABLE)))
        words = ngettext("%(count)d job resumed.", "%(count)d jobs resumed.", count)
        self.tell_count(request, words, count)
        waiting = queryset.filter(awaits_adoption=True, is_active=False).count()
        if waiting:
            words = ngettext(
                "%(count)d of them waits to be adopted: say first when its backups are due.",
                "%(count)d of them wait to be adopted: say first when their backups are due.",
                waiting,
            )
            self.message_user(request, words % {"count": waiting}, messages.WARNING)

    def _pause(self, request: HttpRequest, jobs: list[ExpectedBackupJob], form: PauseForm) -> int:
        said: dict[str, Any] = form.cleaned_data
        return self.do(
            request,
            jobs,
            Deed.PAUSED,
            lambda keys: roster.pause(
                keys,
                now=form.now,
                by=request.user.get_username(),
                reason=said["reason"],
                until=said["paused_until"],
            ),
        )

    def _resume(self, request: HttpRequest, jobs: list[ExpectedBackupJob]) -> int:
        by = request.user.get_username()
        return self.do(
            request, jobs, Deed.RESUMED, lambda keys: roster.resume(keys, now=timezone.now(), by=by)
        )
