"""The form of a task: says what its blanks mean, and lets nobody save what others have changed."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.grid import DEFAULTS, SCAN
from scanner.models import ScheduledTask

if TYPE_CHECKING:
    Base = forms.ModelForm[ScheduledTask]
else:
    Base = forms.ModelForm


class TaskForm(Base):
    """Refuses what was filled in before somebody else changed the task: it would undo that."""

    # The one that was read when the page was made.
    version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = ScheduledTask
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].initial = self.instance.version
        interval = self.fields.get("interval_minutes")  # none for one who may only look
        default = DEFAULTS.get(self.instance.name)
        if interval is not None and default is not None:
            interval.help_text = _blank(self.instance.name) % {"schedule": default().words()}

    def clean(self) -> dict[str, Any] | None:
        """Refuse a version that is not the stored one."""
        cleaned = super().clean()
        if self.cleaned_data.get("version") not in (None, self.instance.version):
            raise ValidationError(
                _(
                    "The task was changed meanwhile, here or elsewhere, and nothing is saved. Open "
                    "its page anew, and make your change again."
                )
            )
        return cleaned


def _blank(name: str) -> str:
    if name == SCAN:
        return gettext(
            "Blank, without a cron expression: as the setting SCANNER_INTERVAL_MINUTES says, "
            "%(schedule)s."
        )
    return gettext("Blank, without a cron expression: %(schedule)s.")
