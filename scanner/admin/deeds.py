"""What people do to rows, as the admin's histories keep it: in English, said in any language.

Django keeps which fields somebody changed, and translates that when a history is looked at. What is
no change of fields is kept as one of these sentences, and translated at the same time.
"""

import json
from enum import StrEnum
from typing import Any, Final, TypeVar

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop

from scanner.admin.unfolded import ModelAdmin

M = TypeVar("M", bound=Model)


class Deed(StrEnum):
    """What was done to a row. The words are in databases: they may be added to, not changed."""

    ACKNOWLEDGED = gettext_noop("Acknowledged.")
    ACKNOWLEDGEMENT_WITHDRAWN = gettext_noop("Acknowledgement withdrawn.")
    ADOPTED = gettext_noop("Adopted.")
    ASKED_FOR_A_RUN = gettext_noop("Asked for a run now.")
    ASKED_FOR_A_SCAN = gettext_noop("Asked for a scan.")
    DOWNLOADED = gettext_noop("Downloaded.")
    PAUSED = gettext_noop("Paused.")
    RESUMED = gettext_noop("Resumed.")
    RETIRED = gettext_noop("Retired.")
    REVOKED = gettext_noop("Revoked.")
    SENT_A_TEST = gettext_noop("Sent a test.")


SWITCHED: Final = [{"changed": {"fields": ["Enabled"]}}]
"""What Django itself would keep of somebody who enables or disables a row in its form."""
_DEEDS = frozenset(Deed)


class Recorded(ModelAdmin[M]):
    """A page whose history is in the language of whoever looks at it."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what was done to a row."""
        page = super().history_view(request, object_id, extra_context)
        if isinstance(page, TemplateResponse) and page.context_data is not None:
            for kept in page.context_data["action_list"]:
                kept.change_message = translated(kept.change_message)
        return page


def translated(message: str) -> str:
    """Give what a history keeps in the language that is active, as far as Django does not."""
    if message in _DEEDS:
        return gettext(message)
    if not message.startswith("["):
        return message
    try:
        changes = json.loads(message)
    except ValueError:
        return message
    for change in changes:
        changed = change.get("changed", {})
        if "fields" in changed:
            changed["fields"] = [_field(label) for label in changed["fields"]]
    return json.dumps(changes)


def _field(label: str) -> str:
    """Translate the label of a field, as its form shows it.

    Django looks for the label alone, and most are a field's name with a capital.
    """
    name = label[:1].lower() + label[1:]
    words = gettext(name)
    return capfirst(words) if words != name else gettext(label)
