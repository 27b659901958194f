"""Adopting databases that nobody expected: many at once, with when their backups are due."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner import access, conf, roster
from scanner.access import Companies
from scanner.admin import schedule_preview, shown
from scanner.admin.deeds import Deed
from scanner.admin.retiring import Retiring
from scanner.admin.schedule_preview import ADOPTED, Refused
from scanner.models import AgentReport, ExpectedBackupJob

ADOPT_URL = "scanner_expectedbackupjob_adopt"
A_PAGE = 200
CHOSEN = "job"
_DO = "do"
_ADOPT, _RETIRE = "adopt", "retire"
_DIGITS = 19  # fewer are a number that every database takes
_INPUTS = {name: f"id_{name}" for name in ("schedule", "time_zone", "grace_minutes")}


class AdoptForm(forms.Form):
    """Takes what holds for all that are adopted."""

    schedule = forms.CharField(
        max_length=100,
        error_messages={"required": gettext_lazy("Say when their backups are due.")},
    )
    time_zone = forms.CharField(max_length=64, required=False)
    grace_minutes = forms.CharField(max_length=10, required=False)

    def clean(self) -> dict[str, Any]:
        """Refuse, beside its field, what the roster would refuse."""
        said = self.cleaned_data
        try:
            schedule_preview.read(*(str(said.get(name) or "") for name in _INPUTS))
        except Refused as refused:
            for name, words in refused.errors.items():
                if name not in self.errors:
                    self.add_error(name, ValidationError(words))
        return said


class Adopting(Retiring):
    """The part of the page of jobs that adopts what reports mention."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of the page that adopts."""
        view = self.admin_site.admin_view(self.adopt_view)
        return [path("adopt/", view, name=ADOPT_URL), *super().get_urls()]

    def to_adopt(self, request: HttpRequest) -> QuerySet[ExpectedBackupJob]:
        """Give the jobs that wait to be adopted, of those that somebody sees."""
        return self.get_queryset(request).filter(awaits_adoption=True, retired_at=None)

    @admin.action(description=gettext_lazy("Adopt…"), permissions=["change"])
    def adopt(
        self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]
    ) -> HttpResponse | None:
        """Show the page that adopts, with the selected jobs chosen."""
        waiting = queryset.filter(awaits_adoption=True, retired_at=None)
        keys = list(waiting.order_by("agent_id", "database_name").values_list("pk", flat=True))
        if not keys:
            self.message_user(request, _("None of these waits to be adopted."), messages.INFO)
            return None
        if len(keys) > A_PAGE:
            words = _("These are more than %(count)d: they are adopted a page at a time.")
            self.message_user(request, words % {"count": A_PAGE}, messages.WARNING)
        return HttpResponseRedirect(adopt_url(keys[:A_PAGE]))

    def adopt_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits, and adopt or retire what is chosen of it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._show_waiting(request, AdoptForm(), _keys(request.GET))
        form, chosen = AdoptForm(request.POST), _keys(request.POST)
        do = request.POST.get(_DO)
        if do not in {_ADOPT, _RETIRE}:
            return self._show_waiting(request, form, chosen)
        jobs = list(self.to_adopt(request).filter(pk__in=chosen))
        if not jobs:
            self.message_user(request, _("Choose at least one that waits."), messages.WARNING)
            return self._show_waiting(request, form, chosen)
        if do == _RETIRE:
            count = self.retire_all(request, jobs)
            words = ngettext("%(count)d job retired.", "%(count)d jobs retired.", count)
            self.tell_count(request, words, count)
        elif not form.is_valid() or not self._adopt_all(request, jobs, form):
            return self._show_waiting(request, form, chosen)
        if self.to_adopt(request).exists():
            return HttpResponseRedirect(adopt_url())
        return HttpResponseRedirect(reverse("admin:scanner_expectedbackupjob_changelist"))

    def _adopt_all(
        self, request: HttpRequest, jobs: list[ExpectedBackupJob], form: AdoptForm
    ) -> bool:
        """Adopt jobs; where the roster refuses, say why in the form, and give False."""
        said = form.cleaned_data
        grace = said["grace_minutes"]
        try:
            count = self.do(
                request,
                jobs,
                Deed.ADOPTED,
                lambda keys: roster.adopt(
                    keys,
                    schedule=said["schedule"],
                    time_zone=said["time_zone"],
                    grace_minutes=int(grace) if grace else None,
                    now=timezone.now(),
                    by=request.user.get_username(),
                ),
            )
        except ValidationError as error:
            form.add_error(None, error.messages)
            return False
        words = ngettext("%(count)d job adopted.", "%(count)d jobs adopted.", count)
        self.tell_count(request, words, count)
        return True

    def _show_waiting(
        self, request: HttpRequest, form: AdoptForm, chosen: Sequence[int]
    ) -> HttpResponse:
        waiting = self.to_adopt(request).select_related(None)
        asked = _keys(request.GET)
        listed = waiting.filter(pk__in=asked) if asked else waiting
        page = Paginator(listed.order_by("agent_id", "database_name", "pk"), A_PAGE).get_page(
            request.GET.get("page")
        )
        jobs = list(page.object_list)
        written = [str(form[name].value() or "") for name in _INPUTS]
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Adopt databases that nobody expected"),
            "form": form,
            "page": page,
            "are_some": bool(asked),
            "agents": list(_by_agent(jobs, set(chosen), access.companies_of(request.user))),
            "preview": schedule_preview.panel(_INPUTS, *written, of=ADOPTED),
            "default_zone": conf.agent_time_zone(),
            "default_grace": conf.default_grace() // timedelta(minutes=1),
            "all_url": adopt_url(),
            "back": reverse("admin:scanner_expectedbackupjob_changelist"),
        }
        return TemplateResponse(request, "scanner/admin/adopt.html", context)


def adopt_url(keys: Iterable[int] = ()) -> str:
    """Give the address of the page that adopts: these jobs, or all that wait."""
    query = "&".join(f"{CHOSEN}={key}" for key in keys)
    url = reverse(f"admin:{ADOPT_URL}")
    return f"{url}?{query}" if query else url


def _keys(said: QueryDict) -> list[int]:
    """Give the keys that are chosen, as many as a page has."""
    chosen = said.getlist(CHOSEN)[:A_PAGE]
    return [int(key) for key in chosen if key.isdecimal() and len(key) < _DIGITS]


def _by_agent(
    jobs: Iterable[ExpectedBackupJob], chosen: Container[int], companies: Companies
) -> Iterator[dict[str, Any]]:
    """Give the jobs of each agent, with what reports said of them."""
    of_agent: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for job in jobs:
        of_agent[job.agent_id].append(
            {
                "key": job.pk,
                "database": job.database_name,
                "place": f"{job.company_name} / {job.city} / {job.neighborhood}",
                "mentioned": shown.moment(job.created_at),
                "last_good": shown.moment(job.last_good_at),
                "has_good": job.last_good_at is not None,
                "size": shown.size(job.last_size),
                "is_chosen": job.pk in chosen,
            }
        )
    reports = AgentReport.objects.filter(
        agent_id__in=list(of_agent), state=AgentReport.State.ACCEPTED.value
    )
    rows = access.visible(reports, companies).order_by().values_list("agent_id")
    said = {agent: rest for agent, *rest in rows.annotate(Count("pk"), Max("arrived_at"))}
    for agent, its_jobs in of_agent.items():
        count, last = said.get(agent, (0, None))
        yield {
            "name": agent,
            "reports": count,
            "last": shown.moment(last),
            "jobs": its_jobs,
            "are_chosen": all(job["is_chosen"] for job in its_jobs),
        }
