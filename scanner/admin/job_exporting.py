"""Jobs as a file to take away: those that the list shows, or those that are selected in it."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.http.response import HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from scanner.admin.page import Page
from scanner.admin.posted import unexpected
from scanner.admin.unfolded import Words
from scanner.job_export import BYTE_ORDER_MARK, Form, pieces
from scanner.models import ExpectedBackupJob

logger = logging.getLogger(__name__)

EXPORT_URL = "scanner_expectedbackupjob_export"
LIST_URL = "admin:scanner_expectedbackupjob_changelist"
FORM = "format"
FORMS: dict[Form, tuple[Words, Words]] = {
    Form.CSV: (_("CSV"), _("Cells separated by commas, for most programs.")),
    Form.SEMICOLONS: (
        _("CSV with semicolons"),
        _("For spreadsheets whose language writes 1,5: French, German, Spanish and others."),
    ),
    Form.YAML: (_("YAML"), _("For people and programs that keep their files in a repository.")),
}
_TYPES = dict.fromkeys((Form.CSV, Form.SEMICOLONS), "text/csv") | {Form.YAML: "application/yaml"}


class Exporting(Page[ExpectedBackupJob]):
    """The part of the page of jobs that writes them to files."""

    actions: Any = ("export_csv", "export_yaml")

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of the export."""
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name=EXPORT_URL), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the form of the file; then give the jobs that the list's address stands for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.copy()
        chosen = query.pop(FORM, [""])[-1]
        query.pop("p", None)
        request.GET = query  # type: ignore[assignment]  # what is left are the list's own
        try:
            changes = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest(gettext("The list has no such filter."))
        if not chosen:
            return self._offer(request, changes.result_count)
        if chosen not in set(Form):
            return unexpected(FORM, Form)
        return self._exported(request, changes.queryset, Form(chosen))

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]
    ) -> HttpResponseBase:
        """Give those selected as CSV, as a spreadsheet in the language of the page reads it."""
        return self._exported(request, queryset, usual_form())

    @admin.action(description=_("Export as YAML"), permissions=["view"])
    def export_yaml(
        self, request: HttpRequest, queryset: QuerySet[ExpectedBackupJob]
    ) -> HttpResponseBase:
        """Give those selected as YAML."""
        return self._exported(request, queryset, Form.YAML)

    def _offer(self, request: HttpRequest, count: int) -> TemplateResponse:
        words = ngettext(
            "%(count)d job, as the list shows it.", "%(count)d jobs, as the list shows them.", count
        )
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Export jobs"),
            "words": words % {"count": count},
            "forms": [(form.value, *words) for form, words in FORMS.items()],
            "usual": usual_form().value,
            "kept": [(name, value) for name, values in request.GET.lists() for value in values],
            "back": f"{reverse(LIST_URL)}?{request.GET.urlencode()}",
        }
        return TemplateResponse(request, "scanner/admin/job_export.html", context)

    def _exported(
        self, request: HttpRequest, jobs: QuerySet[ExpectedBackupJob], form: Form
    ) -> StreamingHttpResponse:
        logger.info("jobs exported as %s by %s", form.value, request.user.get_username())
        name = f"jobs-{timezone.localdate():%Y-%m-%d}.{form.suffix}"
        return StreamingHttpResponse(
            encoded(partial(pieces, jobs.select_related(None), form), form),
            content_type=f"{_TYPES[form]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def usual_form() -> Form:
    """Give the form of CSV that a spreadsheet in the language of the page reads."""
    return Form.SEMICOLONS if (get_language() or "").startswith("fr") else Form.CSV


def encoded(written: Any, form: Form) -> Iterator[bytes]:
    """Give a file as bytes, which a spreadsheet can tell to be UTF-8."""
    if form is not Form.YAML:
        yield BYTE_ORDER_MARK.encode()
    for piece in written():
        yield piece.encode()
