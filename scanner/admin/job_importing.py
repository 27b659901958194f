"""Jobs out of a file: shown first with all that would change, then applied, all or nothing.

Between the two, the file is in the page that shows what would change, compressed and signed for
whoever looks: no server keeps anything, and any other server of the site can go on. Applying reads
the very same bytes again; when they mean something else by now, it shows that instead.
"""

import json
import logging
from typing import Any, Final

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scanner import access, job_import
from scanner.admin import import_preview
from scanner.admin.job_exporting import encoded, usual_form
from scanner.admin.page import Page
from scanner.job_export import written
from scanner.job_import import Kind, Limits, Plan
from scanner.models import ExpectedBackupJob
from scanner.pipeline.text import clean_name

logger = logging.getLogger(__name__)

IMPORT_URL = "scanner_expectedbackupjob_import"
EXAMPLE_URL = "scanner_expectedbackupjob_example"
LIMITS: Final = Limits(size=5 * 2**20, rows=20_000)
MOST_CARRIED: Final = 2 * 2**20
"""Characters of a file in a page; Django takes forms of 2.5 MiB."""
_A_DAY = 24 * 60 * 60
_EXAMPLE = """\
ACME|Douala|Newbell|ACME_2025|2025|ACME_DOUALA_NEWBELL|@daily|Africa/Douala|120|dba@acme.example|yes
ACME|Yaoundé|Etoa Meki|ACME_OLD_2024|2024|ACME_YAOUNDE_ETOA_MEKI|@weekly||||no
"""


class _Bytes:
    """How signing turns a file into bytes: it is some already."""

    def dumps(self, content: bytes) -> bytes:
        return content

    def loads(self, content: bytes) -> bytes:
        return content


class Importing(Page[ExpectedBackupJob]):
    """The part of the page of jobs that reads them from files."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, of the import and of its example."""
        view = self.admin_site.admin_view(self.import_view)
        example = self.admin_site.admin_view(self.example_view)
        return [
            path("import/", view, name=IMPORT_URL),
            path("import/example.csv", example, name=EXAMPLE_URL),
            *super().get_urls(),
        ]

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may make and change jobs by a file."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def example_view(self, request: HttpRequest) -> HttpResponse:
        """Give a file to begin with."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        rows = [tuple(line.split("|")) for line in _EXAMPLE.splitlines()]
        form = usual_form()
        return HttpResponse(
            b"".join(encoded(lambda: written(rows, form), form)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="jobs.example.csv"'},
        )

    def import_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a file; show what it would change; apply what was shown."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._ask(request)
        if "carried" in request.POST:
            return self._apply(request)
        upload = request.FILES.get("file")
        if upload is None or upload.size is None:
            return self._ask(request, _("Choose a file first."))
        name = clean_name((upload.name or "")[-100:], 100)
        # One byte more than is taken tells that there is more.
        return self._show(request, upload.read(LIMITS.size + 1), name)

    def _apply(self, request: HttpRequest) -> HttpResponseBase:
        try:
            name, shown, content = opened(request, request.POST["carried"])
        except signing.SignatureExpired:
            return self._ask(
                request, _("That was shown more than a day ago: choose the file again.")
            )
        except signing.BadSignature:
            return self._ask(request, _("That was not shown to you here: choose the file again."))
        try:
            with transaction.atomic():
                planned = self._planned(request, content, name, to_write=True)
                is_as_shown = not planned.problems and planned.digest == shown
                if is_as_shown:
                    by = request.user.get_username()
                    job_import.carry_out(planned, now=timezone.now(), by=by)
        except IntegrityError:  # another expected one of the databases at this very moment
            is_as_shown = False
        if not is_as_shown:
            words = _(
                "Jobs have changed meanwhile, and nothing was applied. This is how it is now."
            )
            return self._show(request, content, name, words)
        counts = {kind.value: planned.count(kind) for kind in Kind}
        logger.info("jobs imported by %s: %s", request.user.get_username(), counts)
        self.message_user(request, _done(counts), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:scanner_expectedbackupjob_changelist"))

    def _planned(
        self, request: HttpRequest, content: bytes, name: str, *, to_write: bool = False
    ) -> Plan:
        companies = access.companies_of(request.user)
        return job_import.plan(content, name, companies=companies, limits=LIMITS, to_write=to_write)

    def _ask(self, request: HttpRequest, error: str = "") -> TemplateResponse:
        context = {
            "title": _("Import jobs"),
            "error": error,
            "columns": import_preview.columns(),
            "limits": {"size": LIMITS.size // 2**20, "rows": LIMITS.rows},
            "example": reverse(f"admin:{EXAMPLE_URL}"),
        }
        return self._page(request, "job_import.html", context, 400 if error else 200)

    def _show(
        self, request: HttpRequest, content: bytes, name: str, notice: str = ""
    ) -> TemplateResponse:
        planned = self._planned(request, content, name)
        carried = "" if planned.problems else signed(request, content, name, planned.digest)
        context = {
            "title": _("What the file would change"),
            "notice": notice,
            "file": name,
            "preview": import_preview.preview(planned),
            "carried": carried if len(carried) <= MOST_CARRIED else "",
            "is_too_long": len(carried) > MOST_CARRIED,
            "again": reverse(f"admin:{IMPORT_URL}"),
        }
        status = 409 if notice else 422 if planned.problems else 200
        return self._page(request, "job_import_preview.html", context, status)

    def _page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int
    ) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"scanner/admin/{template}", context, status=status)


def _done(counts: dict[str, int]) -> str:
    """Say how many jobs were made, changed and left as they were."""
    created, updated, unchanged = (
        counts[kind.value] for kind in (Kind.CREATED, Kind.UPDATED, Kind.UNCHANGED)
    )
    told = {
        "created": ngettext("%(count)d job created", "%(count)d jobs created", created)
        % {"count": created},
        "updated": ngettext("%(count)d updated", "%(count)d updated", updated) % {"count": updated},
        "unchanged": ngettext("%(count)d unchanged", "%(count)d unchanged", unchanged)
        % {"count": unchanged},
    }
    return _("%(created)s, %(updated)s, %(unchanged)s.") % told


def signed(request: HttpRequest, content: bytes, name: str, digest: str) -> str:
    """Give a file, with what it was shown to change, as text that only `opened` reads."""
    head = json.dumps([name, digest]).encode()
    salt = _salt(request)
    return signing.dumps(head + b"\n" + content, salt=salt, serializer=_Bytes, compress=True)


def opened(request: HttpRequest, carried: str) -> tuple[str, str, bytes]:
    """Give the name, the digest and the bytes of a file that was signed for whoever asks.

    Raise BadSignature when it was not, SignatureExpired when that is too long ago.
    """
    salt = _salt(request)
    whole = signing.loads(carried, salt=salt, serializer=_Bytes, max_age=_A_DAY)
    head, _newline, content = whole.partition(b"\n")
    name, digest = json.loads(head)
    return name, digest, content


def _salt(request: HttpRequest) -> str:
    return f"{__name__}:{request.user.pk}"
