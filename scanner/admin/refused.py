"""The pages that say, in words, why a page is not shown; named in the URLs and the settings."""

import sys

from django.contrib import admin
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

# The policy outside the admin lets none of its scripts run, without which it shows nothing.
IN_ADMIN, ELSEWHERE = "scanner/admin/refused.html", "scanner/board/refused.html"
FORBIDDEN, NOT_FOUND, FAILED, UNAVAILABLE = 403, 404, 500, 503


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


def failed(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  # Django passes it
    """Answer somebody whose page could not be made; to be called while the error is handled.

    The page itself is made without the database, without the session, and without scripts.
    """
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        status, title = UNAVAILABLE, _("The database does not answer")
        words = _(
            "Load the page again in a minute. Reports wait in the deposit tree until a scan can "
            "record them: none is lost. If it lasts, look at the database server; its error is in "
            "the log of this server."
        )
    else:
        status, title = FAILED, _("This page could not be made")
        words = _(
            "That is a fault of the server, and not yours; what went wrong is in its log. If you "
            "sent a form, look whether it was done before you send it again."
        )
    page = render_to_string(ELSEWHERE, {"title": title, "words": words})
    return HttpResponse(page, status=status)


def _page(request: HttpRequest, title: str, words: str, status: int) -> HttpResponse:
    context = {"title": title, "words": words}
    if not request.path.startswith(reverse("admin:index")):
        return render(request, ELSEWHERE, context, status=status)
    return render(request, IN_ADMIN, admin.site.each_context(request) | context, status=status)
