"""Copies go, and their folders when they are empty; nothing else does, whoever comes in between."""

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from scanner.errors import VaultError
from scanner.pipeline import vault, vault_tree

FOLDER = PurePosixPath("ACME/DOUALA/NEWBELL/DB")
ONE, TWO = FOLDER / "DB_20260301_120000.sql.gz", FOLDER / "DB_20260302_120000.sql.gz"


def put(root: Path, path: PurePosixPath) -> None:
    content = str(path).encode()
    vault.promote(io.BytesIO(content), root, path, hashlib.sha256(content).hexdigest())


def below(root: Path) -> set[str]:
    """Give what stands in the vault, folders too, but for INCOMING."""
    return {str(path.relative_to(root)) for path in root.rglob("*")} - {vault.INCOMING}


def with_parents(path: PurePosixPath) -> set[str]:
    return {str(path), *(str(parent) for parent in path.parents)} - {"."}


def test_a_removed_copy_takes_its_empty_folders_along_but_not_the_vault(tmp_path: Path) -> None:
    put(tmp_path, ONE)
    vault.remove(tmp_path, ONE)
    assert below(tmp_path) == set()
    assert (tmp_path / vault.INCOMING).is_dir()


def test_a_removed_copy_leaves_its_neighbours(tmp_path: Path) -> None:
    other = PurePosixPath("ACME/DOUALA/AKWA/X/X_20260301_120000.sql.gz")
    for path in (ONE, TWO, other):
        put(tmp_path, path)
    vault.remove(tmp_path, ONE)
    assert below(tmp_path) == with_parents(TWO) | with_parents(other)
    vault.remove(tmp_path, TWO)
    assert below(tmp_path) == with_parents(other)


def test_a_copy_that_is_not_there_is_as_good_as_removed(tmp_path: Path) -> None:
    put(tmp_path, ONE)
    vault.remove(tmp_path, TWO)
    vault.remove(tmp_path, "OTHER/X/Y/Z/file")
    assert below(tmp_path) == with_parents(ONE)


def test_empty_folders_that_a_kill_left_go_when_the_copy_is_removed_again(tmp_path: Path) -> None:
    (tmp_path / FOLDER.parent).mkdir(parents=True)
    vault.remove(tmp_path, ONE)
    assert below(tmp_path) == set()


def test_nothing_is_removed_from_a_vault_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be read"):
        vault.remove(tmp_path / "not mounted", ONE)


def test_a_link_in_place_of_a_copy_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "vault"
    outside.touch()
    (root / FOLDER).mkdir(parents=True)
    (root / ONE).symlink_to(outside)
    vault.remove(root, ONE)
    assert (outside.exists(), below(root)) == (True, set())


def test_a_link_in_place_of_a_folder_is_not_walked_through(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "vault"
    put(outside, ONE)
    root.mkdir()
    (root / "ACME").symlink_to(outside / "ACME")
    with pytest.raises(VaultError, match="'ACME' is a link or a file, not a folder"):
        vault.remove(root, ONE)
    assert (outside / ONE).exists()


def test_a_folder_in_place_of_a_copy_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ONE).mkdir(parents=True)
    with pytest.raises(VaultError, match="cannot be removed"):
        vault.remove(tmp_path, ONE)
    assert below(tmp_path) == with_parents(ONE)


# --- A removal and a promotion in one folder ------------------------------------------------------


@pytest.mark.parametrize("when", ["mkdir", "rename"])
def test_a_folder_that_a_removal_takes_from_under_a_copy_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    real = getattr(os, when)
    calls: list[object] = []

    def remove_in_between(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if when == "rename" and len(calls) == 1:
            vault.remove(tmp_path, ONE)
        real(*arguments, **options)
        if when == "mkdir" and len(calls) in (2, 3):
            vault.remove(tmp_path, TWO)

    put(tmp_path, TWO if when == "mkdir" else ONE)
    if when == "mkdir":
        vault.remove(tmp_path, TWO)
    monkeypatch.setattr(os, when, remove_in_between)
    put(tmp_path, TWO)
    assert len(calls) > 1
    assert (tmp_path / TWO).read_bytes() == str(TWO).encode()
    assert below(tmp_path) == with_parents(TWO)


def test_a_folder_that_vanishes_every_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def remove_before(*arguments: Any, **folders: Any) -> None:
        vault.remove(tmp_path, ONE)
        real(*arguments, **folders)

    monkeypatch.setattr(vault_tree, "TRIES", 3)
    monkeypatch.setattr("scanner.pipeline.vault_writing.TRIES", 3)
    monkeypatch.setattr(os, "rename", remove_before)
    with pytest.raises(VaultError, match="vanishes whenever it is made"):
        put(tmp_path, TWO)
    assert list((tmp_path / vault.INCOMING).iterdir()) == []


def test_a_copy_that_comes_before_its_folder_goes_keeps_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rmdir

    def promote_before(*arguments: Any, **folders: Any) -> None:
        monkeypatch.setattr(os, "rmdir", real)
        put(tmp_path, TWO)
        real(*arguments, **folders)

    put(tmp_path, ONE)
    monkeypatch.setattr(os, "rmdir", promote_before)
    vault.remove(tmp_path, ONE)
    assert below(tmp_path) == with_parents(TWO)


def test_a_folder_that_another_removal_took_first_is_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rmdir

    def rival_first(*arguments: Any, **folders: Any) -> None:
        monkeypatch.setattr(os, "rmdir", real)
        (tmp_path / FOLDER).rmdir()
        real(*arguments, **folders)

    put(tmp_path, ONE)
    monkeypatch.setattr(os, "rmdir", rival_first)
    vault.remove(tmp_path, ONE)
    assert below(tmp_path) == set()


def test_promotions_and_removals_in_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    names = [FOLDER / f"DB_2026030{number}_120000.sql.gz" for number in range(1, 5)]

    def come_and_go(path: PurePosixPath) -> None:
        for _ in range(25):
            put(tmp_path, path)
            assert (tmp_path / path).read_bytes() == str(path).encode()
            vault.remove(tmp_path, path)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(come_and_go, names))
    assert below(tmp_path) == set()
