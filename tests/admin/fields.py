"""What a page shows in its fields that nobody may edit, and among its facts."""

import re
from html import unescape


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
