from datetime import UTC, datetime

import pytest

from scanner.demo.dumps import Engine, dump_of
from scanner.demo.packing import Packing, pack
from scanner.pipeline.archive import Codec, recognise

ENDED = datetime(2026, 3, 2, 1, 8, 9, tzinfo=UTC)
PACKED_AS = {
    Packing.GZIP: Codec.GZIP,
    Packing.ZSTD: Codec.ZSTD,
    Packing.XZ: Codec.XZ,
    Packing.BZIP2: Codec.BZIP2,
    Packing.LZ4: Codec.LZ4,
    Packing.PLAIN: Codec.NONE,
    Packing.ENCRYPTED: Codec.OPAQUE,
}


@pytest.mark.parametrize("engine", Engine)
def test_a_dump_begins_and_ends_as_its_program_has_it(engine: Engine) -> None:
    text = dump_of("ACME_STOCK", engine, 100, None).decode()
    first, last = {
        Engine.MYSQL: ("-- MySQL dump ", "-- Dump completed\n"),
        Engine.MARIADB: ("/*M!999999\\- enable the sandbox mode */", "-- Dump completed\n"),
        Engine.POSTGRESQL: ("--\n-- PostgreSQL database dump\n", "dump complete\n--\n\n"),
    }[engine]
    assert text.startswith(first)
    assert text.endswith(last)


def test_a_dump_tells_when_it_was_finished_if_asked_to() -> None:
    dump = dump_of("ACME_STOCK", Engine.MYSQL, 10, ENDED)
    assert dump.endswith(b"-- Dump completed on 2026-03-02 01:08:09\n")


@pytest.mark.parametrize("engine", Engine)
def test_the_same_rows_are_the_same_dump_and_more_rows_only_add_to_it(engine: Engine) -> None:
    dump = dump_of("ACME_STOCK", engine, 100, None)
    assert dump_of("ACME_STOCK", engine, 100, None) == dump
    assert dump_of("ACME_PAIE", engine, 100, None) != dump
    rows, more_rows = (
        dump_of("ACME_STOCK", engine, count, None).count(b"\n" if engine == "--" else b"),(")
        for count in (100, 130)
    )
    assert more_rows > rows


def test_a_dump_of_the_fleet_has_tens_of_kilobytes() -> None:
    assert 10_000 < len(dump_of("ACME_STOCK", Engine.MYSQL, 300, None)) < 100_000


@pytest.mark.parametrize("packing", Packing)
def test_each_packing_is_what_its_first_bytes_say(packing: Packing) -> None:
    packed = pack(dump_of("ACME_STOCK", Engine.MYSQL, 50, None), packing)
    assert recognise(packed) is PACKED_AS[packing]
    assert pack(dump_of("ACME_STOCK", Engine.MYSQL, 50, None), packing) == packed
