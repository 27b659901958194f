"""Taking a copy out of the vault: for those who may, streamed, and on record."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner import downloads, visitor_address
from scanner.admin import navigation, shown
from scanner.admin.byte_range import Part, part_of
from scanner.admin.deeds import Deed
from scanner.admin.page import ReadOnlyPage
from scanner.admin.standing import ALL, STANDING
from scanner.errors import FileAbsent, UnsafeFile, VaultError
from scanner.models import VaultCopy, VaultFinding

DOWNLOAD_URL = "scanner_vaultcopy_download"
PERMISSION = "scanner.download_backup"
MOST_FINDINGS = 5
_WHOLE, _DAMAGED = VaultCopy.State.WHOLE.value, VaultCopy.State.DAMAGED.value
_ABSENT = VaultCopy.State.ABSENT.value
_FIRST_PRINTABLE, _DELETE = " ", "\x7f"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a copy is not sent, in words, with the status of the answer that says so."""

    status: int
    words: str


def may_download(request: HttpRequest) -> bool:
    """Tell whether somebody may take backups out of the vault."""
    return request.user.has_perm(PERMISSION)


def link(copy: VaultCopy) -> SafeString:
    """Give the link that downloads a copy; nothing where there is no file any more."""
    if copy.state not in (_WHOLE, _DAMAGED):
        return shown.NOTHING
    words = gettext("Download %(file)s") % {"file": name_of(copy)}
    return format_html(
        '<a class="text-link" href="{}" title="{}" aria-label="{}">'
        '<span class="material-symbols-outlined" aria-hidden="true">download</span></a>',
        address(copy),
        words,
        words,
    )


def address(copy: VaultCopy) -> str:
    """Give the address of a copy's download."""
    return reverse(f"admin:{DOWNLOAD_URL}", args=[copy.pk])


def name_of(copy: VaultCopy) -> str:
    """Give the name under which a copy is saved: that of its file, without control characters."""
    name = copy.path.rpartition("/")[2]
    return "".join("_" if one < _FIRST_PRINTABLE or one == _DELETE else one for one in name)


