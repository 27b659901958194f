"""The page of a job as a reader in another zone than the site's sees it."""

import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tests.browser.ground import person
from tests.browser.visitor import NARROW, Come
from tests.scanning import make_job

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Fri, Jan 1, 2038, 03:00"), ("fr", "ven. 1 janv. 2038, 03:00")],
)
def test_deadlines_of_other_years_say_so_in_the_readers_own_zone(
    come: Come, site: str, language: str, words: str
) -> None:
    now = timezone.now()
    job = make_job(schedule="0 2 1 1 *", time_zone="UTC", now=now)
    job.due_at, job.deadline_at = (datetime(2038, 1, 1, hour, tzinfo=UTC) for hour in (2, 3))
    job.save(update_fields=["due_at", "deadline_at"])
    page = come(person("olivia", "operator"), language=language).visit(
        "admin:scanner_expectedbackupjob_change", job.pk
    )
    first = page.locator("[data-from]").first
    expect(first).to_have_text(re.compile(f"^{words}.*04:00$"))

    job.due_at = job.deadline_at = now
    job.save(update_fields=["due_at", "deadline_at"])
    page.reload()
    expect(first).not_to_have_text("")
    assert "20" not in re.sub(r"\d\d:\d\d|\b20\b", "", first.inner_text())


@pytest.mark.parametrize("width", [NARROW, 639, 640, 800])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_way_to_a_page_can_be_read_in_a_narrow_window(
    come: Come, language: str, width: int
) -> None:
    job = make_job(database_name="ACME_DOUALA_NEWBELL_COMPTABILITE_GENERALE_2025")
    visitor = come(person("olivia", "operator"), language=language, width=width)
    page = visitor.visit("admin:scanner_expectedbackupjob_change", job.pk)
    way = page.get_by_role("heading", level=1).get_by_role("link")
    expect(way).to_have_count(2 if width < 640 else 3)  # a phone needs not the name of the section
    cut = way.evaluate_all("links => links.map((link) => link.scrollWidth > link.clientWidth)")
    assert not any(cut)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_menu_of_a_narrow_list_hides_nothing_of_the_way_to_it(come: Come) -> None:
    make_job()
    page = come(person("olivia", "operator"), width=NARROW).visit(
        "admin:scanner_expectedbackupjob_changelist", query="?q=none"
    )
    page.get_by_role("link", name="Actions").click()
    first = page.get_by_role("link", name="Import")
    expect(first).to_be_visible()
    bar, menu = page.locator("#header-inner").bounding_box(), first.bounding_box()
    assert bar is not None
    assert menu is not None
    assert menu["y"] >= bar["y"] + bar["height"]
