"""What every page of the admin says at its top when the scheduler does not do its work."""

from typing import Any

from django import template
from django.contrib import admin
from django.template import Context
from django.utils import timezone

from scanner.models import ScheduledTask
from scanner.scheduler_board import scheduler_health

register = template.Library()


@register.inclusion_tag("scanner/admin/scheduler_alarm.html", takes_context=True)
def scheduler_alarm(context: Context) -> dict[str, Any]:
    """Show what is wrong with the scheduler to those who are logged in, and else nothing."""
    request = context.get("request")
    if request is None or not admin.site.has_permission(request):
        return {}
    page = admin.site.get_model_admin(ScheduledTask)
    return {
        "reasons": scheduler_health(now=timezone.now()).reasons,
        "may_see_tasks": page.has_view_or_change_permission(request),
    }
