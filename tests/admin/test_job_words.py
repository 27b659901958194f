"""How a job stands, in sentences: from facts to words, in English."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from scanner.admin.job_facts import Copy, Facts
from scanner.admin.job_words import Tone, tell
from scanner.models.choices import Reason
from scanner.models.job import PROBLEM_STATUSES
from scanner.pipeline import verdict

# A Thursday.
NOW = datetime(2026, 3, 12, 8, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD: dict[str, Any] = {
    "status": "SUCCESS",
    "fine_since": NOW - 9 * DAY,
    "is_daily": True,
    "last_good_at": NOW - 6 * HOUR,
    "due_at": NOW + 18 * HOUR,
    "deadline_at": NOW + 19 * HOUR,
}
PAUSED: dict[str, Any] = {
    **GOOD,
    "is_active": False,
    "due_at": None,
    "deadline_at": None,
    "paused_at": NOW - 2 * DAY,
    "paused_by": "amina",
}
MISSING: dict[str, Any] = {
    **GOOD,
    "status": "MISSING",
    "reason": "no_report",
    "since": NOW - 3 * DAY,
    "problem_cycles": 3,
    "last_good_at": NOW - 4 * DAY,
}
TO_ADOPT = (
    "To adopt: reports mention this database, and nobody has said yet when its backups are due."
)
FAILING_TO_ADOPT: dict[str, Any] = {
    **MISSING,
    "status": "CORRUPT",
    "reason": "hash_mismatch",
    "problem_cycles": 4,
    "awaits_adoption": True,
    "is_scheduled": False,
    "due_at": None,
    "deadline_at": None,
}


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with override("en"), timezone.override(UTC):
        yield


def words(**facts: Any) -> list[str]:
    told = tell(Facts(**facts), NOW)
    return [told.headline, *told.more]


@pytest.mark.parametrize(
    ("facts", "tone", "headline"),
    [
        (GOOD, "success", "On time every day since 3 March."),
        ({**GOOD, "is_daily": False}, "success", "On time in every cycle since 3 March."),
        ({**GOOD, "fine_since": NOW - 3 * DAY}, "success", "On time every day since Monday."),
        ({**GOOD, "fine_since": NOW - DAY}, "success", "On time every day since yesterday."),
        (
            {**GOOD, "fine_since": datetime(2025, 12, 1, tzinfo=UTC)},
            "success",
            "On time every day since 1 December 2025.",
        ),
        (
            {**GOOD, "is_one_fine": True},
            "success",
            "The last backup came on time and is good.",
        ),
        ({**GOOD, "status": "UNCHANGED"}, "success", "On time every day since 3 March."),
        (
            {**GOOD, "fine_count": 400},
            "success",
            "The last 400 backups all came on time and are good.",
        ),
        (
            {**GOOD, "fine_count": 400, "is_scheduled": False},
            "success",
            "The last 400 backups are all good.",
        ),
        (
            {**GOOD, "due_at": NOW - 2 * DAY, "deadline_at": NOW - DAY},
            "success",
            "The last backup came on time and is good.",
        ),
        (
            {**GOOD, "due_at": NOW - 2 * HOUR, "deadline_at": NOW + HOUR},
            "success",
            "On time every day since 3 March.",
        ),
        (
            {**GOOD, "is_scheduled": False},
            "success",
            "Every backup has been good since 3 March.",
        ),
        (
            {**GOOD, "is_scheduled": False, "is_one_fine": True},
            "success",
            "The last backup is good.",
        ),
        (
            {**GOOD, "warnings": ("late",), "is_late": True, "fine_since": None},
            "warning",
            "The last backup is good, but it came late.",
        ),
        (
            {**GOOD, "warnings": ("late", "opaque"), "is_late": True},
            "warning",
            "The last backup is good, with warnings: late, opaque.",
        ),
        (MISSING, "danger", "Missing since Monday: no good backup for 3 cycles."),
        (
            {**MISSING, "since": NOW - HOUR, "problem_cycles": 1},
            "danger",
            "Missing since 07:00: nothing came.",
        ),
        (
            {**MISSING, "reason": "file_absent"},
            "danger",
            "Missing since Monday: the report came, its file did not.",
        ),
        (
            {**MISSING, "status": "CORRUPT", "reason": "hash_mismatch"},
            "danger",
            "Corrupt since Monday: the file is not the one that the agent made.",
        ),
        (
            {**MISSING, "status": "FAILED", "reason": "backup_failed"},
            "danger",
            "Failing since Monday: the agent could not dump the database.",
        ),
        (
            {**MISSING, "status": "FAILED", "reason": "of_tomorrow"},
            "danger",
            "In trouble since Monday: of_tomorrow.",
        ),
        (
            {**GOOD, "status": "UNKNOWN"},
            "neutral",
            "It cannot be told how the last backup went.",
        ),
        (
            {"is_judged": False},
            "neutral",
            "Never judged yet: no backup has come, and none is overdue.",
        ),
        (PAUSED, "neutral", "Paused by amina since Tuesday: it is not watched."),
        (
            {**PAUSED, "paused_by": ""},
            "neutral",
            "Paused since Tuesday: it is not watched.",
        ),
        ({**PAUSED, "paused_at": None}, "neutral", "Paused: it is not watched."),
        (
            {**PAUSED, "retired_at": NOW - 40 * DAY},
            "neutral",
            "Retired since 31 January: no backup of it is expected any more.",
        ),
        ({**PAUSED, "awaits_adoption": True}, "warning", TO_ADOPT),
        ({**PAUSED, **FAILING_TO_ADOPT, "is_active": False}, "warning", TO_ADOPT),
        ({**GOOD, "awaits_adoption": True}, "warning", TO_ADOPT),
        (
            FAILING_TO_ADOPT,
            "danger",
            "Corrupt since Monday: the file is not the one that the agent made.",
        ),
        (
            {**FAILING_TO_ADOPT, "is_judged": False},
            "danger",
            "Corrupt since Monday: the file is not the one that the agent made.",
        ),
        (
            {**FAILING_TO_ADOPT, "is_active": False, "retired_at": NOW - 40 * DAY},
            "neutral",
            "Retired since 31 January: no backup of it is expected any more.",
        ),
    ],
)
def test_what_matters_most_comes_first(facts: dict[str, Any], tone: str, headline: str) -> None:
    told = tell(Facts(**facts), NOW)
    assert (told.tone, told.headline) == (Tone(tone), headline)


@pytest.mark.parametrize("reason", [one.value for one in Reason if one is not Reason.SUPERSEDED])
def test_each_reason_of_a_problem_has_its_sentence(reason: str) -> None:
    headline = words(status="FAILED", reason=reason, since=NOW - DAY)[0]
    assert "since yesterday" in headline
    assert not headline.startswith("In trouble")


def test_all_problems_are_told_as_such() -> None:
    assert {verdict.Status(status) for status in PROBLEM_STATUSES} == verdict.PROBLEMS
    for status in PROBLEM_STATUSES:
        assert tell(Facts(status=status, since=NOW), NOW).tone is Tone.PROBLEM


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {**GOOD, "restored_at": NOW - 3 * DAY, "is_last_restored": True},
            "The last good copy is 6 h old, proven restorable on 9 March.",
        ),
        (GOOD, "The last good copy is 6 h old."),
        (GOOD, "No copy of it was ever restored for a proof."),
        (
            {
                **GOOD,
                "restored_at": NOW - 3 * DAY,
                "restored_backup": NOW - 12 * DAY,
            },
            "The backup of 28 February was proven restorable on 9 March.",
        ),
        (
            {**GOOD, "last_copy": Copy.ABSENT},
            "The last good backup is 6 h old; it is not in the vault.",
        ),
        (
            {**GOOD, "last_copy": Copy.DELETED},
            "The last good backup is 6 h old; its copy was deleted.",
        ),
        (MISSING, "The last good copy is 4 days old."),
        ({"is_judged": False}, "There is no good copy yet."),
        ({**GOOD, "unchanged_cycles": 1}, "Its content was the same 1 time in a row."),
        ({**GOOD, "unchanged_cycles": 4}, "Its content was the same 4 times in a row."),
        (
            {**MISSING, "reason": "file_absent"},
            "That is 3 cycles in a row without a good backup.",
        ),
        ({**GOOD, "warnings": ("opaque",)}, "On time every day since 3 March."),
        (FAILING_TO_ADOPT, TO_ADOPT),
        (FAILING_TO_ADOPT, "That is 4 cycles in a row without a good backup."),
        (FAILING_TO_ADOPT, "The last good copy is 4 days old."),
        (PAUSED, "It stays so until somebody resumes it."),
        (
            {**PAUSED, "paused_until": NOW + 5 * DAY, "pause_reason": "the site moves"},
            "It is resumed by itself on 17 March, 08:00.",
        ),
        ({**PAUSED, "pause_reason": "the site moves"}, "The reason given: “the site moves”"),
        (GOOD, "The next one is due in 18 h, and may take 1 h more."),
        ({**GOOD, "deadline_at": GOOD["due_at"]}, "The next one is due in 18 h."),
        (
            {**GOOD, "due_at": NOW - HOUR / 2, "deadline_at": NOW + HOUR},
            "One has been due for 30 minutes; it may come for another 1 h.",
        ),
        (
            {**GOOD, "due_at": NOW - 3 * HOUR, "deadline_at": NOW - HOUR},
            "One has been due for 3 h; its deadline has passed, the next scan says so.",
        ),
        (
            {"is_judged": False, "is_scheduled": False},
            "It has no schedule: a backup comes whenever it comes, and is never missing.",
        ),
        (
            {**GOOD, "due_at": None, "deadline_at": None},
            "Its schedule brings no further backup.",
        ),
    ],
)
def test_what_else_is_known_follows(facts: dict[str, Any], sentence: str) -> None:
    assert sentence in words(**facts)[1:]


def test_of_a_job_that_nobody_watches_nothing_is_due() -> None:
    for facts in (PAUSED, {**PAUSED, "retired_at": NOW}, {**PAUSED, "awaits_adoption": True}):
        assert not any("due in" in one or "no schedule" in one for one in words(**facts)[1:])
    assert "It stays so until somebody resumes it." not in words(**PAUSED, retired_at=NOW)


def test_what_waits_to_be_adopted_is_said_once_and_asks_for_no_schedule_twice() -> None:
    for facts in ({**PAUSED, "awaits_adoption": True}, FAILING_TO_ADOPT):
        told = words(**facts)
        assert told.count(TO_ADOPT) == 1
        assert not any("no schedule" in sentence for sentence in told)


def test_a_late_backup_breaks_the_row() -> None:
    told = words(**{**GOOD, "warnings": ("late", "opaque"), "is_late": True})
    assert not any(sentence.startswith("On time") for sentence in told)


def test_the_time_is_that_of_the_reader() -> None:
    facts = {**MISSING, "since": datetime(2026, 3, 12, 0, 30, tzinfo=UTC), "problem_cycles": 1}
    with timezone.override("America/New_York"):
        assert words(**facts)[0] == "Missing since yesterday: nothing came."
