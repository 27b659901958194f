"""Every dialect of the field is read without loss; what is no report is rejected with a reason."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import MalformedReport
from scanner.pipeline.report import (
    MAX_NOTES,
    MAX_SIZE,
    MESSAGE_LIMIT,
    NAME_LIMIT,
    Claim,
    NotJson,
    Overall,
    Report,
    Step,
    StepClaim,
    parse,
)
from scanner.pipeline.text import quote

SAMPLES = Path(__file__).parents[1] / "samples"
DIGEST = "ab" * 32


def a_report(entry: object = None, **top: object) -> Report:
    document: dict[str, Any] = {"databases": {"D": {} if entry is None else entry}, **top}
    return parse(json.dumps(document).encode())


def a_claim(entry: object) -> Claim:
    (claim,) = a_report(entry).claims
    return claim


def a_step(step: object) -> tuple[StepClaim, tuple[str, ...]]:
    claim = a_claim({"BACKUP": step})
    return claim.backup, claim.notes


def raw_step(fields: str) -> tuple[StepClaim, tuple[str, ...]]:
    content = f'{{"databases": {{"D": {{"BACKUP": {{{fields}}}}}, "OTHER": {{}}}}}}'
    claim, other = parse(content.encode()).claims
    assert other == Claim("OTHER")
    return claim.backup, claim.notes


def utc(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


def sha(number: int) -> str:
    return f"{number:064d}"


class TestSamples:
    def test_the_canonical_report_is_read_whole(self) -> None:
        content = (SAMPLES / "canonical.json").read_bytes()

        assert parse(content) == Report(
            agent_id="acme_douala_newbell",
            overall=Overall.COMPLETED,
            started=utc(2, 12, 53, 52),
            ended=utc(2, 12, 56, 6),
            claims=(
                Claim(
                    database="ACME_DOUALA_NEWBELL_2025",
                    backup=StepClaim(
                        status=True,
                        started=utc(2, 12, 53, 52),
                        ended=utc(2, 12, 54, 26),
                        sha256=sha(1),
                        size=188178944,
                    ),
                    compress=StepClaim(
                        status=True,
                        started=utc(2, 12, 55, 15),
                        ended=utc(2, 12, 56, 3),
                        sha256=sha(2),
                        size=19972513,
                    ),
                    transfer=StepClaim(
                        status=True, started=utc(2, 12, 56, 6), ended=utc(2, 12, 56, 6)
                    ),
                    staged_name="acme_douala_newbell_2025.sql.gz",
                ),
                Claim(
                    database="ACME_NEWBELL_STOCK_2025",
                    backup=StepClaim(
                        status=True,
                        started=utc(2, 12, 54, 26),
                        ended=utc(2, 12, 54, 33),
                        sha256=sha(3),
                        size=72885760,
                    ),
                    compress=StepClaim(
                        status=False, started=utc(2, 12, 54, 39), ended=utc(2, 12, 54, 58)
                    ),
                    transfer=StepClaim(status=False),
                    staged_name="acme_newbell_stock_2025.sql.gz",
                    error="No space left on device\ngzip: write error: No space left on device",
                ),
            ),
            notes=(),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def test_the_minimal_report_is_read_whole(self) -> None:
        content = (SAMPLES / "minimal.json").read_bytes()

        assert parse(content) == Report(
            agent_id="acme_douala_newbell",
            overall=Overall.COMPLETED,
            started=None,
            ended=None,
            claims=(
                Claim(
                    database="ACME_DOUALA_2023",
                    compress=StepClaim(sha256=sha(21)),
                    staged_name="acme_douala_2023.sql.gz",
                ),
            ),
            notes=(),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def test_the_report_of_strings_and_agent_paths_is_read_whole(self) -> None:
        report = parse((SAMPLES / "strings_and_agent_paths.json").read_bytes())

        assert report.agent_id == "ACME_BAFOUSSAM_ORANGE"
        assert report.overall is Overall.UNKNOWN
        assert report.started == datetime(2026, 3, 2, 9, 16, 41, 4136)  # noqa: DTZ001
        assert report.ended == datetime(2026, 3, 2, 9, 40, 5, 208307)  # noqa: DTZ001
        assert report.notes == ()
        globex, avaries = report.claims
        assert globex.database == "GLOBEX_BAFOUSSAM_2025"
        assert globex.backup == StepClaim(
            status=True,
            started=datetime(2026, 3, 2, 9, 16, 41, 5674),  # noqa: DTZ001
            ended=datetime(2026, 3, 2, 9, 16, 54, 697675),  # noqa: DTZ001
            sha256=sha(11),
            size=62233088,
        )
        assert (globex.compress.sha256, globex.compress.size) == (sha(12), 4386290)
        assert globex.transfer.status is True
        assert globex.staged_name == "GLOBEX_BAFOUSSAM_2025.zst"
        assert globex.error == ""
        assert globex.failed_step is None
        assert avaries.staged_name == "ACME_BAFOUSSAM_AVARIES_2025.zst"
        assert avaries.failed_step is Step.TRANSFER
        assert avaries.error == "rsync: connection unexpectedly closed (0 bytes received so far)"
        assert globex.notes == avaries.notes == ()


class TestStatus:
    @pytest.mark.parametrize(
        "value",
        [
            True,
            "True",
            "true",
            "TRUE",
            "OK",
            "ok",
            "success",
            "SUCCESS",
            1,
            "1",
            "completed",
            "succeeded",
            "yes",
            " true\n",
        ],
        ids=repr,
    )
    def test_a_good_status_is_read_in_each_dialect(self, value: object) -> None:
        assert a_step({"status": value}) == (StepClaim(status=True), ())

    @pytest.mark.parametrize(
        "value",
        [
            False,
            "False",
            "false",
            "FALSE",
            "KO",
            "ko",
            "failed",
            "FAILED",
            0,
            "0",
            "failure",
            "error",
            "no",
            " KO ",
        ],
        ids=repr,
    )
    def test_a_bad_status_is_read_in_each_dialect(self, value: object) -> None:
        assert a_step({"status": value}) == (StepClaim(status=False), ())

    @pytest.mark.parametrize("value", [None, "null", "NULL", "", "  "], ids=repr)
    def test_an_absent_status_is_not_a_failure(self, value: object) -> None:
        assert a_step({"status": value}) == (StepClaim(), ())

    @pytest.mark.parametrize(
        "value", ["weird", "nearly ok", 7, -1, 2**80, 1.5, {}, [], [True], {"a": 1}], ids=repr
    )
    def test_a_status_that_cannot_be_read_counts_as_failed_and_is_quoted(
        self, value: object
    ) -> None:
        claim = a_claim({"COMPRESS": {"status": value}})

        assert claim.failed_step is Step.COMPRESS
        (note,) = claim.notes
        assert note.startswith(f"COMPRESS.status: found {value!r}, ")

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1.0", "1e999"])
    def test_what_is_not_a_whole_number_is_no_status(self, value: str) -> None:
        step, notes = raw_step(f'"status": {value}')

        assert step.status is False
        assert f"found {value}," in notes[0]


class TestSteps:
    @pytest.mark.parametrize(
        ("entry", "failed"),
        [
            ({}, None),
            ({"BACKUP": {"status": True}}, None),
            ({"COMPRESS": {"sha256_checksum": DIGEST}}, None),
            ({"BACKUP": {"status": False}, "COMPRESS": {"status": False}}, Step.BACKUP),
            ({"TRANSFER": {"status": 0}, "COMPRESS": {"status": "KO"}}, Step.COMPRESS),
            ({"TRANSFER": {"status": 0}, "BACKUP": {"status": 1}}, Step.TRANSFER),
        ],
    )
    def test_the_failed_step_is_the_earliest_one_said_to_have_failed(
        self, entry: object, failed: Step | None
    ) -> None:
        assert a_claim(entry).failed_step is failed

    def test_a_step_that_is_not_mentioned_says_nothing(self) -> None:
        claim = a_claim({"COMPRESS": {"sha256_checksum": DIGEST}})

        assert claim == Claim("D", compress=StepClaim(sha256=DIGEST))

    @pytest.mark.parametrize("value", [None, "null", ""], ids=repr)
    def test_an_absent_step_says_nothing_and_leaves_no_note(self, value: object) -> None:
        assert a_step(value) == (StepClaim(), ())

    @pytest.mark.parametrize(("value", "status"), [(True, True), (False, False), ("KO", False)])
    def test_a_step_that_is_a_bare_status_counts_as_that(self, value: object, status: bool) -> None:
        assert a_step(value) == (StepClaim(status=status), ())

    @pytest.mark.parametrize("value", [3, "done", [{"status": False}]], ids=repr)
    def test_a_step_that_cannot_be_understood_counts_as_failed_with_a_note(
        self, value: object
    ) -> None:
        step, (note,) = a_step(value)

        assert step == StepClaim(status=False)
        assert note.startswith("BACKUP.status: found ")

    def test_a_key_that_stands_twice_counts_as_its_last_value_with_a_note(self) -> None:
        step, notes = raw_step('"status": true, "status": false')

        assert step.status is False
        assert notes == ("BACKUP: ['status'] stand more than once, the last of each counts",)

    def test_what_is_not_understood_elsewhere_is_ignored(self) -> None:
        claim = a_claim({"RESTORE": {"status": False}, "host": [1], "BACKUP": {"pid": {}}})

        assert claim == Claim("D")


class TestChecksum:
    @pytest.mark.parametrize(
        "step",
        [
            {"sha256_checksum": DIGEST},
            {"sha256": DIGEST},
            {"sha256_checksum": DIGEST.upper()},
            {"sha256": f" {DIGEST}\n"},
            {"sha256_checksum": DIGEST, "sha256": "0" * 64},
            {"sha256_checksum": None, "sha256": DIGEST},
            {"sha256_checksum": "null", "sha256": DIGEST},
            {"sha256_checksum": "not a digest", "sha256": DIGEST},
        ],
        ids=["canonical", "short key", "upper case", "spaces", "both", "null", "'null'", "other"],
    )
    def test_the_first_usable_digest_is_taken_in_lower_case(self, step: object) -> None:
        assert a_step(step) == (StepClaim(sha256=DIGEST), ())

    @pytest.mark.parametrize("value", [None, "null", ""], ids=repr)
    def test_an_absent_digest_leaves_no_note(self, value: object) -> None:
        assert a_step({"sha256_checksum": value, "sha256": value}) == (StepClaim(), ())

    @pytest.mark.parametrize(
        "value",
        [DIGEST[:-1], DIGEST + "0", "g" * 64, "\u0661" * 64, 0, 12, True, [DIGEST], {}],
        ids=repr,
    )
    def test_a_digest_that_is_none_is_quoted_in_a_note(self, value: object) -> None:
        step, notes = a_step({"sha256": value})

        assert step == StepClaim()
        assert notes == (f"BACKUP.sha256: found {quote(value)}, expected 64 hexadecimal digits",)


class TestSize:
    @pytest.mark.parametrize(
        ("value", "size"),
        [
            (188178944, 188178944),
            (0, 0),
            (MAX_SIZE, MAX_SIZE),
            ("62233088", 62233088),
            (" 12\n", 12),
            ("0", 0),
            ("0" * 5000 + "7", 7),
            (str(MAX_SIZE), MAX_SIZE),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_a_size_is_an_integer_or_a_string_of_digits(self, value: object, size: int) -> None:
        assert a_step({"size": value}) == (StepClaim(size=size), ())

    @pytest.mark.parametrize("value", [None, "null", ""], ids=repr)
    def test_an_absent_size_leaves_no_note(self, value: object) -> None:
        assert a_step({"size": value}) == (StepClaim(), ())

    @pytest.mark.parametrize(
        "value",
        [
            True,
            False,
            -1,
            "-1",
            "+1",
            "1 000",
            "12 MB",
            "0x10",
            "١٢",
            12.0,
            "12.0",
            [],
            {},
            MAX_SIZE + 1,
            str(MAX_SIZE + 1),
            10**30,
            "9" * 5000,
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_a_size_that_is_none_is_quoted_in_a_note(self, value: object) -> None:
        step, notes = a_step({"size": value})

        assert step == StepClaim()
        (note,) = notes
        assert note.startswith(f"BACKUP.size: found {quote(value)}, expected a whole number")

    @pytest.mark.parametrize("sign", ["", "-"])
    def test_a_number_of_a_million_digits_costs_only_its_own_field(self, sign: str) -> None:
        step, notes = raw_step(f'"size": {sign}{"9" * 1_000_000}, "status": true')

        assert step == StepClaim(status=True)
        assert notes[0].startswith(f"BACKUP.size: found {sign}999")
        assert len(notes[0]) < 200

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e5", "0.0"])
    def test_what_is_not_a_whole_number_costs_only_its_own_field(self, value: str) -> None:
        step, notes = raw_step(f'"size": {value}, "status": true')

        assert step == StepClaim(status=True)
        assert notes[0].startswith(f"BACKUP.size: found {value}, ")


class TestTimestamps:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2025-06-12T12:56:06Z", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
            ("2025-06-12t12:56:06z", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
            ("2025-06-12 12:56:06 Z", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
            (" 2025-06-12T12:56:06.25Z\n", datetime(2025, 6, 12, 12, 56, 6, 250000, tzinfo=UTC)),
            ("20250612T125606Z", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
            ("2025-06-12T13:56:06+01:00", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
            ("2025-06-12 13:56:06 +0100", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
            ("2025-06-12T07:26:06-05:30", datetime(2025, 6, 12, 12, 56, 6, tzinfo=UTC)),
        ],
    )
    def test_a_time_with_a_zone_is_aware(self, text: str, moment: datetime) -> None:
        assert a_step({"end_time": text}) == (StepClaim(ended=moment), ())

    @pytest.mark.parametrize("text", ["2025-06-20 09:40:05.208307", "2025-06-20T09:40:05.208307"])
    def test_a_time_without_a_zone_stays_naive(self, text: str) -> None:
        report = a_report(operation_start_time=text, operation_end_time=text)

        assert report.started == report.ended == datetime(2025, 6, 20, 9, 40, 5, 208307)  # noqa: DTZ001
        assert report.notes == ()

    @pytest.mark.parametrize("value", [None, "null", ""], ids=repr)
    def test_an_absent_time_leaves_no_note(self, value: object) -> None:
        report = a_report({"BACKUP": {"start_time": value}}, operation_end_time=value)

        assert report.ended is None
        assert report.notes == report.claims[0].notes == ()

    @pytest.mark.parametrize(
        "value",
        [
            "yesterday",
            "2025-06-12",
            "20250612",
            "2025-W24-4",
            "2025-02-30T00:00:00Z",
            1749732966,
            "12/06/2025 12:56:06",
            "0000-01-01T00:00:00",
            "2025-06-12T12:56:06Z" * 100,
            "2025-06-12" + " " * 1_000_000 + "x",
            True,
            {},
            "2025-06-12T12:56:06+99:00",
            "2025-06-12�12:99",
            "12:56:06.000000",
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_a_time_that_is_none_is_quoted_in_a_note(self, value: object) -> None:
        report = a_report({"BACKUP": {"start_time": value}}, operation_end_time=value)

        wanted = f"found {quote(value)}, expected a date and time as in ISO 8601"
        assert report.ended is None
        assert report.notes == (f"operation_end_time: {wanted}",)
        assert report.claims == (Claim("D", notes=(f"BACKUP.start_time: {wanted}",)),)


class TestStagedName:
    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("X.sql.gz", "X.sql.gz"),
            ("/home/agent/Backup/X.zst", "X.zst"),
            ("C:\\Backup\\X.zst", "X.zst"),
            ("C:\\Backup/mixed\\of/X.zst", "X.zst"),
            ("../../X", "X"),
            ("X with spaces .gz", "X with spaces .gz"),
            ("..", ".."),
            ("a/.hidden", ".hidden"),
            ("nul\0byte", "nul\0byte"),
            ("half\ud800pair", "half\ud800pair"),
            ("x" * 5000, "x" * 5000),
        ],
        ids=lambda value: ascii(value)[:30],
    )
    def test_only_the_last_component_counts_and_is_kept_raw(self, value: str, name: str) -> None:
        claim = a_claim({"staged_file_name": value})

        assert claim == Claim("D", staged_name=name)

    @pytest.mark.parametrize("value", [None, "null", "", " "], ids=repr)
    def test_an_absent_name_leaves_no_note(self, value: object) -> None:
        assert a_claim({"staged_file_name": value}) == Claim("D")

    @pytest.mark.parametrize(
        "value", ["/", "/a/b/", "C:\\a\\", "a/ ", 5, True, ["X"], {}], ids=repr
    )
    def test_a_name_that_is_none_is_quoted_in_a_note(self, value: object) -> None:
        claim = a_claim({"staged_file_name": value})

        assert claim.staged_name is None
        assert claim.notes == (
            f"staged_file_name: found {value!r}, expected a file name or a path that ends in one",
        )


class TestMessages:
    @pytest.mark.parametrize(
        ("message", "logs", "error"),
        [
            ("broken pipe", "rsync: code 12", "broken pipe\nrsync: code 12"),
            ("broken pipe", None, "broken pipe"),
            (None, "rsync: code 12", "rsync: code 12"),
            ("same", "same", "same"),
            ("null", "", ""),
            (None, " \n", ""),
        ],
    )
    def test_the_error_is_the_agents_own_words(
        self, message: object, logs: object, error: str
    ) -> None:
        claim = a_claim({"TRANSFER": {"error_message": message}, "logs_summary": logs})

        assert claim == Claim("D", error=error)

    def test_a_message_is_cleaned_and_clipped(self) -> None:
        claim = a_claim({"logs_summary": "\0a\x1b[31m\r\n\tb\ud800\x85" + "c" * 5000})

        assert claim.error.startswith("a[31m\n\tb\ufffdccc")
        assert claim.error.endswith("c…")
        assert len(claim.error) == MESSAGE_LIMIT

    def test_two_long_messages_share_one_limit(self) -> None:
        claim = a_claim({"TRANSFER": {"error_message": "a" * 1990}, "logs_summary": "b" * 1990})

        assert claim.error == "a" * 1990 + "\n" + "b" * 8 + "…"

    def test_a_message_with_raw_control_characters_is_still_json(self) -> None:
        report = parse(b'{"databases": {"D": {"logs_summary": "one\ttab\nnext line"}}}')

        assert report.claims[0].error == "one\ttab\nnext line"

    @pytest.mark.parametrize("value", [5, False, ["a"], {"code": 1}], ids=repr)
    def test_a_message_that_is_no_text_is_quoted_in_a_note(self, value: object) -> None:
        claim = a_claim({"TRANSFER": {"error_message": value}, "logs_summary": value})

        assert claim.error == ""
        assert claim.notes == (
            f"TRANSFER.error_message: found {value!r}, expected text",
            f"logs_summary: found {value!r}, expected text",
        )


class TestOverall:
    @pytest.mark.parametrize(
        ("value", "overall"),
        [
            ("completed", Overall.COMPLETED),
            ("OK", Overall.COMPLETED),
            ("SUCCESS", Overall.COMPLETED),
            (True, Overall.COMPLETED),
            ("PARTIAL", Overall.PARTIAL),
            ("failed_globally", Overall.FAILED),
            ("FAILED", Overall.FAILED),
            ("ko", Overall.FAILED),
            (False, Overall.FAILED),
            (None, Overall.UNKNOWN),
            ("null", Overall.UNKNOWN),
        ],
        ids=repr,
    )
    def test_the_overall_status_is_read_in_each_dialect(
        self, value: object, overall: Overall
    ) -> None:
        report = a_report(overall_status=value)

        assert (report.overall, report.notes) == (overall, ())

    def test_a_missing_overall_status_is_unknown(self) -> None:
        assert a_report().overall is Overall.UNKNOWN

    @pytest.mark.parametrize("value", ["so-so", 7, [], {}, 1.0], ids=repr)
    def test_an_overall_status_that_cannot_be_read_is_unknown_and_quoted(
        self, value: object
    ) -> None:
        report = a_report(overall_status=value)

        assert report.overall is Overall.UNKNOWN
        assert report.notes == (
            f"overall_status: found {value!r}, expected completed, partial or failed_globally",
        )

    @pytest.mark.parametrize("status", ["failed_globally", "FAILED", "KO"])
    @pytest.mark.parametrize("databases", ["null", '""', "{}", "[]", '{"": {}}', "7", None])
    def test_a_failed_operation_may_have_no_databases(
        self, status: str, databases: str | None
    ) -> None:
        rest = "" if databases is None else f', "databases": {databases}'

        report = parse(f'{{"overall_status": "{status}"{rest}}}'.encode())

        assert (report.overall, report.claims) == (Overall.FAILED, ())

    def test_databases_of_a_failed_operation_that_are_no_object_are_quoted(self) -> None:
        report = parse(b'{"overall_status": "FAILED", "databases": [1]}')

        assert report.notes == ("databases: found [1], expected an object",)


class TestAgentId:
    @pytest.mark.parametrize("value", ["acme_douala_x", "ACME_DOUALA_X", "Acme_Douala_X"])
    def test_letter_case_is_kept_for_the_comparison_to_come(self, value: str) -> None:
        assert a_report(agent_id=value).agent_id == value

    @pytest.mark.parametrize("value", [None, "null", "", "  ", "\0"], ids=repr)
    def test_an_absent_agent_id_is_none(self, value: object) -> None:
        assert a_report(agent_id=value).agent_id is None

    def test_a_missing_agent_id_is_none(self) -> None:
        assert a_report().agent_id is None

    def test_an_agent_id_is_cleaned_and_clipped(self) -> None:
        agent_id = a_report(agent_id=" \0A\n\ud800" + "b" * 500).agent_id

        assert agent_id is not None
        assert agent_id.startswith("A\ufffdbbb")
        assert len(agent_id) == NAME_LIMIT

    @pytest.mark.parametrize("value", [1, True, 1.5, ["a"], {}], ids=repr)
    def test_an_agent_id_that_is_no_text_is_rejected(self, value: object) -> None:
        with pytest.raises(MalformedReport, match=r"agent_id: found .*, expected text"):
            a_report(agent_id=value)


class TestDatabases:
    def test_one_bad_entry_never_costs_the_others(self) -> None:
        document = {"databases": {"BAD": "?", "GOOD": {"staged_file_name": "g"}, "WORSE": None}}

        bad, good, worse = parse(json.dumps(document).encode()).claims

        assert bad == Claim("BAD", notes=("found '?', expected an object",))
        assert good == Claim("GOOD", staged_name="g")
        assert worse == Claim("WORSE", notes=("found None, expected an object",))

    @pytest.mark.parametrize(
        "rest",
        [
            "",
            ', "databases": null',
            ', "databases": "null"',
            ', "databases": ""',
            ', "databases": {}',
            ', "databases": []',
            ', "databases": [{"name": "D"}]',
            ', "databases": "D"',
            ', "databases": 1.5',
            ', "databases": {"D": 1, "E": null, "F": []}',
            ', "databases": {"": {}, "null": {}, " ": {}}',
            ', "databases": {"D": 1, "": {}}',
        ],
    )
    @pytest.mark.parametrize("status", ["completed", "partial", "?"])
    def test_a_report_without_a_usable_database_is_rejected(self, status: str, rest: str) -> None:
        content = f'{{"overall_status": "{status}"{rest}}}'.encode()

        with pytest.raises(MalformedReport, match=r"databases: found .*, expected") as caught:
            parse(content)

        assert not isinstance(caught.value, NotJson)

    def test_an_entry_without_a_name_is_skipped_with_a_note(self) -> None:
        report = parse(b'{"databases": {"": {}, "\\u0000": {}, "D": {}}}')

        assert report.claims == (Claim("D"),)
        assert report.notes == (
            "databases: '' names no database, its entry is skipped",
            "databases: '\\x00' names no database, its entry is skipped",
        )

    def test_names_that_are_the_same_when_clean_keep_the_last_entry_with_a_note(self) -> None:
        report = parse(
            b'{"databases": {"D": {"staged_file_name": "1"},'
            b' " D\\u0000": {"staged_file_name": "2"}}}'
        )

        assert report.claims == (Claim("D", staged_name="2"),)
        assert report.notes == ("databases: 'D' is the name of two entries, the last one counts",)

    def test_a_database_that_stands_twice_keeps_the_last_entry_with_a_note(self) -> None:
        report = parse(b'{"databases": {"D": {"staged_file_name": "1"}, "E": {}, "D": {}}}')

        assert {claim.database: claim for claim in report.claims} == {
            "D": Claim("D"),
            "E": Claim("E"),
        }
        assert report.notes == ("databases: ['D'] stand more than once, the last of each counts",)

    def test_long_names_are_clipped_and_stay_different(self) -> None:
        names = ["x" * 5000, "x" * 5001, "x" * NAME_LIMIT, "x" * (NAME_LIMIT + 1)]

        report = parse(json.dumps({"databases": {name: {} for name in names}}).encode())

        kept = [claim.database for claim in report.claims]
        assert len(set(kept)) == len(names)
        assert [len(name) for name in kept] == [NAME_LIMIT] * len(names)
        mark = hashlib.sha256(names[0].encode()).hexdigest()[:8]
        assert kept[0] == "x" * (NAME_LIMIT - 9) + "~" + mark
        assert kept[2] == names[2]

    def test_notes_on_a_report_are_bounded(self) -> None:
        databases: dict[str, dict[str, str]] = {
            " " * number: {} for number in range(MAX_NOTES + 10)
        }
        databases["D"] = {}

        report = parse(json.dumps({"databases": databases}).encode())

        assert len(report.notes) == MAX_NOTES + 1
        assert report.notes[-1] == "and 10 more"
