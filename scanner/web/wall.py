"""The wall display: the board to be read from afar, by whoever may see it or shows a pass."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from scanner import access, conf, first_steps
from scanner.models import ExpectedBackupJob, Incident
from scanner.scheduler_board import scheduler_health
from scanner.totals import totals
from scanner.web import visitors, wall_facts
from scanner.web.visitors import Visitor

View = Callable[[HttpRequest], HttpResponseBase]

THEMES = ("light", "dark")
LANGUAGE = "lang"
EVERY_SECONDS = 30
"""How often a display looks again."""
STALE_SECONDS = 180
"""After so long without news a display says that what it shows is old."""


def _in_its_language(view: View) -> View:
    """Have a view answer in the language that the address names, if we speak it.

    Who shows a pass cannot press the switch of the admin's pages.
    """

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponseBase:
        language = request.GET.get(LANGUAGE)
        if language not in conf.languages():
            return view(request)
        with translation.override(language):
            response = view(request)
        response["Content-Language"] = language
        return response

    return answer


@require_safe
@_in_its_language
def wall(request: HttpRequest) -> HttpResponseBase:
    """Show the wall display; take a pass out of the address, for a cookie."""
    if visitors.PARAMETER in request.GET:
        return _discreet(_enter(request))
    found = visitors.visitor(request)
    if found is None or not found.sees_wall:
        return _discreet(_refuse(request))
    page = render(request, "scanner/board/wall.html", _page(request, found))
    if found.wall_pass is not None:
        visitors.remember(page, found.wall_pass, secure=request.is_secure())
    return _discreet(page)


@require_safe
@_in_its_language
def state(request: HttpRequest) -> HttpResponseBase:
    """Give the parts of the display that change, as HTML by the id of their place.

    403 with words to show in their stead for whoever may not see it any more.
    """
    found = visitors.visitor(request)
    if found is None or not found.sees_wall:
        title, words = _refusal(request)
        return _discreet(JsonResponse({"title": title, "words": words}, status=403))
    facts = _facts(found)
    parts = {
        place: render_to_string(f"scanner/board/wall_{place}.html", facts, request)
        for place in ("totals", "incidents", "state")
    }
    return _discreet(JsonResponse({"parts": parts}))


def _page(request: HttpRequest, found: Visitor) -> dict[str, Any]:
    theme = request.GET.get("theme", "")
    return {
        **_facts(found),
        "visitor": found,
        "companies": None if found.companies is None else sorted(found.companies),
        "theme": theme if theme in THEMES else "",
        "themes": _ways(request, "theme", ("", *THEMES)),
        "languages": _ways(request, LANGUAGE, conf.languages()),
        "state_url": reverse("board:wall_state") + _query(request),
        "every_seconds": EVERY_SECONDS,
        "stale_seconds": STALE_SECONDS,
    }


def _facts(found: Visitor) -> dict[str, Any]:
    now = timezone.now()
    health = scheduler_health(now=now)
    counts = totals(found.companies)
    facts: dict[str, Any] = {
        "at": now,
        "totals": counts,
        "health": health,
        "may_open_jobs": ExpectedBackupJob in found.opens,
        "incidents": wall_facts.open_incidents(found.companies, now=now),
        "may_open_incidents": Incident in found.opens,
    }
    if found.companies is access.EVERY:
        facts["scheduler"] = wall_facts.scheduler_line(health)
        facts["vault"] = wall_facts.vault_line()
        if not any(one.count for one in counts):
            facts["steps"] = first_steps.steps(health)
    return facts


@sensitive_variables("token")
def _enter(request: HttpRequest) -> HttpResponseBase:
    """Have the browser hold the pass that the address shows, and go on without it there."""
    token = request.GET[visitors.PARAMETER]
    found = visitors.pass_of(token)
    if found is None:
        return _say(request, *_no_pass())
    response = HttpResponseRedirect(reverse("board:wall") + _query(request))
    visitors.remember(response, found, secure=request.is_secure())
    return response


def _refuse(request: HttpRequest) -> HttpResponseBase:
    if request.user.is_authenticated or visitors.holds_pass(request):
        return _say(request, *_refusal(request))
    return redirect_to_login(request.get_full_path())


def _say(request: HttpRequest, title: str, words: str) -> HttpResponse:
    address = reverse("board:wall") + _query(request)
    context = {"title": title, "words": words, "address": address}
    return render(request, "scanner/board/wall_refused.html", context, status=403)


def _refusal(request: HttpRequest) -> tuple[str, str]:
    """Say why somebody may not see the display, and what to do."""
    if request.user.is_authenticated:
        return gettext("You may not open the wall display"), gettext(
            "Ask an administrator for the permission “Can open the wall display”, or for a wall "
            "pass."
        )
    if visitors.holds_pass(request):
        return _no_pass()
    return gettext("You are logged out"), gettext("Log in again to see the wall display.")


def _no_pass() -> tuple[str, str]:
    return gettext("This wall pass opens nothing"), gettext(
        "It is unknown or was revoked. Ask an administrator for a new one: in the admin, below "
        "Access, Wall passes. Then open the address that is shown there on this display."
    )


def _query(request: HttpRequest) -> str:
    """Give what the address says, beside a pass, of how the display is."""
    query = request.GET.copy()
    query.pop(visitors.PARAMETER, None)
    return f"?{query.urlencode()}" if query else ""


def _ways(request: HttpRequest, name: str, values: Iterable[str]) -> list[tuple[str, str]]:
    """Give the address of the display with each value of a parameter, "" for none."""
    query = request.GET.copy()
    found = []
    for value in values:
        query[name] = value
        if not value:
            del query[name]
        found.append((value, f"?{query.urlencode()}"))
    return found


def _discreet(response: HttpResponseBase) -> HttpResponseBase:
    """Let no other site learn the address, and no search engine or cache keep the answer."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-store"
    return response
