"""Client programs: what they are given, what is heard of them, and how they end."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.drills import client
from scanner.drills.client import Ended
from scanner.drills.outcome import CannotRestore, CannotTry, Deadline

PATIENCE = 60.0


def run(script: str, *feed: bytes, folder: Path, seconds: float = PATIENCE) -> Ended:
    """Run a Python script as a client program."""
    return client.run(
        [sys.executable, "-c", script], feed, folder=folder, deadline=Deadline(seconds)
    )


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that was killed and not yet buried does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_it_reads_all_and_is_heard_on_both_streams(tmp_path: Path) -> None:
    script = "import sys; d = sys.stdin.buffer.read(); print(len(d)); sys.exit(d[-1:].decode())"
    ended = run(script, b"x" * 10**7, b"", b"y" * 10**6, folder=tmp_path)
    assert ended == Ended(1, "y\n", "11000000\n", took_all=True)


def test_one_that_writes_much_while_it_reads_blocks_nobody(tmp_path: Path) -> None:
    script = "import sys\nfor line in sys.stdin.buffer: sys.stderr.buffer.write(line * 10)"
    ended = run(script, *([b"x" * 1000 + b"\n"] * 2000), folder=tmp_path)
    assert ended.code == 0
    assert len(ended.errors) == client.KEPT


def test_one_that_ends_early_is_told_from_one_that_took_all(tmp_path: Path) -> None:
    ended = run("raise SystemExit(3)", *([b"x" * 10**6] * 5), folder=tmp_path)
    assert (ended.code, ended.took_all) == (3, False)


def test_nothing_of_our_environment_or_files_is_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    monkeypatch.setenv("LD_PRELOAD", "")
    with (tmp_path / "open").open("wb") as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003
        script = (
            "import os; print(sorted(os.environ), os.getcwd(), len(os.listdir('/proc/self/fd')))"
        )
        ended = run(script, folder=tmp_path)
    names, folder, files = ended.output.rsplit(" ", 2)
    assert set(eval(names)) - {"LC_CTYPE"} == {"HOME", "LC_ALL", "PATH"}
    assert folder == str(tmp_path)
    assert int(files) == 4  # three streams, and the listing itself


def test_it_can_write_to_no_file_and_take_no_endless_memory(tmp_path: Path) -> None:
    write = "import os, time; time.sleep(1); os.write(os.open('x', os.O_CREAT | os.O_RDWR), b'x')"
    assert "File too large" in run(write, folder=tmp_path).errors
    assert (tmp_path / "x").stat().st_size == 0
    take = f"import time; time.sleep(1); bytearray({client.MEMORY})"
    assert "MemoryError" in run(take, folder=tmp_path).errors


def test_at_the_deadline_it_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.touch()
    script = (
        "import os, sys, time\nos.fork()\nos.write(2, b'%d\\n' % os.getpid())\ntime.sleep(3600)\n"
    )
    heard: list[int] = []
    with pytest.raises(CannotRestore, match="did not end within"):
        client.run(
            [sys.executable, "-c", script],
            (),
            folder=tmp_path,
            deadline=Deadline(3),
            hear=lambda line: heard.append(int(line)),
        )
    assert len(heard) == 2
    give_up = time.monotonic() + PATIENCE
    while any(map(is_alive, heard)) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not any(map(is_alive, heard))


@pytest.mark.parametrize("who", ["feed", "hear"])
def test_it_is_killed_when_this_side_gives_up(tmp_path: Path, who: str) -> None:
    heard: list[int] = []

    def feed() -> Iterator[bytes]:
        yield b"x"
        if who == "feed":
            while not heard:
                yield b"\n"
                time.sleep(0.01)
            raise CannotRestore("broken")

    def hear(line: bytes) -> None:
        heard.append(int(line))
        if who == "hear":
            raise CannotRestore("broken")

    script = "import os, time; os.write(2, b'%d\\n' % os.getpid()); time.sleep(3600)"
    with pytest.raises(CannotRestore, match="broken"):
        client.run(
            [sys.executable, "-c", script],
            feed(),
            folder=tmp_path,
            deadline=Deadline(PATIENCE),
            hear=hear,
        )
    assert not is_alive(heard[0])


def test_one_whose_pipes_are_held_by_another_is_not_waited_for(tmp_path: Path) -> None:
    script = "import os, time\nif os.fork() == 0:\n  os.setsid(); time.sleep(30)"
    assert run(script, folder=tmp_path, seconds=20).code == 0


def test_lines_are_told_whole_but_not_without_end(tmp_path: Path) -> None:
    heard: list[bytes] = []
    script = (
        "import os, time\n"
        "os.write(2, b'one\\ntw'); time.sleep(0.2); os.write(2, b'o\\n')\n"
        "os.write(2, b'x' * 100000 + b'\\nlast')\n"
    )
    client.run(
        [sys.executable, "-c", script],
        (),
        folder=tmp_path,
        deadline=Deadline(PATIENCE),
        hear=heard.append,
    )
    assert heard == [b"one", b"two", b"x" * client.LONGEST_LINE, b"last"]


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotTry, match="cannot be started: No such file"):
        client.run([str(tmp_path / "none")], (), folder=tmp_path, deadline=Deadline(PATIENCE))


def test_the_newest_installed_program_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "15", "17", "18"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        (folder / "psql").touch(mode=0o755 if version != "18" else 0o644)
    monkeypatch.setattr(client, "FOLDERS", (f"{tmp_path}/*/bin",))
    assert client.find("psql", "it") == str(tmp_path / "17/bin/psql")


def test_a_program_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotTry, match="no_such_program is not on this machine: install it"):
        client.find("no_such_program", "it")
