"""The companies that somebody, or each member of a group, was granted: rows of their own page."""

from typing import Any

from django import forms
from django.db.models import Field, Model
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin.unfolded import TabularInline
from scanner.models import EVERY_COMPANY, CompanyGrant, ExpectedBackupJob

_KNOWN = "_known_companies"


class CompanyGrantInline(TabularInline[CompanyGrant, Model]):
    """Which companies' backups they see and act on; without a row: none."""

    model = CompanyGrant
    fields = ("company",)
    extra = 0
    verbose_name = _("granted company")
    verbose_name_plural = _("Granted companies: whose backups they see and act on")

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the companies that there are, and all of them."""
        if db_field.name != "company":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        # The head of the column is no label of it.
        widget = forms.Select(attrs={"aria-label": db_field.verbose_name})
        return forms.ChoiceField(
            label=db_field.verbose_name, choices=_choices(request), widget=widget
        )


def _choices(request: HttpRequest) -> list[tuple[str, str]]:
    """Give the companies of jobs, and of grants whose jobs are gone; read once a request."""
    known: list[tuple[str, str]] | None = getattr(request, _KNOWN, None)
    if known is None:
        of_jobs = ExpectedBackupJob.objects.order_by().values_list("company_name", flat=True)
        granted = CompanyGrant.objects.order_by().values_list("company", flat=True)
        names = sorted({*of_jobs.distinct(), *granted.distinct()} - {EVERY_COMPANY})
        every = (EVERY_COMPANY, gettext("every company, and the server itself"))
        known = [("", "---------"), every, *((name, name) for name in names)]
        setattr(request, _KNOWN, known)
    return known
