"""What is not whole JSON, or passes a bound, is rejected with a reason that its sender can use."""

import hashlib
import json

import pytest

from scanner.errors import MalformedReport
from scanner.pipeline.document import MAX_DEPTH, MAX_REPORT_BYTES, NotJson
from scanner.pipeline.report import MAX_DATABASES, Claim, parse


class TestEncodings:
    TEXT = '{"agent_id": "ÉTOA_😀", "databases": {"D": {}}}'

    @pytest.mark.parametrize(
        "content",
        [
            TEXT.encode(),
            TEXT.encode("utf-8-sig"),
            TEXT.encode("utf-16"),
            b"\xff\xfe" + TEXT.encode("utf-16-le"),
            b"\xfe\xff" + TEXT.encode("utf-16-be"),
        ],
        ids=["utf-8", "utf-8 with mark", "utf-16", "utf-16 little endian", "utf-16 big endian"],
    )
    def test_text_is_utf_8_or_utf_16_with_a_mark(self, content: bytes) -> None:
        report = parse(content)

        assert report.agent_id == "ÉTOA_😀"
        assert report.sha256 == hashlib.sha256(content).hexdigest()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (TEXT.encode("latin-1", "replace"), "not UTF-8 at byte 14"),
            (TEXT.encode("utf-8")[:15], "not UTF-8 at byte 14"),
            (TEXT.encode("utf-16")[:-1], "not UTF-16 at byte"),
            (b"\xff\xfe\x00\xd8\x22\x00", "not UTF-16 at byte 2"),
            (b'{"a": "\xed\xa0\x80"}', "not UTF-8 at byte 7"),
        ],
        ids=["latin-1", "cut character", "cut utf-16", "lone surrogate", "surrogate in utf-8"],
    )
    def test_another_encoding_is_not_json_and_named(self, content: bytes, reason: str) -> None:
        with pytest.raises(NotJson, match=reason):
            parse(content)

    def test_utf_16_without_a_mark_is_not_json(self) -> None:
        with pytest.raises(NotJson):
            parse(self.TEXT.encode("utf-16-le"))


class TestRejection:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b" ",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"{",
            b'{"databases": {"D": {}',
            b"{} {}",
            b"[1,]",
            b"databases",
            b"{'databases': {}}",
            b"\x00",
            b'{"databases": {"D": {}}}\x00',
        ],
        ids=repr,
    )
    def test_what_is_not_whole_json_says_so(self, content: bytes) -> None:
        with pytest.raises(NotJson):
            parse(content)

    @pytest.mark.parametrize(
        "content", [b"[]", b"null", b"5", b'"text"', b"NaN", b"[" * 9 + b"]" * 9]
    )
    def test_json_that_is_no_object_is_malformed_and_not_waited_for(self, content: bytes) -> None:
        with pytest.raises(MalformedReport, match="expected a JSON object") as caught:
            parse(content)

        assert not isinstance(caught.value, NotJson)

    def test_a_report_of_the_greatest_length_is_read_and_one_more_byte_is_not(self) -> None:
        content = b'{"databases": {"D": {}}}'.ljust(MAX_REPORT_BYTES)

        assert parse(content).claims == (Claim("D"),)
        with pytest.raises(MalformedReport, match=f"{MAX_REPORT_BYTES + 1} bytes, at most"):
            parse(content + b" ")

    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
    def test_depth_is_bounded(self, opening: str, closing: str) -> None:
        def nested(depth: int) -> bytes:
            inner = opening * depth + ("0" if closing == "}" else "") + closing * depth
            return f'{{"databases": {{"D": {{}}}}, "x": {inner}}}'.encode()

        assert parse(nested(MAX_DEPTH - 1)).claims == (Claim("D"),)
        for depth in (MAX_DEPTH, 900, 100_000):
            with pytest.raises(MalformedReport, match="more than 64 deep"):
                parse(nested(depth))

    def test_the_depth_of_what_is_no_object_is_bounded_too(self) -> None:
        with pytest.raises(MalformedReport, match="more than 64 deep"):
            parse(b"[" * 900 + b"]" * 900)

    def test_the_number_of_databases_is_bounded(self) -> None:
        databases: dict[str, object] = {str(number): {} for number in range(MAX_DATABASES)}

        assert len(parse(json.dumps({"databases": databases}).encode()).claims) == MAX_DATABASES
        databases["one more"] = {}
        with pytest.raises(MalformedReport, match="found 10001, at most 10000"):
            parse(json.dumps({"databases": databases}).encode())
