"""Each row of the verdict table, and what outranks what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scanner.cycle import Cycle
from scanner.errors import FileAbsent, UnsafeFile
from scanner.pipeline import verdict
from scanner.pipeline.archive import Codec
from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.findings import Evidence, Expectation
from scanner.pipeline.report import Claim, StepClaim
from scanner.pipeline.verdict import Baseline, Past, Reason, Status, Verdict
from scanner.pipeline.verification import ArchiveState, Level, Measurement

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STAGED, RAW, OTHER, STABLE = "a" * 64, "b" * 64, "c" * 64, "d" * 64

CLAIM = Claim(
    database="ACME",
    backup=StepClaim(status=True, sha256=RAW, size=1000),
    compress=StepClaim(status=True, sha256=STAGED, size=100),
    transfer=StepClaim(status=True),
    staged_name="acme.sql.gz",
)
FOUND = Measurement(
    size=100,
    sha256=STAGED,
    changed_at=AT,
    codec=Codec.GZIP,
    archive=ArchiveState.WHOLE,
    archive_error="",
    content_size=1000,
    content_sha256=RAW,
    exceeds_claim=False,
    seconds=0.1,
)
ANY = Expectation()
FAILED_STEP = StepClaim(status=False)
BROKEN = replace(
    FOUND,
    archive=ArchiveState.BROKEN,
    archive_error="it ends too early",
    content_size=None,
    content_sha256=None,
)
EMPTY = replace(FOUND, content_size=0, content_sha256=OTHER)
TORN = replace(FOUND, size=99, sha256=OTHER)
OPAQUE = replace(
    FOUND,
    codec=Codec.OPAQUE,
    archive=ArchiveState.UNTESTED,
    content_size=None,
    content_sha256=None,
)
BOUNDED = replace(FOUND, archive=ArchiveState.BOUNDED, content_size=None, content_sha256=None)
UNTESTED = replace(BOUNDED, archive=ArchiveState.UNTESTED)
NOTHING_SAID = Claim(database="ACME", staged_name="acme.sql.gz")


def decide(
    claim: Claim,
    evidence: Evidence | None,
    baseline: Baseline | None = None,
    *,
    late: bool = False,
    clock_skew: bool = False,
    expected: Expectation = ANY,
    past: Past | None = None,
) -> Verdict:
    return verdict.decide(
        claim,
        evidence,
        expected=expected,
        past=past or Past(baseline=baseline),
        late=late,
        clock_skew=clock_skew,
    )


@pytest.mark.parametrize(
    ("claim", "evidence", "status", "reason", "level"),
    [
        (replace(CLAIM, backup=FAILED_STEP), None, "FAILED", "backup_failed", None),
        (replace(CLAIM, compress=FAILED_STEP), None, "FAILED", "compress_failed", None),
        (replace(CLAIM, transfer=FAILED_STEP), None, "FAILED", "transfer_failed", None),
        (CLAIM, UnsafeFile("a link"), "CORRUPT", "unsafe_file", None),
        (CLAIM, FileAbsent("not there"), "MISSING", "file_absent", None),
        (replace(CLAIM, staged_name=None), None, "MISSING", "file_absent", None),
        (CLAIM, replace(FOUND, size=99), "CORRUPT", "size_mismatch", "present"),
        (CLAIM, replace(FOUND, sha256=OTHER), "CORRUPT", "hash_mismatch", "present"),
        (CLAIM, BROKEN, "CORRUPT", "unreadable_archive", "digest"),
        (NOTHING_SAID, BROKEN, "CORRUPT", "unreadable_archive", "present"),
        (CLAIM, EMPTY, "CORRUPT", "empty_dump", "archive"),
        (CLAIM, replace(FOUND, content_size=999), "CORRUPT", "content_mismatch", "archive"),
        (CLAIM, replace(FOUND, content_sha256=OTHER), "CORRUPT", "content_mismatch", "archive"),
        (
            CLAIM,
            replace(BOUNDED, exceeds_claim=True),
            "CORRUPT",
            "content_mismatch",
            "digest",
        ),
        (CLAIM, FOUND, "SUCCESS", None, "content"),
        (replace(CLAIM, backup=StepClaim()), FOUND, "SUCCESS", None, "archive"),
        (replace(CLAIM, backup=StepClaim(size=1000)), FOUND, "SUCCESS", None, "content"),
        (CLAIM, OPAQUE, "SUCCESS", None, "digest"),
        (CLAIM, BOUNDED, "SUCCESS", None, "digest"),
        (CLAIM, UNTESTED, "SUCCESS", None, "digest"),
        (NOTHING_SAID, OPAQUE, "SUCCESS", None, "present"),
        (NOTHING_SAID, FOUND, "SUCCESS", None, "archive"),
    ],
)
def test_each_row_of_the_table(
    claim: Claim, evidence: Evidence | None, status: str, reason: str | None, level: str | None
) -> None:
    given = decide(claim, evidence)
    assert (given.status, given.reason, given.level) == (status, reason, level)
    assert given.message


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (replace(CLAIM, backup=FAILED_STEP, compress=FAILED_STEP), "backup_failed"),
        (replace(CLAIM, compress=FAILED_STEP, transfer=FAILED_STEP), "compress_failed"),
    ],
)
def test_the_earliest_failed_step_is_the_reason(claim: Claim, reason: str) -> None:
    assert decide(claim, None).reason == reason


def test_the_rules_are_tried_in_the_order_of_the_table() -> None:
    assert [rule.reason for rule in verdict.RULES] == [
        Reason.BACKUP_FAILED,
        Reason.COMPRESS_FAILED,
        Reason.TRANSFER_FAILED,
        Reason.UNSAFE_FILE,
        Reason.FILE_ABSENT,
        Reason.SIZE_MISMATCH,
        Reason.HASH_MISMATCH,
        Reason.UNREADABLE_ARCHIVE,
        Reason.EMPTY_DUMP,
        Reason.CONTENT_MISMATCH,
        Reason.TRUNCATED_DUMP,
        Reason.TOO_SMALL,
    ]


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        (replace(BROKEN, size=99, sha256=OTHER), "size_mismatch"),
        (replace(BROKEN, sha256=OTHER), "hash_mismatch"),
        (replace(EMPTY, archive=ArchiveState.BROKEN, archive_error="x"), "unreadable_archive"),
        (EMPTY, "empty_dump"),
    ],
)
def test_of_several_faults_the_first_in_the_table_is_the_reason(
    worse: Measurement, reason: str
) -> None:
    assert decide(CLAIM, worse).reason == reason


def test_the_agents_own_words_are_in_the_message() -> None:
    claim = replace(CLAIM, transfer=FAILED_STEP, error="No space left on device")
    assert "No space left on device" in decide(claim, None).message


def test_what_could_not_be_understood_is_in_the_message() -> None:
    claim = replace(CLAIM, notes=("size: found 'many', expected a whole number",))
    assert "found 'many'" in decide(claim, FOUND).message


def test_an_empty_staged_file_is_an_empty_dump() -> None:
    nothing = replace(FOUND, size=0, codec=Codec.NONE, content_size=0)
    claim = replace(CLAIM, compress=StepClaim(), backup=StepClaim())
    assert decide(claim, nothing).reason == "empty_dump"


@pytest.mark.parametrize(
    ("claim", "found", "warnings"),
    [
        (CLAIM, FOUND, ()),
        (replace(CLAIM, compress=StepClaim(size=100)), FOUND, ("no_checksum",)),
        (CLAIM, OPAQUE, ("opaque",)),
        (CLAIM, BOUNDED, ("opaque",)),
        (CLAIM, UNTESTED, ()),
        (NOTHING_SAID, OPAQUE, ("no_checksum", "opaque")),
    ],
)
def test_warnings_ride_on_a_good_entry(
    claim: Claim, found: Measurement, warnings: tuple[str, ...]
) -> None:
    given = decide(claim, found)
    assert (given.status, given.warnings) == ("SUCCESS", warnings)


@pytest.mark.parametrize("evidence", [FOUND, TORN, FileAbsent("not there")])
def test_late_and_clock_skew_ride_on_any_entry(evidence: Evidence) -> None:
    given = decide(CLAIM, evidence, late=True, clock_skew=True)
    assert given.warnings == ("late", "clock_skew")
    assert decide(CLAIM, evidence).warnings == ()


def test_an_unknown_format_that_is_the_dump_itself_is_proven_by_its_digest() -> None:
    claim = replace(CLAIM, backup=StepClaim(sha256=STAGED), compress=StepClaim(sha256=STAGED))
    given = decide(claim, OPAQUE)
    assert (given.level, given.warnings) == (Level.CONTENT, ())


@pytest.mark.parametrize(
    ("baseline", "status"),
    [
        (None, Status.SUCCESS),
        (Baseline(STAGED, RAW, "x"), Status.UNCHANGED),
        (Baseline(OTHER, RAW, "x"), Status.UNCHANGED),  # packed anew, the content is the same
        (Baseline(STAGED, OTHER, "x"), Status.SUCCESS),  # known contents differ
        (Baseline(STAGED, None, "x"), Status.UNCHANGED),  # by the staged digest
        (Baseline(OTHER, None, "x"), Status.SUCCESS),
    ],
)
def test_unchanged_goes_by_content_when_both_are_known(
    baseline: Baseline | None, status: Status
) -> None:
    assert decide(CLAIM, FOUND, baseline).status is status


@pytest.mark.parametrize(
    ("baseline", "status"),
    [
        (Baseline(OTHER, OTHER, "x", STABLE), Status.UNCHANGED),  # only volatile lines differ
        (Baseline(STAGED, RAW, "x", OTHER), Status.SUCCESS),
        (Baseline(OTHER, RAW, "x", None), Status.UNCHANGED),  # recorded before there was one
    ],
)
def test_unchanged_goes_by_what_does_not_differ_in_every_dump_when_that_is_known(
    baseline: Baseline, status: Status
) -> None:
    assert decide(CLAIM, replace(FOUND, stable_sha256=STABLE), baseline).status is status


CUT = replace(
    FOUND, dump_defect='it does not end with "-- Dump completed"', dump_kind=DumpKind.MYSQL
)


def test_a_dump_without_its_end_is_truncated_though_size_and_digest_are_right() -> None:
    given = decide(CLAIM, CUT)
    assert (given.status, given.reason, given.level) == ("CORRUPT", "truncated_dump", "archive")
    assert given.message.startswith(CUT.dump_defect)
    assert "say in the job" in given.message


def test_a_job_may_say_that_its_dump_has_no_end_to_check() -> None:
    given = decide(CLAIM, CUT, expected=Expectation(has_trailer=False))
    assert (given.status, given.level) == ("SUCCESS", "archive")


def test_no_job_can_wave_damage_through_that_is_none_of_an_end() -> None:
    damaged = replace(CUT, dump_kind=DumpKind.SQLITE, dump_defect="page 7 is corrupt")
    given = decide(CLAIM, damaged, expected=Expectation(has_trailer=False))
    assert (given.reason, given.message) == ("truncated_dump", "page 7 is corrupt")


@pytest.mark.parametrize(("least", "status"), [(100, "SUCCESS"), (101, "CORRUPT"), (0, "SUCCESS")])
def test_a_backup_below_the_jobs_minimal_size_is_too_small(least: int, status: str) -> None:
    given = decide(CLAIM, FOUND, expected=Expectation(min_size=least))
    assert given.status == status
    assert (given.reason == "too_small") == (status == "CORRUPT")


@pytest.mark.parametrize(
    ("stale_after", "unchanged_before", "warns"),
    [(3, 1, False), (3, 2, True), (3, 30, True), (None, 30, False), (1, 0, True)],
)
def test_content_that_stays_the_same_for_as_long_as_the_job_says_is_stale(
    stale_after: int | None, unchanged_before: int, *, warns: bool
) -> None:
    past = Past(Baseline(STAGED, RAW, "x"), unchanged_cycles=unchanged_before)
    given = decide(CLAIM, FOUND, expected=Expectation(stale_after=stale_after), past=past)
    assert given.status is Status.UNCHANGED
    assert (verdict.Warning.STALE_CONTENT in given.warnings) == warns
    assert ("stuck" in given.message) == ("did nobody use the database" in given.message) == warns


def test_new_content_is_never_stale() -> None:
    past = Past(Baseline(OTHER, OTHER, "x"), unchanged_cycles=30)
    assert decide(CLAIM, FOUND, expected=Expectation(stale_after=1), past=past).warnings == ()


def test_an_unusual_size_is_warned_of_with_both_numbers() -> None:
    claim = replace(CLAIM, compress=StepClaim(sha256=STAGED, size=10_000_000))
    past = Past(sizes=(99_000_000, 100_000_000, 101_000_000) * 3)
    given = decide(claim, replace(FOUND, size=10_000_000), past=past)
    assert given.warnings == ("size_anomaly",)
    assert "10,000,000" in given.message
    assert "100,000,000" in given.message


def test_an_unusual_duration_is_warned_of_with_both_numbers() -> None:
    dumped = replace(CLAIM.backup, started=AT, ended=AT + timedelta(hours=2))
    given = decide(
        replace(CLAIM, backup=dumped), FOUND, past=Past(durations=(540.0, 600.0, 660.0) * 3)
    )
    assert given.warnings == ("duration_anomaly",)
    assert "2 h 0 min" in given.message
    assert "10 min" in given.message


def test_the_content_of_another_job_is_warned_of_by_that_jobs_name() -> None:
    given = decide(CLAIM, FOUND, past=Past(double="OTHER (ACME, Douala, Akwa)"))
    assert given.warnings == ("same_as_other_job",)
    assert "OTHER (ACME, Douala, Akwa)" in given.message


def test_a_corrupt_file_is_never_unchanged() -> None:
    assert decide(CLAIM, TORN, Baseline(OTHER, None, "x")).status is Status.CORRUPT


def test_a_cycle_without_a_report_is_missing() -> None:
    given = verdict.no_report(Cycle(AT, AT + timedelta(hours=1)), "the link is down")
    assert (given.status, given.reason, given.level) == ("MISSING", "no_report", None)
    assert given.message == "no report by 2026-03-02 13:00 UTC: the link is down"


def test_a_failed_operation_fails_the_jobs_it_was_about() -> None:
    given = verdict.operation_failed("disk full", late=True, clock_skew=False)
    assert (given.status, given.reason) == ("FAILED", "operation_failed")
    assert given.warnings == ("late",)
    assert "disk full" in given.message


def test_a_replaced_backup_cannot_be_judged() -> None:
    given = verdict.superseded(CLAIM)
    assert (given.status, given.reason) == ("UNKNOWN", "superseded")


def test_every_status_is_good_or_a_problem_or_unknown() -> None:
    assert verdict.GOOD | verdict.PROBLEMS | {Status.UNKNOWN} == set(Status)
    assert not verdict.GOOD & verdict.PROBLEMS
