"""Addresses that somebody wrote by hand, or a scanner of holes: each is answered, none fails.

A number beyond all columns, a year beyond all calendars, a NUL in a text: Django takes them from
the address, and the database refuses them. Nothing is there under such a name.
"""

from contextlib import suppress
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.exceptions import BadRequest, FieldDoesNotExist, ValidationError
from django.core.paginator import InvalidPage
from django.db import DataError
from django.db.models import Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from scanner.admin.unfolded import ModelAdmin

M = TypeVar("M", bound=Model)
_REFUSED = (DataError, OverflowError, TypeError, ValueError)
_COSTLY = ("regex", "iregex")


class Answering(ModelAdmin[M]):
    """A page that has an answer to whatever an address asks for."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Give the list; Django shows it without filters where these cannot be."""
        try:
            return super().get_changelist_instance(request)
        except _REFUSED as error:
            if request.GET.keys() <= {ERROR_FLAG}:
                raise  # no filter is to blame
            raise IncorrectLookupParameters from error

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse patterns in an address: some take a database hours, and some are none."""
        if lookup.rpartition("__")[-1] in _COSTLY:
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> M | None:
        """Give a row, or None."""
        try:
            return super().get_object(request, object_id, from_field)
        except _REFUSED:
            return None

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Give what an address fills into a new row's form, as far as its fields take it."""
        found = {}
        for name, value in super().get_changeform_initial_data(request).items():
            with suppress(FieldDoesNotExist, ValidationError):
                field = self.opts.get_field(name)
                if isinstance(field, ManyToManyField):
                    found[name] = value
                elif isinstance(field, Field):
                    key = field.target_field if isinstance(field, ForeignKey) else field
                    found[name] = key.clean(value, None)
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Find rows; no text has a NUL in it."""
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[M], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Do something to the selected rows, each of which is named by what may be a key.

        What else is given is as in Django, whose newest version tells from where it was asked.
        """
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.clean(key, None)
            except ValidationError as error:
                raise BadRequest from error
        return super().response_action(request, queryset, *args, **kwargs)


def search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Search the sidebar, as unfold does; a page of the results that is none is not found."""
    site: Any = admin.site
    try:
        found: HttpResponse = site.search(request, extra_context)
    except InvalidPage as error:
        raise Http404 from error
    return found
