"""The board, the admin's first page: what needs somebody now, above the matrix of each day.

Named in the setting UNFOLD. Each part is for those who may see the pages behind it, and shows what
is of their companies; its number of statements is the same for any number of jobs.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from scanner import access
from scanner.access import Companies
from scanner.admin import incident_facts, shown, steps
from scanner.admin.acknowledging import FROM_BOARD, PERMISSION, SPANS
from scanner.admin.navigation import may_see
from scanner.admin.standing import counted
from scanner.admin.unfolded import Words
from scanner.admin.vault_finding import counted_open
from scanner.models import (
    BackupEntry,
    ExpectedBackupJob,
    Incident,
    ScanRun,
    ScheduledTask,
    VaultCopy,
    VaultFinding,
)
from scanner.models.alert import known_at
from scanner.models.channel import AlertLevel
from scanner.scheduler_board import Health, scheduler_health
from scanner.totals import totals

MOST_INCIDENTS = 5
"""So many of the open incidents are shown, those nobody knows of first; a link leads to all."""

Facts = list[tuple[Words, Words]]


def board(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give what the template of the first page needs, in the place of Django's list of apps."""
    now = timezone.now()
    companies = access.companies_of(request.user)
    health = scheduler_health(now=now)
    context |= {"title": _("Board"), "is_fullwidth": "1", "health": health}
    if companies is access.EVERY:
        context["states"] = list(_states(request, health))
    if may_see(request, Incident):
        context["incidents"] = _incidents(request, companies, now)
    if may_see(request, ExpectedBackupJob):
        context |= _jobs(request, companies, health)
    return context


def _jobs(request: HttpRequest, companies: Companies, health: Health) -> dict[str, Any]:
    counts = totals(companies)
    has_jobs = any(one.count for one in counts)
    context = {
        "totals": counts,
        "may_open_jobs": True,
        "may_open": may_see(request, BackupEntry),
        "has_jobs": has_jobs,
    }
    may_act = request.user.has_perm("scanner.add_expectedbackupjob")
    if companies is access.EVERY and (may_act or not has_jobs):
        context |= steps.ahead(request, health, has_jobs=has_jobs)
    return context


def _states(request: HttpRequest, health: Health) -> Iterator[tuple[Words, Words, Facts]]:
    """Give title, label and facts of what all backups depend on."""
    if may_see(request, ScheduledTask):
        yield _("The scheduler"), _health_label(health), _of_scheduler(health)
    if may_see(request, VaultCopy):
        yield _("The vault"), "", list(_of_vault(request))


def _health_label(health: Health) -> Words:
    if health.healthy:
        return shown.label(_("healthy"), "success", small=True)
    return shown.label(_("not healthy"), "danger", small=True)


def _of_scheduler(health: Health) -> Facts:
    leader = health.leader
    where = {"pid": leader.pid, "host": leader.host} if leader else {}
    return [
        (_("Leader"), _("process %(pid)s on %(host)s") % where if leader else _("nobody")),
        (_("Last good scan"), shown.moment(health.last_good_scan)),
    ]


def _of_vault(request: HttpRequest) -> Iterator[tuple[Words, Words]]:
    """Give the vault's room as the last scan saw it, which costs no look at its copies."""
    seen = ScanRun.objects.filter(vault_free_bytes__isnull=False).order_by("-pk")
    free, days = seen.values_list("vault_free_bytes", "vault_days_left").first() or (None, None)
    yield _("Free space"), shown.size(free)
    yield _("Full in"), shown.time_left(free, days)
    if may_see(request, VaultFinding):
        count = counted_open()
        kind = "success" if count == "0" else "danger"
        words = shown.label(_("none") if count == "0" else count, kind, small=True)
        yield _("Open findings"), shown.link_to_list(VaultFinding, words)


def _incidents(request: HttpRequest, companies: Companies, now: datetime) -> dict[str, Any]:
    rows: QuerySet[Incident] = access.visible(Incident.objects.filter(ended_at=None), companies)
    gravity = Case(
        When(level=AlertLevel.PROBLEM.value, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    # Else five that somebody sees to would hide the sixth, which nobody has seen.
    seen_to = Case(
        When(known_at(now), then=Value(1)), default=Value(0), output_field=IntegerField()
    )
    first = rows.order_by(seen_to, gravity, "-pk")[:MOST_INCIDENTS]
    return {
        "count": counted(rows),
        "rows": [_incident(one, now) for one in first],
        "may_acknowledge": request.user.has_perm(f"scanner.{PERMISSION}"),
        "spans": SPANS,
        "back": FROM_BOARD,
    }


def _incident(incident: Incident, now: datetime) -> dict[str, Any]:
    return {
        "pk": incident.pk,
        "label": incident_facts.level_label(incident),
        "words": incident_facts.words(incident),
        "since": shown.moment(incident.since),
        "known_by": incident_facts.acknowledgement(incident) if incident.is_known(now) else "",
    }
