"""Everything that alerts do, once: notice, plan what is due by the time, send."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scanner.alerts import due, noticing, outbox
from scanner.alerts.noticing import Noticed
from scanner.alerts.outbox import Sent


@dataclass(slots=True)
class Told:
    """What was noticed, how much was due by the time alone, and what was sent."""

    noticed: Noticed
    due: int
    sent: Sent


def tell(*, now: datetime) -> Told:
    """Notice what is new, and send what waits.

    The failure of a step keeps none of the others from being tried; the first is raised at the end.
    """
    started = time.monotonic()
    told = Told(Noticed({}, 0), 0, Sent(0, 0, {}))

    def notice() -> None:
        told.noticed = noticing.notice(now=now)

    def plan() -> None:
        told.due = due.plan_due(now=now)

    def send() -> None:
        # Noticing may have waited for others.
        passed = timedelta(seconds=time.monotonic() - started)
        told.sent = outbox.send(now=now + passed)

    errors: list[Exception] = []
    steps: tuple[Callable[[], None], ...] = (notice, plan, send)
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    if errors:
        raise errors[0]
    return told
