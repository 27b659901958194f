"""The digest: how the backups of a recipient stand, whether or not anything happened."""

import hashlib
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scanner import conf, vault_board
from scanner.alerts import audience
from scanner.alerts.message import Message
from scanner.alerts.wording import units
from scanner.alerts.wording.blocks import Block, Fact, url_of
from scanner.alerts.wording.composing import VERSION, render
from scanner.alerts.wording.headlines import headline
from scanner.board import moment
from scanner.models import Channel, ExpectedBackupJob, Incident, ScanRun
from scanner.models.channel import AlertLevel
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES

SHOWN = 20


def compose_digest(channel: Channel, recipient: str, slot: datetime, *, now: datetime) -> Message:
    """Give the digest of a recipient as of `now`, in a constant number of statements."""
    jobs = _jobs(channel, recipient)
    is_all = not any((channel.company, channel.city, channel.neighborhood)) and (
        not channel.is_builtin or _is_admin(recipient)
    )
    counts = _counts(jobs)
    incidents = _incidents(jobs, is_all=is_all)
    with units.speaking_to(channel, recipient):
        blocks = [
            _counted(counts),
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
    data = {
        "version": VERSION,
        "id": number,
        "at": moment(now),
        "digest": counts,
        "incidents": [],
        "more": 0,
    }
    return Message(subject, text, html, data)


def _is_admin(recipient: str) -> bool:
    return recipient in audience.addresses(",".join(conf.admin_email_recipients()))


def _jobs(channel: Channel, recipient: str) -> QuerySet[ExpectedBackupJob]:
    """Give the active jobs that a recipient is told of."""
    jobs = ExpectedBackupJob.objects.filter(is_active=True)
    for field, name in (
        ("company_name", channel.company),
        ("city", channel.city),
        ("neighborhood", channel.neighborhood),
    ):
        if name:
            jobs = jobs.filter(**{f"{field}__iexact": name})
    if channel.is_builtin and not _is_admin(recipient):
        jobs = jobs.filter(notification_recipients__icontains=recipient)
    return jobs


def _counts(jobs: QuerySet[ExpectedBackupJob]) -> dict[str, int]:
    good = Q(status__in=(Status.SUCCESS.value, Status.UNCHANGED.value))
    untold = Q(warnings=[]) | Q(warnings=["opaque"]) | Q(warnings=["no_checksum"])
    found: dict[str, int] = jobs.aggregate(
        all=Count("pk"),
        problems=Count("pk", filter=Q(status__in=PROBLEM_STATUSES)),
        warnings=Count("pk", filter=good & ~untold),
        good=Count("pk", filter=good),
        unknown=Count("pk", filter=Q(status=Status.UNKNOWN.value)),
    )
    return found


def _incidents(jobs: QuerySet[ExpectedBackupJob], *, is_all: bool) -> list[Incident]:
    still = Incident.objects.filter(ended_at=None)
    if not is_all:
        still = still.filter(members__job__in=jobs, members__left_at=None).distinct()
    return list(still.order_by("level", "opened_at", "pk")[: SHOWN + 1])


def _problems(count: int) -> str:
    return ngettext("%(count)d problem", "%(count)d problems", count) % {"count": count}


def _warnings(count: int) -> str:
    return ngettext("%(count)d warning", "%(count)d warnings", count) % {"count": count}


def _counted(counts: dict[str, int]) -> Block:
    tone = "problem" if counts["problems"] else "warning" if counts["warnings"] else "good"
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
        ),
        url=f"{conf.site_url()}/",
    )


def _open(incidents: list[Incident], now: datetime) -> list[Block]:
    blocks = []
    for incident in incidents[:SHOWN]:
        is_problem = incident.level == AlertLevel.PROBLEM.value
        facts: list[Fact] = [(_("For"), units.length(now - incident.since))]
        if incident.acknowledged_at is not None:
            until = incident.acknowledged_until
            who = incident.acknowledged_by
            if until is not None:
                who = _("%(who)s, until %(moment)s") % {"who": who, "moment": units.moment(until)}
            facts.append((_("Acknowledged by"), who))
        blocks.append(
            Block(
                tag=_("PROBLEM") if is_problem else _("WARNING"),
                tone="problem" if is_problem else "warning",
                headline=headline(incident, incident.facts),
                facts=tuple(facts),
                url=url_of(incident),
            )
        )
    if len(incidents) > SHOWN:
        blocks.append(Block(_("MORE"), "warning", _("There are more: see the list of incidents.")))
    return blocks


def _never_came(jobs: QuerySet[ExpectedBackupJob]) -> list[Block]:
    never = jobs.filter(last_good_at=None).exclude(schedule="")
    count = never.count()
    if not count:
        return []
    first = never.order_by("company_name", "city", "neighborhood", "database_name")[:SHOWN]
    members = [(job.database_name, _where(job)) for job in first]
    if count > SHOWN:
        more = count - SHOWN
        words = ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
        members.append((words, ""))
    words = ngettext(
        "%(count)d database never had a good backup",
        "%(count)d databases never had a good backup",
        count,
    )
    return [Block(_("NEVER"), "warning", words % {"count": count}, members=tuple(members))]


def _vault(now: datetime) -> list[Block]:
    facts: list[Fact] = [(_("Read again"), vault_board.coverage_words(now=now))]
    ended = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
    run = ScanRun.objects.filter(outcome__in=ended).defer("findings").order_by("-pk").first()
    if run is not None and run.vault_free_bytes is not None:
        facts.append((_("Free"), units.size(run.vault_free_bytes)))
    if run is not None and run.vault_days_left is not None:
        days = int(run.vault_days_left)
        words = ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
        facts.append((_("Full in"), words))
    return [Block(_("VAULT"), "good", _("The vault"), facts=tuple(facts))]


def _where(job: ExpectedBackupJob) -> str:
    return f"{job.company_name} / {job.city} / {job.neighborhood}"
