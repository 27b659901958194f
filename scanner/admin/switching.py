"""Switching expected backups on and off, one by its row in the list or many by an action."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from scanner import roster
from scanner.admin import switch
from scanner.admin.page import Page
from scanner.models import ExpectedBackupJob

SWITCH_URL = "scanner_expectedbackupjob_switch"
_SWITCHED = [{"changed": {"fields": ["Active"]}}]


class Switching(Page[ExpectedBackupJob]):
    """The part of the page of jobs that switches them."""

    actions = ("activate", "pause")

    def switch_column(self, request: HttpRequest) -> Callable[[ExpectedBackupJob], Any]:
        """Give the column that knows who looks, and which list to come back to."""
        may_change = self.has_change_permission(request)
        filters = self.get_preserved_filters(request)

        @admin.display(description=_("active"), boolean=not may_change, ordering="is_active")
        def active(job: ExpectedBackupJob) -> Any:
            if not may_change:
                return job.is_active
            url = reverse(f"admin:{SWITCH_URL}", args=[job.pk])
            words = _("%s is active") % job
            return switch.button(f"job-{job.pk}", url, words, is_on=job.is_active, filters=filters)

        return active

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of the switch."""
        view = self.admin_site.admin_view(self.switch_view)
        return [path("<int:pk>/switch/", view, name=SWITCH_URL), *super().get_urls()]

    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch one job on or off, as its row in the list asks, and show the list again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        wanted = switch.wanted(request)
        if wanted is None:
            return HttpResponseBadRequest(f"{switch.FIELD}: expected 0 or 1")
        job = self.get_object(request, str(pk))
        if not self.has_change_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        self._switch(request, [job], active=wanted)
        back = self.response_post_save_change(request, job)
        return HttpResponseRedirect(f"{back.url}#job-{pk}")

    @admin.action(description=_("Activate"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]) -> None:
        """Switch the selected jobs on; each awaits its next deadline from now."""
        count = self._switch(request, queryset, active=True)
        words = ngettext("%d job activated.", "%d jobs activated.", count) % count
        self._tell(request, words, count)

    @admin.action(description=_("Pause"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]) -> None:
        """Switch the selected jobs off; they get no verdicts while off."""
        count = self._switch(request, queryset, active=False)
        words = ngettext("%d job paused.", "%d jobs paused.", count) % count
        self._tell(request, words, count)

    def _tell(self, request: HttpRequest, words: str, count: int) -> None:
        if count:
            self.message_user(request, words, messages.SUCCESS)
        else:
            self.message_user(request, _("They all were so already."), messages.INFO)

    def _switch(
        self,
        request: HttpRequest,
        jobs: Iterable[ExpectedBackupJob],
        *,
        active: bool,
    ) -> int:
        changing = [job for job in jobs if job.is_active is not active]
        keys = [job.pk for job in changing]
        user = request.user
        assert user.pk is not None  # the admin lets nobody in who has not logged in
        with transaction.atomic():
            change = roster.resume if active else roster.pause
            count = change(keys, now=timezone.now(), by=user.get_username())
            if changing:
                LogEntry.objects.log_actions(user.pk, changing, CHANGE, _SWITCHED)
        return count
