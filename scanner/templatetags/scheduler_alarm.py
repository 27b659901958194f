"""What pages say at their top: what is wrong with the scheduler, or with somebody's access."""

from collections.abc import Iterator
from typing import Any

from django import template
from django.contrib import admin
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from scanner import access
from scanner.access import Companies
from scanner.models import ScanRun, ScheduledTask
from scanner.scheduler_board import Health, Reason, scheduler_health

register = template.Library()

_PLACES = {
    (ScheduledTask, True): _("The list of tasks"),
    (ScheduledTask, False): _("The task"),
    (ScanRun, True): _("The list of runs"),
    (ScanRun, False): _("The run"),
}


@register.inclusion_tag("scanner/admin/scheduler_alarm.html", takes_context=True)
def scheduler_alarm(context: Context) -> dict[str, Any]:
    """Show what is wrong with the scheduler to those who are logged in, and else nothing."""
    request = context.get("request")
    if request is None or not admin.site.has_permission(request):
        return {}
    companies = access.companies_of(request.user)
    health = scheduler_health(now=timezone.now())
    return {
        "reasons": list(_reasons(health, companies, request)),
        "sees_nothing": companies == access.NONE,
    }


def _reasons(
    health: Health, companies: Companies, request: HttpRequest
) -> Iterator[dict[str, Any]]:
    """Give what is wrong; that something is, to whoever does not see what belongs to the server."""
    if companies is access.EVERY:
        yield from (_reason(one, request) for one in health.reasons)
    elif health.warning:
        yield {"words": health.warning}


def _reason(reason: Reason, request: HttpRequest) -> dict[str, Any]:
    """Give what is wrong, and the way to where more of it is seen for those who may go there."""
    found: dict[str, Any] = {"words": reason.words}
    if admin.site.get_model_admin(reason.about).has_view_or_change_permission(request):
        meta = reason.about._meta
        page = f"admin:{meta.app_label}_{meta.model_name}"
        if reason.key is None:
            found["url"] = reverse(f"{page}_changelist")
        else:
            found["url"] = reverse(f"{page}_change", args=[reason.key])
        found["place"] = _PLACES[reason.about, reason.key is None]
    return found
