"""Killed at any instant: all that is to be told arrives, and hardly anything of it twice."""

import json
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.servers import MailServer, WebServer, mail_servers, web_servers
from tests.process import ROOT, fresh_postgres, fresh_sqlite

KILLS = 200
LONG = 400.0
CHANNELS = {
    "one@example.com": "built in",
    "two@example.com": "built in",
    "second@example.com": "second",
    "": "hook",
}
"""The channel of each recipient."""

PROOF = "written by "  # as in `killed`, which sets Django up when it is imported


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message at its server: its id there, which child wrote it, and of which deliveries."""

    number: str
    recipient: str
    child: int
    deliveries: tuple[int, ...]


def arrivals(mail: MailServer, web: WebServer) -> Iterator[Arrival]:
    for one in mail.mails:
        yield arrival(one.message_id, one.recipients[0], one.body())
    for request in web.requests:
        number = request.headers["x-backupmonitor-id"]
        assert request.data["id"] == number
        yield arrival(number, "", request.data["text"])


def arrival(number: str, recipient: str, text: str) -> Arrival:
    child, deliveries = json.loads(text.rpartition(PROOF)[2])
    return Arrival(number, recipient, child, tuple(deliveries))


def killed(url: str) -> None:
    """Run the program on that database, and look at what came of it."""
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201 - how to have it again
    with mail_servers(1) as (mail,), web_servers(1) as (web,):
        done = subprocess.run(
            [sys.executable, "-m", "tests.alerts.killed", *map(str, (seed, KILLS, web.port))],
            cwd=ROOT,
            env=os.environ
            | {
                "DATABASE_URL": url,
                "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
                "ADMIN_EMAIL_RECIPIENTS": "one@example.com,two@example.com",
                "ALERT_ALLOW_PRIVATE": "true",
                "LOG_LEVEL": "ERROR",
            },
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        arrived = list(arrivals(mail, web))
    found = json.loads(done.stdout)
    print("killed while", found["hit"])  # noqa: T201
    assert len(found["killed"]) == KILLS
    # The proof is one only if kills hit each stage.
    assert {"noticing", "planning", "claiming", "writing", "sending", "marking"} <= set(
        found["hit"]
    )
    assert_incidents_are_right(found)
    assert_deliveries_are_right(found, arrived)
    repeated = assert_only_kills_repeat(set(found["killed"]), arrived)
    print(len(arrived), "messages arrived,", repeated, "of them again")  # noqa: T201
    assert repeated > 0


def assert_incidents_are_right(found: dict[str, Any]) -> None:
    """What is noticed is what is, once, whatever was killed."""
    assert found["torn"] == []
    assert found["open"] == found["bad"] == found["members"]
    assert found["is_all_told"]
    kinds = Counter((incident, kind) for _, incident, kind in found["events"])
    incidents = {incident for incident, _ in kinds}
    assert {kinds[incident, "opened"] for incident in incidents} == {1}
    assert {kinds[incident, "recovered"] for incident in incidents} == {0, 1}
    assert sum(kinds[one, "recovered"] == 0 for one in incidents) == len(found["open"])


def assert_deliveries_are_right(found: dict[str, Any], arrived: Iterable[Arrival]) -> None:
    """Each event is told to each recipient, and arrives there."""
    rows = found["deliveries"]
    assert {state for *_, state in rows} == {"sent"}
    told = Counter((event, recipient) for _, event, _, recipient, _ in rows)
    assert told == Counter((event, who) for event, *_ in found["events"] for who in CHANNELS)
    assert len(rows) > 50 * len(CHANNELS)
    expected = {(key, recipient) for key, _, _, recipient, _ in rows}
    assert {(key, one.recipient) for one in arrived for key in one.deliveries} == expected


def assert_only_kills_repeat(killed: set[int], arrived: Iterable[Arrival]) -> int:
    """Tell how many messages were told again: for a kill, one of each channel at most."""
    by_delivery: defaultdict[int, list[Arrival]] = defaultdict(list)
    content: dict[str, tuple[str, tuple[int, ...]]] = {}
    for one in sorted(arrived, key=lambda each: each.child):
        # The same message has the same id, and no other has.
        assert content.setdefault(one.number, (one.recipient, one.deliveries)) == (
            one.recipient,
            one.deliveries,
        )
        for key in one.deliveries:
            by_delivery[key].append(one)
    assert len(set(content.values())) == len(content)
    in_vain: defaultdict[tuple[int, str], set[Arrival]] = defaultdict(set)
    for several in by_delivery.values():
        children = [one.child for one in several]
        assert len(set(children)) == len(children)
        for one in several[:-1]:
            assert one.child in killed
            in_vain[one.child, CHANNELS[one.recipient]].add(one)
    assert {len(messages) for messages in in_vain.values()} <= {1}
    return len(in_vain)


@pytest.mark.slow
@pytest.mark.sqlite
def test_on_sqlite_a_kill_loses_nothing(tmp_path: Path) -> None:
    killed(fresh_sqlite(tmp_path))


@pytest.mark.slow
@pytest.mark.postgres
def test_on_postgresql_a_kill_loses_nothing(postgres_url: str) -> None:
    killed(fresh_postgres(postgres_url))
