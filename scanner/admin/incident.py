from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import incident_history, shown
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoiceFilter, ChoicesFilter, ModelAdmin, Words
from scanner.alerts import acknowledging
from scanner.alerts.wording.headlines import headline
from scanner.models import ExpectedBackupJob, Incident
from scanner.models.channel import AlertLevel

ACKNOWLEDGE_URL = "scanner_incident_acknowledge"
WITHDRAW_URL = "scanner_incident_withdraw"
STANDING = "standing"
LONGEST_NOTE = 2000
_STANDINGS: tuple[tuple[str, Words], ...] = (
    ("", _("open")),
    ("ended", _("ended")),
    ("all", _("open and ended")),
)
# What can be chosen, in hours; nothing: until it is over.
SPANS: tuple[tuple[str, Words], ...] = (
    ("4", _("4 hours")),
    ("24", _("a day")),
    ("72", _("3 days")),
    ("168", _("a week")),
    ("", _("until it is over")),
)
_DAY = timedelta(days=1)


def level_label(incident: Incident) -> SafeString:
    """Give an incident's level: red or yellow while it is open."""
    kind = "danger" if incident.level == AlertLevel.PROBLEM.value else "warning"
    return shown.label(incident.get_level_display(), "" if incident.ended_at else kind)


def words(incident: Incident) -> str:
    """Say what is wrong and where."""
    return headline(incident, incident.facts)


def lasted(incident: Incident) -> SafeString:
    """Give for how long it has gone on, or went on."""
    span = (incident.ended_at or timezone.now()) - incident.since
    return shown.duration(span.total_seconds())


def ending(incident: Incident) -> SafeString:
    """Give when and how it ended, or that it has not."""
    if incident.ended_at is None:
        return shown.label(_("open"), "danger", small=True)
    return format_html("{} {}", shown.moment(incident.ended_at), incident.get_end_display())


def acknowledgement(incident: Incident) -> SafeString:
    """Give who says to know of it, and until when that holds."""
    if incident.acknowledged_at is None:
        return shown.NOTHING
    until = incident.acknowledged_until
    if until is None:
        return format_html("{}", incident.acknowledged_by)
    if until <= timezone.now():
        return format_html("{} {}", incident.acknowledged_by, shown.label(_("run out"), small=True))
    return format_html("{}, {} {}", incident.acknowledged_by, _("until"), shown.moment(until))


class StandingFilter(ChoiceFilter):
    """Open ones, unless others are asked for: what has ended is history."""

    parameter_name = STANDING
    title = _("standing")
    all_option = None  # it is among the choices

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the standings."""
        return list(_STANDINGS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the incidents of the standing; refuse one that there is not."""
        match self.value():
            case None | "":
                return queryset.filter(ended_at=None)
            case "ended":
                return queryset.exclude(ended_at=None)
            case "all":
                return queryset
        raise IncorrectLookupParameters