class Downloading(ReadOnlyPage[VaultCopy]):
    """The part of the page of copies that gives them out."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of the downloads."""
        view = self.admin_site.admin_view(self.download_view)
        return [path("<int:pk>/download/", view, name=DOWNLOAD_URL), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Give the columns, with the way to the file for those who may take it."""
        columns = tuple(super().get_list_display(request))
        if not may_download(request):
            return columns
        at = columns.index("its_bytes") + 1
        return (*columns[:at], self._download_column(), *columns[at:])

    def _download_column(self) -> Callable[[VaultCopy], SafeString]:
        @admin.display(description=_("download"))
        def download(copy: VaultCopy) -> SafeString:
            return link(copy)

        return download

    def download_of(self, request: HttpRequest, copy: VaultCopy) -> dict[str, Any] | None:
        """Give what the template `copy_download` needs; None for whoever may not take it."""
        if not may_download(request) or copy.state not in (_WHOLE, _DAMAGED):
            return None
        return {
            "url": address(copy),
            "size": filesizeformat(copy.size),
            "name": name_of(copy),
            "sha256": copy.sha256,
        }

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send a copy, or say why not; a damaged one once somebody has said to want it so."""
        if not may_download(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        copy = self.get_object(request, str(pk))
        if copy is None:
            raise Http404
        if (refusal := _refused(copy)) is not None:
            return self._say(request, copy, refusal)
        if copy.state == _DAMAGED and request.method != "POST":
            words = gettext(
                "This copy is damaged: its bytes are no longer those that were verified. What is "
                "left of it may still be of use, to somebody who knows how to repair a dump."
            )
            return self._say(request, copy, Refusal(409, words), may_insist=True)
        try:
            file, size = downloads.open_file(copy)
        except VaultError as error:
            return self._say(request, copy, _unopened(error))
        try:
            return self._answer(request, copy, file, size)
        except BaseException:
            file.close()
            raise

    def _answer(
        self, request: HttpRequest, copy: VaultCopy, file: BufferedReader, size: int
    ) -> HttpResponseBase:
        if copy.state == _WHOLE and size != copy.size:
            file.close()
            words = gettext(
                "The file has %(found)s bytes and should have %(expected)s: this copy is damaged. "
                "As soon as an audit of the vault has recorded that, what is left of it can be "
                "downloaded all the same."
            )
            told = words % {"found": shown.digits(size), "expected": shown.digits(copy.size)}
            return self._say(request, copy, Refusal(409, told))
        part = _asked(request, copy, size)
        if part is None:
            file.close()
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
        headers = _headers(copy, part, size)
        if request.method == "HEAD":
            file.close()
            return HttpResponse(headers=headers)
        return StreamingHttpResponse(
            self._sending(request, copy, file, part),
            status=206 if part.is_asked else 200,
            headers=headers,
        )

    def _sending(
        self, request: HttpRequest, copy: VaultCopy, file: BufferedReader, part: Part
    ) -> downloads.Sending:
        """Record that somebody takes the copy, and only then give its bytes."""
        with transaction.atomic():
            download = downloads.begin(
                copy,
                by=request.user.get_username(),
                address=visitor_address.address_of(request),
                first=part.first,
                count=part.count,
                now=timezone.now(),
            )
            self.log_change(request, copy, Deed.DOWNLOADED.value)
        return downloads.Sending(download, file, timezone.now)

    def _say(
        self, request: HttpRequest, copy: VaultCopy, refusal: Refusal, *, may_insist: bool = False
    ) -> HttpResponse:
        may_see = navigation.may_see(request, VaultFinding)
        findings = copy.findings.filter(ended_at=None).order_by("-pk")[:MOST_FINDINGS]
        page = navigation.may_see(request, VaultCopy)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": copy if page else None,
            "title": gettext("Download %(file)s") % {"file": name_of(copy)},
            "words": refusal.words,
            "findings": [finding.message for finding in findings] if may_see else [],
            "all_findings": shown.link_to_list(
                VaultFinding,
                _("all findings of this copy"),
                copy__id__exact=copy.pk,
                **{STANDING: ALL},
            )
            if may_see
            else "",
            "may_insist": may_insist,
            "page": reverse("admin:scanner_vaultcopy_change", args=[copy.pk]) if page else "",
        }
        template = "scanner/admin/download_refused.html"
        return TemplateResponse(request, template, context, status=refusal.status)


def _refused(copy: VaultCopy) -> Refusal | None:
    """Say why there is nothing to send, as far as the database knows."""
    if copy.state in (_WHOLE, _DAMAGED):
        return None
    if copy.state == _ABSENT:
        return Refusal(404, gettext("No file has this copy's name: it is gone from the vault."))
    if copy.deleted_at is None:
        return Refusal(410, gettext("This copy is just being deleted."))
    words = gettext("This copy was deleted at %(time)s: %(reason)s.")
    told = {"time": shown.to_the_second(copy.deleted_at)}
    return Refusal(410, words % {**told, "reason": copy.deleted_because or "-"})


def _unopened(error: VaultError) -> Refusal:
    if isinstance(error.__cause__, FileAbsent):
        return Refusal(404, gettext("No file has this copy's name: it is gone from the vault."))
    if isinstance(error.__cause__, UnsafeFile):
        words = gettext("What has this copy's name is no file of the vault, and is not followed.")
        return Refusal(409, words)
    words = gettext("The vault cannot be read now. Is its disk mounted, and may we read it?")
    return Refusal(503, words)


def _asked(request: HttpRequest, copy: VaultCopy, size: int) -> Part | None:
    """Give which bytes are asked for; None where there are no such bytes."""
    whole = Part(0, size, is_asked=False)
    if request.method != "GET" or copy.state != _WHOLE:
        return whole
    if request.headers.get("If-Range", _tag(copy)) != _tag(copy):
        return whole  # what was begun is of another file
    return part_of(request.headers.get("Range", ""), size)


def _tag(copy: VaultCopy) -> str:
    return f'"{copy.sha256}"'


def _headers(copy: VaultCopy, part: Part, size: int) -> dict[str, str]:
    disposition = content_disposition_header(as_attachment=True, filename=name_of(copy))
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(part.count),
        "Content-Disposition": disposition or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    if copy.state == _WHOLE:  # of another it is not known which bytes it has
        headers |= {"ETag": _tag(copy), "Accept-Ranges": "bytes"}
    if part.is_asked:
        headers["Content-Range"] = part.of(size)
    return headers
