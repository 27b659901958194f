"""Asking for a scan, and watching it: the scheduler makes it, never a web request."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from scanner import access, scan_requests
from scanner.admin import navigation, scan_progress, shown
from scanner.admin.deeds import Deed
from scanner.admin.page import ReadOnlyPage
from scanner.admin.unfolded import ModelAdmin
from scanner.errors import UnknownAgent
from scanner.models import ScanRun, TaskRequest
from scanner.scan_requests import Progress

NOW_URL = "scanner_scanrun_now"
PROGRESS_URL = "scanner_scanrun_progress"
DATA_URL = "scanner_scanrun_progress_data"
PERMISSION = "scanner.request_scan"
ALL, SOME = "all", "some"


def may_request(request: HttpRequest) -> bool:
    """Tell whether somebody may ask for scans."""
    return request.user.has_perm(PERMISSION)


def ask(
    page: ModelAdmin[Any], request: HttpRequest, wanted: list[str] | None
) -> HttpResponse | None:
    """Ask for a scan of these agents, with None of all; give the way to its progress.

    None where that cannot be, which somebody is told then.
    """
    by, now = request.user.get_username(), timezone.now()
    companies = access.companies_of(request.user)
    try:
        asked = scan_requests.ask(wanted, companies, by=by, now=now)
    except UnknownAgent as unknown:
        words = _("There is no agent %(names)s whose backups you look after.")
        page.message_user(request, words % {"names": unknown}, messages.ERROR)
        return None
    if asked is None:
        words = _("There is no agent whose backups you look after: nothing is to be scanned.")
        page.message_user(request, words, messages.ERROR)
        return None
    page.log_change(request, asked, Deed.ASKED_FOR_A_SCAN.value)
    return HttpResponseRedirect(reverse(f"admin:{PROGRESS_URL}", args=[asked.pk]))


class Scanning(ReadOnlyPage[ScanRun]):
    """The part of the page of runs that asks for one, and shows how it goes on."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of asking and watching."""
        wrap = self.admin_site.admin_view
        return [
            path("now/", wrap(self.now_view), name=NOW_URL),
            path("requests/<int:pk>/", wrap(self.progress_view), name=PROGRESS_URL),
            path("requests/<int:pk>/data/", wrap(self.data_view), name=DATA_URL),
            *super().get_urls(),
        ]

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Let somebody choose what is to be scanned, and ask for it."""
        if not may_request(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        given = request.POST if request.method == "POST" else request.GET
        wanted = given.getlist("agent")
        which = given.get("which", SOME if wanted else ALL)
        if request.method == "POST":
            asked = self._asked(request, which, wanted)
            if asked is not None:
                return asked
        companies = access.companies_of(request.user)
        context = {
            **self._context(request, _("Scan now")),
            "agents": scan_requests.agents(companies),
            "sees_all": companies is access.EVERY,
            "wanted": set(wanted),
            "which": which,
        }
        return TemplateResponse(request, "scanner/admin/scan_now.html", context)

    def _asked(self, request: HttpRequest, which: str, wanted: list[str]) -> HttpResponse | None:
        if which == SOME and not wanted:
            self.message_user(request, _("Choose an agent, or all of them."), messages.ERROR)
            return None
        return ask(self, request, wanted if which == SOME else None)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what has become of a request; the page asks on by itself until it is over."""
        progress = self._look(request, pk)
        asked = progress.request
        context = {
            **self._context(request, _("Scan now")),
            "asked": asked,
            "at": shown.moment(asked.requested_at),
            "progress": self._data(request, progress),
            "may_request": may_request(request),
            "data_url": reverse(f"admin:{DATA_URL}", args=[pk]),
        }
        return TemplateResponse(request, "scanner/admin/scan_progress.html", context)

    def data_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give what the page of progress shows, as JSON."""
        return JsonResponse(self._data(request, self._look(request, pk)))

    def _look(self, request: HttpRequest, pk: int) -> Progress:
        if not may_request(request) and not navigation.may_see(request, ScanRun):
            raise PermissionDenied
        companies = access.companies_of(request.user)
        asked: TaskRequest | None = scan_requests.find(pk, companies)
        if asked is None:
            raise Http404
        return scan_requests.look(asked, companies, now=timezone.now())

    def _data(self, request: HttpRequest, progress: Progress) -> dict[str, Any]:
        def may_see(model: Any) -> bool:
            return navigation.may_see(request, model)

        return scan_progress.as_data(progress, may_see, now=timezone.now())

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
        }
