"""Sends what waits in the outbox: at least once, and no channel holds up another.

1. All that waits for one recipient of a channel goes as one message, once any of it is due. It is
   claimed by one statement (a compare-and-swap), so that several senders are harmless.
2. The message is handed over outside of any transaction, by a thread for each channel; the threads
   know no database.
3. It is marked as sent by its claim. A process that is killed in between leaves a claim that ends,
   and the message is sent again.
4. What could not be sent is tried again after a wait that doubles, and given up after GIVE_UP.
"""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import stamina
from django.db import InterfaceError, OperationalError, connections
from django.db.models import F, Min, Q, QuerySet

from scanner.alerts import channels, wording
from scanner.errors import ChannelError
from scanner.models import Channel, Delivery
from scanner.pipeline.text import clean

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=60)
"""How long a message may take, from its claim to its mark."""

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP = timedelta(hours=24)
AT_ONCE = 8
LONGEST_ERROR = 1000

State = Delivery.State


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages were handed over and how many could not be, and why by channel."""

    messages: int
    failed: int
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes one message: a recipient of a channel; a digest is one by itself."""

    channel: int
    recipient: str
    digest_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Work:
    """A message in a thread's hands."""

    key: _Key
    channel: Channel
    claim: UUID


def send(*, now: datetime, claim: timedelta = CLAIM) -> Sent:
    """Send what is due; give what became of it.

    A failing channel raises nothing here: its messages are tried again.
    """
    queues = _due(now)
    if not queues:
        return Sent(0, 0, {})
    known = Channel.objects.in_bulk(list(queues))
    queues = {key: queue for key, queue in queues.items() if key in known}
    sender = _Sender(queues, known, now, claim)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="alerts") as pool:
        sender.work(pool)
    return Sent(sender.messages, sender.failed, sender.errors)


def wait_after(attempts: int) -> timedelta:
    """Give how long is waited after so many attempts that failed."""
    doubled: int = 2 ** min(attempts - 1, 20)
    return min(LONGEST_WAIT, FIRST_WAIT * doubled)


def _due(now: datetime) -> dict[int, deque[_Key]]:
    """Give the messages of each channel that have something due, the oldest first.

    What waits for a channel that is off is given up like what could not be sent.
    """
    old = _free(now).filter(created_at__lt=now - GIVE_UP, channel__enabled=False)
    old.update(state=State.FAILED.value, last_error="the channel is off")
    due = _free(now).filter(next_try_at__lte=now, channel__enabled=True)
    fields = ("channel_id", "recipient", "digest_at")
    rows = due.order_by().values_list(*fields).annotate(Min("attempts"), Min("next_try_at"))
    queues: defaultdict[int, deque[_Key]] = defaultdict(deque)
    # What failed before comes last: it may keep the channel from being asked further.
    for *key, _, _ in sorted(rows, key=lambda row: (*row[3:], row[1])):
        queues[key[0]].append(_Key(*key))
    return dict(queues)


def _free(now: datetime) -> QuerySet[Delivery]:
    """Give what waits and nobody is just sending."""
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    return Delivery.objects.filter(free, state=State.PENDING.value)


