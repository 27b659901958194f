from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import StartedDayFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.models import Download, VaultCopy


def ending_label(download: Download) -> SafeString:
    """Give how a download went as its coloured label."""
    if download.finished_at is not None:
        return shown.label(_("sent whole"), "success", small=True)
    if download.error:
        return shown.label(_("failed"), "danger", small=True)
    if download.bytes_sent:
        return shown.label(_("broken off"), "warning", small=True)
    return shown.label(_("not ended"), "info", small=True)


def sent(download: Download) -> SafeString:
    """Give how much was sent, of how much that was asked for."""
    amounts = {
        "sent": filesizeformat(download.bytes_sent),
        "asked": filesizeformat(download.bytes_asked),
    }
    words = gettext("%(sent)s of %(asked)s") % amounts
    return format_html('<span class="whitespace-nowrap">{}</span>', words)


def who(download: Download) -> SafeString:
    """Give who it was."""
    return format_html('<span class="bm-who">{}</span>', download.downloaded_by)


def whence(download: Download) -> SafeString:
    """Give from where it was; nothing where nobody knows it."""
    if not download.address:
        return shown.NOTHING
    return format_html('<code class="whitespace-nowrap">{}</code>', download.address)


def table(downloads: Iterable[Download]) -> dict[str, Any]:
    """Give downloads as unfold's table component wants them."""
    return {
        "headers": [_("started"), _("who"), _("from"), _("sent"), _("outcome")],
        "rows": [
            [
                shown.link_to(Download, one.pk, shown.moment(one.started_at)),
                who(one),
                whence(one),
                sent(one),
                ending_label(one),
            ]
            for one in downloads
        ],
    }


@admin.register(Download)
class DownloadAdmin(ReadOnlyPage[Download]):
    """Who took which backup out of the vault, when, from where, and how much of it."""

    empty_words = _(
        "Nobody has downloaded a copy yet. The page of each copy in the vault offers it."
    )
    list_display = ("began", "somebody", "its_address", "its_job", "file", "its_bytes", "ending")
    list_filter = (StartedDayFilter,)
    list_select_related = ("copy__job",)
    search_fields = ("downloaded_by", "address", "copy__path")
    search_help_text = _("Search by who, from where, or a part of the path")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("somebody", "its_address"), "its_copy")}),
        (None, {"fields": (("began", "ended", "ending"), ("from_byte", "its_bytes"), "failure")}),
    )

    began = column(Download, "started_at", shown.moment)
    ended = column(Download, "finished_at", shown.moment)
    ending = computed(_("outcome"), ending_label)
    somebody = computed(shown.name_of(Download, "downloaded_by"), who)
    its_address = computed(shown.name_of(Download, "address"), whence)
    its_bytes = computed(_("sent"), sent)
    from_byte = column(Download, "first_byte", shown.number)
    failure = column(Download, "error", shown.prose)
    its_job = computed(_("expected backup"), lambda download: shown.job(download.copy.job))
    file = computed(
        _("file"),
        lambda download: shown.link_to(
            VaultCopy, download.copy_id, shown.file_name(download.copy.path)
        ),
    )
    its_copy = computed(
        shown.name_of(Download, "copy"),
        lambda download: shown.link_to(
            VaultCopy, download.copy_id, shown.digest(download.copy.path)
        ),
    )
