"""What a page shows in its fields that nobody may edit."""

import re
from html import unescape


def told(page: str, label: str) -> str:
    """Give the words of such a field, without their markup, by the field's label."""
    found = re.search(rf"<label[^>]*>\s*{re.escape(label)}\s*</label>", page)
    assert found is not None, label
    field = re.search(
        r'<div class="[^"]*\breadonly\b[^"]*"[^>]*>(.*?)</div>', page[found.end() :], re.DOTALL
    )
    assert field is not None, label
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", field[1]).split()))
