"""Folders of drills among temporary files."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scanner.drills import workplace
from tests.drills.contents import drill_folders


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_ours_alone_and_gone_afterwards(temporary: Path) -> None:
    with workplace.folder() as place:
        assert place.stat().st_mode & 0o777 == 0o700
        (place / "large").write_bytes(b"x")
    assert drill_folders(temporary) == []


def test_it_is_gone_after_an_error_too(temporary: Path) -> None:
    with pytest.raises(IsADirectoryError), workplace.folder() as place:
        place.write_bytes(b"x")
    assert drill_folders(temporary) == []


def test_what_a_killed_drill_left_is_swept_and_a_living_ones_is_not(temporary: Path) -> None:
    kill = "import os, signal; from scanner.drills import workplace\n"
    kill += "with workplace.folder() as place: (place / 'large').touch(); os.kill(os.getpid(), 9)"
    environment = os.environ | {"TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", kill], env=environment, check=False)
    (left,) = drill_folders(temporary)
    (temporary / "another's").mkdir()
    with workplace.folder() as living:
        workplace.sweep()
        assert drill_folders(temporary) == [living]
    assert not left.exists()
    assert (temporary / "another's").exists()


def test_no_link_is_followed(temporary: Path) -> None:
    precious = temporary / "precious"
    precious.mkdir()
    (temporary / f"{workplace.PREFIX}link").symlink_to(precious)
    (temporary / f"{workplace.PREFIX}file").touch()
    workplace.sweep()
    assert precious.exists()


def test_some_room_is_left_on_the_disk(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workplace.free_bytes(temporary) >= 0
    monkeypatch.setattr(workplace, "MARGIN", 2**80)
    assert workplace.free_bytes(temporary) == 0
