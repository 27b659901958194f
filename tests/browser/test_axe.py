"""Each page, light and dark, wide and narrow: axe-core finds nothing serious, and the page fits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connections
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker

from scanner.admin.navigation import SIDEBAR
from scanner.models import (
    Channel,
    ExpectedBackupJob,
    MaintenanceWindow,
    Recipient,
    ScheduledTask,
    TaskRequest,
    VaultCopy,
    WallPass,
)
from tests.browser import fleet
from tests.browser.accessibility import examine
from tests.browser.server import served
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Address = Callable[[], str]

MODELS: tuple[type[Model], ...] = tuple(model for _, items in SIDEBAR for _, _, model in items)
ADDED: tuple[type[Model], ...] = (
    ExpectedBackupJob,
    Channel,
    MaintenanceWindow,
    Recipient,
    User,
    Group,
    WallPass,
)


def _named(name: str, of: type[Model] | None = None, query: str = "") -> Address:
    """Give how to find the address of a name; with `of`, that of its row with most to see."""
    return lambda: reverse(name, args=[] if of is None else [_row(of)]) + query


def _row(model: type[Model]) -> Any:
    rows: Any = model._default_manager
    if model is ExpectedBackupJob:
        return rows.get(database_name=fleet.IN_TROUBLE).pk
    return rows.latest("pk").pk


def _pages() -> Iterator[tuple[str, Address]]:
    for model in MODELS:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield f"{name}_changelist", _named(f"admin:{name}_changelist")
        yield f"{name}_change", _named(f"admin:{name}_change", model)
        if model in ADDED:
            yield f"{name}_add", _named(f"admin:{name}_add")
    yield "board", _named("admin:index")
    yield "board of 90 days", _named("admin:index", query="#days=90&fold=all")
    yield "wall", _named("board:wall")
    yield "password_change", _named("admin:password_change")
    yield "password_of_another", _named("admin:auth_user_password_change", User)
    yield "job_history", _named("admin:scanner_expectedbackupjob_history", ExpectedBackupJob)
    yield "recipient_delete", _named("admin:scanner_recipient_delete", Recipient)
    jobs = "admin:scanner_expectedbackupjob_changelist"
    yield "no job is found", _named(jobs, query="?q=nothing-of-that-name")
    yield "scan_now", _named("admin:scanner_scanrun_now")
    yield "scan_progress", _named("admin:scanner_scanrun_progress", TaskRequest)
    for name in ("pause", "retire"):
        yield f"job_{name}", _named(f"admin:scanner_expectedbackupjob_{name}", ExpectedBackupJob)
    for name in ("import", "export", "adopt", "from_deposits"):
        yield f"job_{name}", _named(f"admin:scanner_expectedbackupjob_{name}")
    # Refused, for want of the file: there is none in the vault of this test.
    yield "download_refused", _named("admin:scanner_vaultcopy_download", VaultCopy)


PAGES = dict(_pages())


@pytest.fixture(scope="module")
def transactional_db(
    browser: Browser, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Let the tests of this module use one database, one after the other; empty it at the end."""
    with django_db_blocker.unblock():
        yield
        call_command("flush", interactive=False, verbosity=0)
        # Nobody sees after the browser's end what is opened while its loop runs in this thread.
        connections.close_all()


@pytest.fixture(scope="module")
def looking(browser: Browser, transactional_db: None) -> Iterator[Visitor]:
    """Give an administrator who changes nothing, and so sees the same fleet in every test."""
    fleet.settle()
    task = ScheduledTask.objects.get(name="scan")
    TaskRequest.objects.create(task=task, requested_at=timezone.now(), requested_by="marie")
    user = User.objects.create_superuser("admin", password="secret")
    with served() as site:
        visitor = Visitor(browser, site, user)
        yield visitor
        visitor.leave()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(
    looking: Visitor, deposit_root: Path, vault_root: Path, name: str
) -> None:
    vault_root.mkdir()
    # An address that differs from the one before in its fragment alone would be no new page.
    looking.page.goto("about:blank")
    status = 404 if name == "download_refused" else 200
    found = examine(looking, lambda: looking.open(PAGES[name](), status))
    found += looking.complaints
    looking.complaints.clear()
    assert not found, "\n".join(found)
