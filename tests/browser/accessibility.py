"""What axe-core finds on a page."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

from tests.browser.visitor import HEIGHT, HUGE, NARROW, WIDE, Visitor

GRAVE = ("serious", "critical")
OF_COLOURS = ("color-contrast", "link-in-text-block")


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def grave_findings(page: Page, *, only_colours: bool = False) -> list[str]:
    """Give each serious or critical finding: the rule, and where it is broken and why."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
    if only_colours:
        options["runOnly"] = {"type": "rule", "values": OF_COLOURS}
    page.evaluate(_axe())
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['impact']} {rule['id']}: {' '.join(node['target'])}: {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def is_wider_than_its_window(page: Page) -> bool:
    """Tell whether the page as a whole would have to be scrolled sideways."""
    return bool(
        page.evaluate(
            "document.scrollingElement.scrollWidth > document.documentElement.clientWidth"
        )
    )


def examine(visitor: Visitor, reach: Callable[[], object]) -> list[str]:
    """Give what is wrong with the page that is reached so, in each light and width.

    In the dark only the colours are others.
    """
    page, found = visitor.page, []
    for scheme, widths in (("light", (WIDE, NARROW)), ("dark", (WIDE,))):
        visitor.show_in(scheme)
        page.set_viewport_size({"width": WIDE, "height": HEIGHT})
        reach()
        for width in widths:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            if is_wider_than_its_window(page):
                found.append(f"{scheme} {width}: is scrolled sideways")
            grave = grave_findings(page, only_colours=scheme == "dark")
            found += [f"{scheme} {width}: {finding}" for finding in grave]
    page.set_viewport_size({"width": HUGE, "height": HEIGHT})
    if is_wider_than_its_window(page):
        found.append(f"{HUGE}: is scrolled sideways")
    return found
