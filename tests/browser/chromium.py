"""The machine's own Chromium, driven by Playwright; nothing is downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# It may speak to a server on this machine, and to nobody else.
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
# Milliseconds until what is expected of a page is given up: machines may have other work.
PATIENCE = 20_000
_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"


class ChromiumAbsent(Exception):
    """Chromium, or what drives it, is not on this machine."""


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Give a browser for the block; raise ChromiumAbsent where there is none.

    Playwright keeps an event loop running in this thread, beside which Django wants to run no
    statement: it is told that nothing else runs in that loop.
    """
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError as error:
        raise ChromiumAbsent("Playwright is not installed") from error
    program = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(program).exists():
        raise ChromiumAbsent("chromium is not installed")
    expect.set_options(timeout=PATIENCE)
    before = os.environ.get(_UNSAFE)
    with sync_playwright() as playwright:
        os.environ[_UNSAFE] = "true"
        try:
            browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])
            yield browser
            browser.close()
        finally:
            os.environ.pop(_UNSAFE)
            if before is not None:
                os.environ[_UNSAFE] = before
