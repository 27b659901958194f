"""A real server, and a real Chromium that looks at it; a page that complains fails its test.

pytest may load this file before Django is set up, so that models are imported inside functions.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_django.live_server_helper import LiveServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.visitor import Visitor

# It may speak to the server of the test, and to nobody else.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Give a Chromium that lives as long as the tests of a module.

    No longer, because Playwright keeps an event loop running in this thread: Django then wants no
    statement, and other tests may want a loop of their own.
    """
    pytest.importorskip("playwright", reason="Playwright is not installed")
    program = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(program).exists():
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture
def site(transactional_db: None) -> Iterator[str]:
    """Give the address of the site, served by threads of this process as long as a test lasts."""
    before = set(threading.enumerate())
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()
    # A request that is still answered would meet the tables while they are emptied.
    for thread in set(threading.enumerate()) - before:
        if "process_request_thread" in thread.name:
            thread.join(PATIENCE)


@pytest.fixture
def come(browser: "Browser", site: str) -> "Iterator[Callable[..., Visitor]]":
    """Give a function that has somebody come to the site, each with a browser's profile of its own.

    What is amiss on the pages they saw fails the test at its end.
    """
    from tests.browser.visitor import Visitor

    visitors: list[Visitor] = []

    def come(user: object = None, **options: object) -> Visitor:
        visitors.append(Visitor(browser, site, user, **options))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    assert not complaints, "\n".join(complaints)
