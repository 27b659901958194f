"""Failed logins as django-axes counts them, and the page for whoever has failed too often."""

from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from scanner import conf
from scanner.admin import shown
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.login_guard import locks_address

TOO_MANY_REQUESTS = 429


def locked_out(
    request: HttpRequest,
    _response: HttpResponse | None = None,
    _credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """Say that a login is locked, for how long, and who can end that."""
    minutes = conf.login_lock_minutes()
    context = admin.site.each_context(request) | {"lock_minutes": minutes}
    response = render(request, "scanner/admin/locked_out.html", context, status=TOO_MANY_REQUESTS)
    response["Retry-After"] = str(minutes * 60)
    return response


def _recent() -> datetime:
    return timezone.now() - timedelta(minutes=conf.login_lock_minutes())


def _standing(attempt: AccessAttempt) -> str:
    if attempt.attempt_time < _recent():
        return shown.NOTHING
    if locks_address(attempt.ip_address, attempt.of_address or 0):
        return shown.label(_("address locked"), "danger", small=True)
    if attempt.failures_since_start >= conf.login_failures():
        return shown.label(_("locked"), "danger", small=True)
    return shown.NOTHING


@admin.register(AccessAttempt)
class LoginFailureAdmin(ReadOnlyPage[AccessAttempt]):
    """Who failed to log in, from where; deleting a row ends the lock of its name there.

    A locked address is free when enough of its rows are deleted.
    """

    empty_words = _(
        "Nobody has failed to log in. Whoever does too often is locked out for a while."
    )
    actions = ("delete_selected",)
    list_display = ("at", "username", "ip_address", "failures_since_start", "standing")
    fields = ("at", "username", "ip_address", "failures_since_start", "standing")
    search_fields = ("username", "ip_address")
    search_help_text = _("Search by name or address")
    ordering = ("-attempt_time",)

    at = column(AccessAttempt, "attempt_time", shown.moment)
    standing = computed(_("standing"), _standing)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessAttempt]:
        """Give the failures, each with how many there were lately from its address."""
        lately = (
            AccessAttempt.objects.filter(
                ip_address=OuterRef("ip_address"), attempt_time__gte=_recent()
            )
            .order_by()
            .values("ip_address")
            .annotate(failures=Sum("failures_since_start"))
        )
        rows: QuerySet[AccessAttempt] = super().get_queryset(request)
        counted: QuerySet[AccessAttempt] = rows.annotate(
            of_address=Subquery(lately.values("failures"))
        )
        return counted

    def has_delete_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        """Let a lock be ended by whoever may."""
        return super(ReadOnlyPage, self).has_delete_permission(request, obj)
