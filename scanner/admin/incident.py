from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from scanner import access
from scanner.admin import incident_facts, incident_history, navigation, shown
from scanner.admin.acknowledging import SPANS, Acknowledging
from scanner.admin.filters import CityFilter, CompanyFilter, PlaceFilter
from scanner.admin.page import UncountedList
from scanner.admin.shown import column, computed
from scanner.admin.standing import OPEN, STANDINGS, StandingFilter, counted, ending, links
from scanner.admin.unfolded import ChoicesFilter
from scanner.alerts.incidents import count_members
from scanner.models import Delivery, ExpectedBackupJob, Incident, IncidentMember
from scanner.models.alert import known_at

ACKNOWLEDGED = "acknowledged"
OF_JOBS = (Incident.Kind.JOB.value, Incident.Kind.PLACE.value)
_STANDINGS = (
    *(one for one in STANDINGS if one[0] == OPEN),
    (ACKNOWLEDGED, _("acknowledged")),
    *(one for one in STANDINGS if one[0] != OPEN),
)


class IncidentStandingFilter(StandingFilter):
    """Tells the open ones that somebody knows of apart, too."""

    standings = _STANDINGS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the incidents of the standing."""
        if self.value() != ACKNOWLEDGED:
            return super().queryset(request, queryset)
        return queryset.filter(known_at(timezone.now()), ended_at=None)


class _MemberFilter(PlaceFilter):
    """Of incidents one of whose jobs, of now or of before, is at the place."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        jobs = super().queryset(request, ExpectedBackupJob.objects.order_by())
        if not self.value():
            return queryset
        members = IncidentMember.objects.filter(job__in=jobs.values("pk")).order_by()
        return queryset.filter(pk__in=members.values("incident"))


class IncidentCompanyFilter(_MemberFilter, CompanyFilter):
    """Of the jobs of incidents."""


class IncidentCityFilter(_MemberFilter, CityFilter):
    """Of the jobs of incidents."""


class IncidentList(UncountedList):
    """A list of incidents, each with the number of jobs that are in it now."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of the page, and count their jobs alone."""
        super().get_results(request)
        rows = list(self.result_list)
        counts = count_members(rows, access.companies_of(request.user))
        for incident in rows:
            incident.now_members = counts.get(incident.pk, 0)
        self.result_list = rows


@admin.register(Incident)
class IncidentAdmin(Acknowledging):
    """What is wrong, who was told of it, and who says to know."""

    empty_words = _(
        "No incident is open: nothing that people are told of is wrong. Those that are over are "
        "under “ended”."
    )
    list_display = ("since_when", "its_level", "what", "kind", "jobs", "known_by", "how_long")
    list_display_links = ("what",)
    list_filter = (
        IncidentStandingFilter,
        ("level", ChoicesFilter),
        ("kind", ChoicesFilter),
        IncidentCompanyFilter,
        IncidentCityFilter,
    )
    list_before_template = "scanner/admin/standings.html"
    search_fields = ("name", "company", "city", "neighborhood", "agent_id")
    search_help_text = _("Search by database, place or agent")
    ordering = ("-pk",)
    change_form_outer_before_template = "scanner/admin/incident_acknowledge.html"
    change_form_outer_after_template = "scanner/admin/histories.html"
    what = computed(_("what"), incident_facts.words)
    its_level = computed(shown.name_of(Incident, "level"), incident_facts.level_label)
    since_when = column(Incident, "since", shown.moment)
    noticed = column(Incident, "opened_at", shown.moment)
    how_long = computed(_("lasted"), incident_facts.lasted)
    how = computed(_("standing"), ending)
    jobs = computed(_("jobs"), lambda incident: incident.now_members or shown.NOTHING)
    known_by = computed(shown.name_of(Incident, "acknowledged_by"), incident_facts.acknowledgement)
    known_since = column(Incident, "acknowledged_at", shown.moment)
    note = column(Incident, "acknowledged_note", shown.prose)
    place = computed(_("place"), incident_facts.place)
    its_job = computed(
        shown.name_of(Incident, "job"),
        lambda incident: shown.link_to(ExpectedBackupJob, incident.job_id, incident.name),
    )
    state = column(
        Incident, "status", lambda status: shown.status(status) if status else shown.NOTHING
    )
    why = computed(shown.name_of(Incident, "reason"), incident_facts.why)
    cautions = computed(_("warnings"), incident_facts.cautions)
    found = computed(_("what was found"), incident_facts.found)
    first_aid = computed(_("what to try first"), incident_facts.first_aid)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """Give the list that counts the jobs of what it shows."""
        return IncidentList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below the standings, so that nobody takes the open ones for all."""
        counts = {OPEN: counted(self.get_queryset(request).filter(ended_at=None))}
        context = links(request, _("Incidents by standing"), counts, _STANDINGS)
        return super().changelist_view(request, context | (extra_context or {}))

    def get_fieldsets(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Incident | None = None,
    ) -> Any:
        """Give what is known: of jobs where and why, of others what was found; and who knows."""
        is_of_jobs = obj is not None and obj.kind in OF_JOBS
        of_its_kind = (
            (("place", "agent_id", "its_job"), ("state", "why", "cautions"))
            if is_of_jobs
            else ("found",)
        )
        lines = (("its_level", "kind", "how"), ("since_when", "noticed", "how_long"))
        facts = (None, {"fields": ("what", *lines, *of_its_kind, "first_aid")})
        known = (_("Acknowledged"), {"fields": (("known_by", "known_since"), "note")})
        is_known = obj is not None and obj.acknowledged_at is not None
        return (facts, known) if is_known else (facts,)

    def around(self, request: HttpRequest, obj: Incident) -> dict[str, Any]:
        """Give the incident's jobs, events and deliveries, and what acknowledging needs."""
        may_see = navigation.may_see(request, Delivery)
        is_open = obj.ended_at is None
        return {
            "histories": incident_history.histories(
                obj, access.companies_of(request.user), with_deliveries=may_see
            ),
            "may_acknowledge": is_open and self.has_acknowledge_permission(request),
            "spans": SPANS,
        }
