"""How long the server takes for a page, beside the stock Django admin's list of the same rows.

    .venv/bin/python bench/pages.py [--jobs 10000] [--entries 1000000] [--runs 9]
                                    [--database sqlite|postgres]

It fills a database of its own: jobs of many companies in every status, each with its last days,
and entries of all of them. Then two processes look at it in turn: one with this project's pages,
one with Django's own admin as it comes (no theme, a plain ModelAdmin of the same columns, filters
and page length, its templates cached as ours are). A page is asked for through Django's test client
by a superuser: middleware, session, statements, templates and compression, but no network.

`median` and `worst` are of `runs` requests after two that warm up; `statements` are those of one
request, `KiB` its answer's size uncompressed. Seconds are this machine's and mean little; the ratio
to stock says more. Nothing is left behind. This is no test: no limit is kept here.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WARM_UPS = 2
LIST_LENGTH = 50


@dataclass(frozen=True, slots=True)
class Measured:
    """What a page costs: milliseconds, statements, bytes."""

    what: str
    median: float
    worst: float
    statements: int
    size: int


def main() -> None:
    """Measure what the command line asks for and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--look", choices=("ours", "stock"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.look:
        _look(options.look, options.runs)
        return
    with (
        tempfile.TemporaryDirectory(prefix="backupmonitor-bench-") as folder,
        _database(options.database, Path(folder)) as url,
    ):
        _prepare(Path(folder), url)
        seconds = _fill(options.jobs, options.entries)
        sys.stderr.write(f"filled in {seconds:.0f} s\n")
        rows = {which: _looked(which, options.runs) for which in ("ours", "stock")}
    _tell(rows, f"{options.jobs:,} jobs, {options.entries:,} entries, {options.database}")


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    from tests.postgres import throwaway_cluster

    with throwaway_cluster() as url:
        yield url


