"""The first steps of a new install on the board, with the pages that somebody may open for them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from scanner import first_steps
from scanner.first_steps import Step, Way
from scanner.scheduler_board import Health


def ahead(request: HttpRequest, health: Health, *, has_jobs: bool) -> dict[str, Any]:
    """Give what the template `first_steps` needs; nothing once all three are done.

    All three steps while there are no jobs; the next one in short while there are. They tell of the
    server: only those who see every company are to be shown them.
    """
    steps = first_steps.steps(health)
    following = first_steps.next_of(steps)
    if following is None:
        return {}
    return {
        "steps": [_step(request, one) for one in ([following] if has_jobs else steps)],
        "is_short": has_jobs,
        "done": sum(step.is_done for step in steps),
        "all": len(steps),
    }


def _step(request: HttpRequest, step: Step) -> dict[str, Any]:
    return {
        "title": step.title,
        "is_done": step.is_done,
        "left": step.left,
        "commands": step.commands,
        "links": [(url, way.words) for way in step.ways if (url := _address(request, way))],
    }


def _address(request: HttpRequest, way: Way) -> str:
    """Give the address of a page that is there and that whoever looks may open; else nothing."""
    page = admin.site.get_model_admin(way.about)
    is_allowed = (
        page.has_add_permission(request)
        if way.what == "add"
        else page.has_view_or_change_permission(request)
    )
    if not is_allowed:
        return ""
    try:
        return reverse(f"admin:{way.page}")
    except NoReverseMatch:
        return ""
