"""What is wrong and is no job's: when it is told, when it is waited with, and when it is over."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.alerts.conditions import Condition, system_conditions
from scanner.models import Channel, ScanRun, ScheduledTask, VaultCopy, VaultFinding
from tests.scanning import NOW, make_job
from tests.schedule_rows import make_run, make_scan, make_task
from tests.stocked import stocked

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
AWAY = "DepositRootUnavailable: /srv/deposits cannot be listed"


def wrong(now: datetime = NOW) -> list[Condition]:
    return system_conditions(now)


def told(now: datetime = NOW) -> dict[str, tuple[str, str]]:
    """Give (level, reason) of what is wrong, by its key."""
    found = {one.key: (one.level.value, one.reason) for one in wrong(now)}
    assert len(found) == len(wrong(now))
    return found


def only(now: datetime = NOW) -> Condition:
    [condition] = wrong(now)
    return condition


def test_where_all_is_well_nothing_is_told() -> None:
    make_scan(vault_free_bytes=10, vault_days_left=100.0)
    make_run(make_task(last_outcome="ok"))
    make_run(make_task("prune", last_outcome="ok"))
    assert wrong() == []


def test_nothing_is_told_of_a_server_that_has_done_nothing_yet() -> None:
    assert wrong() == []


# --- Scans ----------------------------------------------------------------------------------------


FIELDS: dict[str, dict[str, Any]] = {
    "incomplete": {"findings": ["agent A was not looked at"]},
    "failed": {"error": "OSError: no memory"},
}


def scans(*outcomes: str) -> list[ScanRun]:
    """Store scans of all agents, one a quarter of an hour, the last one right now."""
    first = NOW - (len(outcomes) - 1) * 15 * MINUTE
    return [
        make_scan(first + number * 15 * MINUTE, outcome=outcome, **FIELDS.get(outcome, {}))
        for number, outcome in enumerate(outcomes)
    ]


FAILED = ("problem", "failed")
INTERRUPTED = ("problem", "interrupted")
INCOMPLETE = ("problem", "incomplete")


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ("complete", None),
        ("failed", FAILED),
        ("complete failed", FAILED),
        ("failed complete", None),
        ("failed failed complete", None),
        ("complete interrupted", None),
        ("interrupted interrupted", INTERRUPTED),
        ("interrupted complete interrupted", None),
        # Neither a killed scan nor one that runs makes a failure good.
        ("complete failed interrupted", FAILED),
        ("failed interrupted interrupted interrupted", INTERRUPTED),
        ("complete failed running", FAILED),
        ("complete interrupted running", None),
        ("complete interrupted failed", FAILED),
        ("incomplete", None),
        ("complete incomplete", None),
        ("incomplete incomplete", INCOMPLETE),
        ("incomplete complete incomplete", None),
        ("incomplete incomplete complete", None),
        ("incomplete incomplete interrupted", INCOMPLETE),
        ("incomplete interrupted incomplete", INCOMPLETE),
        ("incomplete incomplete running", INCOMPLETE),
        ("incomplete incomplete failed", FAILED),
    ],
)
def test_scans_are_told_of_until_one_comes_to_its_end(
    outcomes: str, reason: tuple[str, str] | None
) -> None:
    scans(*outcomes.split())
    assert told() == ({} if reason is None else {"scan": reason})


def test_a_failed_scan_is_told_with_its_error_and_since_the_first_that_failed() -> None:
    first = scans("complete", "failed", "failed", "failed")[1]
    condition = only()
    assert condition.kind == "scan"
    assert condition.since == first.started_at
    assert condition.facts["error"] == "OSError: no memory"
    assert condition.places == ()


def test_a_deposit_root_that_is_away_is_told_as_such() -> None:
    make_scan(outcome="failed", error=AWAY)
    assert told() == {"scan": ("problem", "deposit_root")}
    assert only().facts["error"] == AWAY


def test_a_long_error_is_cut() -> None:
    make_scan(outcome="failed", error="x" * 4000)
    assert len(only().facts["error"]) == 500


@pytest.mark.parametrize(
    ("field", "value"),
    [("trigger", "demo"), ("trigger", "reprocess"), ("agents", ["ACME_DOUALA_NEWBELL"])],
)
def test_a_scan_of_something_else_neither_fails_nor_makes_good(field: str, value: Any) -> None:
    other: dict[str, Any] = {field: value}
    make_scan(outcome="complete")
    make_scan(outcome="failed", **other)
    assert told() == {}
    make_scan(outcome="failed")
    make_scan(outcome="complete", **other)
    assert told() == {"scan": FAILED}


@pytest.mark.parametrize(
    ("before", "newest", "found"),
    [
        (["a", "b"], ["a", "b"], "a"),
        (["b"], ["a", "b"], "b"),
        (["a", "b"], ["c", "b"], "b"),
        (["a"], ["b"], None),
    ],
)
def test_of_two_incomplete_scans_only_what_both_found_is_told(
    before: list[str], newest: list[str], found: str | None
) -> None:
    first = make_scan(NOW - HOUR, outcome="incomplete", findings=before)
    make_scan(outcome="incomplete", findings=newest)
    if found is None:
        assert wrong() == []
    else:
        assert (only().facts["error"], only().since) == (found, first.started_at)


# --- ... that are tried again ---------------------------------------------------------------------


def test_a_scan_that_waits_to_be_tried_again_is_not_told_yet() -> None:
    scans("complete", "failed")
    task = make_task(last_outcome="ok", retry_at=NOW + MINUTE)
    assert told() == {}
    # The attempt begins; then it has failed for good.
    ScheduledTask.objects.update(retry_at=None)
    run = make_run(task, outcome="running", attempt=2)
    assert told() == {}
    run.outcome = "failed"
    run.save()
    ScheduledTask.objects.update(last_outcome="failed")
    assert told() == {"scan": FAILED}


@pytest.mark.parametrize("at_work", ["retry", "run"])
def test_what_failed_for_good_stays_told_while_it_is_tried_again(at_work: str) -> None:
    """Else each slot of a scan that goes on failing would end the incident and open another."""
    scans("complete", "failed", "failed")
    task = make_task(last_outcome="failed", retry_at=NOW + MINUTE if at_work == "retry" else None)
    if at_work == "run":
        make_run(task, outcome="running")
    assert told() == {"scan": FAILED}


def test_an_attempt_that_should_have_come_long_ago_is_not_waited_for() -> None:
    """Where no scheduler runs any more, scans by hand tell what they find."""
    scans("complete", "failed")
    make_run(make_task(retry_at=NOW - HOUR), NOW - HOUR, outcome="running")
    assert told() == {"scan": FAILED}
    assert told(NOW - MINUTE) == {}


def test_what_is_found_incomplete_stays_told_while_a_failed_scan_is_tried_again() -> None:
    scans("incomplete", "incomplete", "failed")
    make_task(retry_at=NOW + MINUTE)
    assert told() == {"scan": INCOMPLETE}


def test_a_paused_scan_that_failed_by_hand_is_told_at_once() -> None:
    scans("failed")
    make_task(enabled=False, retry_at=NOW + MINUTE)
    assert told() == {"scan": FAILED}


# --- Tasks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["failed", "interrupted"])
def test_a_task_that_failed_for_good_is_told_with_the_last_line_of_its_newest_failure(
    outcome: str,
) -> None:
    task = make_task("prune", last_outcome=outcome)
    make_run(task, NOW - 2 * DAY, outcome="failed", error="Traceback\nOSError: an old one\n")
    make_run(task, NOW - DAY, outcome=outcome, error="Traceback\nOSError: disk full\n")
    make_run(task, NOW, outcome="running")
    make_run(make_task("audit_vault", last_outcome="ok"), outcome="failed", error="in a retry")
    assert told() == {"task:prune": ("problem", outcome)}
    condition = only()
    assert (condition.kind, condition.name) == ("task", "prune")
    assert condition.facts == {"error": "OSError: disk full"}
    assert condition.since == NOW - DAY + timedelta(seconds=2)


def test_each_task_is_told_for_itself_and_the_scan_by_its_runs_alone() -> None:
    for name in ("scan", "prune", "send_alerts"):
        make_task(name, last_outcome="failed")
    make_task("audit_vault", last_outcome="failed", enabled=False)
    assert set(told()) == {"task:prune", "task:send_alerts"}


def test_a_failure_without_words_or_without_its_run_is_told_all_the_same() -> None:
    make_run(make_task("prune", last_outcome="failed"), outcome="failed")
    make_task("audit_vault", last_outcome="interrupted")
    assert [(one.key, one.facts["error"]) for one in wrong()] == [
        ("task:audit_vault", ""),
        ("task:prune", ""),
    ]


# --- The vault ------------------------------------------------------------------------------------


def find(kind: str = "damaged", path: str = "a.sql.gz", **fields: Any) -> VaultFinding:
    given = {"kind": kind, "path": path, "message": f"{path} is {kind}", "found_at": NOW}
    return VaultFinding.objects.create(**given | fields)


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("damaged", "problem"),
        ("absent", "problem"),
        ("unreadable", "problem"),
        ("not_restorable", "problem"),
        ("extra", "warning"),
    ],
)
def test_each_kind_of_finding_is_one_condition(kind: str, level: str) -> None:
    first = find(kind, found_at=NOW - DAY)
    newest = find(kind, "b.sql.gz")
    find(kind, "c.sql.gz", ended_at=NOW, end="whole")
    assert told() == {f"vault:{kind}": (level, kind)}
    condition = only()
    assert (condition.kind, condition.since) == ("vault", first.found_at)
    assert (condition.serial, condition.facts["count"]) == (newest.pk, 2)
    assert [one["path"] for one in condition.facts["samples"]] == ["b.sql.gz", "a.sql.gz"]


def test_kinds_do_not_mix() -> None:
    find("damaged")
    find("extra", "b.sql.gz")
    counts = {one.key: one.facts["count"] for one in wrong()}
    assert counts == {"vault:damaged": 1, "vault:extra": 1}


def test_findings_are_told_in_the_places_of_their_jobs_once_each() -> None:
    here, there = make_job(), make_job("OTHER_2025", "ACME_YAOUNDE_BASTOS")
    for number, job in enumerate((there, here, here, None)):
        find(path=f"{number}.sql.gz", job=job)
    assert only().places == (("ACME", "DOUALA", "NEWBELL"), ("ACME", "YAOUNDE", "BASTOS"))
    assert {one["job"] for one in only().facts["samples"]} == {"", "ACME_2025", "OTHER_2025"}


def test_a_finding_of_no_jobs_file_has_no_place() -> None:
    find("extra")
    assert only().places == ()


def copies(job_name: str, count: int) -> list[VaultCopy]:
    job = make_job(job_name, now=NOW - 30 * DAY)
    return stocked(job, *(NOW - (count - number) * DAY for number in range(count)))


def test_few_are_shown_of_many_and_a_last_good_copy_before_all_others() -> None:
    made = copies("ACME_2025", 10)
    # The last good one is found first, and many after it.
    for copy in reversed(made):
        find(path=copy.path, job=copy.job, copy=copy)
    condition = only()
    shown = [(one["path"], one["is_last_good"]) for one in condition.facts["samples"]]
    assert shown == [(made[-1].path, True), *((copy.path, False) for copy in made[:4])]
    assert condition.facts["count"] == 10


def test_a_copy_that_is_another_jobs_last_good_is_not_its_own() -> None:
    [mine, _], [theirs] = copies("ACME_2025", 2), copies("OTHER_2025", 1)
    find(path=theirs.path, job=mine.job)
    assert [one["is_last_good"] for one in only().facts["samples"]] == [False]


def test_a_long_message_of_a_finding_is_cut() -> None:
    find(message="x" * 4000)
    assert len(only().facts["samples"][0]["message"]) == 500


# --- Its room -------------------------------------------------------------------------------------


def measured(*days: float | None, apart: timedelta = HOUR) -> list[ScanRun]:
    """Store scans that found so many days left, the last one right now."""
    first = NOW - (len(days) - 1) * apart
    return [
        make_scan(first + number * apart, vault_free_bytes=1000, vault_days_left=left)
        for number, left in enumerate(days)
    ]


PROBLEM, WARNING = ("problem", "room"), ("warning", "room")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([14.0], None),
        ([13.9], WARNING),
        ([3.0], WARNING),
        ([2.9], PROBLEM),
        ([0.0], PROBLEM),
        ([None], None),
        ([20.0, 2.0], PROBLEM),
        # A pace that changes a little ends nothing ...
        ([13.9, 14.1], WARNING),
        ([13.9, 20.9], WARNING),
        ([2.9, 3.1], PROBLEM),
        # ... more room does, and a vault that does not grow any more.
        ([13.9, 21.0], None),
        ([2.9, 4.5], WARNING),
        ([2.9, 21.0], None),
        ([2.9, None], None),
        ([13.9, None, 14.1], WARNING),
    ],
)
def test_room_is_told_as_scans_measured_it(
    days: list[float | None], expected: tuple[str, str] | None
) -> None:
    measured(*days)
    assert told() == ({} if expected is None else {"vault:room": expected})


def test_little_more_room_for_more_than_a_day_is_enough() -> None:
    measured(13.9, 14.1, 14.2, apart=12 * HOUR)
    assert told() == {}


def test_room_is_told_with_what_was_measured_last_and_since_it_was_least() -> None:
    least, _ = measured(2.91, 3.14)
    assert only().facts == {"days": 3.1, "free_bytes": 1000}
    assert only().since == least.started_at


def test_a_scan_that_could_not_measure_says_nothing_of_room() -> None:
    measured(2.0)
    make_scan(outcome="complete")
    make_scan(outcome="running")
    assert told() == {"vault:room": PROBLEM}


# --- Channels -------------------------------------------------------------------------------------


def make_channel(name: str = "ops", **fields: Any) -> Channel:
    return Channel.objects.create(name=name, kind="webhook", created_at=NOW, **fields)


@pytest.mark.parametrize(
    ("since", "enabled", "is_told"),
    [
        (HOUR + MINUTE, True, True),
        (HOUR, True, False),
        (HOUR + MINUTE, False, False),
        (None, True, False),
    ],
)
def test_a_channel_is_told_of_when_it_has_failed_for_long(
    since: timedelta | None, enabled: bool, is_told: bool
) -> None:
    make_channel("well")
    failing_since = None if since is None else NOW - since
    channel = make_channel(enabled=enabled, failing_since=failing_since, last_error="refused")
    assert told() == ({f"channel:{channel.pk}": ("problem", "failing")} if is_told else {})
    if is_told:
        assert (only().name, only().facts["error"]) == ("ops", "refused")
        assert only().since == failing_since


# --- Cost -----------------------------------------------------------------------------------------


def make_wrong(numbers: range) -> None:
    """Store one of each thing that can be wrong for each of these numbers."""
    for number in numbers:
        make_scan(outcome="failed", error="no", vault_free_bytes=1, vault_days_left=1.0)
        make_run(make_task(f"task{number}", last_outcome="failed"), outcome="failed", error="no")
        job = make_job(f"DB{number}_2025", f"ACME_DOUALA_Q{number}")
        for kind in VaultFinding.Kind.values:
            find(kind, f"{number}.sql.gz", job=job)
        make_channel(f"channel{number}", failing_since=NOW - DAY)


def statements() -> int:
    with CaptureQueriesContext(connection) as captured:
        wrong()
    return len(captured)


def test_statements_do_not_grow_with_what_is_wrong() -> None:
    make_task()
    make_wrong(range(1))
    few = statements()
    assert len(wrong()) == 1 + 1 + 1 + len(VaultFinding.Kind.values) + 1
    make_wrong(range(1, 30))
    assert statements() == few <= 12
