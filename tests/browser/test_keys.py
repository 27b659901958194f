"""By keys alone: what the pages' frame offers, and under which names."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.ground import person
from tests.browser.visitor import NARROW, Come

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def olivia(site: str, deposit_root: Path) -> User:
    return person("olivia", "operator")


def test_the_account_is_opened_and_left_by_keys(come: Come, olivia: User) -> None:
    page = come(olivia).visit("admin:index")
    page.get_by_role("button", name="Account: olivia").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Theme: Light")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Log in again")).to_be_visible()


def test_on_a_phone_the_navigation_is_opened_and_closed_by_keys(come: Come, olivia: User) -> None:
    page = come(olivia, width=NARROW).visit("admin:index")
    jobs = page.get_by_role("link", name="Jobs", exact=True)
    expect(jobs).not_to_be_in_viewport()
    page.get_by_role("button", name="Navigation").focus()
    page.keyboard.press("Enter")
    expect(jobs).to_be_in_viewport()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press(" ")
    expect(jobs).not_to_be_in_viewport()


@pytest.mark.parametrize(
    "name", ["admin:index", "admin:scanner_expectedbackupjob_changelist", "admin:login"]
)
def test_no_icon_is_read_out(come: Come, olivia: User, name: str) -> None:
    visitor = come() if name == "admin:login" else come(olivia)
    visitor.open(reverse(name))
    icons = visitor.page.locator(".material-symbols-outlined")
    expect(icons.first).to_have_attribute("aria-hidden", "true")
    heard = icons.evaluate_all(
        "icons => icons.filter(icon => !icon.closest('[aria-hidden=true], [aria-label]'))"
        ".map(icon => icon.outerHTML)"
    )
    assert heard == []
