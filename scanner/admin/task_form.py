"""The form of a task: bounds that only matter when people type numbers."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import MaxValueValidator

from scanner.models import ScheduledTask

# The wait doubles with each retry, and has to end within what a date can be.
MOST = {
    "misfire_grace_seconds": 31 * 24 * 60 * 60,
    "retries": 20,
    "backoff_seconds": 24 * 60 * 60,
}

if TYPE_CHECKING:
    Base = forms.ModelForm[ScheduledTask]
else:
    Base = forms.ModelForm


class TaskForm(Base):
    """Refuses, beside its field, what the scheduler could not follow."""

    class Meta:
        model = ScheduledTask
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, most in MOST.items():
            field = self.fields.get(name)  # none for one who may only look
            if field is not None:
                field.validators.append(MaxValueValidator(most))
