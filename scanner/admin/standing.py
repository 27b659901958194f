"""Open, unless others are asked for: so lists of what is wrong begin, as the rest is history."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.page import CappedPaginator
from scanner.admin.unfolded import ChoiceFilter, ModelAdmin, Words

STANDING = "standing"
OPEN, ENDED, ALL = "", "ended", "all"
Standings = Sequence[tuple[str, Words]]
STANDINGS: Standings = ((OPEN, _("open")), (ENDED, _("ended")), (ALL, _("open and ended")))


class StandingFilter(ChoiceFilter):
    """Of rows that are open while their `ended_at` is empty."""

    parameter_name = STANDING
    title = _("standing")
    all_option = None  # it is among the choices
    standings: ClassVar[Standings] = STANDINGS

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the standings."""
        return list(self.standings)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the rows of the standing; refuse one that there is not."""
        match self.value():
            case None | "":
                return queryset.filter(ended_at=None)
            case "ended":
                return queryset.exclude(ended_at=None)
            case "all":
                return queryset
        raise IncorrectLookupParameters


def links(
    request: HttpRequest, title: Words, counts: Mapping[str, str], standings: Standings = STANDINGS
) -> dict[str, Any]:
    """Give what the template `standings` needs; `counts` are shown beside their standings."""
    chosen = request.GET.get(STANDING, OPEN)
    return {
        "standings_title": title,
        "standings": [
            {
                "query": f"?{STANDING}={value}" if value else "?",
                "words": words,
                "count": counts.get(value, ""),
                "is_chosen": value == chosen,
            }
            for value, words in standings
        ],
    }


def counted(queryset: QuerySet[Any]) -> str:
    """Give how many rows there are; beyond what a list shows, that there are more."""
    most = CappedPaginator.most
    count = queryset.order_by()[: most + 1].count()
    if count > most:
        return gettext("more than %(count)s") % {"count": shown.digits(most)}
    return shown.digits(count)


def ending(row: Any) -> SafeString:
    """Give when and how it ended, or that it has not."""
    if row.ended_at is None:
        return shown.label(_("open"), "danger", small=True)
    return format_html("{} {}", shown.moment(row.ended_at), row.get_end_display())
