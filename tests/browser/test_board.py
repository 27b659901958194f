"""The matrix of the board under somebody's hands: found, folded, remembered, kept still."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from scanner.models import ExpectedBackupJob
from tests.browser.visitor import Come, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
        if (!entry.hadRecentInput) shifts.push(...entry.sources.map((one) => one.node?.outerHTML));
    }
}).observe({ type: "layout-shift" });
"""


def write_jobs(count: int, company: str, **fields: Any) -> None:
    now = timezone.now()
    ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name=company,
            city=f"City {number // 10}",
            neighborhood="Akwa",
            database_name=f"{company.lower()}_{number:03}",
            agent_id=f"{company.upper()}_CITY_{number // 10}",
            created_at=now,
            **{
                "status": "SUCCESS",
                "days": [[timezone.localdate().toordinal(), "S", 0]],
                **fields,
            },
        )
        for number in range(count)
    )


@pytest.fixture
def visitor(come: Come) -> Visitor:
    """Give somebody who sees three companies: one good, one in trouble, one of many jobs."""
    write_jobs(2, "Acme")
    write_jobs(2, "Globex", status="MISSING", reason="no_report")
    write_jobs(30, "Initech")
    return come(User.objects.create_superuser("admin", password="secret"))


@pytest.fixture
def board(visitor: Visitor) -> Page:
    """Give their board, when the matrix is there."""
    page = visitor.visit("admin:index")
    expect(job(page, "acme_000")).to_be_visible()
    return page


def grid(page: Page) -> Locator:
    return page.get_by_role("treegrid")


def job(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True)


def group(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def row(page: Page, name: Locator) -> Locator:
    return page.get_by_role("row").filter(has=name)


def refresh(page: Page) -> None:
    """Have the board do what it does each minute, and wait until it is painted."""
    matrix, rest = re.compile("matrix.json"), re.compile("/admin/$")
    with page.expect_response(matrix), page.expect_response(rest):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 300))")


def test_it_is_filtered_while_one_types_and_remembers_it(board: Page) -> None:
    board.get_by_role("searchbox", name="Filter by place or database").press_sequentially("glob")
    expect(job(board, "acme_000")).to_have_count(0)
    expect(job(board, "globex_001")).to_be_visible()
    expect(board.get_by_text("2 of 34 jobs")).to_be_visible()
    board.reload()
    expect(job(board, "globex_001")).to_be_visible()
    expect(job(board, "acme_000")).to_have_count(0)
    expect(board.get_by_role("searchbox", name="Filter by place")).to_have_value("glob")


def test_it_shows_only_problems_and_remembers_it(board: Page) -> None:
    only = board.get_by_role("checkbox", name="Only problems")
    only.check()
    expect(job(board, "acme_000")).to_have_count(0)
    expect(job(board, "globex_000")).to_be_visible()
    board.reload()
    expect(only).to_be_checked()
    expect(job(board, "globex_000")).to_be_visible()
    expect(job(board, "acme_000")).to_have_count(0)


def test_groups_are_folded_with_the_worst_of_what_is_inside(board: Page) -> None:
    group(board, "Globex").click()
    expect(job(board, "globex_000")).to_have_count(0)
    globex = row(board, group(board, "Globex"))
    expect(globex).to_have_attribute("aria-expanded", "false")
    now = globex.get_by_role("gridcell", name=re.compile("^Now, missing, problems: 2"))
    expect(now).to_be_visible()
    board.reload()
    expect(job(board, "acme_000")).to_be_visible()
    expect(job(board, "globex_000")).to_have_count(0)
    group(board, "Globex").click()
    expect(job(board, "globex_000")).to_be_visible()


def test_more_days_are_shown_and_remembered(board: Page) -> None:
    expect(grid(board)).to_have_attribute("aria-colcount", "32")
    board.get_by_role("button", name="90 days").click()
    expect(grid(board)).to_have_attribute("aria-colcount", "92")
    board.reload()
    expect(grid(board)).to_have_attribute("aria-colcount", "92")


def test_it_is_walked_through_by_the_keys_alone(board: Page) -> None:
    board.get_by_role("button", name="Unfold all").focus()
    board.keyboard.press("Tab")
    expect(group(board, "Acme")).to_be_focused()
    board.keyboard.press("ArrowLeft")
    expect(job(board, "acme_000")).to_have_count(0)
    board.keyboard.press("ArrowRight")
    expect(job(board, "acme_000")).to_be_visible()
    for _ in range(3):
        board.keyboard.press("ArrowDown")
    expect(job(board, "acme_000")).to_be_focused()
    board.keyboard.press("ArrowRight")
    expect(board.locator(":focus")).to_have_attribute("aria-label", re.compile("^Now, good"))
    board.keyboard.press("Control+End")
    expect(row(board, board.locator(":focus"))).to_contain_text("initech_029")
    board.keyboard.press("Home")
    expect(job(board, "initech_029")).to_be_focused()
    board.keyboard.press("Enter")
    expect(board).to_have_url(re.compile("/expectedbackupjob/[0-9]+/change/"))


def test_new_verdicts_move_nothing_and_take_no_focus(board: Page) -> None:
    target = job(board, "initech_020")
    group(board, "Acme").focus()
    for _ in range(30):
        board.keyboard.press("ArrowDown")
    target.focus()
    expect(target).to_be_focused()
    scrolls = "[scrollY, document.getElementById('bm-board-grid').scrollTop]"
    before = board.evaluate(scrolls)
    assert before != [0, 0]
    board.clock.set_fixed_time("2026-03-02T10:11:00Z")  # as narrow as a time can be
    refresh(board)
    expect(board.get_by_text("As of 11:11")).to_be_visible()
    board.evaluate(WATCH_SHIFTS)
    board.clock.set_fixed_time("2026-03-02T19:48:00Z")
    corrupt = [[timezone.localdate().toordinal(), "C", 0]]
    failed = {"status": "CORRUPT", "reason": "hash_mismatch", "days": corrupt}
    ExpectedBackupJob.objects.filter(database_name="initech_020").update(**failed)
    refresh(board)
    now = row(board, target).get_by_role("gridcell", name=re.compile("^Now, corrupt"))
    expect(now).to_be_visible()
    expect(target).to_be_focused()
    assert board.evaluate(scrolls) == before
    assert board.evaluate("shifts") == []


def test_a_server_that_is_away_is_told_of_and_comes_back(visitor: Visitor, board: Page) -> None:
    board.route("**/matrix.json*", lambda route: route.abort())
    board.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(board.get_by_text("The server does not answer")).to_be_visible()
    board.unroute("**/matrix.json*")
    refresh(board)
    expect(board.get_by_text("The server does not answer")).to_have_count(0)
    assert all("ERR_FAILED" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()
