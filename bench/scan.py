"""How fast a scan verifies, against a yardstick in the same run.

    .venv/bin/python bench/scan.py [--agents 4] [--databases 5] [--mib 16] [--workers 2]

It writes a tree of its own into the temporary directory: `agents` x `databases` dumps of `mib` MiB
each, packed by gzip to about half, and reports about them. Then it times, with all files in
the page cache:

- the yardstick: `sha256sum`, then `gzip -t`, over all staged files, one process after the other;
- a scan of new backups: staged and raw bytes hashed and compared, a verified copy in the vault;
- a scan that finds the same content again, so that nothing is copied;
- a scan without work.

Seconds are this machine's and mean little; `ratio` is the speed against the yardstick. Nothing is
left behind. This is no test: no limit is kept here.
"""

import argparse
import gzip
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

MIB = 2**20
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Claims = Mapping[str, Mapping[str, object]]


def main() -> None:
    """Measure what the command line asks for and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--databases", type=int, default=5, help="of each agent")
    parser.add_argument("--mib", type=int, default=16, help="size of each raw dump")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backupmonitor-bench-") as folder:
        _prepare_django(Path(folder), options.workers)
        _measure(Path(folder) / "deposits", options.agents, options.databases, options.mib)


def _prepare_django(folder: Path, workers: int) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "backupmonitor.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for a benchmark",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "BACKUP_STORAGE_ROOT": str(folder / "deposits"),
        "VALIDATED_BACKUPS_BASE_PATH": str(folder / "validated"),
        "AUTO_REGISTER": "active",
        "SCAN_WORKERS": str(workers),
        "VERIFY_LEVEL": "content",
        "LOG_LEVEL": "WARNING",
    }
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _measure(root: Path, agents: int, databases: int, mib: int) -> None:
    from rich.console import Console
    from rich.table import Table

    names = [f"BENCH_SITE_{number}" for number in range(agents)]
    claims = {name: _stage(root, name, databases, mib) for name in names}
    files = sorted(root.glob("*/databases/*"))
    staged, raw = sum(file.stat().st_size for file in files) / MIB, agents * databases * mib
    table = Table(title=f"{len(files)} backups: {staged:,.0f} MiB staged, {raw:,} MiB raw")
    for column in ("what", "seconds", "staged MiB/s", "raw MiB/s", "ratio"):
        table.add_column(column, no_wrap=True, justify="left" if column == "what" else "right")
    yardstick = _seconds(lambda: _sum_and_test(files))
    for what, seconds in (
        ("yardstick", yardstick),
        ("scan, new backups", _scan(root, claims, "SUCCESS", NOW)),
        ("scan, unchanged backups", _scan(root, claims, "UNCHANGED", NOW + timedelta(days=1))),
    ):
        speeds = (f"{size / seconds:,.0f}" for size in (staged, raw))
        table.add_row(what, f"{seconds:.2f}", *speeds, f"{yardstick / seconds:.2f} x")
    idle = _scan(root, {}, "SUCCESS", NOW + timedelta(days=2))
    table.add_row("scan, no work", f"{idle:.2f}")
    Console().print(table)


def _stage(root: Path, agent: str, databases: int, mib: int) -> Claims:
    """Write an agent's staged files; give the claims about them."""
    from tests.agent import Agent, sha256

    rows = random.Random(agent)  # noqa: S311 - the same bytes in each run
    claims = {}
    for number in range(databases):
        values = (
            f"({row}, '{rows.getrandbits(40):010x}', {row % 97})," for row in range(MIB // 24)
        )
        block = "\n".join((f"-- MySQL dump {agent} {number}", *values)).encode()
        dump = block.ljust(MIB, b"\n")[:MIB] * mib
        packed = gzip.compress(dump, compresslevel=1)
        staged = Agent(root, agent).stage(f"db{number}.sql.gz", packed)
        claims[f"{agent}_DB{number}"] = {
            "BACKUP": {"size": len(dump), "sha256": sha256(dump)},
            "COMPRESS": {"size": len(packed), "sha256": sha256(packed)},
            "staged_file_name": staged.name,
        }
    return claims


def _scan(root: Path, claims: Mapping[str, Claims], status: str, now: datetime) -> float:
    """Drop a report of each agent and scan; give the seconds of the scan alone."""
    from scanner.models import ScanRun
    from scanner.scan import scan
    from tests.agent import Agent

    for agent, some in claims.items():
        Agent(root, agent).report(some, now - timedelta(minutes=1))
    start = time.perf_counter()
    run = scan(now=now, trigger=ScanRun.Trigger.COMMAND, clock=lambda _: now)
    seconds = time.perf_counter() - start
    if run.counts[status] != sum(map(len, claims.values())):
        sys.exit(f"the scan did not find what was deposited: {run.counts} {run.findings}")
    return seconds


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _sum_and_test(files: list[Path]) -> None:
    for command in (("sha256sum",), ("gzip", "-t")):
        subprocess.run([*command, *files], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    main()
