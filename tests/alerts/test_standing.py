"""What is to be told of a job, from its state alone."""

import pytest

from scanner.alerts.standing import ONLY_COPY_IS_STAGED, TOLD, standing_of
from scanner.models import ExpectedBackupJob
from scanner.pipeline.verdict import Warning

Row = tuple[str, dict[str, object], str | None]
P, W = "problem", "warning"

TABLE: list[Row] = [
    ("UNKNOWN", {}, None),
    ("SUCCESS", {}, None),
    ("UNCHANGED", {}, None),
    ("MISSING", {}, P),
    ("FAILED", {}, P),
    ("CORRUPT", {}, P),
    ("MISSING", {"is_active": False}, None),
    ("MISSING", {"alert_after": 3, "problem_cycles": 2}, None),
    ("MISSING", {"alert_after": 3, "problem_cycles": 3}, P),
    ("MISSING", {"alert_after": 3, "problem_cycles": 4}, P),
    ("FAILED", {"alert_after": 2, "problem_cycles": 1}, None),
    ("CORRUPT", {"alert_after": 9, "problem_cycles": 1}, P),
    ("MISSING", {"first_missing_is_warning": True}, W),
    ("MISSING", {"first_missing_is_warning": True, "problem_cycles": 2}, P),
    ("FAILED", {"first_missing_is_warning": True}, P),
    ("CORRUPT", {"first_missing_is_warning": True}, P),
    ("MISSING", {"first_missing_is_warning": True, "alert_after": 2}, None),
]


def job(status: str, **fields: object) -> ExpectedBackupJob:
    return ExpectedBackupJob(**{"status": status, "reason": "r", "problem_cycles": 1, **fields})


@pytest.mark.parametrize(("status", "fields", "level"), TABLE)
def test_the_table_of_states(status: str, fields: dict[str, object], level: str | None) -> None:
    found = standing_of(job(status, **fields))
    assert (found and found.level.value) == level
    if found is not None:
        assert found.kind == (status, "r")


@pytest.mark.parametrize("warning", Warning)
@pytest.mark.parametrize("status", ["SUCCESS", "UNCHANGED"])
def test_a_good_backup_with_a_warning_that_is_told_is_a_warning(
    status: str, warning: Warning
) -> None:
    found = standing_of(job(status, reason="", warnings=[warning.value]))
    if warning in (Warning.NO_CHECKSUM, Warning.OPAQUE):
        assert found is None
    else:
        assert found is not None
        assert (found.level.value, found.status, found.reason) == (W, "", warning.value)


def test_the_gravest_of_several_warnings_gives_the_reason() -> None:
    found = standing_of(job("SUCCESS", warnings=["clock_skew", "opaque", "late", "not_in_vault"]))
    assert found is not None
    assert found.warnings == ("not_in_vault", "late", "clock_skew")
    assert found.reason == TOLD[0]


def test_a_good_backup_whose_only_copy_will_be_replaced_is_a_problem() -> None:
    found = standing_of(job("SUCCESS", warnings=["not_in_vault"]), has_copy=False)
    assert found is not None
    assert (found.level.value, found.reason) == (P, ONLY_COPY_IS_STAGED)
    late = standing_of(job("SUCCESS", warnings=["late"]), has_copy=False)
    assert late is not None
    assert late.level.value == W
