"""Which deliveries wait, whose they are while they are sent, and what is noted of them after.

Everything here may be repeated when the database was away for a moment: it then does what is left.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import stamina
from django.db import InterfaceError, OperationalError, connections
from django.db.models import BooleanField, ExpressionWrapper, F, Min, Q, QuerySet

from scanner.models import Channel, Delivery
from scanner.models.batch import batches

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP = timedelta(hours=24)

T = TypeVar("T")
State = Delivery.State


@dataclass(frozen=True, slots=True)
class Key:
    """What makes one message: a recipient of a channel; a digest is one by itself.

    `is_retry`: of what was tried before.
    """

    channel: int
    recipient: str
    digest_at: datetime | None
    is_retry: bool


def wait_after(attempts: int) -> timedelta:
    """Give how long is waited after so many attempts that failed."""
    doubled: int = 2 ** min(attempts - 1, 20)
    return min(LONGEST_WAIT, FIRST_WAIT * doubled)


def due(now: datetime) -> dict[int, deque[Key]]:
    """Give the messages of each channel that have something due, the oldest first.

    What waits for a channel that is off is given up like what could not be sent.
    """
    old = _free(now).filter(created_at__lt=now - GIVE_UP, channel__enabled=False)
    old.update(state=State.FAILED.value, last_error="the channel is off")
    rows = (
        _free(now)
        .filter(next_try_at__lte=now, channel__enabled=True)
        .annotate(is_retry=ExpressionWrapper(Q(attempts__gt=0), BooleanField()))
        .order_by()
        .values_list("channel_id", "recipient", "digest_at", "is_retry")
        .annotate(Min("attempts"), Min("next_try_at"))
    )
    queues: defaultdict[int, deque[Key]] = defaultdict(deque)
    # What failed before comes last: it may keep the channel from being asked further.
    for *key, _, _ in sorted(rows, key=lambda row: (*row[4:], row[1])):
        queues[key[0]].append(Key(*key))
    return dict(queues)


def take(key: Key, claim: UUID, *, now: datetime, until: datetime) -> list[Delivery]:
    """Claim all that waits for a message until then, and give it; what others have is left."""
    waiting = _free(now).filter(
        channel=key.channel, recipient=key.recipient, digest_at=key.digest_at
    )
    waiting = waiting.filter(attempts__gt=0) if key.is_retry else waiting.filter(attempts=0)
    waiting.update(claim=claim, claimed_until=until, attempts=F("attempts") + 1)
    return list(Delivery.objects.filter(claim=claim).order_by("pk"))


def set_apart(claim: UUID, keys: Collection[int], apart: UUID) -> None:
    """Put some of what is claimed under a claim of its own."""
    for some in batches(sorted(keys)):
        Delivery.objects.filter(claim=claim, pk__in=some).update(claim=apart)


def mark_sent(channel: Channel, claim: UUID, *, now: datetime) -> None:
    """Note that a message was taken; what failed while its channel was down is due again."""
    Delivery.objects.filter(claim=claim).update(
        state=State.SENT.value, sent_at=now, claim=None, claimed_until=None, last_error=""
    )
    failing = Channel.objects.filter(pk=channel.pk, failing_since__isnull=False)
    if failing.exists():
        waiting = _free(now).filter(channel=channel.pk, attempts__gt=0)
        waiting.filter(next_try_at__gt=now).update(next_try_at=now)
        failing.update(failing_since=None, last_error="")


def mark_failed(claim: UUID, words: str, *, now: datetime) -> None:
    """Note that a message was not taken, and when it is tried again, if ever."""
    mine = Delivery.objects.filter(claim=claim)
    freed = {"claim": None, "claimed_until": None, "last_error": words}
    for attempts in list(mine.order_by().values_list("attempts", flat=True).distinct()):
        again = now + wait_after(attempts)
        tried = mine.filter(attempts=attempts)
        tried.filter(created_at__lt=again - GIVE_UP).update(state=State.FAILED.value, **freed)
        tried.update(next_try_at=again, **freed)


def mark_failing(channel: Channel, words: str, *, now: datetime) -> None:
    """Note that the channel itself fails."""
    mine = Channel.objects.filter(pk=channel.pk)
    mine.filter(failing_since=None).update(failing_since=now)
    mine.update(last_error=words)


def outlast(do: Callable[[], T]) -> T:
    """Do something in the database; where that is away for a moment, try again.

    Else claims end by themselves, and what they held is sent again.
    """
    for attempt in stamina.retry_context(
        on=(OperationalError, InterfaceError), attempts=4, timeout=5.0
    ):
        with attempt:
            if attempt.num > 1:
                connections.close_all()
            return do()
    raise AssertionError("the last attempt raises")


def _free(now: datetime) -> QuerySet[Delivery]:
    """Give what waits and nobody is just sending."""
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    return Delivery.objects.filter(free, state=State.PENDING.value)
