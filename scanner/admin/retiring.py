"""Retiring expected backups: their history stays, nothing is expected of them any more."""

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner import roster
from scanner.admin.acting import Acting
from scanner.admin.deeds import Deed
from scanner.models import ExpectedBackupJob

RETIRE_URL = "scanner_expectedbackupjob_retire"
_TEMPLATE = "scanner/admin/retire.html"
_LONGEST_REASON = 500


class RetireForm(forms.Form):
    """Takes a reason, or none."""

    reason = forms.CharField(max_length=_LONGEST_REASON, required=False, widget=forms.Textarea)


def retire_instead(job: ExpectedBackupJob) -> SafeString:
    """Say why a job is not deleted, with the way to what can be done instead."""
    words = _("“{job}” has a history, which is kept: it cannot be deleted. {retire}")
    url = reverse(f"admin:{RETIRE_URL}", args=[job.pk])
    link = format_html('<a class="text-link" href="{}">{}</a>', url, _("Retire it instead"))
    return format_html(words, job=job, retire="" if job.retired_at else link)


class Retiring(Acting):
    """The part of the page of jobs that retires them."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of what retires one job."""
        retiring = self.admin_site.admin_view(self.retire_view)
        return [path("<int:pk>/retire/", retiring, name=RETIRE_URL), *super().get_urls()]

    def retire_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say what retiring a job means; then retire it."""
        job = self.job_to_change(request, pk)
        if job.retired_at is not None:
            return self.go_back(request, job, _("It was so already."), messages.INFO)
        form = RetireForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self.retire_all(request, [job], form.cleaned_data["reason"])
            words = _("“%(job)s” is retired. Its history and its copies are kept.") % {"job": job}
            return self.go_back(request, job, words, messages.SUCCESS)
        return self.ask(request, _TEMPLATE, [job], title=_("Retire"), form=form)

    @admin.action(description=gettext_lazy("Retire…"), permissions=["change"])
    def retire(
        self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]
    ) -> HttpResponse | None:
        """Say what retiring means; then retire the selected jobs."""
        jobs = self.named(queryset.filter(retired_at=None))
        if not jobs:
            self.message_user(request, _("They all were so already."), messages.INFO)
            return None
        form = RetireForm()
        if self.is_confirmed(request, jobs):
            form = RetireForm(request.POST)
            if form.is_valid():
                count = self.retire_all(request, jobs, form.cleaned_data["reason"])
                words = ngettext("%(count)d job retired.", "%(count)d jobs retired.", count)
                self.tell_count(request, words, count)
                return None
        title = ngettext("Retire %(count)d job", "Retire %(count)d jobs", len(jobs))
        return self.ask(request, _TEMPLATE, jobs, title=title % {"count": len(jobs)}, form=form)

    def retire_all(
        self, request: HttpRequest, jobs: list[ExpectedBackupJob], reason: str = ""
    ) -> int:
        """Retire jobs; give how many changed."""
        by, now = request.user.get_username(), timezone.now()
        return self.do(
            request,
            jobs,
            Deed.RETIRED,
            lambda keys: roster.retire(keys, now=now, by=by, reason=reason),
        )
