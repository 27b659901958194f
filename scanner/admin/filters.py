"""Filters that stay quick on long tables."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import smart_split
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner import access
from scanner.admin.shown import name_of
from scanner.admin.unfolded import ChoiceFilter, ModelAdmin, Words
from scanner.models import BackupEntry, ExpectedBackupJob
from scanner.models.choices import Reason, Status

PLACES_URL = "scanner_expectedbackupjob_places"
PLACE_FIELDS = ("company_name", "city", "neighborhood")
SEARCHED = ("database_name", *PLACE_FIELDS, "agent_id")
_PLACES_A_PAGE = 20


class _FormFilter(ChoiceFilter):
    """A filter that is a form of one field, as unfold shows filters."""

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> tuple[()]:
        return ()

    def has_output(self) -> bool:
        return True

    def field(self) -> forms.Field:
        """Give the field; `value()` is what is chosen."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Give the label in Django's words, as unfold's own filters have it."""
        return gettext(" By %(filter_title)s ") % {"filter_title": self.title}

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # noqa: ARG002
        name = str(self.parameter_name)
        form = forms.Form({name: self.value()})
        form.fields[name] = self.field()
        yield {"form": form}


class PlaceFilter(_FormFilter):
    """One part of the place; its values are asked for while somebody looks for one.

    There may be thousands, so that the page holds none but the one that is chosen. Those on offer
    are what the other parts, as chosen, leave.
    """

    part: ClassVar[str]

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: ModelAdmin[Any],
    ) -> None:
        self.title = name_of(ExpectedBackupJob, self.part)
        others = {part: request.GET.get(part, "") for part in PLACE_FIELDS if part != self.part}
        self.query = urlencode({"part": self.part} | {k: v for k, v in others.items() if v})
        super().__init__(request, params, model, model_admin)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the jobs of the place, or what belongs to them."""
        value = self.value()
        if not value:
            return queryset
        if "\0" in value:
            raise IncorrectLookupParameters
        chosen = {self.part: value}
        if queryset.model is ExpectedBackupJob:
            return queryset.filter(**chosen)
        # Not a join: the jobs are few, and the index on the job leads to their rows.
        return queryset.filter(job__in=ExpectedBackupJob.objects.filter(**chosen).values("pk"))

    def field(self) -> forms.Field:
        """Give a select that asks `places`."""
        value = self.value() or ""
        attributes = {
            "class": "unfold-filter-autocomplete admin-autocomplete",
            "data-theme": "admin-autocomplete",
            "data-ajax--url": f"{reverse(f'admin:{PLACES_URL}')}?{self.query}",
            "data-ajax--delay": "250",
            "data-allow-clear": "true",
            "data-placeholder": "",
        }
        return forms.ChoiceField(
            label=self.label,
            required=False,
            choices=[("", ""), (value, value)] if value else [("", "")],
            widget=forms.Select(attributes),
        )


class CompanyFilter(PlaceFilter):
    """Of jobs, and of what belongs to them."""

    parameter_name = part = "company_name"


class CityFilter(PlaceFilter):
    """Of jobs, and of what belongs to them."""

    parameter_name = part = "city"


class NeighborhoodFilter(PlaceFilter):
    """Of jobs, and of what belongs to them."""

    parameter_name = part = "neighborhood"


def places(request: HttpRequest) -> JsonResponse:
    """Answer a place filter, as select2 asks: values that contain `term`, a page of them."""
    part = request.GET.get("part", "")
    term = request.GET.get("term", "").replace("\0", "")
    number = request.GET.get("page", "1")
    if part not in PLACE_FIELDS or not number.isdecimal():
        return JsonResponse({"results": [], "pagination": {"more": False}}, status=400)
    others = {
        other: request.GET[other].replace("\0", "")
        for other in PLACE_FIELDS
        if other != part and request.GET.get(other)
    }
    jobs = access.visible(ExpectedBackupJob.objects.all(), access.companies_of(request.user))
    jobs = jobs.filter(**others, **{f"{part}__icontains": term})
    start = (max(int(number[:6]), 1) - 1) * _PLACES_A_PAGE
    values = list(
        jobs.order_by(part)
        .values_list(part, flat=True)
        .distinct()[start : start + _PLACES_A_PAGE + 1]
    )
    return JsonResponse(
        {
            "results": [{"id": value, "text": value} for value in values[:_PLACES_A_PAGE]],
            "pagination": {"more": len(values) > _PLACES_A_PAGE},
        }
    )


def words_of(search_term: str) -> list[str]:
    """Give the words of a search; those in quotation marks are one."""
    return [word.strip("\"'") for word in smart_split(search_term)]


def jobs_named(words: list[str]) -> QuerySet[ExpectedBackupJob]:
    """Give the jobs that each of these words is a part of, by database, place or agent."""
    jobs = ExpectedBackupJob.objects.order_by()
    for word in words:
        jobs = jobs.filter(
            Q.create([(f"{field}__icontains", word) for field in SEARCHED], connector=Q.OR)
        )
    return jobs


class DayFilter(_FormFilter):
    """The rows of one day in the zone of the site, found by the index on `moment`."""

    parameter_name = "day"
    title = _("day")
    moment: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the rows of the day; refuse what is no date."""
        value = self.value()
        if not value:
            return queryset
        try:
            day = date.fromisoformat(value)
            start = timezone.make_aware(datetime.combine(day, time.min))
            end = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters from error
        return queryset.filter(**{f"{self.moment}__gte": start, f"{self.moment}__lt": end})

    def field(self) -> forms.Field:
        """Give a date field with the browser's own calendar."""
        widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "bm-day"})
        return forms.CharField(label=self.label, required=False, widget=widget)


class RecordedDayFilter(DayFilter):
    """Of entries."""

    moment = "recorded_at"


class StartedDayFilter(DayFilter):
    """Of runs."""

    moment = "started_at"


class RunDayFilter(DayFilter):
    """Of the scheduler's executions."""

    moment = "run_time"


class EqualFilter(ChoiceFilter):
    """A field has exactly the value that is chosen."""

    field: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the rows with the value; refuse what no database can hold."""
        value = self.value()
        if not value:
            return queryset
        if "\0" in value:
            raise IncorrectLookupParameters
        return queryset.filter(**{self.field: value})


class ReasonFilter(EqualFilter):
    """Only a backup that is not good has a reason, and of those the index on the status knows."""

    parameter_name = field = "reason"
    title: Words = name_of(BackupEntry, "reason")

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the reasons."""
        return list(Reason.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the entries with the reason, named by their status too."""
        found = super().queryset(request, queryset)
        good = (Status.SUCCESS, Status.UNCHANGED)
        reasoned = [status.value for status in Status if status not in good]
        return found.filter(status__in=reasoned) if self.value() else found
