"""Copies are whole, verified, never overwritten and never outside the vault."""

import errno
import hashlib
import io
import os
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import FileChanged, VaultError
from scanner.pipeline import vault
from scanner.pipeline.archive import Codec
from scanner.pipeline.deposit import Place

PLACE = Place("ACME", "DOUALA", "NEWBELL")
AT = datetime(2026, 3, 2, 12, 56, 6, tzinfo=UTC)
PATH = PurePosixPath("ACME/DOUALA/NEWBELL/DB/DB_20260302_125606.sql.gz")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def test_a_copy_is_filed_by_place_database_and_end_of_operation() -> None:
    assert vault.copy_path(PLACE, "DB", AT, ".sql.gz") == PATH


def test_the_time_in_a_copys_name_is_utc() -> None:
    douala = AT.astimezone(timezone(timedelta(hours=1)))
    assert vault.copy_path(PLACE, "DB", douala, ".sql.gz") == PATH


@pytest.mark.parametrize(
    ("staged", "codec", "extension"),
    [
        ("x.sql.gz", Codec.GZIP, ".sql.gz"),
        ("x.zst", Codec.GZIP, ".gz"),
        ("x.sql", Codec.NONE, ".sql"),
        ("x", Codec.ZSTD, ".zst"),
        ("x.SQL.GZ", Codec.XZ, ".sql.xz"),
        ("x.sql.gpg", Codec.OPAQUE, ".gpg"),
        ("acme.2025", Codec.GZIP, ".gz"),
        ("x./../y", Codec.GZIP, ".gz"),
        (".sql", Codec.GZIP, ".gz"),
    ],
)
def test_the_extension_tells_the_kind_by_name_and_the_codec_by_bytes(
    staged: str, codec: Codec, extension: str
) -> None:
    assert vault.extension_of(staged, codec) == extension


@pytest.mark.parametrize("name", ["ACME", "acme_2025", "a-b.c"])
def test_a_harmless_name_stays_as_it_is(name: str) -> None:
    assert vault.safe_name(name) == name


@pytest.mark.parametrize(
    "names",
    [
        ("a/b", "a_b", "a\\b", "a b"),
        ("é", unicodedata.normalize("NFD", "é"), "e"),
        ("ACME", "\u0410CME"),  # the first letter of the second is Cyrillic
        ("..", ".", "", "..."),
        ("x" * 150, "x" * 151, "x" * 100),
        ("a/b", vault.safe_name("a/b")),
        ("CON", "CON."),
    ],
)
def test_names_that_look_alike_do_not_collide(names: tuple[str, ...]) -> None:
    assert len({vault.safe_name(name) for name in names}) == len(names)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_name_is_one_component_and_different_names_stay_different(one: str, two: str) -> None:
    safe = vault.safe_name(one)
    assert "/" not in safe
    assert safe not in ("", ".", "..")
    assert not safe.startswith(".")
    assert len(safe) <= 120
    assert (safe == vault.safe_name(two)) == (one == two)


def test_a_promoted_copy_has_the_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    content = os.urandom(3 * 2**20)
    assert vault.promote(io.BytesIO(content), tmp_path, PATH, digest(content)) == PATH
    assert (tmp_path / PATH).read_bytes() == content
    assert files(tmp_path) == [str(PATH)]


