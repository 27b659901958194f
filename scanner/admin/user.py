from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import User

from scanner.admin.unfolded import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    ModelAdmin,
    UserChangeForm,
)

if TYPE_CHECKING:
    Base = DjangoUserAdmin[User]
else:

    class Base(DjangoUserAdmin, ModelAdmin):
        """Django's page, in the look of the others."""


admin.site.unregister(User)


@admin.register(User)
class UserAdmin(Base):
    """The people who may log in."""

    form = UserChangeForm[User] if TYPE_CHECKING else UserChangeForm
    add_form = AdminUserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_filter_submit = True
    list_fullwidth = True
