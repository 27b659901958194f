"""How fast a dump is verified, beside the programs that people use for the same in the same run.

    .venv/bin/python bench/verification.py [--megabytes 400] [--rounds 3] [--big 4]

A dump of `megabytes` (a made-up mysqldump, from a seed) is packed with gzip and with zstd, and lies
in the page cache. Then, in turns, `rounds` times each:

- digest: `measure` at that level, beside `sha256sum` and `openssl dgst -sha256`;
- archive: what decompresses to its end, beside `gzip -dc` and `zstd -dc`;
- content: `measure` at that level, beside `gzip -dc | sha256sum` and `zstd -dc | sha256sum`.

All of it on one core. The best round of each counts. MB/s are of the staged file for digest, of the
dump for the others.
Then a file of `big` GB (its dump; zeros and noise) is verified at each level in a process of its
own, and the most memory that it took is printed: it should not depend on the file. Nothing is left
behind. This is no test: no limit is kept here.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

MB = 1_000_000
CONSOLE = Console(highlight=False, soft_wrap=True)
ROWS_AN_INSERT = 400
PACKERS = {"gzip": ("gzip", "-6"), "zstd": ("zstd", "-q", "-3")}
WAYS_BACK = {"gzip": ("gzip", "-dc"), "zstd": ("zstd", "-q", "-dc")}


@dataclass(frozen=True, slots=True)
class Contest:
    """Who is measured at one task, how many bytes that is, and our own entry among them."""

    task: str
    size: int
    runners: dict[str, Callable[[], object]]


def main() -> None:
    """Measure as the command line says and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--big", type=float, default=4, help="GB of the file for the memory")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    if options.memory_of:
        _tell_memory(*options.memory_of)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="backupmonitor-bench-") as name:
        folder = Path(name)
        dump = folder / "dump.sql"
        with dump.open("wb") as file:
            file.writelines(_mysqldump(options.megabytes * MB))
        CONSOLE.print(f"dump: {dump.stat().st_size / MB:,.0f} MB")
        for codec, command in PACKERS.items():
            staged = folder / f"dump.sql.{codec}"
            with staged.open("wb") as packed:
                _run([*command, "-c", str(dump)], stdout=packed.fileno())
            CONSOLE.print(f"\n{codec}: {staged.stat().st_size / MB:,.0f} MB staged")
            for contest in _contests(codec, staged, dump.stat().st_size):
                _show(contest, options.rounds)
        dump.unlink()
        _show_memory(folder, int(options.big * 1000 * MB))


def _mysqldump(size: int) -> Iterator[bytes]:
    draw = random.Random(20260302)  # noqa: S311 - numbers of a benchmark
    names = [f"{draw.choice('ABDEFGKMNOT')}{draw.randbytes(5).hex()}" for _ in range(5000)]
    made = 0
    head = b"-- MySQL dump 10.13  Distrib 8.0.41, for Linux (x86_64)\n--\n"
    yield head
    made += len(head)
    while made < size:
        rows = ",".join(
            f"({made + number},'{draw.choice(names)}',{draw.randrange(10**9)},{draw.random():.9f})"
            for number in range(ROWS_AN_INSERT)
        )
        line = b"INSERT INTO `factures` VALUES " + rows.encode() + b";\n"
        yield line
        made += len(line)
    yield b"\n-- Dump completed on 2026-03-02  2:10:44\n"


def _contests(codec: str, staged: Path, content: int) -> Iterator[Contest]:
    back = WAYS_BACK[codec]
    yield Contest(
        "digest",
        staged.stat().st_size,
        {
            "backupmonitor": lambda: _measure(staged, "digest", content),
            "sha256sum": lambda: _run(["sha256sum", str(staged)]),
            "openssl dgst -sha256": lambda: _run(["openssl", "dgst", "-sha256", str(staged)]),
        },
    )
    yield Contest(
        "archive",
        content,
        {
            "backupmonitor": lambda: _measure(staged, "archive", content),
            " ".join(back): lambda: _run([*back, str(staged)]),
        },
    )
    yield Contest(
        "content",
        content,
        {
            "backupmonitor": lambda: _measure(staged, "content", content),
            f"{' '.join(back)} | sha256sum": lambda: _pipe([*back, str(staged)], ["sha256sum"]),
        },
    )