@admin.register(Incident)
class IncidentAdmin(ReadOnlyPage[Incident]):
    """What is wrong, who was told of it, and who says to know."""

    list_display = ("what", "its_level", "kind", "since_when", "how_long", "jobs", "known_by")
    list_display_links = ("what",)
    list_filter = (StandingFilter, ("level", ChoicesFilter), ("kind", ChoicesFilter))
    list_select_related = ("job",)
    search_fields = ("name", "company", "city", "neighborhood", "agent_id")
    search_help_text = _("Search by database, place or agent")
    ordering = ("-pk",)
    actions = ("acknowledge_selected",)
    change_form_outer_before_template = "scanner/admin/incident_acknowledge.html"
    change_form_outer_after_template = "scanner/admin/histories.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "what",
                    ("its_level", "kind", "how"),
                    ("since_when", "noticed", "how_long"),
                    ("place", "agent_id", "its_job"),
                    "found",
                )
            },
        ),
        (_("Acknowledged"), {"fields": (("known_by", "known_since"), "note")}),
    )

    what = computed(_("what"), words)
    its_level = computed(shown.name_of(Incident, "level"), level_label)
    since_when = column(Incident, "since", shown.moment)
    noticed = column(Incident, "opened_at", shown.moment)
    how_long = computed(_("lasted"), lasted)
    how = computed(shown.name_of(Incident, "end"), ending)
    jobs = computed(_("jobs"), lambda incident: incident.now_members or shown.NOTHING)
    known_by = computed(shown.name_of(Incident, "acknowledged_by"), acknowledgement)
    known_since = column(Incident, "acknowledged_at", shown.moment)
    note = column(Incident, "acknowledged_note", shown.prose)
    place = computed(
        _("place"),
        lambda incident: (
            " / ".join(filter(None, (incident.company, incident.city, incident.neighborhood)))
            or shown.NOTHING
        ),
    )
    its_job = computed(
        shown.name_of(Incident, "job"),
        lambda incident: shown.link_to(ExpectedBackupJob, incident.job_id, incident.name),
    )
    found = computed(
        _("What was found"), lambda incident: shown.prose(str(incident.facts.get("error", "")))
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        """Give the incidents, each with the number of jobs that are in it now."""
        now_members = Count("members", filter=Q(members__left_at=None))
        return super().get_queryset(request).annotate(now_members=now_members)

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of its buttons."""
        known = self.admin_site.admin_view(self.acknowledge_view)
        withdrawn = self.admin_site.admin_view(self.withdraw_view)
        return [
            path("<int:pk>/acknowledge/", known, name=ACKNOWLEDGE_URL),
            path("<int:pk>/withdraw/", withdrawn, name=WITHDRAW_URL),
            *super().get_urls(),
        ]

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may say to know of an incident."""
        return bool(request.user.has_perm("scanner.change_incident"))

    @admin.action(description=_("Acknowledge for a day"), permissions=["acknowledge"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        """Acknowledge the selected incidents that are open."""
        now = timezone.now()
        by = request.user.get_username()
        keys = queryset.values_list("pk", flat=True)
        count = sum(
            acknowledging.acknowledge(key, by=by, note="", until=now + _DAY, now=now)
            for key in list(keys)
        )
        told = ngettext(
            "%(count)d incident acknowledged.", "%(count)d incidents acknowledged.", count
        )
        self.message_user(request, told % {"count": count}, messages.SUCCESS)

    def acknowledge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say that somebody knows, with a note and for as long as is chosen."""
        incident = self._posted(request, pk)
        if incident is None:
            return HttpResponseNotAllowed(["POST"])
        hours = request.POST.get("hours", "")
        if hours not in dict(SPANS):
            return HttpResponseBadRequest("hours: expected one of the choices")
        now = timezone.now()
        if acknowledging.acknowledge(
            pk,
            by=request.user.get_username(),
            note=request.POST.get("note", "").replace("\0", "").strip()[:LONGEST_NOTE],
            until=now + timedelta(hours=int(hours)) if hours else None,
            now=now,
        ):
            self.log_change(request, incident, "Acknowledged.")
        else:
            self.message_user(request, gettext("It is over already."), messages.INFO)
        return self._back(pk)

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Withdraw an acknowledgement."""
        incident = self._posted(request, pk)
        if incident is None:
            return HttpResponseNotAllowed(["POST"])
        if acknowledging.unacknowledge(pk, by=request.user.get_username(), now=timezone.now()):
            self.log_change(request, incident, "Acknowledgement withdrawn.")
        return self._back(pk)

    def render_change_form(  # noqa: PLR0917 - Django's signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Incident | None = None,
    ) -> HttpResponse:
        """Show the incident with its jobs, events and deliveries below it."""
        if obj is not None:
            context["histories"] = incident_history.histories(obj)
            may = obj.ended_at is None and self.has_acknowledge_permission(request)
            context["may_acknowledge"] = may
            context["spans"] = SPANS
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _posted(self, request: HttpRequest, pk: int) -> Incident | None:
        """Give the incident that a POST is about, or None when it is no POST."""
        if request.method != "POST":
            return None
        if not self.has_acknowledge_permission(request):
            raise PermissionDenied
        incident = self.get_object(request, str(pk))
        if incident is None:
            raise Http404
        return incident

    def _back(self, pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:scanner_incident_change", args=[pk]))
