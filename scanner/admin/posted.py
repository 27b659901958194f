"""What the buttons of pages post to: one row, by somebody who may."""

from collections.abc import Iterable
from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBadRequest
from django.utils.translation import gettext

from scanner.admin.unfolded import ModelAdmin

M = TypeVar("M", bound=Model)


def posted(page: ModelAdmin[M], request: HttpRequest, pk: int, *, permission: str) -> M | None:
    """Give the row of a page that a POST is about, or None when the request is no POST.

    Raise PermissionDenied for whoever lacks the permission of this app, like "change_channel", and
    Http404 where there is no such row.
    """
    if request.method != "POST":
        return None
    if not request.user.has_perm(f"{page.opts.app_label}.{permission}"):
        raise PermissionDenied
    row = page.get_object(request, str(pk))
    if row is None:
        raise Http404
    return row


def unexpected(field: str, choices: Iterable[str]) -> HttpResponseBadRequest:
    """Refuse a choice that no page of ours offers; say which ones there are."""
    words = gettext("%(field)s: expected one of %(choices)s")
    return HttpResponseBadRequest(words % {"field": field, "choices": ", ".join(choices)})
