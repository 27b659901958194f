"""Jobs in and out of the admin: by files, and from what agents have deposited."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from scanner.admin.job_exporting import EXPORT_URL, Exporting
from scanner.admin.job_from_deposits import FROM_DEPOSITS_URL, FromDeposits
from scanner.admin.job_importing import IMPORT_URL, Importing


class Transferring(Exporting, Importing, FromDeposits):
    """The part of the page of jobs with the buttons for many at once."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with its buttons; the export is of what the list shows."""
        query = request.GET.urlencode()
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None)
        if context is not None and "actions_list" in context:
            context["actions_list"] = [*context["actions_list"], *self.buttons(request, query)]
        return response

    def buttons(self, request: HttpRequest, query: str = "") -> list[dict[str, str]]:
        """Give the ways that are open to whoever looks, as unfold shows them above a list."""
        buttons = []
        if self.has_import_permission(request):
            url = reverse(f"admin:{IMPORT_URL}")
            buttons.append({"title": _("Import…"), "icon": "upload_file", "path": url})
        if self.has_from_deposits_permission(request):
            url = reverse(f"admin:{FROM_DEPOSITS_URL}")
            title = _("Register from deposits…")
            buttons.append({"title": title, "icon": "playlist_add", "path": url})
        if self.has_view_permission(request):
            url = reverse(f"admin:{EXPORT_URL}")
            path = f"{url}?{query}" if query else url
            buttons.append({"title": _("Export…"), "icon": "download", "path": path})
        return buttons
