"""The digest: how the backups of a recipient stand, whether or not anything happened."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scanner import conf, vault_board
from scanner.alerts import audience
from scanner.alerts.conditions import LITTLE_ROOM_DAYS, NO_ROOM_DAYS
from scanner.alerts.message import Message
from scanner.alerts.standing import TOLD
from scanner.alerts.wording import facts, units
from scanner.alerts.wording.blocks import Block, link_to, link_to_all
from scanner.alerts.wording.composing import VERSION, render
from scanner.alerts.wording.facts import Fact
from scanner.alerts.wording.headlines import headline, name_of
from scanner.board import moment
from scanner.models import Channel, ExpectedBackupJob, Incident, IncidentMember, ScanRun
from scanner.models.alert import known_at
from scanner.models.channel import AlertLevel
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES
from scanner.pipeline.verdict import Warning

SHOWN = 20
# A good backup with nothing but these is simply good. A list is found by its whole value alone.
_UNTOLD = [one.value for one in Warning if one.value not in TOLD]
_PLAIN = [list(some) for size in range(len(_UNTOLD) + 1) for some in combinations(_UNTOLD, size)]


@dataclass(frozen=True, slots=True)
class _Open:
    """The open incidents: the worst of them, and how many there are and are acknowledged."""

    worst: list[Incident]
    total: int
    acknowledged: int


def compose_digest(channel: Channel, recipient: str, slot: datetime, *, now: datetime) -> Message:
    """Give the digest of a recipient as of `now`, in a constant number of statements."""
    jobs, is_all = _scope(channel, recipient)
    counts = _counts(jobs)
    incidents = _incidents(channel, jobs, now, is_all=is_all)
    with units.speaking_to(channel, recipient):
        blocks = [
            _counted(counts, incidents.acknowledged),
            *_open(incidents, now),
            *_never_came(jobs),
            *(_vault(now) if is_all else ()),
        ]
        subject = _("Backups: %(problems)s, %(warnings)s, %(good)d good of %(all)d") % {
            "problems": _problems(counts["problems"]),
            "warnings": _warnings(counts["warnings"]),
            "good": counts["good"],
            "all": counts["all"],
        }
        text, html = render(subject, blocks, [])
    number = hashlib.sha256(f"digest {channel.pk} {recipient} {slot}".encode()).hexdigest()[:32]
    data: dict[str, Any] = {
        "version": VERSION,
        "id": number,
        "at": moment(now),
        "digest": counts,
        "incidents": [],
        "more": 0,
    }
    return Message(subject, text, html, data)


def _scope(channel: Channel, recipient: str) -> tuple[QuerySet[ExpectedBackupJob], bool]:
    """Give the active jobs that a recipient is told of, and whether he is told of everything."""
    jobs = ExpectedBackupJob.objects.filter(is_active=True)
    if channel.is_builtin:
        if recipient in audience.addresses(",".join(conf.admin_email_recipients())):
            return jobs, True
        # Not merely a part of another address.
        whole = rf"(^|[\s,;]){re.escape(recipient)}($|[\s,;])"
        return jobs.filter(notification_recipients__iregex=whole), False
    scope = {
        "company_name__iexact": channel.company,
        "city__iexact": channel.city,
        "neighborhood__iexact": channel.neighborhood,
    }
    scope = {field: name for field, name in scope.items() if name}
    return jobs.filter(**scope), not scope


def _counts(jobs: QuerySet[ExpectedBackupJob]) -> dict[str, int]:
    good = Q(status__in=(Status.SUCCESS.value, Status.UNCHANGED.value))
    plain = Q()
    for warnings in _PLAIN:
        plain |= Q(warnings=warnings)
    found: dict[str, int] = jobs.aggregate(
        all=Count("pk"),
        problems=Count("pk", filter=Q(status__in=PROBLEM_STATUSES)),
        warnings=Count("pk", filter=good & ~plain),
        good=Count("pk", filter=good),
        unknown=Count("pk", filter=Q(status=Status.UNKNOWN.value)),
    )
    return found


def _incidents(
    channel: Channel, jobs: QuerySet[ExpectedBackupJob], now: datetime, *, is_all: bool
) -> _Open:
    still = Incident.objects.filter(ended_at=None)
    if not is_all:
        members = IncidentMember.objects.filter(left_at=None, job__in=jobs)
        theirs = Q(pk__in=members.order_by().values("incident"))
        still = still.filter(theirs | Q(pk__in=_of_the_vault(channel)))
    counts = still.order_by().aggregate(
        total=Count("pk"), acknowledged=Count("pk", filter=known_at(now))
    )
    worst = list(still.order_by("level", "opened_at", "pk")[:SHOWN])  # "problem" < "warning"
    return _Open(worst, counts["total"], counts["acknowledged"])


def _of_the_vault(channel: Channel) -> list[int]:
    """Give the open incidents of the vault, one a kind, in which jobs of the scope have a part."""
    if channel.is_builtin:
        return []
    still = list(Incident.objects.filter(ended_at=None, kind=Incident.Kind.VAULT.value))
    concerns = audience.concerns(still)
    told = (one for one in still if one.pk in concerns)
    return [one.pk for one in told if audience.reaches(channel, one.level, concerns[one.pk])]


def _problems(count: int) -> str:
    return ngettext("%(count)d problem", "%(count)d problems", count) % {"count": count}


def _warnings(count: int) -> str:
    return ngettext("%(count)d warning", "%(count)d warnings", count) % {"count": count}


def _counted(counts: dict[str, int], acknowledged: int) -> Block:
    tone = "problem" if counts["problems"] else "warning" if counts["warnings"] else "good"
    known = [(_("Incidents acknowledged"), str(acknowledged))] if acknowledged else []
    return Block(
        tag=_("DIGEST"),
        tone=tone,
        headline=_("How the backups stand"),
        facts=(
            (_("Expected"), str(counts["all"])),
            (_("Problems"), str(counts["problems"])),
            (_("Good"), str(counts["good"])),
            (_("Of these with a warning"), str(counts["warnings"])),
            (_("Not judged yet"), str(counts["unknown"])),
            *known,
        ),
        links=(link_to_all(),),
    )


def _open(incidents: _Open, now: datetime) -> Iterator[Block]:
    for incident in incidents.worst:
        is_problem = incident.level == AlertLevel.PROBLEM.value
        told: list[Fact] = [(_("For"), units.length(now - incident.since))]
        if incident.is_known(now):
            told.append((_("Acknowledged by"), facts.acknowledgement(incident)))
        yield Block(
            tag=_("PROBLEM") if is_problem else _("WARNING"),
            tone="problem" if is_problem else "warning",
            headline=headline(incident, incident.facts),
            facts=tuple(told),
            links=(link_to(incident),),
        )
    if (more := incidents.total - len(incidents.worst)) > 0:
        words = ngettext(
            "There is %(count)d more: see the list of incidents.",
            "There are %(count)d more: see the list of incidents.",
            more,
        )
        yield Block(_("MORE"), "warning", words % {"count": more})


def _never_came(jobs: QuerySet[ExpectedBackupJob]) -> Iterator[Block]:
    never = jobs.filter(last_good_at=None).exclude(schedule="")
    count = never.count()
    if not count:
        return
    first = never.order_by("company_name", "city", "neighborhood", "database_name")[:SHOWN]
    members = [(name_of(job.database_name), _where(job)) for job in first]
    if count > SHOWN:
        members.append((facts.and_more(count - SHOWN), ""))
    words = ngettext(
        "%(count)d database never had a good backup",
        "%(count)d databases never had a good backup",
        count,
    )
    yield Block(_("NEVER"), "warning", words % {"count": count}, members=tuple(members))


def _vault(now: datetime) -> Iterator[Block]:
    told: list[Fact] = [(_("Read again"), vault_board.coverage_words(now=now))]
    ended = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
    run = ScanRun.objects.filter(outcome__in=ended).defer("findings").order_by("-pk").first()
    days = run.vault_days_left if run else None
    if run is not None and run.vault_free_bytes is not None:
        told.append((_("Free"), units.size(run.vault_free_bytes)))
    if days is not None:
        count = int(days)
        words = ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
        told.append((_("Full in"), words if count else _("less than a day")))
    yield Block(_("VAULT"), _tone_of_room(days), _("The vault"), facts=tuple(told))


def _tone_of_room(days: float | None) -> str:
    if days is None or days >= LITTLE_ROOM_DAYS:
        return "good"
    return "warning" if days >= NO_ROOM_DAYS else "problem"


def _where(job: ExpectedBackupJob) -> str:
    names = (job.company_name, job.city, job.neighborhood)
    return " / ".join(name_of(name) for name in names)
