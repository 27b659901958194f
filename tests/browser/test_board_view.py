"""What somebody chose to see of the matrix, and which of its days is today."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, Route, expect

from scanner.models import ExpectedBackupJob, Incident
from tests.alerts.rows import make_incident
from tests.browser.visitor import Come

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = 60


def write_jobs(count: int, company: str = "Acme", **fields: Any) -> list[ExpectedBackupJob]:
    now = timezone.now()
    return ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name=company,
            city="Douala",
            neighborhood="Akwa",
            database_name=f"{company.lower()}_{number:02}",
            agent_id=f"{company.upper()}_DOUALA_AKWA",
            created_at=now,
            **{"status": "SUCCESS", **fields},
        )
        for number in range(count)
    )


@pytest.fixture
def admin(site: str) -> User:
    return User.objects.create_superuser("admin", password="secret")


def day(ahead: int, letter: str = "S") -> list[Any]:
    return [timezone.localdate().toordinal() + ahead, letter, 1]


def test_who_acknowledges_on_the_board_sees_the_same_of_it_afterwards(
    come: Come, admin: User
) -> None:
    write_jobs(1)
    incident = make_incident(write_jobs(MANY, "Globex", status="MISSING", reason="no_report"))
    write_jobs(MANY, "Initech", status="FAILED", reason="transfer_failed")
    page = come(admin).visit("admin:index")
    grid = page.get_by_role("treegrid")
    page.get_by_role("checkbox", name="Only problems").check()
    page.get_by_role("button", name="90 days").click()
    page.get_by_role("searchbox", name="Filter by place").press_sequentially("globex")
    expect(page.get_by_text("60 of 121 jobs")).to_be_visible()
    expect(grid).to_have_attribute("aria-colcount", "92")
    grid.evaluate("(grid) => grid.scrollTo(0, 400)")
    scrolled = "[scrollY, document.getElementById('bm-board-grid').scrollTop]"
    page.evaluate("scrollTo(0, 60)")
    before = page.evaluate(scrolled)
    assert before == [60, 400]
    address = page.url

    page.get_by_role("button", name=re.compile("^Acknowledge: ")).click()

    expect(page.get_by_text("acknowledged by admin")).to_be_visible()
    expect(page.get_by_text("60 of 121 jobs")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Only problems")).to_be_checked()
    expect(page.get_by_role("searchbox", name="Filter by place")).to_have_value("globex")
    expect(grid).to_have_attribute("aria-colcount", "92")
    assert page.url == address
    assert page.evaluate(scrolled) == before
    assert Incident.objects.get(pk=incident.pk).acknowledged_by == "admin"


def test_the_board_begins_at_its_top_again_when_it_is_opened_again(come: Come, admin: User) -> None:
    make_incident(write_jobs(MANY, status="MISSING", reason="no_report"))
    page = come(admin).visit("admin:index")
    grid = page.get_by_role("treegrid")
    expect(page.get_by_text("60 of 60 jobs")).to_be_visible()
    grid.evaluate("(grid) => grid.scrollTo(0, 400)")
    page.get_by_role("button", name=re.compile("^Acknowledge: ")).click()
    expect(page.get_by_text("acknowledged by admin")).to_be_visible()
    expect(page.get_by_text("60 of 60 jobs")).to_be_visible()
    assert grid.evaluate("(grid) => grid.scrollTop") == 400
    page.goto("about:blank")
    page.goto("/admin/")
    expect(page.get_by_text("60 of 60 jobs")).to_be_visible()
    assert grid.evaluate("(grid) => grid.scrollTop") == 0


def test_the_board_keeps_its_view_in_another_language(come: Come, admin: User) -> None:
    page = filtered(come, admin, "admin:index")
    page.get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator("#bm-board").get_by_role("searchbox")).to_have_value("globex")


def test_the_wall_keeps_its_view_in_another_theme_and_language(come: Come, admin: User) -> None:
    page = filtered(come, admin, "board:wall")
    page.get_by_role("link", name="Dark").click()
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    expect(page.get_by_text("2 of 4 jobs")).to_be_visible()
    page.get_by_role("link", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_role("searchbox")).to_have_value("globex")


def filtered(come: Come, admin: User, name: str) -> Page:
    """Give the board or the wall, with half of the jobs sought."""
    write_jobs(2, "Globex")
    write_jobs(2)
    page = come(admin).visit(name)
    page.get_by_role("searchbox", name="Filter by place").fill("globex")
    expect(page.get_by_text("2 of 4 jobs")).to_be_visible()
    return page


@pytest.mark.parametrize("name", ["admin:index", "board:wall"])
def test_today_is_marked_where_a_backup_came_early_for_tomorrow(
    come: Come, admin: User, name: str
) -> None:
    write_jobs(1, days=[day(0)])
    write_jobs(1, "Globex", days=[day(0, "F"), day(1)])
    page = come(admin).visit(name)
    today = timezone.localdate()
    tomorrow = today + timedelta(days=1)
    expect(heading_of_today(page)).to_have_attribute("aria-colindex", "31")
    expect(heading_of_today(page)).to_have_accessible_name(re.compile(rf" {today.day} \(today\)$"))
    expect(heading_of_today(page)).to_have_class(re.compile("bm-today"))
    expect(page.locator(".bm-today")).to_have_count(1)
    expect(page.get_by_role("columnheader").last).to_have_accessible_name(
        re.compile(rf" {tomorrow.day}$")
    )
    globex = page.get_by_role("row").filter(has_text="globex_00")
    expect(globex.get_by_label(re.compile(r"\(today\), failed$"))).to_have_count(1)


def test_the_mark_goes_on_at_midnight_though_the_days_are_the_same(come: Come, admin: User) -> None:
    write_jobs(1, days=[day(0, "F"), day(1)])
    page = come(admin).visit("admin:index")
    expect(heading_of_today(page)).to_have_attribute("aria-colindex", "31")
    expect(page.get_by_label(re.compile(r"\(today\), failed"))).not_to_have_count(0)
    page.route("**/matrix.json*", as_of_tomorrow)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(heading_of_today(page)).to_have_attribute("aria-colindex", "32")
    expect(page.locator(".bm-today")).to_have_count(1)
    expect(page.get_by_label(re.compile(r"\(today\), failed"))).to_have_count(0)
    expect(page.get_by_label(re.compile(r"\(today\), good"))).not_to_have_count(0)


def heading_of_today(page: Page) -> Locator:
    return page.locator("[role=columnheader][aria-current=date]")


def as_of_tomorrow(route: Route) -> None:
    answer = route.fetch()
    data = answer.json()
    route.fulfill(response=answer, json={**data, "today": data["end"]})
