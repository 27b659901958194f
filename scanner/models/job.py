import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, validate_email
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from scanner import conf
from scanner.cycle import MAX_GRACE, Era, Schedule, time_zone, timetable
from scanner.models.choices import Status
from scanner.models.job_state import JobState
from scanner.models.schedule_words import error_of
from scanner.pipeline.deposit import Place, agent_identity, place_of
from scanner.pipeline.findings import Expectation
from scanner.pipeline.retention import Policy
from scanner.pipeline.text import quote

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words

FIRST_YEAR, LAST_YEAR = 1900, 2099
PROBLEM_STATUSES = (Status.FAILED.value, Status.CORRUPT.value, Status.MISSING.value)


def _keep(label: "Words") -> "models.PositiveSmallIntegerField[int | None, int | None]":
    return models.PositiveSmallIntegerField(
        label,
        null=True,
        blank=True,
        help_text=_("Blank: as the setting VAULT_KEEP_… says. All zero: every copy is kept."),
    )


class ExpectedBackupJob(JobState):
    """One database that must be backed up, at a place, with a schedule.

    Here is what people say; every change of it goes through `roster`. `JobState` is what scans
    found; every change of that goes through `history`.
    """

    company_name = models.CharField(_("company"), max_length=100)
    city = models.CharField(_("city"), max_length=100)
    neighborhood = models.CharField(_("neighborhood"), max_length=100)
    database_name = models.CharField(
        _("database"), max_length=200, help_text=_("As it stands in the agent's reports.")
    )
    year = models.PositiveSmallIntegerField(_("year"), null=True, blank=True)
    agent_id = models.CharField(
        _("agent"),
        max_length=255,
        help_text=_("The agent's folder in the deposit tree: COMPANY_CITY_NEIGHBORHOOD."),
    )
    schedule = models.CharField(
        _("schedule"),
        max_length=100,
        blank=True,
        default="",
        help_text=_(
            "When the backup is due: a cron expression like “30 2 * * *”, or @daily. "
            "Blank: it may come at any time and is never missing."
        ),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Like Africa/Douala. Blank: the setting AGENT_TIME_ZONE."),
    )
    grace_minutes = models.PositiveIntegerField(
        _("grace (minutes)"),
        null=True,
        blank=True,
        help_text=_(
            "How long after it is due a backup may arrive. "
            "Blank: the setting REPORT_COLLECTION_WINDOW_MINUTES."
        ),
    )
    notification_recipients = models.TextField(
        _("recipients"),
        blank=True,
        default="",
        help_text=_("E-mail addresses to tell of problems, separated by commas."),
    )
    has_trailer = models.BooleanField(
        _("the dump has an end to check"),
        default=True,
        help_text=_(
            "Off: a dump without the end that its kind is known by is not called truncated."
        ),
    )
    min_size = models.PositiveBigIntegerField(
        _("minimal size (bytes)"),
        null=True,
        blank=True,
        help_text=_("A smaller backup is corrupt. Blank: any size will do."),
    )
    stale_after = models.PositiveSmallIntegerField(
        _("stale after (cycles)"),
        null=True,
        blank=True,
        help_text=_("Warn when the content was the same so many cycles in a row. Blank: never."),
    )
    alert_after = models.PositiveSmallIntegerField(
        _("alert after (problems)"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("How many problems in a row it takes. A corrupt backup is told at once."),
    )
    first_missing_is_warning = models.BooleanField(
        _("the first missing one is a warning"),
        default=False,
        help_text=_("On: only the second cycle in a row without a backup is a problem to tell of."),
    )
    keep_last = _keep(_("copies kept: last"))
    keep_daily = _keep(_("copies kept: daily"))
    keep_weekly = _keep(_("copies kept: weekly"))
    keep_monthly = _keep(_("copies kept: monthly"))
    keep_yearly = _keep(_("copies kept: yearly"))

    is_active = models.BooleanField(
        pgettext_lazy("expected backup", "active"),
        default=True,
        help_text=_("A paused job gets no verdicts."),
    )
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True, editable=False)
    paused_by = models.CharField(
        _("paused by"), max_length=150, blank=True, default="", editable=False
    )
    pause_reason = models.CharField(
        _("reason of the pause"), max_length=500, blank=True, default="", editable=False
    )
    paused_until = models.DateTimeField(
        _("paused until"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Blank: until somebody resumes it."),
    )
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True, editable=False)
    awaits_adoption = models.BooleanField(
        _("to adopt"),
        default=False,
        editable=False,
        help_text=_("Reports mention it, nobody has said yet when its backups are due."),
    )

    class Meta:
        verbose_name = _("expected backup")
        verbose_name_plural = _("expected backups")
        ordering = ("company_name", "city", "neighborhood", "database_name")
        constraints = (
            models.UniqueConstraint(
                fields=("agent_id", "database_name"),
                name="job_is_expected_once",
                violation_error_message=_("This agent's database is expected already."),
            ),
        )
        indexes = (
            models.Index(fields=("deadline_at",), condition=Q(is_active=True), name="job_overdue"),
            models.Index(
                fields=("alert_check_at",), condition=~Q(alert_check_at=None), name="job_to_alert"
            ),
            models.Index(fields=("status",), condition=Q(is_active=True), name="job_active_status"),
            models.Index(
                fields=("paused_until",), condition=~Q(paused_until=None), name="job_pause_ends"
            ),
            models.Index(
                fields=("company_name", "city", "neighborhood", "database_name"),
                name="job_by_place",
            ),
        )

    def __str__(self) -> str:
        return f"{self.database_name} ({self.company_name}, {self.city}, {self.neighborhood})"

    def clean(self) -> None:
        """Refuse what could never be evaluated, naming the field."""
        self.agent_id = agent_identity(self.agent_id)
        problems: dict[str, list[str]] = {}
        for name, words in self._problems():
            if words:
                problems.setdefault(name, []).append(words)
        if problems:
            raise ValidationError(problems)

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Give what is wrong with each field, empty where nothing is."""
        yield "time_zone", error_of(time_zone, self.zone_name)
        yield "schedule", error_of(timetable, self.schedule, "UTC")
        grace = self.grace_minutes
        most = MAX_GRACE // timedelta(minutes=1)
        if grace is not None and not 0 <= grace <= most:
            words = _("%(found)s: expected 0 to %(most)d, or nothing.")
            yield "grace_minutes", words % {"found": grace, "most": most}
        if self.year is not None and not FIRST_YEAR <= self.year <= LAST_YEAR:
            words = _("%(found)s: expected %(least)d to %(most)d, or nothing.")
            years = {"found": self.year, "least": FIRST_YEAR, "most": LAST_YEAR}
            yield "year", words % years
        if place_of(self.agent_id) is None:
            words = _("%(found)s: expected COMPANY_CITY_NEIGHBORHOOD.")
            yield "agent_id", words % {"found": quote(self.agent_id)}
        for address in filter(None, re.split(r"[,\s]+", self.notification_recipients)):
            try:
                validate_email(address)
            except ValidationError:
                words = _("%(found)s is not an e-mail address.")
                yield "notification_recipients", words % {"found": quote(address)}

    @property
    def place(self) -> Place:
        """Where the database is."""
        return Place(self.company_name, self.city, self.neighborhood)

    @property
    def zone_name(self) -> str:
        """The zone that the schedule is evaluated in and that the agent's naive times are in."""
        return self.time_zone or conf.agent_time_zone()

    @property
    def grace(self) -> timedelta:
        """How long after its due a backup may arrive."""
        if self.grace_minutes is None:
            return conf.default_grace()
        return timedelta(minutes=self.grace_minutes)

    @property
    def expectation(self) -> Expectation:
        """What people know of its backups."""
        return Expectation(self.has_trailer, self.min_size, self.stale_after)

    @property
    def policy(self) -> Policy:
        """Which of its copies are kept; what the job leaves blank is as the settings say."""
        general = conf.vault_policy()
        own = {
            field.name: value
            for field in dataclasses.fields(general)
            if (value := getattr(self, f"keep_{field.name}")) is not None
        }
        return dataclasses.replace(general, **own)

    @property
    def calendar(self) -> Schedule:
        """The schedule with its past: a due is told by what was in force when it came."""
        past = tuple(
            Era(timetable(era["schedule"], era["zone"]), datetime.fromisoformat(era["until"]))
            for era in self.past_timetables
        )
        return Schedule((*past, Era(timetable(self.schedule, self.zone_name), None)), self.grace)