def _show(contest: Contest, rounds: int) -> None:
    best = dict.fromkeys(contest.runners, float("inf"))
    for _ in range(rounds):
        for name, run in contest.runners.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    ours = best["backupmonitor"]
    for name, seconds in best.items():
        ratio = "" if name == "backupmonitor" else f"   ours is {seconds / ours:.2f} times as fast"
        CONSOLE.print(
            f"  {contest.task:8} {name:24} {contest.size / MB / seconds:8,.0f} MB/s{ratio}"
        )


def _measure(staged: Path, level: str, content: int) -> object:
    from scanner.pipeline.verification import ArchiveState, Level, measure

    with staged.open("rb", buffering=0) as file:
        found = measure(
            file,
            level=Level(level),
            claimed_content_size=content,
            changed_at=lambda status: datetime.fromtimestamp(status.st_ctime, UTC),
        )
    assert found.archive in (ArchiveState.WHOLE, ArchiveState.UNTESTED), found
    assert not found.dump_defect, found
    return found


def _run(command: list[str], stdout: int = subprocess.DEVNULL) -> str:
    ended = subprocess.run(command, stdout=stdout, check=True, text=True)  # noqa: S603
    return ended.stdout or ""


def _pipe(first: list[str], second: list[str]) -> None:
    with (
        subprocess.Popen(first, stdout=subprocess.PIPE) as source,  # noqa: S603
        subprocess.Popen(second, stdin=source.stdout, stdout=subprocess.DEVNULL) as sink,  # noqa: S603
    ):
        pass
    assert source.returncode == sink.returncode == 0


def _most_memory() -> int:
    """Give the most KiB that this process held; the kernel's count begins anew with a program."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _show_memory(folder: Path, size: int) -> None:
    CONSOLE.print(f"\nmost memory for a dump of {size / MB / 1000:,.1f} GB")
    for codec, command in PACKERS.items():
        staged = folder / f"big.{codec}"
        with (
            staged.open("wb") as packed,
            subprocess.Popen([*command, "-c"], stdin=subprocess.PIPE, stdout=packed) as packer,  # noqa: S603
        ):
            assert packer.stdin is not None
            packer.stdin.write(b"-- MySQL dump 10.13\n")
            block = bytes(MB - 8192) + random.Random(1).randbytes(8192)  # noqa: S311 - see above
            for _ in range(size // MB):
                packer.stdin.write(block)
            packer.stdin.write(b"\n-- Dump completed on 2026-03-02  2:10:44\n")
            packer.stdin.close()
        for level in ("digest", "archive", "content"):
            own = [sys.executable, __file__, "--memory-of", level, str(staged)]
            told = _run(own, stdout=subprocess.PIPE)
            CONSOLE.print(f"  {codec} {level:8} {told.strip()}")
        staged.unlink()


def _tell_memory(level: str, staged: str) -> None:
    import scanner.pipeline.verification  # noqa: F401 - its own memory is not the file's

    before = _most_memory()
    _measure(Path(staged), level, 1 << 50)
    most = _most_memory()
    CONSOLE.print(f"{most / 1024:6,.0f} MiB, of which Python and our modules {before / 1024:,.0f}")


if __name__ == "__main__":
    missing = [name for name in ("gzip", "zstd", "openssl", "sha256sum") if not shutil.which(name)]
    if missing:
        sys.exit(f"install {', '.join(missing)}: they are what we are measured beside")
    os.environ.setdefault("LC_ALL", "C")
    main()
