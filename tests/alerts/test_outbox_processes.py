"""Killed at any instant: each delivery arrives, and none more than once for each kill besides."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.alerts.servers import mail_servers, web_servers
from tests.process import ROOT, fresh_postgres, fresh_sqlite

KILLS = 200
LONG = 400.0
ADMIN, SECOND = "admin@example.com", "second@example.com"


def killed(folder: Path, url: str) -> None:
    """Run the program on that database, and look at what came of it."""
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201 - how to have it again
    with mail_servers(1) as (mail,), web_servers(1) as (web,):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.alerts.killed",
                *map(str, (folder, seed, KILLS, web.port)),
            ],
            cwd=ROOT,
            env=os.environ
            | {
                "DATABASE_URL": url,
                "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
                "ADMIN_EMAIL_RECIPIENTS": ADMIN,
                "ALERT_ALLOW_PRIVATE": "true",
                "LOG_LEVEL": "ERROR",
            },
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        by_mail = Counter(
            message_id.strip("<>").partition("@")[0] for message_id in mail.message_ids()
        )
        by_web = Counter(request.headers["x-backupmonitor-id"] for request in web.requests)
    found = json.loads(done.stdout)
    print("killed while", found["hit"])  # noqa: T201
    messages = [json.loads(line) for line in (folder / "messages.jsonl").read_text().splitlines()]
    holds = {one["id"]: one["deliveries"] for one in messages}
    arrivals: Counter[int] = Counter()
    for number, deliveries in holds.items():
        times = by_web[number]
        for address in (ADMIN, SECOND):
            times += by_mail[hashlib.sha256(f"{number} {address}".encode()).hexdigest()[:32]]
        for delivery in deliveries:
            arrivals[delivery] += times
    rows = found["deliveries"]
    assert {state for _, _, state, _, _ in rows} == {"sent"}
    assert len(rows) > 3 * 50
    lost = [row for row in rows if arrivals[row[0]] == 0]
    assert lost == []
    # A kill can hit a message of each channel between its sending and its mark.
    again = Counter[str]()
    for key, channel, *_ in rows:
        again[channel] = max(again[channel], arrivals[key] - 1)
    total = by_mail.total() + by_web.total()
    assert total - len([n for n in (by_mail | by_web).values() if n]) <= KILLS * 3
    assert all(extra <= KILLS for extra in again.values())
    # What is noticed is right, once: whatever was killed.
    assert found["open"] == found["bad"] == found["members"]
    assert found["marked"] == 0
    each = Counter((incident, kind, channel) for _, channel, _, incident, kind in rows)
    once = [one for one, count in each.items() if one[1] in ("opened", "recovered") and count > 1]
    assert once == []
    # The proof is one only if kills hit what takes long; a mark is over in a moment.
    assert {"noticing", "writing", "sending"} <= found["hit"].keys()


@pytest.mark.slow
def test_on_sqlite_a_kill_loses_nothing(tmp_path: Path) -> None:
    killed(tmp_path, fresh_sqlite(tmp_path))


@pytest.mark.slow
@pytest.mark.postgres
def test_on_postgresql_a_kill_loses_nothing(tmp_path: Path, postgres_url: str) -> None:
    killed(tmp_path, fresh_postgres(postgres_url))
