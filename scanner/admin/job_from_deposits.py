"""Databases that reports in the deposit tree mention and nobody expects: to be registered."""

from time import monotonic
from typing import Any, Final

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scanner import access, job_import
from scanner.admin.adopting import adopt_url
from scanner.admin.page import Page
from scanner.admin.posted import unexpected
from scanner.errors import DepositError
from scanner.job_import import Bounds, Mentioned
from scanner.models import ExpectedBackupJob
from scanner.pipeline.deposit import Place
from scanner.roster import Unexpected

FROM_DEPOSITS_URL = "scanner_expectedbackupjob_from_deposits"
NEWEST: Final = 5
"""Reports of each agent that are read; the newest one nearly always names all its databases."""
SECONDS: Final = 10.0
MOST_SHOWN: Final = 500
"""Django takes a form of 1,000 fields."""
MOST_SKIPPED_SHOWN: Final = 50
ADOPT, PAUSED = "adopt", "paused"


class FromDeposits(Page[ExpectedBackupJob]):
    """The part of the page of jobs that registers what reports mention."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of what reports mention."""
        view = self.admin_site.admin_view(self.from_deposits_view)
        return [path("from-deposits/", view, name=FROM_DEPOSITS_URL), *super().get_urls()]

    def has_from_deposits_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may register what any agent's reports mention."""
        sees_all = access.companies_of(request.user) is access.EVERY
        return sees_all and self.has_add_permission(request)

    def from_deposits_view(self, request: HttpRequest) -> HttpResponse:
        """Show what reports mention and nobody expects; register what is chosen of it."""
        if not self.has_from_deposits_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._register(request)
        end = monotonic() + SECONDS
        bounds = Bounds(NEWEST, lambda: monotonic() > end)
        error = ""
        try:
            found = job_import.import_deposits(now=timezone.now(), dry_run=True, bounds=bounds)
        except DepositError as met:
            found, error = Mentioned(), str(met)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Register databases from deposits"),
            "error": error,
            "found": found,
            "cuts": _cuts(found),
            "rows": [{"key": _signed(one), "of": one} for one in found.registered[:MOST_SHOWN]],
            "skipped": found.skipped[:MOST_SKIPPED_SHOWN],
            "more_skipped": max(0, len(found.skipped) - MOST_SKIPPED_SHOWN),
            "back": reverse("admin:scanner_expectedbackupjob_changelist"),
        }
        return TemplateResponse(request, "scanner/admin/job_from_deposits.html", context)

    def _register(self, request: HttpRequest) -> HttpResponse:
        how = request.POST.get("how")
        if how not in (ADOPT, PAUSED):
            return unexpected("how", (ADOPT, PAUSED))
        here = HttpResponseRedirect(reverse(f"admin:{FROM_DEPOSITS_URL}"))
        try:
            chosen = [_opened(key) for key in request.POST.getlist("database")]
        except signing.BadSignature:
            return HttpResponseBadRequest(_("database: expected one that this page offers"))
        if not chosen:
            self.message_user(request, _("Choose at least one database."), messages.WARNING)
            return here
        try:
            jobs = job_import.register_chosen(
                chosen,
                awaits_adoption=how == ADOPT,
                now=timezone.now(),
                by=request.user.get_username(),
            )
        except IntegrityError:  # another registered one of them at this very moment
            words = _("Somebody else registered some of them just now. This is what is left.")
            self.message_user(request, words, messages.WARNING)
            return here
        words = ngettext(
            "%(count)d database registered.", "%(count)d databases registered.", len(jobs)
        )
        self.message_user(request, words % {"count": len(jobs)}, messages.SUCCESS)
        jobs_list = reverse("admin:scanner_expectedbackupjob_changelist")
        return HttpResponseRedirect(adopt_url() if how == ADOPT else jobs_list)


def _cuts(found: Mentioned) -> list[str]:
    """Say what was not looked at."""
    cuts = []
    if found.older:
        words = ngettext(
            "Of each agent the %(newest)d newest reports were read; %(count)d older one was not.",
            "Of each agent the %(newest)d newest reports were read; %(count)d older ones were not.",
            found.older,
        )
        cuts.append(words % {"newest": NEWEST, "count": found.older})
    if found.unread:
        words = ngettext(
            "After %(seconds)d seconds there was no time left for %(count)d agent.",
            "After %(seconds)d seconds there was no time left for %(count)d agents.",
            found.unread,
        )
        cuts.append(words % {"seconds": SECONDS, "count": found.unread})
    more = len(found.registered) - MOST_SHOWN
    if more > 0:
        words = ngettext(
            "%(count)d further database is shown when these are registered.",
            "%(count)d further databases are shown when these are registered.",
            more,
        )
        cuts.append(words % {"count": more})
    return cuts


def _signed(one: Unexpected) -> str:
    signer = signing.Signer(salt=__name__)
    place = [one.place.company, one.place.city, one.place.neighborhood]
    return signer.sign_object([one.agent, place, one.database])


def _opened(key: str) -> Unexpected:
    agent, place, database = signing.Signer(salt=__name__).unsign_object(key)
    return Unexpected(agent, Place(*place), database)
