"""Saying that somebody knows of incidents: of one by its page, of many by an action."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import incident_facts
from scanner.admin.deeds import Deed
from scanner.admin.page import ReadOnlyPage
from scanner.admin.posted import posted, unexpected
from scanner.admin.unfolded import Words
from scanner.alerts import acknowledging
from scanner.models import Incident

ACKNOWLEDGE_URL = "scanner_incident_acknowledge"
WITHDRAW_URL = "scanner_incident_withdraw"
PERMISSION = "change_incident"
FROM_BOARD = "from_board"
"""Among what a form posts, leads back to the board."""
LONGEST_NOTE = 2000
MOST_AT_ONCE = 200
# What can be chosen, in hours; nothing: until it is over.
SPANS: tuple[tuple[str, Words], ...] = (
    ("4", _("4 hours")),
    ("24", _("a day")),
    ("72", _("3 days")),
    ("168", _("a week")),
    ("", _("until it is over")),
)


@dataclass(frozen=True, slots=True)
class _Said:
    """Somebody says to know, until a time or (None) until it is over."""

    by: str
    note: str
    at: datetime
    until: datetime | None

    def of(self, *keys: int) -> int:
        """Acknowledge incidents; give how many of them were still open."""
        return acknowledging.acknowledge_all(
            keys, by=self.by, note=self.note, until=self.until, now=self.at
        )


class Acknowledging(ReadOnlyPage[Incident]):
    """The part of the page of incidents that acknowledges them."""

    actions = ("acknowledge_selected",)

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of its buttons."""
        known = self.admin_site.admin_view(self.acknowledge_view)
        withdrawn = self.admin_site.admin_view(self.withdraw_view)
        return [
            path("<int:pk>/acknowledge/", known, name=ACKNOWLEDGE_URL),
            path("<int:pk>/withdraw/", withdrawn, name=WITHDRAW_URL),
            *super().get_urls(),
        ]

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may say to know of an incident."""
        return request.user.has_perm(f"{self.opts.app_label}.{PERMISSION}")

    @admin.action(description=_("Acknowledge"), permissions=["acknowledge"])
    def acknowledge_selected(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> HttpResponse | None:
        """Ask for a note and for how long; then acknowledge those selected that are open."""
        incidents = list(queryset.order_by("-pk")[: MOST_AT_ONCE + 1])
        if len(incidents) > MOST_AT_ONCE:
            told = gettext("More than %(count)d at once: narrow the list with its filters.")
            self.message_user(request, told % {"count": MOST_AT_ONCE}, messages.WARNING)
            return None
        if "hours" not in request.POST:
            return self._ask(request, incidents)
        said = _said(request, timezone.now())
        if said is None:
            return _no_span()
        count = said.of(*(incident.pk for incident in incidents))
        told = ngettext(
            "%(count)d incident acknowledged.", "%(count)d incidents acknowledged.", count
        )
        self.message_user(request, told % {"count": count}, messages.SUCCESS)
        return None

    def acknowledge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say that somebody knows, with a note and for as long as is chosen."""
        incident = posted(self, request, pk, permission=PERMISSION)
        if incident is None:
            return HttpResponseNotAllowed(["POST"])
        said = _said(request, timezone.now())
        if said is None:
            return _no_span()
        if said.of(pk):
            self.log_change(request, incident, Deed.ACKNOWLEDGED.value)
        else:
            self.message_user(request, gettext("It is over already."), messages.INFO)
        if FROM_BOARD in request.POST:
            return HttpResponseRedirect(reverse("admin:index"))
        return _page_of(pk)

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Withdraw an acknowledgement."""
        incident = posted(self, request, pk, permission=PERMISSION)
        if incident is None:
            return HttpResponseNotAllowed(["POST"])
        if acknowledging.unacknowledge(pk, by=request.user.get_username(), now=timezone.now()):
            self.log_change(request, incident, Deed.ACKNOWLEDGEMENT_WITHDRAWN.value)
        else:
            self.message_user(request, gettext("Nobody had acknowledged it."), messages.INFO)
        return _page_of(pk)

    def _ask(self, request: HttpRequest, incidents: list[Incident]) -> HttpResponse:
        count = len(incidents)
        title = ngettext("Acknowledge %(count)d incident", "Acknowledge %(count)d incidents", count)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title % {"count": count},
            "checkbox": ACTION_CHECKBOX_NAME,
            "incidents": [(one.pk, incident_facts.words(one)) for one in incidents],
            "spans": SPANS,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "scanner/admin/acknowledge_many.html", context)


def _said(request: HttpRequest, now: datetime) -> _Said | None:
    """Give what a form says; None when its length of time is none of the choices."""
    hours = request.POST.get("hours")
    if hours not in dict(SPANS):
        return None
    return _Said(
        by=request.user.get_username(),
        note=request.POST.get("note", "").replace("\0", "").strip()[:LONGEST_NOTE],
        at=now,
        until=now + timedelta(hours=int(hours)) if hours else None,
    )


def _no_span() -> HttpResponse:
    return unexpected("hours", (hours or "''" for hours, _words in SPANS))


def _page_of(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:scanner_incident_change", args=[pk]))
