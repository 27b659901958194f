from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group

from scanner.admin.unfolded import ModelAdmin

if TYPE_CHECKING:
    Base = DjangoGroupAdmin
else:

    class Base(DjangoGroupAdmin, ModelAdmin):
        """Django's page, in the look of the others."""


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(Base):
    """What the members of a group may do."""

    list_fullwidth = True
