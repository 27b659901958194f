"""A real server, and a real Chromium that looks at it; a page that complains fails its test.

pytest may load this file before Django is set up, so that models are imported inside functions.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import ChromiumAbsent, chromium
from tests.browser.server import served

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Browser

    from tests.browser.visitor import Come, Visitor


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Give a Chromium that lives as long as the tests of a module: others may want a loop."""
    try:
        with chromium() as browser:
            yield browser
    except ChromiumAbsent as absent:
        pytest.skip(str(absent))


@pytest.fixture
def site(transactional_db: None) -> Iterator[str]:
    """Give the address of the site, served as long as a test lasts."""
    with served() as address:
        yield address


@pytest.fixture
def come(browser: "Browser", site: str) -> "Iterator[Come]":
    """Give a function that has somebody come to the site, each with a browser's profile of its own.

    What is amiss on the pages they saw fails the test at its end.
    """
    from tests.browser.visitor import Visitor

    visitors: list[Visitor] = []

    def come(user: "User | None" = None, **options: Any) -> "Visitor":
        visitors.append(Visitor(browser, site, user, **options))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    assert not complaints, "\n".join(complaints)
