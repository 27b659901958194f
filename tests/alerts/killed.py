"""A program whose children tell people of trouble, and are killed while they do.

It is warm: each child is a fork that begins at once with the work. What a child is at is in memory
that both share, so that a kill can be aimed, and told of. Each message says at its end which child
wrote it, and of which deliveries.

    python -m tests.alerts.killed SEED KILLS WEB_PORT
"""

import json
import mmap
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402
from django.db.models import Count, OuterRef, Subquery  # noqa: E402

from scanner.alerts import channels, due, noticing, outbox, wording  # noqa: E402
from scanner.alerts.tell import tell  # noqa: E402
from scanner.models import (  # noqa: E402
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
)
from tests.alerts.rows import HOUR, builtin, judge, make_channel, make_jobs  # noqa: E402
from tests.scanning import NOW  # noqa: E402

JOBS = 50
AT_ONCE = 3
RECIPIENTS = 4
STEP = timedelta(minutes=3)  # past each claim
LONGEST = 0.35
LAST_PASSES = 20
PROOF = "written by "
VERDICTS = (("SUCCESS", ""), ("FAILED", "backup_failed"), ("CORRUPT", "hash_mismatch"))
STAGES = ("noticing", "planning", "claiming", "writing", "sending", "marking")

_busy = mmap.mmap(-1, len(STAGES))
"""How many threads of the child are at each stage."""

_counting = threading.Lock()
_child_number = 0


def _at(stage: str, do: Callable[..., Any]) -> Callable[..., Any]:
    """Leave word of what is being done, while it is."""
    index = STAGES.index(stage)

    def count(step: int) -> None:
        with _counting:
            _busy[index] += step

    def done(*arguments: Any, **named: Any) -> Any:
        count(1)
        try:
            return do(*arguments, **named)
        finally:
            count(-1)

    return done


def _watch() -> None:
    """Tell what is being done, and let each message say who wrote it of what."""
    compose = wording.compose

    def composed(channel: Any, recipient: str, deliveries: Sequence[Delivery], **named: Any) -> Any:
        message = compose(channel, recipient, deliveries, **named)
        proof = json.dumps([_child_number, [one.pk for one in deliveries]])
        return replace(message, text=f"{message.text}\n{PROOF}{proof}\n")

    noticing.notice = _at("noticing", noticing.notice)
    due.plan_due = _at("planning", due.plan_due)
    wording.compose = _at("writing", composed)
    channels.hand_over = _at("sending", channels.hand_over)
    take, mark = outbox._Sender._take, outbox._Sender._mark_sent
    outbox._Sender._take = _at("claiming", take)  # type: ignore[method-assign]
    outbox._Sender._mark_sent = _at("marking", mark)  # type: ignore[method-assign]


def _child(now: datetime) -> int:
    """Let a child tell what there is to tell; give its process."""
    global _child_number  # noqa: PLW0603 - the child inherits it
    _child_number += 1
    connections.close_all()
    _busy[:] = bytes(len(STAGES))
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        told = tell(now=now)
        code = 2 if told.sent.failed else 0
    except BaseException:  # noqa: BLE001 - nothing of the child may go on as its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _has_ended(child: int) -> bool:
    """Tell whether a child has ended, and leave it to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait_for_an_instant(child: int, dice: random.Random) -> None:
    """Wait for any instant, or for one while or just after the child is at a stage."""
    aim = dice.randrange(-1, len(STAGES))
    if aim < 0:
        time.sleep(dice.uniform(0, LONGEST))
        return
    while not _busy[aim] and not _has_ended(child):
        time.sleep(0.0002)
    time.sleep(dice.uniform(0, dice.choice((0.001, 0.005, 0.02))))


def _ended(child: int) -> bool:
    """Wait for a child's end; tell whether it was killed. One that fails by itself is an error."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"child {_child_number} ended with {code}")
    return code != 0


