"""Parts of the board: its totals, and what a new install has to be told next."""

from typing import Any

from django import template
from django.contrib import admin
from django.http import HttpRequest
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from scanner import access, first_steps
from scanner.first_steps import Step, Way
from scanner.models import ExpectedBackupJob
from scanner.scheduler_board import scheduler_health
from scanner.totals import totals

register = template.Library()


@register.inclusion_tag("scanner/board/totals.html", takes_context=True)
def board_totals(context: Context) -> dict[str, Any]:
    """Show the totals of what the user of the request sees, linked where the list may be opened.

    The scheduler is left to the alarm at the top of each page.
    """
    request = context["request"]
    may_open = admin.site.get_model_admin(ExpectedBackupJob).has_view_or_change_permission(request)
    return {
        "totals": totals(access.companies_of(request.user)),
        "may_open_jobs": may_open,
    }


@register.inclusion_tag("scanner/board/first_steps.html", takes_context=True)
def board_first_steps(context: Context) -> dict[str, Any]:
    """Show what is to be done next to those who see every company, until nothing is left.

    All three steps while there are no jobs; the next one in short while there are.
    """
    request = context["request"]
    if access.companies_of(request.user) is not access.EVERY:
        return {}
    found = first_steps.steps(scheduler_health(now=timezone.now()))
    ahead = first_steps.next_of(found)
    if ahead is None:
        return {}
    is_short = ExpectedBackupJob.objects.exists()
    shown = [ahead] if is_short else found
    return {
        "steps": [_step(one, request) for one in shown],
        "is_short": is_short,
        "done": sum(step.is_done for step in found),
        "all": len(found),
    }


def _step(step: Step, request: HttpRequest) -> dict[str, Any]:
    links = [(url, way.words) for way in step.ways if (url := _address(way, request))]
    return {
        "title": step.title,
        "is_done": step.is_done,
        "left": step.left,
        "commands": step.commands,
        "links": links,
    }


def _address(way: Way, request: HttpRequest) -> str:
    """Give the address of a page that is there and that the user may open; else nothing."""
    page = admin.site.get_model_admin(way.about)
    allowed = {
        "add": page.has_add_permission,
        "change": page.has_change_permission,
        "view": page.has_view_or_change_permission,
    }[way.what]
    if not allowed(request):
        return ""
    try:
        url = reverse(f"admin:{way.page}")
    except NoReverseMatch:
        return ""
    return f"{url}?{way.query}" if way.query else url
