"""A switch in a row of a list: a button of the list's own form, which posts to another address."""

from typing import Final

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from scanner.admin.unfolded import Words

FIELD = "on"
VALUES: Final = ("0", "1")


def button(anchor: str, url: str, words: Words, *, is_on: bool, filters: str = "") -> SafeString:
    """Give the switch; `words` say what it switches, `filters` which list to come back to.

    Pressed, it posts FIELD to `url`, as `wanted` reads it.
    """
    return format_html(
        '<button type="submit" id="{}" class="bm-switch" role="switch" aria-checked="{}" '
        'aria-label="{}" name="{}" value="{}" formmethod="post" formaction="{}"></button>',
        anchor,
        "true" if is_on else "false",
        words,
        FIELD,
        "0" if is_on else "1",
        f"{url}?{filters}" if filters else url,
    )


def wanted(request: HttpRequest) -> bool | None:
    """Give what a pressed switch asks for; None when it asks for nothing that makes sense."""
    return {"0": False, "1": True}.get(request.POST.get(FIELD, ""))


def way(anchor: str, url: str, words: Words) -> SafeString:
    """Give what looks like a switch that is on, and leads to a page which asks before it is off."""
    return format_html(
        '<a id="{}" class="bm-switch bm-switch-on" href="{}" aria-label="{}"></a>',
        anchor,
        url,
        words,
    )
