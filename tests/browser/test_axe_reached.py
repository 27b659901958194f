"""The pages that no address alone shows: asked before an action, refused, made, or empty."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django import Settings

from scanner.models import ExpectedBackupJob, Incident, Recipient
from tests.browser import fleet
from tests.browser.accessibility import examine
from tests.browser.ground import person
from tests.browser.visitor import Come, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COLUMNS = "company_name,city,neighborhood,database_name,agent_id,schedule"


@pytest.fixture(autouse=True)
def _fleet(site: str, deposit_root: Path, vault_root: Path) -> None:
    vault_root.mkdir()
    fleet.settle()


@pytest.fixture
def admin(come: Come) -> Visitor:
    return come(User.objects.create_superuser("admin", password="secret"))


def choose_all(admin: Visitor, model: type[Model], action: str, heading: str) -> None:
    """Choose each row of a model's list, and an action that asks before it does anything."""
    admin.open(reverse(f"admin:scanner_{model._meta.model_name}_changelist"))
    page = admin.page
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


@pytest.mark.parametrize(
    ("model", "action", "heading"),
    [
        (ExpectedBackupJob, "pause", "Pause"),
        (ExpectedBackupJob, "retire", "Retire"),
        (Incident, "acknowledge_selected", "Acknowledge"),
        (Recipient, "delete_selected", "Summary"),
    ],
)
def test_what_is_asked_before_something_is_done_to_many(
    admin: Visitor, model: type[Model], action: str, heading: str
) -> None:
    found = examine(admin, lambda: choose_all(admin, model, action, heading))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("schedule", "region"), [("61 2 * * *", "Errors"), ("30 2 * * *", "Row by row")]
)
def test_what_a_file_of_jobs_would_change(
    admin: Visitor, tmp_path: Path, schedule: str, region: str
) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text(f"{COLUMNS}\nAcme,Douala,Akwa,STOCK,ACME_DOUALA_AKWA,{schedule}\n")

    def show() -> None:
        admin.open(reverse("admin:scanner_expectedbackupjob_import"))
        admin.page.get_by_label("A file of jobs").set_input_files(file)
        admin.page.get_by_role("button", name="Show what would change").click()
        expect(admin.page.get_by_role("region", name=region)).to_be_visible()

    found = examine(admin, show)
    assert not found, "\n".join(found)


def test_a_pass_that_was_just_made(admin: Visitor) -> None:
    names = iter(("The corridor of the north", "The corridor of the south"))

    def make() -> None:
        admin.open(reverse("admin:scanner_wallpass_add"))
        admin.page.get_by_label("Name").fill(next(names))
        admin.page.get_by_label("Every company").check()
        admin.page.get_by_role("button", name="Save", exact=True).click()
        expect(admin.page.get_by_label("Address of the display")).to_be_visible()

    found = examine(admin, make)
    assert not found, "\n".join(found)


def test_a_login_that_is_locked(come: Come, settings: Settings) -> None:
    settings.LOGIN_FAILURES = settings.AXES_FAILURE_LIMIT = 1
    visitor = come()

    def fail() -> None:
        visitor.open(reverse("admin:login"))
        visitor.page.get_by_label("Username").fill("olivia")
        visitor.page.get_by_label("Password").fill("wrong")
        visitor.page.get_by_role("button", name="Log in").click()
        expect(visitor.page.get_by_role("heading", name="Locked for a while")).to_be_visible()

    found = examine(visitor, fail)
    assert not found, "\n".join(found)


def test_the_way_in(come: Come) -> None:
    visitor = come()
    found = examine(visitor, lambda: visitor.open(reverse("admin:login")))
    assert not found, "\n".join(found)


def test_a_board_with_nothing_on_it(admin: Visitor) -> None:
    ExpectedBackupJob.objects.update(retired_at=timezone.now())
    found = examine(admin, lambda: admin.open(reverse("admin:index")))
    assert not found, "\n".join(found)


def refused_in_the_admin(come: Come) -> list[str]:
    visitor = come(person("victor", "viewer"))
    address = reverse("admin:scanner_expectedbackupjob_import")
    return examine(visitor, lambda: visitor.open(address, 403))


def refused_elsewhere(come: Come) -> list[str]:
    visitor = come(person("victor", "viewer"))
    return examine(visitor, lambda: visitor.open("/nowhere/", 404))


def refused_at_the_wall(come: Come) -> list[str]:
    visitor = come()
    address = reverse("board:wall") + "?pass=nobody-was-given-it"
    return examine(visitor, lambda: visitor.open(address, 403))


@pytest.mark.parametrize("refused", [refused_in_the_admin, refused_elsewhere, refused_at_the_wall])
def test_what_is_said_where_a_page_is_refused(
    come: Come, refused: Callable[[Come], list[str]]
) -> None:
    found = refused(come)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["expectedbackupjob", "backupentry", "incident", "vaultcopy"])
def test_a_list_with_nothing_in_it(come: Come, name: str) -> None:
    # Somebody to whom no company was granted sees what a new install shows.
    visitor = come(person("victor", "viewer", companies=[]))
    address = reverse(f"admin:scanner_{name}_changelist")
    found = examine(visitor, lambda: visitor.open(address))
    assert not found, "\n".join(found)
