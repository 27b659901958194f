"""What a page shows and takes of whoever sees some companies only; the rules are `access`'s."""

from typing import Any, ClassVar, TypeVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from scanner import access
from scanner.access import Companies
from scanner.admin.answering import Answering
from scanner.admin.deeds import Recorded
from scanner.pipeline.deposit import agent_identity

M = TypeVar("M", bound=Model)


class _Bound:
    """Refuses, beside its field, a row that whoever fills in the form may not see afterwards."""

    companies: ClassVar[Companies]
    company_field: ClassVar[str]
    changed_data: list[str]

    def clean(self) -> Any:
        cleaned = super().clean()  # type: ignore[misc]  # the form's own
        data = self.cleaned_data  # type: ignore[attr-defined]
        name = self.company_field
        if name in data and not access.includes(self.companies, [data[name]]):
            words = gettext("You may name these companies only: %(companies)s.") % {
                "companies": ", ".join(sorted(self.companies or ()))
            }
            self.add_error(name, ValidationError(words))  # type: ignore[attr-defined]
        agent = agent_identity(data.get("agent_id") or "")
        # Another database of an agent that several companies share may be another company's.
        changed = [one for one in ("agent_id", "database_name") if one in self.changed_data]
        if agent and changed and not access.usable_agents(self.companies, [agent]):
            words = gettext("This is no agent of the companies that you see.")
            self.add_error(changed[0], ValidationError(words))  # type: ignore[attr-defined]
        return cleaned


class Scoped(Answering[M], Recorded[M]):
    """A page of rows, each of which is a company's or the server's.

    `company_field` names the field of its form that says which company's.
    """

    company_field: ClassVar[str] = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """Give the rows that whoever looks may see: every list, page and action begins here."""
        return access.visible(super().get_queryset(request), access.companies_of(request.user))

    def get_form(
        self,
        request: HttpRequest,
        obj: M | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> "type[forms.ModelForm[M]]":
        """Give the form, which takes no row of a company that its user does not see."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        companies = access.companies_of(request.user)
        if companies is not access.EVERY and self.company_field:
            bound = {"companies": companies, "company_field": self.company_field}
            form = type(form)(form.__name__, (_Bound, form), bound)
        return cast("type[forms.ModelForm[M]]", form)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer, and take, no other rows than those that whoever looks may see."""
        related = db_field.related_model
        if isinstance(related, type) and access.belongs_to_companies(related):
            rows = related._default_manager.all()  # noqa: SLF001 - public, whatever its name
            kwargs["queryset"] = access.visible(rows, access.companies_of(request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Say no, too, to what belongs to the server where somebody sees some companies only."""
        return super().has_view_permission(request, obj) and self._is_in_scope(request)

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Say no, too, to what belongs to the server where somebody sees some companies only."""
        return super().has_change_permission(request, obj) and self._is_in_scope(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no, too, to what belongs to the server where somebody sees some companies only."""
        return super().has_add_permission(request) and self._is_in_scope(request)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Say no, too, to what belongs to the server where somebody sees some companies only."""
        return super().has_delete_permission(request, obj) and self._is_in_scope(request)

    def _is_in_scope(self, request: HttpRequest) -> bool:
        companies = access.companies_of(request.user)
        return companies is access.EVERY or access.belongs_to_companies(self.model)
