"""The pages that say, in words, why a page is not shown; named in the URLs and the settings."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

# The policy outside the admin lets none of its scripts run, without which it shows nothing.
IN_ADMIN, ELSEWHERE = "scanner/admin/refused.html", "scanner/board/refused.html"
FORBIDDEN, NOT_FOUND = 403, 404


def forbidden(
    request: HttpRequest,
    exception: object = None,  # noqa: ARG001  # Django passes it by this name
) -> HttpResponse:
    """Answer somebody who may not do this."""
    words = _(
        "This was not granted to you. Ask an administrator for a group that may do it, or for the "
        "company whose backups it is about."
    )
    return _page(request, _("You may not do this"), words, FORBIDDEN)


def not_found(
    request: HttpRequest,
    exception: object = None,  # noqa: ARG001  # Django passes it by this name
) -> HttpResponse:
    """Answer somebody who asks for what is not there, or not there for them."""
    words = _(
        "The address is wrong, it was deleted, or it belongs to a company not granted to you."
    )
    return _page(request, _("There is no such page"), words, NOT_FOUND)


def unproven(
    request: HttpRequest,
    reason: object = None,  # noqa: ARG001  # Django passes it by this name
) -> HttpResponse:
    """Answer a form that does not prove that it comes from a page of this server."""
    words = _(
        "The form is too old, or its cookie is missing: as after a login in another tab. Nothing "
        "was changed. Go back, load the page again, and repeat what you did."
    )
    return _page(request, _("Nothing was changed"), words, FORBIDDEN)


def _page(request: HttpRequest, title: str, words: str, status: int) -> HttpResponse:
    context = {"title": title, "words": words}
    if not request.path.startswith(reverse("admin:index")):
        return render(request, ELSEWHERE, context, status=status)
    return render(request, IN_ADMIN, admin.site.each_context(request) | context, status=status)
