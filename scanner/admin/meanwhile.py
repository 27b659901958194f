"""A form that undoes nothing that others have done since its page was made.

The page carries what it showed of each field. What somebody left as they saw it is taken as it is
stored by now; what they changed, and somebody else too, is refused with who that was. After that
the page shows, and carries, what is stored: saving once more is meant.
"""

import json
from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.job_changes import STATED_FIELDS
from scanner.models import ExpectedBackupJob

if TYPE_CHECKING:
    Base = forms.ModelForm[ExpectedBackupJob]
else:
    Base = forms.ModelForm

_LOOKED_AT = 50  # changes of a job, in which is looked for whose one is


class MeanwhileForm(Base):
    """Takes of a stored job what somebody changed of it, and no more."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept: list[str] = []
        """The fields that others changed meanwhile, and this form did not."""
        self._overtaken: list[str] = []
        self._is_blind = False
        self._stored: dict[str, Any] = {}
        if self.instance.pk:
            shown_fields = [name for name in STATED_FIELDS if name in self.fields]
            self._stored = {name: self.initial[name] for name in shown_fields}
            self.initial["seen"] = json.dumps(self._stored)
            if self.is_bound:
                self._rebase()

    def changed_from(self) -> dict[str, Any]:
        """Give the fields that the form changes, each with what it was when it was compared."""
        return {name: self._stored[name] for name in self.changed_data if name in self._stored}

    def clean(self) -> dict[str, Any] | None:
        """Refuse what another has changed meanwhile, beside its field, with what it is now."""
        cleaned = super().clean()
        if self._is_blind:
            raise ValidationError(
                _(
                    "This page does not say what it showed of the job, and nothing is saved. Open "
                    "it anew, and make your change again."
                )
            )
        who = self._whose(self._overtaken) if self._overtaken else {}
        for name in self._overtaken:
            words = gettext(
                "%(who)s has changed this meanwhile, to: %(value)s. Save once more to put yours "
                "in its place."
            )
            told = {"who": who.get(name) or gettext("Somebody"), "value": self._words(name)}
            self.add_error(name, ValidationError(words % told))
        return cleaned

    def _rebase(self) -> None:
        """Let what is posted differ from what is stored only in what somebody changed."""
        posted: Any = copy(self.data)
        seen = _read(posted.get(self.add_prefix("seen")))
        if seen is None:
            self._is_blind = True
            return
        for name, stored in self._stored.items():
            field, key = self.fields[name], self.add_prefix(name)
            given = field.widget.value_from_datadict(posted, self.files, key)
            was = seen.get(name)
            if name not in seen or not field.has_changed(_plain(was), _plain(given)):
                posted[key] = "" if stored is None else str(stored)
                if name in seen and was != stored:
                    self.kept.append(name)
            elif was != stored and field.has_changed(_plain(stored), _plain(given)):
                self._overtaken.append(name)
        posted[self.add_prefix("seen")] = self.initial["seen"]
        self.data = posted

    def _whose(self, names: Iterable[str]) -> dict[str, str]:
        """Give who was the last to change each field, as far as it is known."""
        found: dict[str, str] = {}
        for change in self.instance.changes.order_by("-pk")[:_LOOKED_AT]:
            for name in names:
                if name in change.changes:
                    found.setdefault(name, change.changed_by)
        return found

    def _words(self, name: str) -> str:
        value = self._stored[name]
        if isinstance(value, bool):
            return gettext("yes") if value else gettext("no")
        if value is None or value == "":
            return gettext("blank")
        return gettext("“%(text)s”") % {"text": value}


def names_of(fields: Iterable[str]) -> str:
    """Give the names of fields for people."""
    return ", ".join(str(shown.name_of(ExpectedBackupJob, name)) for name in fields)


def _read(written: str | None) -> Mapping[str, Any] | None:
    try:
        seen = json.loads(written or "")
    except (ValueError, RecursionError):
        return None
    return seen if isinstance(seen, dict) else None


def _plain(value: Any) -> Any:
    """Give a text with the ends of lines that a browser does not send."""
    return value.replace("\r\n", "\n") if isinstance(value, str) else value
