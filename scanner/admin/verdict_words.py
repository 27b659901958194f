"""A verdict in words. Its message was written down in English, when the verdict was given."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.unfolded import Words
from scanner.alerts.wording.headlines import OF_REASON
from scanner.models import BackupEntry
from scanner.models.choices import Status

_GOOD: dict[str, Words] = {
    Status.SUCCESS.value: _("arrived intact"),
    Status.UNCHANGED.value: _("arrived intact, with the content of the last good one"),
}


def said(entry: BackupEntry) -> SafeString:
    """Give the message; in another language below what the verdict comes down to in that one."""
    message = shown.prose(entry.message)
    words = OF_REASON.get(entry.reason) or _GOOD.get(entry.status)
    if (get_language() or "en").startswith("en") or not words:
        return message
    if not entry.message:
        return format_html("{}", words)
    return format_html(
        '{}<small class="bm-original" lang="en" title="{}">{}</small>',
        words,
        gettext("as it was recorded, in English"),
        message,
    )
