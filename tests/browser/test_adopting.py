"""Adopting many at once, and asking for a scan of some agents, as somebody would."""

import re
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from scanner import roster
from scanner.models import ExpectedBackupJob, TaskRequest
from scanner.pipeline.deposit import Place
from tests.browser.ground import Ground, person
from tests.browser.visitor import NARROW, Come

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST, SECOND = "ACME_DOUALA_AKWA", "ACME_KRIBI_PORT"


@pytest.fixture
def waiting(site: str) -> None:
    found = [
        roster.Unexpected(agent, Place(*agent.split("_")), database)
        for agent in (FIRST, SECOND)
        for database in ("ONE", "TWO")
    ]
    roster.register(found, active=False, now=timezone.now())


def test_a_box_for_all_checks_them_and_tells_whether_they_are(come: Come, waiting: None) -> None:
    page = come(person("omar", "operator")).visit("admin:scanner_expectedbackupjob_adopt")
    every, of_first, of_second = (
        page.get_by_role("checkbox", name="All on this page"),
        page.get_by_role("group", name=FIRST).get_by_role("checkbox", name="All of this agent"),
        page.get_by_role("group", name=SECOND).get_by_role("checkbox", name="All of this agent"),
    )
    some = page.get_by_role("group", name=FIRST).get_by_role("checkbox", name=re.compile("ONE"))
    some.check()
    for partly in (every, of_first):
        expect(partly).to_be_checked(indeterminate=True)
    expect(of_second).not_to_be_checked()
    of_first.check()
    expect(every).to_be_checked(indeterminate=True)
    of_second.check()
    expect(every).to_be_checked()
    every.uncheck()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    every.check()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(7)


@pytest.mark.parametrize("width", [NARROW, 1400])
def test_what_is_chosen_in_the_list_is_adopted_with_one_schedule(
    come: Come, waiting: None, width: int
) -> None:
    visitor = come(person("omar", "operator"), width=width)
    page = visitor.visit("admin:scanner_expectedbackupjob_changelist", query="?q=ONE")
    for number in range(2):
        page.locator("input.action-select").nth(number).check()
    page.locator("select[name=action]").select_option(label="Adopt…")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("checkbox", name=re.compile("ONE"), checked=True)).to_have_count(2)
    expect(page.get_by_role("checkbox", name="All on this page")).to_be_checked()
    page.get_by_role("textbox", name="Schedule").fill("30 2 * * *")
    expect(page.get_by_text("Every day at 02:30")).to_be_visible()
    page.get_by_role("button", name="Adopt those chosen").click()
    expect(page.get_by_text("2 jobs adopted.")).to_be_visible()
    adopted = ExpectedBackupJob.objects.filter(is_active=True, awaits_adoption=False)
    assert set(adopted.values_list("database_name", "schedule")) == {("ONE", "30 2 * * *")}


@pytest.fixture
def ground(site: str, deposit_root: Path) -> Ground:
    return Ground(deposit_root)


def test_selected_agents_are_scanned_from_their_list(come: Come, ground: Ground) -> None:
    page = come(person("omar", "operator")).visit("admin:scanner_agent_changelist")
    page.get_by_role("row").filter(has_text=ground.acme.name).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Scan now")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
    expect(page.get_by_text(ground.acme.name)).to_be_visible()
    assert TaskRequest.objects.get().agents == [ground.acme.name]
