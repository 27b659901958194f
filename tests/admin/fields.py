"""What a page shows in its fields that nobody may edit, among its facts, and carries unseen."""

import re
from html import unescape

from django.test import Client


def told(page: str, label: str) -> str:
    """Give the words of such a field, or fact, without their markup, by its label."""
    named = re.escape(label)
    found = re.search(rf"<dt>{named}</dt><dd>(.*?)</dd>", page, re.DOTALL)
    if found is None:
        found = re.search(rf"<label[^>]*>\s*{named}\s*</label>", page)
        assert found is not None, label
        field = r'<div class="[^"]*\breadonly\b[^"]*"[^>]*>(.*?)</div>'
        found = re.search(field, page[found.end() :], re.DOTALL)
    assert found is not None, label
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", found[1]).split()))


def hidden(page: str, name: str) -> str:
    """Give what a page carries in a hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return unescape(found[1])


def seen(client: Client, url: str) -> dict[str, str]:
    """Give what the form of a job posts besides its fields: what it showed in them."""
    return {"seen": hidden(client.get(url).content.decode(), "seen")}
