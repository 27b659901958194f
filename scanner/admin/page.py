"""What the pages of the admin have in common: their look, and how they count long tables."""

from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from scanner import access
from scanner.admin.scoped import Scoped
from scanner.admin.unfolded import Words

M = TypeVar("M", bound=Model)


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `most` rows, so that a list of millions opens like one of hundreds.

    What lies beyond is reached by filters.
    """

    most: ClassVar[int] = 10_000
    template_name = "scanner/admin/pagination.html"

    @cached_property
    def _counted(self) -> int:
        assert isinstance(self.object_list, QuerySet)
        return self.object_list.order_by()[: self.most + 1].count()

    @cached_property
    def count(self) -> int:
        """Give how many rows the pages show."""
        return min(self._counted, self.most)

    @property
    def has_more(self) -> bool:
        """Whether there are rows that no page shows."""
        return self._counted > self.most


class UncountedList(ChangeList):
    """A list whose rows are not counted without its filters."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of the page."""
        super().get_results(request)
        # Where the two differ, unfold speaks of results and of showing all.
        self.full_result_count = self.result_count


class Page(Scoped[M]):
    """A page that costs the same number of statements however many rows there are."""

    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    compressed_fields = False
    # Counts beside each choice of a filter would read the whole table.
    show_facets = admin.ShowFacets.NEVER
    # What an empty list says: why it is empty, and what to do.
    empty_words: Words = ""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Give the list, which knows what to say when it is empty."""
        found: ChangeList = super().get_changelist_instance(request)
        words = self.empty_words
        if access.companies_of(request.user) == access.NONE:
            words = _("You were granted no company: ask an administrator for one.")
        found.empty_words = words  # type: ignore[attr-defined]  # for the template
        return found

    def around(self, request: HttpRequest, obj: M) -> dict[str, Any]:  # noqa: ARG002
        """Give what the templates around the form of a stored row need."""
        return {}

    def render_change_form(  # noqa: PLR0917 - Django's signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        """Show the form with what stands around it."""
        if obj is not None:
            context |= self.around(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)


class ReadOnlyPage(Page[M]):
    """A page of what was recorded: nobody adds to it, changes it or deletes from it.

    Sorting by any column would read the whole table; the newest come first.
    """

    actions: Any = None
    sortable_by = ()
    show_full_result_count = False
    paginator = CappedPaginator

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """Give the list that does not count what it does not show."""
        return UncountedList

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Say no: only scans and the scheduler record."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        """Say no: what was recorded stands."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        """Say no: what was recorded is kept."""
        return False
