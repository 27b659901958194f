"""What all that people do to expected backups has in common: to which, who may, where to go."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from scanner.admin import shown
from scanner.admin.deeds import Deed
from scanner.admin.page import Page
from scanner.admin.unfolded import Words
from scanner.models import ExpectedBackupJob

NAMED = 50
"""So many of the jobs that something is about to be done to are named; of the others, how many."""
CONFIRMED = "confirmed"
TO_LIST = "from_list"
_NAME_FIELDS = ("database_name", "company_name", "city", "neighborhood")


class Acting(Page[ExpectedBackupJob]):
    """The part of the page of jobs that the doing of things stands on."""

    def job_to_change(self, request: HttpRequest, pk: int) -> ExpectedBackupJob:
        """Give a job to somebody who may change it.

        Raise PermissionDenied for others, Http404 where there is none that they may see.
        """
        job = self.get_object(request, str(pk))
        if not self.has_change_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        return job

    def named(self, queryset: QuerySet[ExpectedBackupJob]) -> list[ExpectedBackupJob]:
        """Give the jobs of a list with no more than their names, in the order of the list."""
        return list(queryset.select_related(None).only("pk", *_NAME_FIELDS))

    def is_confirmed(self, request: HttpRequest, jobs: Sequence[ExpectedBackupJob]) -> bool:
        """Tell whether somebody who saw these very jobs said yes to it.

        An action on a whole list finds its jobs again when it is confirmed: there may be others by
        then, and those are to be shown first.
        """
        if CONFIRMED not in request.POST:
            return False
        if request.POST[CONFIRMED] == _digest(jobs):
            return True
        words = gettext("The list has changed meanwhile. Look again at what it is about.")
        self.message_user(request, words, messages.WARNING)
        return False

    def ask(
        self,
        request: HttpRequest,
        template: str,
        jobs: Sequence[ExpectedBackupJob],
        *,
        title: str,
        **context: Any,
    ) -> HttpResponse:
        """Show the page that asks before something is done to jobs, with their names."""
        action = request.POST.get("action", "")
        posted = request.POST.getlist(ACTION_CHECKBOX_NAME) if action else []
        hidden = [(ACTION_CHECKBOX_NAME, key) for key in posted]
        if action:
            across = request.POST.get("select_across", "0")
            hidden += [("action", action), ("select_across", across)]
        more = len(jobs) - NAMED
        others = ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "jobs": [shown.job(job) for job in jobs[:NAMED]],
            "others": others if more > 0 else "",
            "hidden": [*hidden, (CONFIRMED, _digest(jobs))],
            "back": request.get_full_path() if action else self.way_back(request, jobs[0]),
        }
        return TemplateResponse(request, template, page | context)

    def way_back(self, request: HttpRequest, job: ExpectedBackupJob) -> str:
        """Give where somebody came from to act on one job: its row in the list, or its page."""
        if TO_LIST in request.GET:
            listed = self.response_post_save_change(request, job)
            return f"{listed['Location']}#job-{job.pk}"
        return reverse("admin:scanner_expectedbackupjob_change", args=[job.pk])

    def go_back(
        self, request: HttpRequest, job: ExpectedBackupJob, words: Words, level: int
    ) -> HttpResponse:
        """Say what was done to one job, and show again where somebody came from."""
        self.message_user(request, words, level)
        return HttpResponseRedirect(self.way_back(request, job))

    def do(
        self,
        request: HttpRequest,
        jobs: Sequence[ExpectedBackupJob],
        deed: Deed,
        act: Callable[[list[int]], int],
    ) -> int:
        """Do something to jobs by their keys; give how many changed.

        What somebody did is kept in the history that Django's admin has of each row, too.
        """
        assert request.user.pk is not None  # the admin lets nobody in who has not logged in
        with transaction.atomic():
            count = act([job.pk for job in jobs])
            if count:
                LogEntry.objects.log_actions(request.user.pk, jobs, CHANGE, deed.value)
        return count

    def tell_count(self, request: HttpRequest, words: str, count: int) -> None:
        """Say how many jobs changed, in `words` with a place for the count, or that none did."""
        if count:
            self.message_user(request, words % {"count": count}, messages.SUCCESS)
        else:
            self.message_user(request, gettext("They all were so already."), messages.INFO)


def _digest(jobs: Sequence[ExpectedBackupJob]) -> str:
    """Tell these jobs from as many others."""
    keys = ",".join(str(key) for key in sorted(job.pk for job in jobs))
    return hashlib.sha256(keys.encode()).hexdigest()
