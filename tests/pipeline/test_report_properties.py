"""Whatever an agent sends, it is a report within its bounds or a rejection, and nothing else."""

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scanner.errors import MalformedReport
from scanner.pipeline.operation_end import resolve_end, time_in_name
from scanner.pipeline.report import (
    MAX_NOTES,
    MAX_SIZE,
    MESSAGE_LIMIT,
    NAME_LIMIT,
    Claim,
    Report,
    StepClaim,
    parse,
)
from scanner.pipeline.text import clean, clean_name

SAMPLES = [
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "samples").glob("*.json"))
]
NOTE_LIMIT = 250
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Paris", "Africa/Douala", "Pacific/Apia")]

# No serializer writes these: each stands in the document as a name and is put in afterwards.
RAW = {
    "@many digits@": "9" * 5_000,
    "@negative digits@": "-" + "9" * 5_000,
    "@fraction@": "0." + "1" * 5_000 + "e999999",
    "@nan@": "NaN",
    "@infinity@": "-Infinity",
    "@deep list@": "[" * 100 + "]" * 100,
    "@deep object@": '{"a":' * 2_000 + "0" + "}" * 2_000,
    "@repeated keys@": '{"status": true, "status": false, "": 1, "": 2}',
}

any_text = st.text(st.characters(exclude_categories=[]))
telling_text = st.sampled_from(
    [
        "",
        "null",
        "true",
        "KO",
        "weird",
        "..",
        "/a/b/",
        "C:\\x",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31 23:59:59",
        "2026-03-02 09:40:05",
        "12",
        "-1",
        "a" * 64,
        "\x00",
        "�",
        "x" * 3000,
    ]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | any_text
    | telling_text
    | st.sampled_from(sorted(RAW))
)
keys = any_text | st.sampled_from(
    [
        "BACKUP",
        "COMPRESS",
        "TRANSFER",
        "status",
        "start_time",
        "end_time",
        "sha256",
        "size",
        "sha256_checksum",
        "error_message",
        "staged_file_name",
        "logs_summary",
        "databases",
        "agent_id",
        "overall_status",
        "operation_end_time",
    ]
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Return each container and key in a document, from its top down."""
    found: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        for key, value in document.items():
            found += [(document, key), *places(value)]
    return found


def serialized(document: object) -> str:
    text = json.dumps(document)
    for name, raw in RAW.items():
        # A name that stands for a key stays one.
        text = re.sub(rf"{json.dumps(name)}(?!:)", raw, text)
    return text


@st.composite
def changed_documents(draw: st.DrawFn) -> str:
    """Draw a sample in which parts were replaced by, or given, values of any kind."""
    document = json.loads(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(places(document) or [({}, "")]))
        new_key = draw(st.just(key) | keys)
        container[new_key] = draw(values)
    return serialized(document)


@st.composite
def damaged_bytes(draw: st.DrawFn) -> bytes:
    """Draw a sample, in one of the encodings, with bytes changed, cut off or put in."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    content = bytearray(draw(st.sampled_from(SAMPLES)).decode().encode(encoding))
    for _ in range(draw(st.integers(0, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    start = draw(st.integers(0, len(content)))
    length = draw(st.sampled_from([0, 0, 1, 2, 50]))
    content[start : start + length] = draw(st.binary(max_size=4))
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


def texts_of(report: Report) -> list[tuple[str, int]]:
    """Return each string that will be stored or shown, with its limit."""
    texts = [(report.agent_id or "", NAME_LIMIT)]
    texts += [(note, NOTE_LIMIT) for note in report.notes]
    for claim in report.claims:
        texts += [(claim.database, NAME_LIMIT), (claim.error, MESSAGE_LIMIT)]
        texts += [(note, NOTE_LIMIT) for note in claim.notes]
    return texts


def check_step(step: StepClaim) -> None:
    assert step.status in (True, False, None)
    assert step.size is None or 0 <= step.size <= MAX_SIZE
    assert step.sha256 is None or (
        len(step.sha256) == 64 and set(step.sha256) <= set("0123456789abcdef")
    )


def check_claim(claim: Claim) -> None:
    assert claim.database not in ("", "null")
    assert claim.staged_name is None or not set("/\\") & set(claim.staged_name)
    for step in (claim.backup, claim.compress, claim.transfer):
        check_step(step)


def read_or_reject(content: bytes) -> Report | None:
    """Parse, and check what must hold of every result and of every reason."""
    try:
        report = parse(content)
    except MalformedReport as error:
        reason = str(error)
        assert 0 < len(reason) <= NOTE_LIMIT
        assert "\0" not in reason.encode().decode()
        return None
    for text, limit in texts_of(report):
        assert len(text) <= limit
        assert "\0" not in text.encode().decode()
    assert len(report.notes) <= MAX_NOTES + 1
    names = [claim.database for claim in report.claims]
    assert len(set(names)) == len(names)
    for claim in report.claims:
        check_claim(claim)
    return report


@settings(deadline=None)
@given(changed_documents())
def test_a_changed_report_is_read_or_rejected(text: str) -> None:
    read_or_reject(text.encode())


@settings(deadline=None)
@given(values)
def test_any_json_is_read_or_rejected(document: object) -> None:
    read_or_reject(serialized(document).encode())


@settings(deadline=None)
@given(damaged_bytes() | st.binary(max_size=200))
def test_damaged_bytes_are_read_or_rejected(content: bytes) -> None:
    read_or_reject(content)


@settings(deadline=None)
@given(values)
def test_one_entry_of_any_kind_costs_no_other_its_claim(entry: object) -> None:
    assume("@deep" not in json.dumps(entry))
    text = serialized({"databases": {"BEFORE": {}, "CHANGED": entry, "AFTER": {}}})

    report = read_or_reject(text.encode())

    assert report is not None
    before, changed, after = report.claims
    assert (before, after) == (Claim("BEFORE"), Claim("AFTER"))
    assert changed.database == "CHANGED"


@settings(deadline=None)
@given(changed_documents(), st.sampled_from(["utf-8-sig", "utf-16"]))
def test_the_encoding_does_not_change_what_a_report_says(text: str, encoding: str) -> None:
    plain, other = read_or_reject(text.encode()), read_or_reject(text.encode(encoding))

    assert (plain is None) == (other is None)
    if plain is not None and other is not None:
        assert plain.sha256 != other.sha256
        assert (plain.agent_id, plain.overall, plain.ended) == (
            other.agent_id,
            other.overall,
            other.ended,
        )
        assert (plain.claims, plain.notes) == (other.claims, other.notes)


@given(any_text, st.integers(10, 60))
def test_clean_text_is_bounded_encodable_and_stays_as_it_is(text: str, limit: int) -> None:
    for cleaned in (clean(text, limit), clean_name(text, limit)):
        assert len(cleaned) <= limit
        assert "\0" not in cleaned.encode().decode()
    name = clean_name(text, limit)
    assert not [character for character in name if unicodedata.category(character) == "Cc"]
    assert clean_name(name, limit) == name


@given(st.text("ab", min_size=11), st.text("ab", min_size=11))
def test_different_long_names_stay_different(one: str, other: str) -> None:
    assert (clean_name(one, 10) == clean_name(other, 10)) == (one == other)


moments = st.none() | st.datetimes(timezones=st.none() | st.sampled_from([UTC, *ZONES]))


@given(
    moments,
    moments,
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_an_end_is_in_utc_and_never_far_after_the_arrival(
    ended: datetime | None, name_time: datetime | None, arrived: datetime, zone: ZoneInfo
) -> None:
    end = resolve_end(ended, name_time, arrived=arrived, zone=zone)

    assert end.at.tzinfo is UTC
    assert end.at - arrived <= timedelta(minutes=5)
    assert end.clock_skew or arrived - end.at <= timedelta(days=7)


@given(
    st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(["%Y%m%d_%H%M%S", "%Y-%m-%d_%H-%M-%S", "%Y-%m-%dT%H-%M-%S"]),
    any_text,
)
def test_each_time_in_a_name_is_read_back(moment: datetime, form: str, agent: str) -> None:
    # Not every C library fills years up to four digits.
    written = moment.strftime(form.replace("%Y", f"{moment.year:04d}"))

    assert time_in_name(f"{written}_{agent}.json") == moment
    if "T" in form:
        assert time_in_name(f"{written}Z_{agent}.json") == moment.replace(tzinfo=UTC)


@given(any_text | st.from_regex(r"\A\d{4}-?\d\d-?\d\d[_T]\d\d-?\d\d-?\d\dZ?_A\.json\Z"))
def test_a_time_is_found_only_in_the_names_of_reports(name: str) -> None:
    assert time_in_name(name) is None or name.upper().endswith(".JSON")
