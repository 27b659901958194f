"""The matrix of a large installation: of thousands of rows those in sight are on the page."""

import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from scanner.models import ExpectedBackupJob
from tests.browser.visitor import Come

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COMPANIES, JOBS, DAYS = 20, 2000, 30
OF_EACH = JOBS // COMPANIES
LAST = f"db_{JOBS - 1:04}"
GROUPS = 3  # above each job: its company, city and neighborhood
MOST = 80  # rows on the page: those that its height has room for, and some beyond
ROWS = "#bm-board-grid .bm-rows > .bm-row"


def write_jobs() -> None:
    """Write jobs of twenty companies, a hundred each; one job of the third is missing."""
    now = timezone.now()
    first = timezone.localdate().toordinal() - DAYS + 1
    days = [[first + day, "S", day + 1] for day in range(DAYS)]
    ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name=f"Company {number // OF_EACH:02}",
            city="Douala",
            neighborhood="Akwa",
            database_name=f"db_{number:04}",
            agent_id=f"COMPANY{number // OF_EACH}_DOUALA_AKWA",
            created_at=now,
            status="MISSING" if number == 2 * OF_EACH else "SUCCESS",
            days=days,
        )
        for number in range(JOBS)
    )


def lines_of(page: Page) -> int:
    """Give how many rows the matrix says that it has, seen or not."""
    count = page.get_by_role("treegrid").get_attribute("aria-rowcount")
    assert count is not None
    return int(count) - 1


def test_of_thousands_of_jobs_those_in_sight_are_on_the_page(come: Come) -> None:
    write_jobs()
    page = come(User.objects.create_superuser("admin", password="secret")).visit("admin:index")
    rows, grid = page.locator(ROWS), page.get_by_role("treegrid")

    # At first the companies are folded, but for the one that is in trouble.
    expect(page.get_by_text("2,000 of 2,000 jobs")).to_be_visible()
    expect(page.get_by_role("link", name="db_0200", exact=True)).to_be_visible()
    assert lines_of(page) == COMPANIES + GROUPS - 1 + OF_EACH
    assert rows.count() < MOST

    page.get_by_role("button", name="Fold all", exact=True).click()
    expect(rows).to_have_count(COMPANIES)

    page.get_by_role("button", name="Unfold all").click()
    expect(page.get_by_role("link", name="db_0000", exact=True)).to_be_visible()
    assert lines_of(page) == COMPANIES * GROUPS + JOBS
    assert COMPANIES < rows.count() < MOST

    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    grid.evaluate("(grid) => grid.scrollTo(0, grid.scrollHeight)")
    last = page.get_by_role("link", name=LAST, exact=True)
    expect(last).to_be_in_viewport()
    row = grid.get_by_role("row").filter(has=last)
    expect(row).to_have_attribute("aria-rowindex", str(lines_of(page) + 1))
    expect(row.get_by_role("link", name=re.compile(", good$"))).to_have_count(DAYS)
    assert rows.count() < MOST

    page.get_by_role("searchbox", name="Filter by place").press_sequentially("db_1234")
    expect(page.get_by_text("1 of 2,000 jobs")).to_be_visible()
    expect(page.get_by_role("link", name="db_1234", exact=True)).to_be_visible()
    expect(rows).to_have_count(GROUPS + 1)
