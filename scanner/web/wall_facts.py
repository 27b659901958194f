"""What the wall display tells beside the matrix, of what a visitor may see."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, IntegerField, Value, When
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext, ngettext

from scanner import access
from scanner.access import Companies
from scanner.alerts.wording.headlines import headline
from scanner.models import Incident, ScanRun, VaultFinding
from scanner.models.channel import AlertLevel
from scanner.scheduler_board import Health

MOST_INCIDENTS = 50
_MANY = 1000
_FAR = 730  # days


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """One that is open, in a line; `known_by` is who says to know of it now, or empty."""

    pk: int
    words: str
    is_problem: bool
    since: datetime
    known_by: str


@dataclass(frozen=True, slots=True)
class OpenIncidents:
    """Those that are shown, the worst and newest first, and how many more there are."""

    shown: list[OpenIncident]
    more: int

    @property
    def count(self) -> int:
        """Give how many are open."""
        return len(self.shown) + self.more


@dataclass(frozen=True, slots=True)
class Line:
    """How the scheduler or the vault is, in one line."""

    is_well: bool
    words: str


def open_incidents(companies: Companies, *, now: datetime) -> OpenIncidents:
    """Give the open incidents of these companies, in two statements; no more than a wall holds."""
    rows = access.visible(Incident.objects.filter(ended_at=None), companies)
    gravity = Case(
        When(level=AlertLevel.PROBLEM.value, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    shown = [_told(one, now) for one in rows.order_by(gravity, "-pk")[:MOST_INCIDENTS]]
    return OpenIncidents(shown, rows.order_by().count() - len(shown))


def scheduler_line(health: Health) -> Line:
    """Say how the scheduler is; of several things that are wrong, the first."""
    if health.healthy:
        assert health.leader is not None
        words = gettext("Process %(pid)s on %(host)s leads.")
        words %= {"pid": health.leader.pid, "host": health.leader.host}
    else:
        words = health.reasons[0].words
    return Line(health.healthy, words)


def vault_line() -> Line:
    """Say how full the vault was at the last scan, and what is wrong with it, in two statements."""
    findings = VaultFinding.objects.filter(ended_at=None).order_by()[:_MANY].count()
    run = ScanRun.objects.filter(vault_free_bytes__isnull=False).order_by("-pk")
    room = run.values_list("vault_free_bytes", "vault_days_left").first()
    return Line(not findings, " ".join(_of_vault(findings, *(room or (None, None)))))


def _told(incident: Incident, now: datetime) -> OpenIncident:
    return OpenIncident(
        pk=incident.pk,
        words=headline(incident, incident.facts),
        is_problem=incident.level == AlertLevel.PROBLEM.value,
        since=incident.since,
        known_by=incident.acknowledged_by if incident.is_known(now) else "",
    )


def _of_vault(findings: int, free: int | None, days: float | None) -> Iterator[str]:
    if findings:
        words = ngettext("%(count)d finding is open.", "%(count)d findings are open.", findings)
        yield words % {"count": findings}
    else:
        yield gettext("Nothing is known to be wrong.")
    if free is None:
        return
    if days is None or days > _FAR:
        yield gettext("%(size)s free.") % {"size": filesizeformat(free)}
        return
    if days < 1:
        yield gettext("%(size)s free, full within a day.") % {"size": filesizeformat(free)}
        return
    left = ngettext(
        "%(size)s free, full in %(count)d day.", "%(size)s free, full in %(count)d days.", int(days)
    )
    yield left % {"size": filesizeformat(free), "count": int(days)}
