"""The jobs that a total counts; the retired are left out unless they are asked for."""

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from scanner.admin.unfolded import ChoiceFilter, ModelAdmin, Words
from scanner.totals import EXPECTED, CountedAs, counted_as

PARAMETER = "counted_as"


class CountedAsFilter(ChoiceFilter):
    """What jobs are counted as on the board; without a choice: all that are not retired."""

    parameter_name = PARAMETER
    title = _("total")
    all_option = ("", _("All but the retired"))

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give what jobs can be counted as."""
        return list(CountedAs.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the jobs that are counted as the choice; refuse one that there is not."""
        value = self.value()
        if not value:
            return queryset.filter(EXPECTED)
        if value not in CountedAs.values:
            raise IncorrectLookupParameters
        return queryset.filter(counted_as(CountedAs(value)))
