"""Sends what waits in the outbox: at least once, and no channel holds up another.

1. All that is new for one recipient of a channel goes as one message; so does all that failed
   before, once any of it is due: what cannot be sent holds up nothing that is new. Each is claimed
   by one statement (a compare-and-swap), so that several senders are harmless.
2. The message is handed over outside of any transaction, by a thread for each channel; the threads
   know no database.
3. It is marked as sent by its claim. A process that is killed in between leaves a claim that ends,
   and the message is sent again.
4. What could not be sent is tried again after a wait that doubles, at the latest when its channel
   works again, and given up after GIVE_UP. An event that cannot be written is left out of the
   message of the others, and fails alone.
5. A pass begins nothing after LONGEST_PASS: a slow channel keeps nobody from what comes next.
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from django.db import InterfaceError, OperationalError

from scanner.alerts import channels, claims, wording
from scanner.alerts.claims import GIVE_UP, Key, outlast, wait_after
from scanner.errors import ChannelError
from scanner.models import Channel, Delivery
from scanner.pipeline.text import clean

__all__ = ["CLAIM", "GIVE_UP", "LONGEST_PASS", "Sent", "send", "wait_after"]

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=60)
"""How long a message may take, from its claim to its mark."""

LONGEST_PASS = timedelta(seconds=45)
AT_ONCE = 8
LONGEST_ERROR = 1000
MOST_TRIES = 64
"""How often a message is written to find out what in it cannot be."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages were handed over and how many could not be, and why by channel."""

    messages: int
    failed: int
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Work:
    """A message in a thread's hands."""

    key: Key
    channel: Channel
    claim: UUID


def send(*, now: datetime, claim: timedelta = CLAIM, longest: timedelta = LONGEST_PASS) -> Sent:
    """Send what is due; give what became of it.

    A failing channel raises nothing here: its messages are tried again. After `longest` each
    channel has had its turn, and the rest waits for the next pass.
    """
    queues = outlast(lambda: claims.due(now))
    if not queues:
        return Sent(0, 0, {})
    known = outlast(lambda: Channel.objects.in_bulk(list(queues)))
    queues = {key: queue for key, queue in queues.items() if key in known}
    sender = _Sender(queues, known, now, claim, longest)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="alerts") as pool:
        sender.work(pool)
    return Sent(sender.messages, sender.failed, sender.errors)


class _Sender:
    """One pass over the outbox. All of the database is done by the thread that it was made in."""

    def __init__(
        self,
        queues: dict[int, deque[Key]],
        known: dict[int, Channel],
        now: datetime,
        claim: timedelta,
        longest: timedelta,
    ) -> None:
        self.messages = 0
        self.failed = 0
        self.errors: dict[str, str] = {}
        self._queues = queues
        self._channels = known
        self._now = now
        self._claim = claim
        self._longest = longest
        self._started = time.monotonic()

    def work(self, pool: ThreadPoolExecutor) -> None:
        """Send all; raise what the database says when it stays away."""
        running: dict[Future[None], _Work] = {}
        try:
            self._work_off(pool, running)
        except (OperationalError, InterfaceError):
            # What is on its way meanwhile would be sent again.
            for future, work in running.items():
                with suppress(OperationalError, InterfaceError):
                    self._end(work, future.exception())
            raise

    def _work_off(self, pool: ThreadPoolExecutor, running: dict[Future[None], _Work]) -> None:
        while True:
            busy = {work.key.channel for work in running.values()}
            for channel in [key for key in self._queues if key not in busy]:
                if len(running) < AT_ONCE and (begun := self._begin(pool, channel)):
                    running[begun[0]] = begun[1]
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                work = running.pop(future)
                self._end(work, future.exception())
                if self._at() - self._now >= self._longest:
                    self._leave(work)

    def _begin(self, pool: ThreadPoolExecutor, channel: int) -> tuple[Future[None], _Work] | None:
        """Let a thread hand over the channel's next message; None when it has no more."""
        queue = self._queues[channel]
        while queue:
            work = _Work(queue.popleft(), self._channels[channel], uuid4())
            message = self._write(work, self._take(work))
            if message is not None:
                recipient = work.key.recipient
                future = pool.submit(channels.hand_over, work.channel, recipient, message)
                return future, work
        del self._queues[channel]
        return None

    def _leave(self, work: _Work) -> None:
        """Leave what else waits for the channel to the next pass."""
        self._queues.get(work.key.channel, deque()).clear()

    def _take(self, work: _Work) -> list[Delivery]:
        """Claim what belongs into a message, and give it."""
        at = self._at()  # a pass may take long: a claim counts from when it is taken
        return outlast(lambda: claims.take(work.key, work.claim, now=at, until=at + self._claim))

    def _at(self) -> datetime:
        """Give the time by now, as of `now` when the pass began."""
        return self._now + timedelta(seconds=time.monotonic() - self._started)

    def _write(self, work: _Work, deliveries: Sequence[Delivery]) -> channels.Message | None:
        """Give the message of those that can be written; the others have failed by themselves."""
        while deliveries:
            try:
                return self._compose(work, deliveries)
            except Exception as error:
                logger.exception("a message for channel %s could not be written", work.channel)
                bad = {one.pk for one in self._unwritable(work, deliveries) or deliveries}
                deliveries = [one for one in deliveries if one.pk not in bad]
                apart, words = uuid4(), type(error).__name__
                outlast(partial(claims.set_apart, work.claim, bad, apart))
                outlast(partial(claims.mark_failed, apart, words, now=self._at()))
                self._count_failure(work, words)
        return None

    def _unwritable(self, work: _Work, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Give those that cannot be written, found by halving; none where each part can be."""
        failing, bad, tries = deque([deliveries]), list[Delivery](), 0
        while failing:
            part = failing.popleft()
            if len(part) == 1 or tries >= MOST_TRIES:
                bad.extend(part)
                continue
            middle = len(part) // 2
            for half in (part[:middle], part[middle:]):
                tries += 1
                try:
                    self._compose(work, half)
                except Exception:  # noqa: BLE001 - told of already
                    failing.append(half)
        return bad

    def _compose(self, work: _Work, deliveries: Sequence[Delivery]) -> channels.Message:
        slot = work.key.digest_at
        if slot is not None:
            return wording.compose_digest(work.channel, work.key.recipient, slot, now=self._now)
        return wording.compose(work.channel, work.key.recipient, deliveries, now=self._now)

    def _end(self, work: _Work, error: BaseException | None) -> None:
        if error is None:
            outlast(lambda: self._mark_sent(work))
            self.messages += 1
            return
        is_down = False
        if isinstance(error, ChannelError):
            words, is_down = clean(str(error), LONGEST_ERROR), error.is_down
        else:
            words = type(error).__name__  # its words may hold a secret of the channel
        logger.warning("channel %s did not take a message: %s", work.channel, words)
        if is_down:  # what else waits for it would only meet the same
            self._leave(work)
        outlast(lambda: claims.mark_failed(work.claim, words, now=self._at()))
        if is_down or not work.key.recipient:  # one address that is refused says nothing of others
            outlast(lambda: claims.mark_failing(work.channel, words, now=self._now))
        self._count_failure(work, words)

    def _count_failure(self, work: _Work, words: str) -> None:
        self.failed += 1
        self.errors[work.channel.name] = words

    def _mark_sent(self, work: _Work) -> None:
        claims.mark_sent(work.channel, work.claim, now=self._now)
