from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from scanner.admin.company_grant import CompanyGrantInline
from scanner.admin.scoped import Scoped
from scanner.admin.unfolded import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    UserChangeForm,
)

if TYPE_CHECKING:
    Base = DjangoUserAdmin[User]
else:

    class Base(DjangoUserAdmin, Scoped):
        """Django's page, in the look of the others."""


admin.site.unregister(User)
_FOR_SUPERUSERS = ("is_superuser", "user_permissions")


@admin.register(User)
class UserAdmin(Base):
    """The people who may log in.

    Whoever is no superuser makes none, changes none, and gives nobody more than groups give.
    """

    form = UserChangeForm[User] if TYPE_CHECKING else UserChangeForm
    add_form = AdminUserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_filter_submit = True
    list_fullwidth = True
    inlines = (CompanyGrantInline,)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": (("first_name", "last_name"), "email")}),
        (
            _("Permissions"),
            {
                "description": _(
                    "Whoever is to log in needs “Staff status”, a group (viewer, operator or "
                    "administrator), and at least one company below."
                ),
                "fields": (("is_active", "is_staff", "is_superuser"), "groups", "user_permissions"),
            },
        ),
        (_("Important dates"), {"fields": (("last_login", "date_joined"),)}),
    )

    class Media:
        js = ("scanner/names.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Give the users; superusers to superusers alone."""
        users: QuerySet[User] = super().get_queryset(request)
        return users if _is_super(request) else users.filter(is_superuser=False)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Let superusers alone make superusers, and give single permissions."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _is_super(request) else (*fields, *_FOR_SUPERUSERS)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Ask for the companies once the user is there."""
        return super().get_inlines(request, obj) if obj is not None else ()


def _is_super(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
