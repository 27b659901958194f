"""What stands in rows on a job's page: entries, copies, reports, changes.

A table is its headers and rows of cells, safe to be placed into the page.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from scanner import access
from scanner.access import Companies
from scanner.admin import report, shown, vault_copy, verdict_words
from scanner.admin.unfolded import Words
from scanner.alerts.wording.units import length
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, JobChange, VaultCopy

ENTRIES, COPIES, REPORTS, CHANGES = 20, 10, 10, 20
DOWNLOAD_URL = "admin:scanner_vaultcopy_download"
_DIGEST = 12  # characters


@dataclass(frozen=True, slots=True)
class Table:
    """Headers and rows; `nothing` is said where there are none, `all` is the way to the others."""

    headers: tuple[Words, ...]
    rows: Sequence[Sequence[Any]]
    nothing: Words
    all: SafeString | str = ""

    @property
    def cells(self) -> list[list[tuple[Words, Any]]]:
        """The rows, each cell with the header that it stands under."""
        return [list(zip(self.headers, row, strict=True)) for row in self.rows]


HIDDEN = Table((), (), gettext_lazy("You are not permitted to see them."))
"""In the place of rows that are not for this user."""


def entries(of: QuerySet[BackupEntry], job: ExpectedBackupJob) -> Table:
    """Give the last entries, each with what of its claim differs from what was measured."""
    found = list(of.order_by("-pk")[:ENTRIES])
    differing = [list(differences(entry)) for entry in found]
    with_claims = any(differing)
    rows = [
        [
            shown.link_to(BackupEntry, entry.pk, shown.moment(entry.recorded_at)),
            shown.status(entry.status),
            shown.warnings(entry.warnings) if not entry.reason else _why(entry),
            shown.size(entry.size),
            shown.moment(entry.cycle_due),
            *([_claims(claims)] if with_claims else []),
            verdict_words.said(entry),
        ]
        for entry, claims in zip(found, differing, strict=True)
    ]
    headers = (
        _("recorded"),
        _("status"),
        _("why"),
        _("size"),
        _("cycle due"),
        *([_("claimed, and measured")] if with_claims else []),
        _("message"),
    )
    everything = shown.link_to_list(BackupEntry, _("all of them"), job__id__exact=job.pk)
    return Table(headers, rows, _("No backup was judged yet."), everything if rows else "")


def differences(entry: BackupEntry) -> Iterator[str]:
    """Say of each claim that was measured too and differs, what was claimed and what is."""
    for words, claimed, measured in (
        (
            _("size: the agent says %(claimed)s bytes, measured were %(measured)s"),
            entry.claimed_size,
            entry.size,
        ),
        (
            _("size of the dump: the agent says %(claimed)s bytes, measured were %(measured)s"),
            entry.claimed_content_size,
            entry.content_size,
        ),
    ):
        if claimed is not None and measured is not None and claimed != measured:
            yield words % {
                "claimed": shown.digits(claimed),
                "measured": shown.digits(measured),
            }
    for words, said, found in (
        (
            _("SHA-256: the agent says %(claimed)s…, measured was %(measured)s…"),
            entry.claimed_sha256,
            entry.sha256,
        ),
        (
            _("SHA-256 of the dump: the agent says %(claimed)s…, measured was %(measured)s…"),
            entry.claimed_content_sha256,
            entry.content_sha256,
        ),
    ):
        if said and found and said != found:
            yield words % {"claimed": said[:_DIGEST], "measured": found[:_DIGEST]}


def copies(
    of: QuerySet[VaultCopy], job: ExpectedBackupJob, now: datetime, *, may_download: bool
) -> Table:
    """Give the last copies, each with the way to it where somebody may have it."""
    rows = [
        [
            shown.link_to(VaultCopy, copy.pk, shown.moment(copy.made_at)),
            vault_copy.state_label(copy),
            shown.size(copy.size),
            length(now - copy.made_at),
            shown.moment(copy.proven_at),
            _download(copy) if may_download else shown.NOTHING,
        ]
        for copy in of.order_by("-made_at", "-pk")[:COPIES]
    ]
    headers = (
        _("backup of"),
        _("state"),
        _("size"),
        _("age"),
        _("last restored"),
        _("download"),
    )
    everything = shown.link_to_list(VaultCopy, _("all of them"), job__id__exact=job.pk)
    return Table(headers, rows, _("The vault has no copy of it yet."), everything if rows else "")


def reports(job: ExpectedBackupJob, companies: Companies) -> Table:
    """Give the last reports of the job's agent that tell of it, of those that may be shown."""
    telling = BackupEntry.objects.filter(job_id=job.pk, report_id=OuterRef("pk"))
    of_agent = AgentReport.objects.filter(Exists(telling), agent_id=job.agent_id)
    found = access.visible(of_agent, companies).order_by("-arrived_at", "-pk")[:REPORTS]
    rows = [
        [
            shown.link_to(AgentReport, one.pk, shown.moment(one.arrived_at)),
            report.state_label(one),
            shown.digest(one.file_name),
            shown.size(one.size),
            one.overall or shown.NOTHING,
        ]
        for one in found
    ]
    headers = (_("arrived"), _("state"), _("file"), _("size"), _("the agent says"))
    everything = shown.link_to_list(AgentReport, _("all of the agent"), q=job.agent_id)
    nothing = _("No report tells of it, or none that you may see.")
    return Table(headers, rows, nothing, everything if rows else "")


def changes(of: QuerySet[JobChange]) -> Table:
    """Give the last changes that people, or the program, made to the job."""
    rows = [
        [
            shown.moment(change.changed_at),
            change.changed_by or _("the program"),
            change.get_action_display(),
            _differences(change),
            shown.prose(change.note),
        ]
        for change in of.order_by("-pk")[:CHANGES]
    ]
    headers = (_("when"), _("who"), _("what was done"), _("changes"), _("note"))
    return Table(headers, rows, _("Nobody has changed it yet."))


def _why(entry: BackupEntry) -> SafeString:
    labels = shown.warnings(entry.warnings) if entry.warnings else ""
    return format_html("{} {}", shown.reason(entry.reason), labels)


def _claims(lines: Iterable[str]) -> SafeString:
    listed = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
    return format_html('<ul class="bm-differs">{}</ul>', listed) if listed else shown.NOTHING


def _download(copy: VaultCopy) -> SafeString:
    """Give the link, where there is such an address and something to be had."""
    if copy.state != VaultCopy.State.WHOLE.value:
        return shown.NOTHING
    try:
        url = reverse(DOWNLOAD_URL, args=[copy.pk])
    except NoReverseMatch:
        return shown.NOTHING
    return format_html('<a class="text-link" href="{}">{}</a>', url, pgettext("to do", "download"))


def _differences(change: JobChange) -> SafeString:
    lines = [
        (_("%(name)s:") % {"name": _field(field)}, _value(field, old), _value(field, new))
        for field, (old, new) in change.changes.items()
    ]
    rows = format_html_join("", "<li>{} {} → {}</li>", lines)
    return format_html('<ul class="bm-changes">{}</ul>', rows) if lines else shown.NOTHING


def _field(name: str) -> str:
    try:
        return str(shown.name_of(ExpectedBackupJob, name))
    except FieldDoesNotExist:  # one that a later version has no more
        return name


def _value(field: str, value: Any) -> SafeString:
    if value is None or value == "":
        return format_html("<em>{}</em>", _("blank"))
    if isinstance(value, bool):
        return format_html("{}", _("yes") if value else _("no"))
    if field == "paused_until" and (at := parse_datetime(str(value))):
        return shown.moment(at)
    return format_html("<code>{}</code>", value)
