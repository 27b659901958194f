from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from scanner.admin.page import Page
from scanner.models import Recipient


@admin.register(Recipient)
class RecipientAdmin(Page[Recipient]):
    """What one e-mail address wants otherwise than its channel says."""

    empty_words = _(
        "Everybody is told as the channels say. Add an address that wants another language, or a "
        "digest."
    )
    list_display = ("address", "language", "digest")
    search_fields = ("address",)
    search_help_text = _("Search by address")
    fieldsets = ((None, {"fields": ("address", ("language", "digest"))}),)