def test_promoting_again_copies_nothing(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    before = (tmp_path / PATH).stat()
    assert vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x")) == PATH
    assert (tmp_path / PATH).stat() == before


def test_other_bytes_under_the_same_name_get_a_name_of_their_own(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    path = vault.promote(io.BytesIO(b"y"), tmp_path, PATH, digest(b"y"))
    assert path.name == f"DB_20260302_125606~{digest(b'y')[:8]}.sql.gz"
    assert (tmp_path / PATH).read_bytes() == b"x"
    assert vault.promote(io.BytesIO(b"y"), tmp_path, PATH, digest(b"y")) == path


def test_bytes_that_changed_since_they_were_measured_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(FileChanged):
        vault.promote(io.BytesIO(b"y"), tmp_path, PATH, digest(b"x"))
    assert files(tmp_path) == []


def test_what_a_kill_left_half_written_is_swept_away(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    (tmp_path / vault.INCOMING / "0123").write_bytes(b"half")
    vault.sweep(tmp_path)
    assert files(tmp_path) == [str(PATH)]


def test_a_vault_that_is_not_there_yet_has_nothing_to_sweep(tmp_path: Path) -> None:
    vault.sweep(tmp_path / "vault")
    assert not (tmp_path / "vault").exists()


def test_a_vault_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    root = tmp_path / "vault"
    root.write_text("")
    with pytest.raises(VaultError, match="cannot be written"):
        vault.promote(io.BytesIO(b"x"), root, PATH, digest(b"x"))


def test_a_full_disk_is_a_vault_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def full_after_a_while(descriptor: int, data: bytes) -> int:
        if len(data) > 1000:
            return real(descriptor, data[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full_after_a_while)
    content = b"x" * 1500
    with pytest.raises(VaultError, match="No space left"):
        vault.promote(io.BytesIO(content), tmp_path, PATH, digest(content))
    monkeypatch.undo()
    assert files(tmp_path) == []


def test_a_staged_file_that_cannot_be_read_is_not_the_vaults_fault(tmp_path: Path) -> None:
    class Rotten(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        vault.promote(Rotten(b"x"), tmp_path, PATH, digest(b"x"))
    assert files(tmp_path) == []


def test_a_copy_that_no_entry_tells_of_is_found(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    assert vault.find_copy(tmp_path, PLACE, "DB", AT, digest(b"x")) == PATH
    assert vault.find_copy(tmp_path, PLACE, "DB", AT, digest(b"y")) is None
    assert vault.find_copy(tmp_path, PLACE, "OTHER", AT, digest(b"x")) is None


def test_a_copy_is_there_or_not(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    assert vault.is_there(tmp_path, str(PATH))
    assert not vault.is_there(tmp_path, "")
    assert not vault.is_there(tmp_path, "ACME")
    assert not vault.is_there(tmp_path, f"ACME/../{PATH}")
    assert not vault.is_there(tmp_path / "none", str(PATH))


def test_a_link_to_a_copy_is_no_copy(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    (tmp_path / PATH).rename(tmp_path / "elsewhere")
    (tmp_path / PATH).symlink_to(tmp_path / "elsewhere")
    assert not vault.is_there(tmp_path, str(PATH))
    assert vault.find_copy(tmp_path, PLACE, "DB", AT, digest(b"x")) is None


def test_a_link_under_a_copys_name_is_neither_followed_nor_overwritten(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    link = tmp_path / "vault" / PATH
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    path = vault.promote(io.BytesIO(b"x"), tmp_path / "vault", PATH, digest(b"x"))
    assert path.name == f"DB_20260302_125606~{digest(b'x')[:8]}.sql.gz"
    assert link.is_symlink()
    assert outside.read_bytes() == b"x"


def test_a_folder_that_is_a_link_leads_no_copy_out_of_the_vault(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "vault"
    outside.mkdir()
    root.mkdir()
    (root / "ACME").symlink_to(outside)
    with pytest.raises(VaultError, match="'ACME' is a link or a file, not a folder"):
        vault.promote(io.BytesIO(b"x"), root, PATH, digest(b"x"))
    assert list(outside.iterdir()) == []


def test_the_vault_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    root = tmp_path / "vault"
    root.symlink_to("disk")
    vault.promote(io.BytesIO(b"x"), root, PATH, digest(b"x"))
    assert files(tmp_path / "disk") == [str(PATH)]


def test_two_copies_of_other_bytes_under_both_names_are_left_alone(tmp_path: Path) -> None:
    told_apart = PATH.with_name(f"DB_20260302_125606~{digest(b'x')[:8]}.sql.gz")
    for path in (PATH, told_apart):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"damaged")
    with pytest.raises(VaultError, match="has not the bytes of its name"):
        vault.promote(io.BytesIO(b"x"), tmp_path, PATH, digest(b"x"))
    assert {(tmp_path / path).read_bytes() for path in (PATH, told_apart)} == {b"damaged"}


# --- Repair ---------------------------------------------------------------------------------------


def test_a_damaged_copy_is_replaced_by_the_right_bytes(tmp_path: Path) -> None:
    vault.promote(io.BytesIO(b"good"), tmp_path, PATH, digest(b"good"))
    (tmp_path / PATH).chmod(0o600)
    (tmp_path / PATH).write_bytes(b"g00d")
    vault.replace(io.BytesIO(b"good"), tmp_path, PATH, digest(b"good"))
    assert (tmp_path / PATH).read_bytes() == b"good"
    assert (tmp_path / PATH).stat().st_mode & 0o777 == 0o440
    assert files(tmp_path) == [str(PATH)]


def test_a_copy_that_is_gone_with_its_folder_is_put_back(tmp_path: Path) -> None:
    vault.replace(io.BytesIO(b"good"), tmp_path, PATH, digest(b"good"))
    assert (tmp_path / PATH).read_bytes() == b"good"


def test_a_source_that_is_not_whole_either_leaves_the_damaged_copy(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_bytes(b"g00d")
    with pytest.raises(FileChanged):
        vault.replace(io.BytesIO(b"other"), tmp_path, PATH, digest(b"good"))
    assert (tmp_path / PATH).read_bytes() == b"g00d"
    assert files(tmp_path) == [str(PATH)]


def test_a_link_in_place_of_a_damaged_copy_is_replaced_and_not_written_through(
    tmp_path: Path,
) -> None:
    outside, root = tmp_path / "outside", tmp_path / "vault"
    outside.write_bytes(b"mine")
    (root / PATH).parent.mkdir(parents=True)
    (root / PATH).symlink_to(outside)
    vault.replace(io.BytesIO(b"good"), root, PATH, digest(b"good"))
    assert (outside.read_bytes(), (root / PATH).is_symlink()) == (b"mine", False)


@pytest.mark.parametrize(
    "path", ["/etc/x", "../x", "ACME/../../x", "", ".", f"{vault.INCOMING}/x", "A/\0", "A/\ud800"]
)
def test_a_path_that_leads_out_of_the_vault_is_refused(tmp_path: Path, path: str) -> None:
    relative = PurePosixPath(path)
    for act in (
        lambda: vault.promote(io.BytesIO(b"x"), tmp_path, relative, digest(b"x")),
        lambda: vault.replace(io.BytesIO(b"x"), tmp_path, relative, digest(b"x")),
        lambda: vault.remove(tmp_path, relative),
        lambda: vault.examine(tmp_path, relative),
        lambda: vault.open_copy(tmp_path, relative),
    ):
        with pytest.raises(VaultError, match="path"):
            act()
    assert list(tmp_path.iterdir()) == []
