"""Whom alerts go to, by which way, in which language, and when they keep silent."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner import conf
from scanner.cycle import time_zone, timetable
from scanner.errors import ScheduleError
from scanner.models.job import ExpectedBackupJob
from scanner.models.schedule_words import in_words

LAST_HOUR = 23
LONGEST_WINDOW = 31 * 24 * 60


class AlertLevel(models.TextChoices):
    """How bad something is; a channel is told of its own level and of what is worse."""

    PROBLEM = "problem", _("problem")
    WARNING = "warning", _("warning")


class Language(models.TextChoices):
    """The languages that messages are written in."""

    EN = "en", "English"
    FR = "fr", "Français"


class Rhythm(models.TextChoices):
    """How often a digest is sent."""

    OFF = "off", _("off")
    DAILY = "daily", _("daily")
    WEEKLY = "weekly", _("weekly, on Mondays")


class Channel(models.Model):
    """A way to people or programs, with what it is told of and when.

    The one that is built in is the mail to the recipients of jobs and to ADMIN_EMAIL_RECIPIENTS; it
    has no address of its own.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", _("e-mail")
        APPRISE = "apprise", _("Apprise")
        WEBHOOK = "webhook", _("signed webhook")

    class Reminders(models.TextChoices):
        NEVER = "never", _("never")
        HOURLY = "hourly", _("hourly")
        DAILY = "daily", _("daily")

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    is_builtin = models.BooleanField(default=False, editable=False)
    address = models.TextField(
        _("address"),
        blank=True,
        default="",
        help_text=_(
            "E-mail: addresses, separated by commas. Apprise: its URL, like slack://… or ntfy://…. "
            "Webhook: an https address."
        ),
    )
    secret = models.CharField(
        _("secret"),
        max_length=200,
        blank=True,
        default="",
        help_text=_("Of a webhook: the key that its messages are signed with."),
    )
    company = models.CharField(_("company"), max_length=100, blank=True, default="")
    city = models.CharField(_("city"), max_length=100, blank=True, default="")
    neighborhood = models.CharField(_("neighborhood"), max_length=100, blank=True, default="")
    level = models.CharField(
        _("told of"),
        max_length=10,
        choices=AlertLevel.choices,
        default=AlertLevel.PROBLEM.value,
        help_text=_("Warning: of warnings and of problems."),
    )
    reminders = models.CharField(
        _("reminders"),
        max_length=10,
        choices=Reminders.choices,
        default=Reminders.DAILY.value,
        help_text=_("While something lasts that nobody has acknowledged."),
    )
    reminder_hour = models.PositiveSmallIntegerField(
        _("hour of the day"),
        default=9,
        help_text=_("When the daily reminder and the digest are sent, 0 to 23."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Of that hour, and of the times in messages. Blank: the setting TIME_ZONE."),
    )
    language = models.CharField(
        _("language"),
        max_length=5,
        choices=Language.choices,
        blank=True,
        default="",
        help_text=_("Blank: the setting LANGUAGE_CODE."),
    )
    digest = models.CharField(
        _("digest"), max_length=10, choices=Rhythm.choices, default=Rhythm.OFF.value
    )
    escalate_after_hours = models.PositiveSmallIntegerField(
        _("only after (hours)"),
        default=0,
        help_text=_(
            "Told only of what has lasted so long and nobody has acknowledged. 0: at once."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), editable=False)
    tested_at = models.DateTimeField(_("tested"), null=True, blank=True, editable=False)
    test_error = models.TextField(_("what the test met"), blank=True, default="", editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ("-is_builtin", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("is_builtin",), condition=Q(is_builtin=True), name="one_channel_is_builtin"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what could not be followed, naming the field; the address is proven elsewhere."""
        problems: dict[str, str] = {}
        if self.reminder_hour is not None and self.reminder_hour > LAST_HOUR:
            problems["reminder_hour"] = gettext("%(found)d: expected 0 to %(most)d.") % {
                "found": self.reminder_hour,
                "most": LAST_HOUR,
            }
        try:
            time_zone(self.zone_name)
        except ScheduleError as error:
            problems["time_zone"] = in_words(error)
        if problems:
            raise ValidationError(problems)

    @property
    def zone_name(self) -> str:
        """The zone of its hour and of the times in its messages."""
        return self.time_zone or conf.display_time_zone()

    @property
    def escalation(self) -> timedelta:
        """How long something has to last before this channel is told."""
        return timedelta(hours=self.escalate_after_hours)


class Recipient(models.Model):
    """What one e-mail address wants otherwise than its channel says; most need no such row."""

    address = models.EmailField(_("address"), unique=True)
    language = models.CharField(
        _("language"),
        max_length=5,
        choices=Language.choices,
        blank=True,
        default="",
        help_text=_("Blank: as the channel says."),
    )
    digest = models.CharField(
        _("digest"),
        max_length=10,
        choices=Rhythm.choices,
        blank=True,
        default="",
        help_text=_("Blank: as the channel says."),
    )

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        ordering = ("address",)

    def __str__(self) -> str:
        return self.address

    def clean(self) -> None:
        """Keep the address in lower case, in which it is looked up."""
        self.address = self.address.strip().lower()


class MaintenanceWindow(models.Model):
    """A time in which some jobs are judged as ever and nobody is told; once, or again and again.

    Blank places and no job: everything.
    """

    name = models.CharField(_("name"), max_length=100)
    company = models.CharField(_("company"), max_length=100, blank=True, default="")
    city = models.CharField(_("city"), max_length=100, blank=True, default="")
    neighborhood = models.CharField(_("neighborhood"), max_length=100, blank=True, default="")
    agent_id = models.CharField(_("agent"), max_length=255, blank=True, default="")
    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="maintenance_windows",
    )
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    cron = models.CharField(
        _("cron expression"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("Instead of a start and an end: when it begins, like “0 22 * * 6”."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Of the cron expression. Blank: the setting TIME_ZONE."),
    )
    duration_minutes = models.PositiveIntegerField(
        _("duration (minutes)"), null=True, blank=True, help_text=_("With a cron expression.")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_by = models.CharField(_("made by"), max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), editable=False)

    class Meta:
        verbose_name = _("maintenance window")
        verbose_name_plural = _("maintenance windows")
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a window that is never, naming the field."""
        problems: dict[str, str] = {}
        if self.cron:
            if self.starts_at is not None or self.ends_at is not None:
                problems["cron"] = str(
                    _("Give a cron expression, or a start and an end: not both.")
                )
            if not self.duration_minutes or self.duration_minutes > LONGEST_WINDOW:
                problems["duration_minutes"] = gettext(
                    "%(found)s: expected 1 to %(most)d minutes."
                ) % {"found": self.duration_minutes, "most": LONGEST_WINDOW}
            problems |= self._unreadable()
        elif self.starts_at is None or self.ends_at is None:
            problems["starts_at"] = str(_("Give a start and an end, or a cron expression."))
        elif self.ends_at <= self.starts_at:
            problems["ends_at"] = str(_("The end is not after the start."))
        if problems:
            raise ValidationError(problems)

    def _unreadable(self) -> dict[str, str]:
        problems: dict[str, str] = {}
        try:
            time_zone(self.zone_name)
        except ScheduleError as error:
            problems["time_zone"] = in_words(error)
        try:
            timetable(self.cron, "UTC")
        except ScheduleError as error:
            problems["cron"] = in_words(error)
        return problems

    @property
    def zone_name(self) -> str:
        """The zone in which the cron expression is read."""
        return self.time_zone or conf.display_time_zone()
