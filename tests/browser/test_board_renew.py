"""What the board does by itself each minute: the news come, and nothing moves under a hand."""

import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from scanner.models import ExpectedBackupJob, Incident, Lease
from tests.alerts.rows import make_incident
from tests.browser.visitor import WIDE, Come
from tests.schedule_rows import make_all_well

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FEW, MANY = 3, 60
TALL = 1800


def write_jobs(count: int) -> list[ExpectedBackupJob]:
    return ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name="Acme",
            city="Douala",
            neighborhood="Akwa",
            database_name=f"acme_{number:02}",
            agent_id="ACME_DOUALA_AKWA",
            created_at=timezone.now(),
            status="MISSING",
            reason="no_report",
        )
        for number in range(count)
    )


def open_incident(name: str) -> Incident:
    return make_incident([ExpectedBackupJob.objects.get(database_name=name)])


@pytest.fixture
def admin(site: str) -> User:
    make_all_well(timezone.now())
    return User.objects.create_superuser("admin", password="secret")


def see(come: Come, admin: User, jobs: int) -> Page:
    """Open the board of so many jobs."""
    write_jobs(jobs)
    page = come(admin).visit("admin:index")
    expect(cell(page)).to_be_visible()
    return page


def ask_anew(page: Page) -> None:
    """Have the board do what it does each minute."""
    with page.expect_response(re.compile("/admin/$")):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def refresh(page: Page) -> None:
    """Have the board do what it does each minute, and wait until it is painted."""
    ask_anew(page)
    page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 300))")


def cell(page: Page, name: str = "acme_01") -> Locator:
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
    return row.get_by_role("gridcell", name=re.compile("^Now"))


def incidents(page: Page) -> Locator:
    return page.get_by_role("region", name="Open incidents")


