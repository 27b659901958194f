"""The pictures of the README, of the demo: `make screenshots` writes docs/*.png anew.

The demo is played into a temporary directory; a server and a scheduler of its own serve it.
"""

import os
import secrets
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen, run
from typing import Any

from tests.browser.chromium import chromium
from tests.process import MANAGE, PATIENCE, ROOT

DOCS = ROOT / "docs"
WIDTH, HEIGHT = 1400, 900
MOST_BYTES = 300_000


def main() -> None:
    """Write all pictures; fail when one is too large for a README."""
    with tempfile.TemporaryDirectory(prefix="backupmonitor-screenshots-") as folder:
        site = _prepare(Path(folder))
        run([*MANAGE, "migrate", "--verbosity", "0"], check=True)
        run([*MANAGE, "demo"], check=True)
        import django

        django.setup()
        log = Path(folder) / "log"
        web = [*MANAGE, "runserver", "--noreload", site.removeprefix("http://")]
        with _started(web, log), _started([*MANAGE, "runapscheduler"], log):
            _until(lambda: _answers(f"{site}/admin/login/"))
            _until(_all_is_well)
            _take(site)


def _prepare(folder: Path) -> str:
    """Have this process, and those it starts, work in `folder`; give the address of the site."""
    site = f"http://127.0.0.1:{_free_port()}"
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "backupmonitor.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": secrets.token_urlsafe(32),
        "SITE_URL": site,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "BACKUP_STORAGE_ROOT": str(folder / "deposits"),
        "VALIDATED_BACKUPS_BASE_PATH": str(folder / "validated"),
        "DEBUG": "true",  # nothing is collected
        "LOG_LEVEL": "WARNING",
    }
    return site


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _started(command: list[str], log: Path) -> Iterator[None]:
    with log.open("ab") as written:
        process = Popen(command, stdout=written, stderr=written)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > give_up:
            sys.exit("the site did not come up")
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except OSError:
        return False


def _all_is_well() -> bool:
    from django.utils import timezone

    from scanner.models import Incident
    from scanner.scheduler_board import scheduler_health

    return scheduler_health(now=timezone.now()).healthy and Incident.objects.exists()


def _take(site: str) -> None:
    from django.contrib.auth.models import User

    from tests.browser.visitor import Visitor

    marie = User.objects.create_superuser("marie", password=secrets.token_urlsafe())
    _settle_in()
    job = f"/admin/scanner/expectedbackupjob/{_job()}/change/"
    dark: dict[str, Any] = {"scheme": "dark"}
    with chromium() as browser:
        for name, path, part, options in (
            ("board", "/admin/", "", {}),
            ("board-fr", "/admin/", "", {"language": "fr"}),
            ("matrix", "/admin/", "#bm-board", {}),
            ("matrix-dark", "/admin/", "#bm-board", dark),
            ("job", job, "", {}),
            ("job-dark", job, "", dark),
        ):
            visitor = Visitor(browser, site, marie, **options)
            visitor.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            visitor.open(path)
            if part:
                visitor.page.locator(part).evaluate("part => part.scrollIntoView()")
            _keep(visitor.page.screenshot(animations="disabled"), name)
            visitor.leave()


def _settle_in() -> None:
    """Do what somebody has done who has used it for a month."""
    from django.utils import timezone

    from scanner.alerts import acknowledging
    from scanner.models import Channel, Incident

    now = timezone.now()
    Channel.objects.create(
        name="On-call",
        kind="webhook",
        address="https://hooks.example.com/on-call",
        created_at=now,
        tested_at=now,
    )
    for incident in Incident.objects.filter(ended_at=None, level="problem").order_by("-pk")[:2]:
        acknowledging.acknowledge(
            incident.pk, by="paul", note="the site is told", until=None, now=now
        )


def _job() -> int:
    """Give the job with most to see of: good now, and not always."""
    from django.db.models import Count, Q

    from scanner.models import ExpectedBackupJob

    jobs = ExpectedBackupJob.objects.filter(is_active=True, status="SUCCESS")
    bad = Count("entries", filter=~Q(entries__status__in=("SUCCESS", "UNCHANGED")))
    return jobs.annotate(bad=bad).order_by("-bad", "pk")[0].pk


def _keep(picture: bytes, name: str) -> None:
    file = DOCS / f"{name}.png"
    file.write_bytes(picture)
    sys.stdout.write(f"{file.relative_to(ROOT)}: {len(picture) // 1000} kB\n")
    if len(picture) > MOST_BYTES:
        sys.exit(f"{file} is larger than {MOST_BYTES} bytes")


if __name__ == "__main__":
    main()
