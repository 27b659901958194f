"""The form of an expected backup: what only a form can say better than the model."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from scanner import conf
from scanner.admin.job_vault import RULES
from scanner.admin.meanwhile import MeanwhileForm
from scanner.cycle import Era, Schedule, timetable
from scanner.errors import ScheduleError
from scanner.models import ExpectedBackupJob
from scanner.models.schedule_words import in_words

# A number of any length would be too large for a length of time.
_MORE_THAN_ANY = 10**7


class JobForm(MeanwhileForm):
    """Refuses, beside its field, each value that the roster would refuse."""

    class Meta:
        model = ExpectedBackupJob
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_active = self.fields.get("is_active")
        if is_active is not None:  # only of a job that nobody watches yet: the others are paused
            is_active.label = _("Active from now on")
            is_active.help_text = (
                _("On, with a schedule: it is adopted. Off: it goes on waiting to be adopted.")
                if self.instance.awaits_adoption
                else _("Off: it gets no verdicts until somebody resumes it.")
            )
        recipients = self.fields.get("notification_recipients")  # none for one who may only look
        if recipients is not None:
            recipients.widget.attrs["rows"] = 3
        for rule, general in conf.vault_keeps().items():
            field = self.fields.get(f"keep_{rule}")
            if field is not None:
                # What all five have in common is said once, above them.
                field.label, field.help_text = str(RULES[rule]).capitalize(), ""
                field.widget.attrs["placeholder"] = general

    def clean_grace_minutes(self) -> int | None:
        """Refuse a grace with which no cycle could be told."""
        minutes: int | None = self.cleaned_data["grace_minutes"]
        if minutes is not None:
            grace = timedelta(minutes=min(minutes, _MORE_THAN_ANY))
            try:
                Schedule((Era(timetable("", "UTC"), None),), grace)
            except ScheduleError as error:
                raise ValidationError(in_words(error)) from error
        return minutes

    def clean(self) -> dict[str, Any] | None:
        """Refuse to adopt a job by halves: it would no longer wait, and never be missing."""
        cleaned = super().clean()
        given = self.cleaned_data
        if self.instance.awaits_adoption and {"is_active", "schedule"} <= given.keys():
            is_switched_on = given["is_active"] and "is_active" in self.changed_data
            if is_switched_on and not given["schedule"]:
                words = _(
                    "Say when its backups are due: without that it can never be missing. To let it "
                    "go on waiting to be adopted, switch “Active from now on” off."
                )
                self.add_error("schedule", ValidationError(words))
            elif given["schedule"] and "schedule" in self.changed_data and not given["is_active"]:
                words = _(
                    "With a schedule it is adopted: switch this on, too. To have it paused, adopt "
                    "it first; then a pause has a reason and an end."
                )
                self.add_error("is_active", ValidationError(words))
        return cleaned
