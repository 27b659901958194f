from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from scanner.admin.company_grant import CompanyGrantInline
from scanner.admin.scoped import Scoped

if TYPE_CHECKING:
    Base = DjangoGroupAdmin
else:

    class Base(DjangoGroupAdmin, Scoped):
        """Django's page, in the look of the others."""


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(Base):
    """What the members of a group may do, and for which companies."""

    list_fullwidth = True
    inlines = (CompanyGrantInline,)

    class Media:
        js = ("scanner/names.js",)

    def get_inlines(self, request: HttpRequest, obj: Group | None) -> Any:
        """Ask for the companies once the group is there."""
        return super().get_inlines(request, obj) if obj is not None else ()