def acknowledge(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^Acknowledge: .*{name}"))


def place(of: Locator) -> float:
    """Give how far below the upper edge of the window something is."""
    top: float = of.evaluate("(one) => one.getBoundingClientRect().top")
    return top


def scrolled(page: Page) -> float:
    top: float = page.evaluate("scrollY")
    return top


# --- The scheduler's alarm ------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [0, FEW])
def test_the_alarm_comes_while_the_board_is_open_and_goes_again(
    come: Come, admin: User, jobs: int
) -> None:
    write_jobs(jobs)
    page = come(admin).visit("admin:index")
    alarm = page.get_by_role("alert")
    expect(alarm).to_have_count(0)
    Lease.objects.update(holder="")
    refresh(page)
    expect(alarm).to_be_visible()
    expect(alarm).to_contain_text("No scheduler leads")
    Lease.objects.update(holder="somebody", beat_at=timezone.now())
    refresh(page)
    expect(alarm).to_have_count(0)


# --- What is looked at stays where it is ----------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "height", "how"),
    [(FEW, 900, "hover"), (FEW, TALL, "focus"), (MANY, 900, "focus"), (MANY, TALL, "hover")],
)
def test_an_incident_comes_and_goes_and_the_cell_that_is_looked_at_stays(
    come: Come, admin: User, jobs: int, height: int, how: str
) -> None:
    page = see(come, admin, jobs)
    page.set_viewport_size({"width": WIDE, "height": height})
    target = cell(page)
    target.hover() if how == "hover" else target.focus()
    before = place(target)
    first, second = open_incident("acme_00"), open_incident("acme_02")
    Lease.objects.update(holder="")
    refresh(page)
    expect(acknowledge(page, "acme_00")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()
    assert place(target) == pytest.approx(before, abs=1)
    for one in (first, second):
        Incident.objects.filter(pk=one.pk).update(ended_at=timezone.now())
        refresh(page)
        expect(acknowledge(page, one.name)).to_have_count(0)
        assert place(target) == pytest.approx(before, abs=1)


@pytest.mark.parametrize("jobs", [FEW, MANY])
def test_the_cell_stays_when_what_is_gone_was_there_before(
    come: Come, admin: User, jobs: int
) -> None:
    write_jobs(jobs)
    for name in ("acme_00", "acme_02"):
        open_incident(name)
    page = come(admin).visit("admin:index")
    page.set_viewport_size({"width": WIDE, "height": TALL})
    target = cell(page)
    target.hover()
    before = place(target)
    Incident.objects.update(ended_at=timezone.now())
    assert scrolled(page) == 0
    refresh(page)
    expect(page.get_by_text("No incident is open.")).to_be_visible()
    assert place(target) == pytest.approx(before, abs=1)


def test_of_a_page_that_is_scrolled_what_is_seen_stays(come: Come, admin: User) -> None:
    page = see(come, admin, MANY)
    page.evaluate("scrollTo(0, 150)")
    seen = page.get_by_role("region", name="The scheduler")
    before = place(seen)
    assert before > 0
    Lease.objects.update(holder="")
    refresh(page)
    expect(page.get_by_role("alert")).to_have_count(1)
    assert place(seen) == pytest.approx(before, abs=1)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    target = cell(page)
    before = place(target)
    open_incident("acme_00")
    refresh(page)
    expect(acknowledge(page, "acme_00")).to_have_count(1)
    assert place(target) == pytest.approx(before, abs=1)


def test_a_hand_that_rests_keeps_no_news_out_of_sight(come: Come, admin: User) -> None:
    write_jobs(FEW)
    page = come(admin).page
    page.clock.install()
    page.goto("/admin/")
    target = cell(page)
    target.hover()
    for name in ("acme_00", "acme_01", "acme_02"):
        open_incident(name)
    page.clock.run_for(20_000)
    ask_anew(page)
    expect(acknowledge(page, "acme_00")).to_be_visible()
    assert scrolled(page) > 0
    page.clock.run_for(60_000)
    expect(page.get_by_role("heading", name="Board")).to_be_in_viewport()
    page.wait_for_function("scrollY === 0")


# --- The parts that are renewed -------------------------------------------------------------------


def test_what_did_not_change_is_not_replaced_and_stays_selected(come: Come, admin: User) -> None:
    write_jobs(FEW)
    open_incident("acme_00")
    page = come(admin).visit("admin:index")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.bm-incident-words'))")
    selected = page.evaluate("String(getSelection())")
    assert "acme_00" in selected
    parts = "[...document.querySelectorAll('[data-board-live]')]"
    page.evaluate(f"window.parts = {parts}")
    token = "document.querySelector('.bm-incident [name=csrfmiddlewaretoken]').value"
    before = page.evaluate(token)
    refresh(page)
    assert page.evaluate(f"{parts}.map((one, at) => one === parts[at])") == [True] * 4
    assert page.evaluate("String(getSelection())") == selected
    assert page.evaluate(token) != before
    acknowledge(page, "acme_00").click()
    expect(page.get_by_text("acknowledged by admin")).to_be_visible()


def test_a_part_with_the_focus_is_renewed_and_keeps_it(come: Come, admin: User) -> None:
    write_jobs(FEW)
    open_incident("acme_00")
    page = come(admin).visit("admin:index")
    note = incidents(page).locator("summary")
    for one in (acknowledge(page, "acme_00"), note, incidents(page).get_by_role("link").last):
        one.focus()
        held = page.locator(":focus").evaluate("(one) => one.outerHTML")
        later = open_incident("acme_02")
        refresh(page)
        expect(acknowledge(page, "acme_02")).to_be_visible()
        assert page.locator(":focus").evaluate("(one) => one.outerHTML") == held
        incident_of = page.locator("li", has=page.locator(":focus"))
        expect(incident_of).to_contain_text("acme_00")
        later.delete()
        refresh(page)
        expect(acknowledge(page, "acme_02")).to_have_count(0)


def test_the_focus_of_what_is_gone_goes_to_no_other_button(come: Come, admin: User) -> None:
    write_jobs(FEW)
    gone, _ = open_incident("acme_00"), open_incident("acme_02")
    page = come(admin).visit("admin:index")
    acknowledge(page, "acme_00").focus()
    gone.delete()
    refresh(page)
    expect(acknowledge(page, "acme_00")).to_have_count(0)
    expect(acknowledge(page, "acme_02")).to_be_visible()
    expect(incidents(page)).to_be_focused()


def test_a_note_that_is_written_is_not_taken_away(come: Come, admin: User) -> None:
    write_jobs(FEW)
    open_incident("acme_00")
    page = come(admin).visit("admin:index")
    incidents(page).locator("summary").click()
    note = page.get_by_role("textbox", name="Note")
    note.press_sequentially("a new disk")
    open_incident("acme_02")
    refresh(page)
    expect(note).to_be_focused()
    expect(note).to_have_value("a new disk")
    page.get_by_role("searchbox", name="Filter by place").focus()
    refresh(page)
    expect(note).to_have_value("a new disk")
    incidents(page).locator("summary").click()
    page.mouse.move(0, 0)
    refresh(page)
    expect(acknowledge(page, "acme_02")).to_be_visible()


def test_a_button_that_is_pointed_at_does_not_become_another_one(come: Come, admin: User) -> None:
    write_jobs(FEW)
    open_incident("acme_00")
    page = come(admin).visit("admin:index")
    acknowledge(page, "acme_00").hover()
    open_incident("acme_02")
    refresh(page)
    expect(acknowledge(page, "acme_02")).to_have_count(0)
    page.mouse.move(0, 0)
    refresh(page)
    expect(acknowledge(page, "acme_02")).to_be_visible()


# --- The wall -------------------------------------------------------------------------------------


def test_a_refresh_of_the_wall_moves_nothing(come: Come, admin: User) -> None:
    write_jobs(FEW)
    page = come(admin).page
    page.clock.install()
    page.goto("/board/")
    places = [cell(page), page.get_by_role("heading", name="Open incidents")]
    expect(places[0]).to_be_visible()
    before = [place(one) for one in places]
    for number in range(FEW):
        open_incident(f"acme_{number:02}")
    with page.expect_response(re.compile("state.json")):
        page.clock.run_for(31_000)
    shown = page.get_by_role("listitem").filter(has_text="acme_01")
    expect(shown).to_be_visible()
    assert [place(one) for one in places] == before
    Incident.objects.update(ended_at=timezone.now())
    with page.expect_response(re.compile("state.json")):
        page.clock.run_for(31_000)
    expect(shown).to_have_count(0)
    assert [place(one) for one in places] == before
