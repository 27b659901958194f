"""Failed logins as django-axes counts them, and the page for whoever has failed too often."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from scanner import conf
from scanner.admin import shown
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed

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


def _standing(attempt: AccessAttempt) -> str:
    is_locked = attempt.failures_since_start >= conf.login_failures()
    return shown.label(_("locked"), "danger", small=True) if is_locked else shown.NOTHING


@admin.register(AccessAttempt)
class LoginFailureAdmin(ReadOnlyPage[AccessAttempt]):
    """Who failed to log in, from where; deleting a row ends its lock."""

    empty_words = _(
        "Nobody has failed to log in. Whoever does too often is locked out for a while."
    )
    actions = ("delete_selected",)
    list_display = ("at", "username", "ip_address", "failures_since_start", "standing")
    fields = ("at", "username", "ip_address", "failures_since_start", "standing", "user_agent")
    search_fields = ("username", "ip_address")
    search_help_text = _("Search by name or address")
    ordering = ("-attempt_time",)

    at = column(AccessAttempt, "attempt_time", shown.moment)
    standing = computed(_("standing"), _standing)

    def has_delete_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        """Let a lock be ended by whoever may."""
        return super(ReadOnlyPage, self).has_delete_permission(request, obj)