def _prepare(folder: Path, url: str) -> None:
    """Have this process, and those it starts, work on that database."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "backupmonitor.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for a benchmark",
        "DATABASE_URL": url,
        "BACKUP_STORAGE_ROOT": str(folder / "deposits"),
        "VALIDATED_BACKUPS_BASE_PATH": str(folder / "validated"),
        # Nothing is collected here: the names of static files as they are.
        "DEBUG": "true",
        "LOG_LEVEL": "ERROR",
    }


def _fill(jobs: int, entries: int) -> float:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from bench.pages_rows import fill

    start = time.perf_counter()
    fill(jobs, entries)
    return time.perf_counter() - start


def _looked(which: str, runs: int) -> list[Measured]:
    """Measure in a process of its own, as its settings differ."""
    command = [sys.executable, __file__, "--look", which, "--runs", str(runs)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return [Measured(**row) for row in json.loads(done.stdout)]


def _look(which: str, runs: int) -> None:
    import django
    from django.conf import settings

    settings.DEBUG = False  # a server's: templates are cached, statements are not kept
    settings.TEMPLATES[0]["OPTIONS"]["debug"] = False
    settings.ALLOWED_HOSTS = ["testserver"]
    if which == "stock":
        _strip()
    django.setup()
    pages = _our_pages() if which == "ours" else _stock_pages()
    measured = [_measure(what, address, runs) for what, address in pages.items()]
    sys.stdout.write(json.dumps([asdict(row) for row in measured]))


def _measure(what: str, address: str, runs: int) -> Measured:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(
        User.objects.get(username="admin"), backend="django.contrib.auth.backends.ModelBackend"
    )

    def ask() -> float:
        start = time.perf_counter()
        answer = client.get(address)
        seconds = time.perf_counter() - start
        if answer.status_code != 200:  # noqa: PLR2004
            sys.exit(f"{address}: {answer.status_code}")
        return seconds * 1000

    for _ in range(WARM_UPS):
        ask()
    times = [ask() for _ in range(runs)]
    with CaptureQueriesContext(connection) as statements:
        size = len(client.get(address).content)
    return Measured(what, statistics.median(times), max(times), len(statements), size)


def _our_pages() -> Mapping[str, str]:
    from django.urls import reverse

    from scanner.models import BackupEntry, ExpectedBackupJob

    job = ExpectedBackupJob.objects.order_by("pk")[17]
    entry = BackupEntry.objects.latest("pk")
    jobs, entries = (
        f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for model in (type(job), type(entry))
    )
    return {
        "board": reverse("admin:index"),
        "matrix, 30 days": reverse("board:matrix") + "?days=30",
        "matrix, 90 days": reverse("board:matrix") + "?days=90",
        "job list": reverse(f"{jobs}_changelist"),
        "job list, failed": reverse(f"{jobs}_changelist") + "?status__exact=FAILED",
        "entry list": reverse(f"{entries}_changelist"),
        "entry list, failed": reverse(f"{entries}_changelist") + "?status__exact=FAILED",
        "job page": reverse(f"{jobs}_change", args=[job.pk]),
        "entry page": reverse(f"{entries}_change", args=[entry.pk]),
    }


# --- Django's admin, as it comes ------------------------------------------------------------------


def _strip() -> None:
    """Take out of the settings all that this project adds to the admin."""
    from django.conf import settings

    theirs = [app for app in settings.INSTALLED_APPS if app.startswith("django.contrib.")]
    theirs.remove("django.contrib.admin")
    settings.INSTALLED_APPS = [
        "django.contrib.admin.apps.SimpleAdminConfig",
        *theirs,
        "django_apscheduler",
        "scanner",
    ]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name.startswith("django.")]
    settings.TEMPLATES[0]["DIRS"] = []
    processors = settings.TEMPLATES[0]["OPTIONS"]["context_processors"]
    settings.TEMPLATES[0]["OPTIONS"]["context_processors"] = [
        name for name in processors if name.startswith("django.")
    ]
    settings.ROOT_URLCONF = "bench_stock_urls"
    settings.SILENCED_SYSTEM_CHECKS = ["urls.E001"]


def _stock_pages() -> Mapping[str, str]:
    from django.contrib import admin
    from django.urls import path, reverse

    from scanner.models import BackupEntry, ExpectedBackupJob

    class JobAdmin(admin.ModelAdmin):
        list_display = (
            "database_name",
            "company_name",
            "city",
            "neighborhood",
            "status",
            "reason",
            "last_good_at",
            "last_size",
            "deadline_at",
            "is_active",
        )
        list_filter = ("status", "company_name", "is_active")
        search_fields = ("database_name", "company_name", "city", "neighborhood", "agent_id")
        list_per_page = LIST_LENGTH

    class EntryAdmin(admin.ModelAdmin):
        list_display = ("job", "status", "reason", "cycle_due", "arrived_at", "size", "recorded_at")
        list_filter = ("status", "reason")
        list_select_related = ("job",)
        search_fields = ("job__database_name", "agent_id")
        list_per_page = LIST_LENGTH
        raw_id_fields = ("job", "report", "run")

    site = admin.AdminSite()
    site.register(ExpectedBackupJob, JobAdmin)
    site.register(BackupEntry, EntryAdmin)
    urls: Any = ModuleType("bench_stock_urls")
    urls.urlpatterns = [path("admin/", site.urls)]
    sys.modules["bench_stock_urls"] = urls
    job = ExpectedBackupJob.objects.order_by("pk")[17]
    entry = BackupEntry.objects.latest("pk")
    jobs, entries = "admin:scanner_expectedbackupjob", "admin:scanner_backupentry"
    return {
        "board": reverse("admin:index"),
        "job list": reverse(f"{jobs}_changelist"),
        "job list, failed": reverse(f"{jobs}_changelist") + "?status__exact=FAILED",
        "entry list": reverse(f"{entries}_changelist"),
        "entry list, failed": reverse(f"{entries}_changelist") + "?status__exact=FAILED",
        "job page": reverse(f"{jobs}_change", args=[job.pk]),
        "entry page": reverse(f"{entries}_change", args=[entry.pk]),
    }


def _tell(rows: Mapping[str, list[Measured]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    stock = {row.what: row for row in rows["stock"]}
    heads = ("page", "median ms", "worst ms", "statements", "KiB")
    for column in (*heads, "stock: ms", "statements", "ratio"):
        table.add_column(column, no_wrap=True, justify="left" if column == "page" else "right")
    for row in rows["ours"]:
        beside = stock.get(row.what)
        table.add_row(
            row.what,
            f"{row.median:,.0f}",
            f"{row.worst:,.0f}",
            str(row.statements),
            f"{row.size / 1024:,.0f}",
            *(
                ()
                if beside is None
                else (
                    f"{beside.median:,.0f}",
                    str(beside.statements),
                    f"{row.median / beside.median:.2f} x",
                )
            ),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
