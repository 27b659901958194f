"""The form of a pause: why, and until when, in the zone that the pages show times in."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scanner.admin import when
from scanner.models import ExpectedBackupJob

AT, OPEN = "at", ""
LONGEST = timedelta(days=3653)
_FORMAT = "%Y-%m-%dT%H:%M"  # of <input type="datetime-local">
_EVENING, _MORNING = time(18), time(8)
_SOON = timedelta(minutes=30)
_WEEK = 7  # days
_LONGEST_REASON = 500


class PauseForm(forms.Form):
    """Takes one of the moments on offer, another one, or none: until somebody resumes the job."""

    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        widget=forms.Textarea,
        error_messages={
            "required": gettext_lazy("Say why: whoever looks at it later wants to know.")
        },
    )
    end = forms.CharField(required=False)
    until = forms.DateTimeField(required=False)

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    @classmethod
    def filled_by(cls, job: ExpectedBackupJob, *, now: datetime) -> "PauseForm":
        """Give the form as a pause has it already; empty where there is none."""
        until = job.paused_until
        initial = {"reason": job.pause_reason, "end": OPEN if until is None else AT}
        if until is not None:
            initial["until"] = _written(timezone.localtime(until))
        return cls(initial=initial, now=now)

    def clean(self) -> dict[str, Any]:
        """Give `paused_until`: aware and still to come, or None."""
        cleaned = self.cleaned_data
        try:
            cleaned["paused_until"] = self._end(cleaned.get("end", OPEN), cleaned.get("until"))
        except ValidationError as error:
            if "until" not in self.errors:
                self.add_error("until", error)
        return cleaned

    def _end(self, chosen: str, until: datetime | None) -> datetime | None:
        if chosen == OPEN:
            return None
        end = until if chosen == AT else self.fields["until"].clean(chosen)
        if end is None:
            raise ValidationError(_("Say until when, or choose another end."))
        if end <= self.now:
            raise ValidationError(_("This is past: say a time that is still to come."))
        if end > self.now + LONGEST:
            raise ValidationError(_("This is more than ten years away: retire it instead."))
        assert isinstance(end, datetime)
        return end

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The ends on offer: their values, and words."""
        here = timezone.localtime(self.now)
        day = timedelta(days=1)
        tomorrow = datetime.combine(here.date() + day, _MORNING)
        next_week = datetime.combine(here.date() + _WEEK * day, _MORNING)
        evening = datetime.combine(here.date(), _EVENING)
        offered = [
            (OPEN, _("until somebody resumes it")),
            (_written(tomorrow), _("until tomorrow, %(time)s") % {"time": _clock(tomorrow)}),
            (
                _written(next_week),
                _("for a week, until %(moment)s")
                % {"moment": when.moment(timezone.make_aware(next_week), self.now)},
            ),
            (AT, _("until another time:")),
        ]
        if timezone.make_aware(evening) > self.now + _SOON:
            words = _("until this evening, %(time)s") % {"time": _clock(evening)}
            offered.insert(1, (_written(evening), words))
        return offered

    @property
    def earliest(self) -> str:
        """The earliest end that a browser lets somebody choose."""
        return _written(timezone.localtime(self.now))

    @property
    def zone(self) -> str:
        """The zone in which the times are."""
        return timezone.get_current_timezone_name()


def _written(local: datetime) -> str:
    return local.strftime(_FORMAT)


def _clock(local: datetime) -> str:
    return f"{local:%H:%M}"
