"""What a new install still has to be told, in three steps, until each is done."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Exists, Model, OuterRef, Q
from django.utils.translation import gettext, ngettext

from scanner import conf
from scanner.models import Agent, Channel, Delivery, ExpectedBackupJob, ScanRun
from scanner.scheduler_board import Health
from scanner.totals import EXPECTED, CountedAs, counted_as

_FAILED = (ScanRun.Outcome.FAILED.value, ScanRun.Outcome.INTERRUPTED.value)


@dataclass(frozen=True, slots=True)
class Way:
    """A page on which a step is done: its name below `admin:`, for whom `what` of rows is allowed.

    `what` is add or view. Not each page need be there.
    """

    words: str
    page: str
    about: type[Model]
    what: str


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: what is left of it, the commands for that, and the pages."""

    title: str
    is_done: bool
    left: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


def steps(health: Health) -> tuple[Step, ...]:
    """Give the three steps in their order, in five small statements.

    They tell of the server: only those who see every company are to be shown them.
    """
    return (_deposits(), _jobs(), _by_itself(health))


def next_of(found: tuple[Step, ...]) -> Step | None:
    """Give the first step that is not done; None when all are."""
    return next((step for step in found if not step.is_done), None)


def _deposits() -> Step:
    title = gettext("The deposits are seen")
    if Agent.objects.exists():
        return Step(title, is_done=True)
    newest = ScanRun.objects.order_by("-pk").values_list("outcome", "error").first()
    root = {"root": str(conf.deposit_root())}
    if newest is None:
        left = gettext(
            "Agents deposit their backups below %(root)s (BACKUP_STORAGE_ROOT). When the tree is "
            "there, make the first scan."
        )
    elif newest[0] in _FAILED:
        left = gettext("The last scan could not look at %(root)s (BACKUP_STORAGE_ROOT): %(error)s")
        root |= {"error": newest[1] or newest[0]}
    else:
        left = gettext(
            "The last scan has seen no agent in %(root)s (BACKUP_STORAGE_ROOT). Each agent has a "
            "folder COMPANY_CITY_NEIGHBORHOOD there, with its reports in log/."
        )
    runs = Way(gettext("See the runs"), "scanner_scanrun_changelist", ScanRun, "view")
    return Step(
        title,
        is_done=False,
        left=(left % root,),
        commands=("manage.py scan_now",),
        ways=(runs,) if newest else (),
    )


def _jobs() -> Step:
    title = gettext("The server knows which backups to expect")
    to_adopt = counted_as(CountedAs.TO_ADOPT)
    counts = ExpectedBackupJob.objects.filter(EXPECTED).aggregate(
        expected=Count("pk", filter=~to_adopt), waiting=Count("pk", filter=to_adopt)
    )
    if counts["expected"]:
        return Step(title, is_done=True)
    waiting = counts["waiting"]
    if not waiting:
        left = gettext("Add jobs by hand, import a file of them, or take those that reports name.")
        return Step(
            title,
            is_done=False,
            left=(left,),
            ways=_ways_to_jobs(),
        )
    words = ngettext(
        "Reports mention %(count)d database that nobody expects. Say when its backups are due.",
        "Reports mention %(count)d databases that nobody expects. Say when their backups are due.",
        waiting,
    )
    adopt = Way(
        gettext("Adopt them"),
        "scanner_expectedbackupjob_adopt",
        ExpectedBackupJob,
        "view",
    )
    left = words % {"count": waiting}
    return Step(title, is_done=False, left=(left,), ways=(adopt, *_ways_to_jobs()))


def _ways_to_jobs() -> tuple[Way, ...]:
    page = "scanner_expectedbackupjob"
    return (
        Way(gettext("Add a job"), f"{page}_add", ExpectedBackupJob, "add"),
        Way(gettext("Import a file"), f"{page}_import", ExpectedBackupJob, "add"),
        Way(gettext("Take from reports"), f"{page}_from_deposits", ExpectedBackupJob, "add"),
    )


def _by_itself(health: Health) -> Step:
    title = gettext("Scans run by themselves, and alerts reach somebody")
    leads, reaches = health.leader is not None, _reaches_somebody()
    if leads and reaches:
        return Step(title, is_done=True)
    channels = Way(gettext("See the channels"), "scanner_channel_changelist", Channel, "view")
    return Step(
        title,
        is_done=False,
        left=tuple(_missing(leads=leads, reaches=reaches)),
        commands=("manage.py runapscheduler",) * (not leads)
        + ("manage.py send_test_alert",) * (not reaches),
        ways=() if reaches else (channels,),
    )


def _missing(*, leads: bool, reaches: bool) -> Iterator[str]:
    if not leads:
        yield gettext("No scheduler leads. Start one, and keep it running as a service.")
    if reaches:
        return
    if conf.mail_is_logged():
        yield gettext(
            "Mail is written to the log alone. Set EMAIL_URL and ADMIN_EMAIL_RECIPIENTS, or add a "
            "channel; then send a test."
        )
    else:
        yield gettext("No channel has delivered anything yet. Send a test through one.")


def _reaches_somebody() -> bool:
    """Tell whether a channel that is in use has taken a message, or a test."""
    sent = Delivery.objects.filter(channel=OuterRef("pk"), state=Delivery.State.SENT.value)
    took = Q(tested_at__isnull=False, test_error="") | Exists(sent)
    channels = Channel.objects.filter(took, enabled=True, failing_since=None)
    if conf.mail_is_logged():
        channels = channels.exclude(kind=Channel.Kind.EMAIL.value)
    return channels.exists()