def _trouble(dice: random.Random, now: datetime) -> None:
    """Let some jobs go well or badly, as a scan would find them."""
    jobs = dice.sample(list(ExpectedBackupJob.objects.order_by("pk")), AT_ONCE)
    for number, job in enumerate(jobs):
        judge([job], *dice.choice(VERDICTS), now=now + timedelta(seconds=number))


def _torn() -> list[str]:
    """Give what no kill may leave behind; each by one statement, which sees one instant.

    A job that is not marked has the incident that it should have, and each event its deliveries:
    what comes later would hide that something was lost.
    """
    members = IncidentMember.objects.filter(job=OuterRef("pk"), left_at=None)
    told = Subquery(members.values("incident__status")[:1])
    jobs = ExpectedBackupJob.objects.filter(alert_check_at=None).annotate(told=told)
    events = IncidentEvent.objects.annotate(count=Count("deliveries")).exclude(count=RECIPIENTS)
    return [
        f"job {job}: {status}, told {told}"
        for job, status, told in jobs.values_list("pk", "status", "told")
        if told != (None if status == "SUCCESS" else status)
    ] + [f"event {event}: {count} deliveries" for event, count in events.values_list("pk", "count")]


def _is_all_told() -> bool:
    marked = ExpectedBackupJob.objects.exclude(alert_check_at=None)
    return not marked.exists() and not Delivery.objects.filter(state="pending").exists()


def _prepare(web_port: int) -> None:
    """Let everything go wrong at once, each job in a company of its own: no place is told of."""
    make_channel("second", address="second@example.com")
    hook = f"http://127.0.0.1:{web_port}/hook"
    make_channel("hook", "webhook", address=hook, secret="k" * 20)
    for number in range(JOBS):
        make_jobs(1, company=f"C{number}", city="X", neighborhood="Y", database=f"D{number}_")
    jobs = list(ExpectedBackupJob.objects.order_by("pk"))
    judge(jobs[:1], "FAILED", "backup_failed", now=NOW)
    noticing.notice(now=NOW)
    # The children inherit the templates.
    wording.compose(builtin(), "", list(Delivery.objects.all()), now=NOW)
    judge(jobs[1:], "FAILED", "backup_failed", now=NOW)


def _found() -> dict[str, Any]:
    """Give what is in the database at the end."""
    incidents = Incident.objects.filter(ended_at=None)
    bad = ExpectedBackupJob.objects.exclude(status="SUCCESS")
    fields = ("pk", "event", "channel__name", "recipient", "state")
    return {
        "deliveries": list(Delivery.objects.order_by("pk").values_list(*fields)),
        "events": list(IncidentEvent.objects.order_by("pk").values_list("pk", "incident", "kind")),
        "bad": list(bad.order_by("pk").values_list("pk", "status")),
        "open": list(incidents.order_by("job").values_list("job", "status")),
        "members": list(
            incidents.filter(members__left_at=None)
            .order_by("members__job")
            .values_list("members__job", "members__job__status")
        ),
        "is_all_told": _is_all_told(),
    }


def main(seed: int, kills: int, web_port: int) -> None:
    """Kill children at random instants, let the last ones end, and print what there is then."""
    dice = random.Random(seed)
    _prepare(web_port)
    _watch()
    now, killed, hit, torn = NOW, list[int](), Counter[str](), list[str]()
    while len(killed) < kills:
        now += STEP
        _trouble(dice, now)
        child = _child(now)
        _wait_for_an_instant(child, dice)
        os.kill(child, signal.SIGKILL)
        if _ended(child):
            killed.append(_child_number)
            at = [stage for stage, count in zip(STAGES, _busy[:], strict=True) if count]
            hit.update(at or ["between"])
            torn += [f"child {_child_number} ({at}): {words}" for words in _torn()]
    for _ in range(LAST_PASSES):
        now += HOUR
        if _ended(_child(now)):
            raise RuntimeError("somebody else kills, too")
        if _is_all_told():
            break
    print(json.dumps({"killed": killed, "hit": hit, "torn": torn, **_found()}))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