class _Sender:
    """One pass over the outbox. All of the database is done by the thread that it was made in."""

    def __init__(
        self,
        queues: dict[int, deque[_Key]],
        known: dict[int, Channel],
        now: datetime,
        claim: timedelta,
    ) -> None:
        self.messages = 0
        self.failed = 0
        self.errors: dict[str, str] = {}
        self._queues = queues
        self._channels = known
        self._now = now
        self._claim = claim
        self._started = time.monotonic()

    def work(self, pool: ThreadPoolExecutor) -> None:
        running: dict[Future[None], _Work] = {}
        while True:
            busy = {work.key.channel for work in running.values()}
            for channel in [key for key in self._queues if key not in busy]:
                if len(running) < AT_ONCE and (begun := self._begin(pool, channel)):
                    running[begun[0]] = begun[1]
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                self._end(running.pop(future), future.exception())

    def _begin(self, pool: ThreadPoolExecutor, channel: int) -> tuple[Future[None], _Work] | None:
        """Let a thread hand over the channel's next message; None when it has no more."""
        queue = self._queues[channel]
        while queue:
            work = _Work(queue.popleft(), self._channels[channel], uuid4())
            deliveries = self._take(work)
            if not deliveries:
                continue
            try:
                message = self._compose(work, deliveries)
            except Exception as error:
                logger.exception("a message for channel %s could not be written", work.channel)
                self._end(work, error)
                continue
            recipient = work.key.recipient
            future = pool.submit(channels.hand_over, work.channel, recipient, message)
            return future, work
        del self._queues[channel]
        return None

    def _take(self, work: _Work) -> list[Delivery]:
        """Claim all that waits for a recipient, and give it."""
        key = work.key
        # A pass may take long: a claim counts from when it is taken.
        at = self._at()
        waiting = _free(at).filter(
            channel=key.channel, recipient=key.recipient, digest_at=key.digest_at
        )
        taken = waiting.update(
            claim=work.claim,
            claimed_until=at + self._claim,
            attempts=F("attempts") + 1,
        )
        return list(Delivery.objects.filter(claim=work.claim).order_by("pk")) if taken else []

    def _at(self) -> datetime:
        """Give the time by now, as of `now` when the pass began."""
        return self._now + timedelta(seconds=time.monotonic() - self._started)

    def _compose(self, work: _Work, deliveries: list[Delivery]) -> channels.Message:
        slot = work.key.digest_at
        if slot is not None:
            return wording.compose_digest(work.channel, work.key.recipient, slot, now=self._now)
        return wording.compose(work.channel, work.key.recipient, deliveries, now=self._now)

    def _end(self, work: _Work, error: BaseException | None) -> None:
        if error is None:
            _outlast(lambda: self._mark_sent(work))
            self.messages += 1
            return
        if isinstance(error, ChannelError):
            words = clean(str(error), LONGEST_ERROR)
        else:
            words = type(error).__name__  # its words may hold a secret of the channel
        logger.warning("channel %s did not take a message: %s", work.channel, words)
        is_down = isinstance(error, ChannelError) and error.is_down
        if is_down:  # what else waits for it would only meet the same
            self._queues.get(work.key.channel, deque()).clear()
        _outlast(lambda: self._mark_failed(work, words, is_down=is_down))
        self.failed += 1
        self.errors[work.channel.name] = words

    def _mark_sent(self, work: _Work) -> None:
        Delivery.objects.filter(claim=work.claim).update(
            state=State.SENT.value,
            sent_at=self._now,
            claim=None,
            claimed_until=None,
            last_error="",
        )
        failing = Channel.objects.filter(pk=work.channel.pk, failing_since__isnull=False)
        failing.update(failing_since=None, last_error="")

    def _mark_failed(self, work: _Work, words: str, *, is_down: bool) -> None:
        mine = Delivery.objects.filter(claim=work.claim)
        freed = {"claim": None, "claimed_until": None, "last_error": words}
        for attempts in list(mine.order_by().values_list("attempts", flat=True).distinct()):
            again = self._at() + wait_after(attempts)
            tried = mine.filter(attempts=attempts)
            tried.filter(created_at__lt=again - GIVE_UP).update(state=State.FAILED.value, **freed)
            tried.update(next_try_at=again, **freed)
        if is_down or not work.key.recipient:  # one address that is refused says nothing of others
            channel = Channel.objects.filter(pk=work.channel.pk)
            channel.filter(failing_since=None).update(failing_since=self._now)
            channel.update(last_error=words)


def _outlast(do: Callable[[], None]) -> None:
    """Do something in the database; where that is away for a moment, try again.

    Else the claim ends by itself, and the message is sent again.
    """
    for attempt in stamina.retry_context(
        on=(OperationalError, InterfaceError), attempts=4, timeout=5.0
    ):
        with attempt:
            if attempt.num > 1:
                connections.close_all()
            do()
