"""A program whose children tell people of trouble, and are killed while they do.

It is warm: each child is a fork that begins at once with the work. What a child was at when it was
killed is left in memory that both share; which deliveries each message holds, in a file.

    python -m tests.alerts.killed FOLDER SEED KILLS WEB_PORT
"""

import json
import mmap
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402

from scanner.alerts import channels, due, noticing, outbox, wording  # noqa: E402
from scanner.alerts.tell import tell  # noqa: E402
from scanner.models import Delivery, ExpectedBackupJob, Incident  # noqa: E402
from tests.alerts.rows import DAY, judge, make_channel, make_jobs  # noqa: E402
from tests.scanning import NOW  # noqa: E402

JOBS = 50
STEP = timedelta(minutes=3)  # past each claim
LONGEST = 0.35
STAGES = ("nothing", "noticing", "planning", "writing", "sending", "marking")

_stage = mmap.mmap(-1, 1)


def _at(stage: str, do: Callable[..., Any]) -> Callable[..., Any]:
    """Leave word of what is being done, while it is."""

    def done(*arguments: Any, **named: Any) -> Any:
        _stage[0] = STAGES.index(stage)
        return do(*arguments, **named)

    return done


def _watch(folder: Path) -> None:
    """Tell what is being done, and what each message holds before it is handed over."""
    compose = wording.compose

    def composed(channel: Any, recipient: str, deliveries: Sequence[Delivery], **named: Any) -> Any:
        message = compose(channel, recipient, deliveries, **named)
        line = {"id": message.data["id"], "deliveries": [one.pk for one in deliveries]}
        with (folder / "messages.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        return message

    noticing.notice = _at("noticing", noticing.notice)
    due.plan_due = _at("planning", due.plan_due)
    wording.compose = _at("writing", composed)
    channels.hand_over = _at("sending", channels.hand_over)
    marking = outbox._Sender._mark_sent
    outbox._Sender._mark_sent = _at("marking", marking)  # type: ignore[method-assign]


def _child(now: datetime) -> int:
    """Let a child tell what there is to tell; give its process."""
    connections.close_all()
    _stage[0] = 0
    process = os.fork()
    if process:
        return process
    try:
        tell(now=now)
    finally:
        os._exit(0)


def _trouble(dice: random.Random, now: datetime) -> None:
    """Let one job go well or badly, as a scan would find it."""
    job = ExpectedBackupJob.objects.get(pk=dice.choice(list(_keys())))
    status, reason = dice.choice(
        [("SUCCESS", ""), ("FAILED", "backup_failed"), ("CORRUPT", "hash_mismatch")]
    )
    judge([job], status, reason, now=now)


def _keys() -> Sequence[int]:
    return list(ExpectedBackupJob.objects.order_by("pk").values_list("pk", flat=True))


def main(folder: Path, seed: int, kills: int, web_port: int) -> None:
    """Kill children at random instants, let a last one end, and print what there is then."""
    dice = random.Random(seed)
    _watch(folder)
    make_channel("second", address="second@example.com")
    hook = f"http://127.0.0.1:{web_port}/hook"
    make_channel("hook", "webhook", address=hook, secret="k" * 20)
    for number in range(JOBS):  # each in a company of its own: no place takes their place
        make_jobs(1, company=f"C{number}", city="X", neighborhood="Y", database=f"D{number}_")
    now, killed, hit = NOW, 0, Counter[str]()
    judge(list(ExpectedBackupJob.objects.order_by("pk")), "FAILED", "backup_failed", now=now)
    while killed < kills:
        now += STEP
        _trouble(dice, now)
        child = _child(now)
        time.sleep(dice.uniform(0, LONGEST))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            hit[STAGES[_stage[0]]] += 1
    for _ in range(20):
        now += DAY / 20
        os.waitpid(_child(now), 0)
    deliveries = Delivery.objects.order_by("pk")
    fields = ("pk", "channel__name", "state", "event__incident_id", "event__kind")
    found = {
        "hit": hit,
        "deliveries": list(deliveries.values_list(*fields)),
        "bad": list(
            ExpectedBackupJob.objects.exclude(status="SUCCESS")
            .order_by("pk")
            .values_list("pk", flat=True)
        ),
        "open": list(
            Incident.objects.filter(ended_at=None).order_by("job").values_list("job", flat=True)
        ),
        "members": list(
            Incident.objects.filter(ended_at=None, members__left_at=None)
            .order_by("members__job")
            .values_list("members__job", flat=True)
        ),
        "marked": ExpectedBackupJob.objects.exclude(alert_check_at=None).count(),
    }
    print(json.dumps(found, default=str))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
