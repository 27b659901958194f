"""What is done by itself: the tasks that people edit, each run of one, and who runs them."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner import conf
from scanner.cycle import time_zone, timetable
from scanner.errors import ScheduleError
from scanner.models.run import ScanRun
from scanner.models.schedule_words import in_words

LONGEST_INTERVAL = 31 * 24 * 60
# The wait doubles with each retry, and has to end within what a date can be.
MOST = {
    "misfire_grace_seconds": 31 * 24 * 60 * 60,
    "retries": 20,
    "backoff_seconds": 24 * 60 * 60,
}


class ScheduledTask(models.Model):
    """A task and when it is to be run: the truth that people edit.

    The leading scheduler sees a new `version` within a second and applies it to the job store. The
    retry of a failed run is kept here, so that a restart does not forget it.
    """

    name = models.CharField(_("task"), max_length=50, unique=True, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    interval_minutes = models.PositiveIntegerField(
        _("interval (minutes)"),
        null=True,
        blank=True,
        help_text=_("Blank, without a cron expression: when the task is due by default."),
    )
    cron = models.CharField(
        _("cron expression"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("Instead of an interval: like “15 4 * * *”, or @daily."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Of the cron expression. Blank: the setting TIME_ZONE."),
    )
    misfire_grace_seconds = models.PositiveIntegerField(
        _("misfire grace (seconds)"),
        null=True,
        blank=True,
        help_text=_(
            "How late a run may start; later it is missed, and the next one is awaited. After a "
            "time without a scheduler the newest missed run is made up once, however late. "
            "Blank: the setting MISFIRE_GRACE_TIME."
        ),
    )
    retries = models.PositiveSmallIntegerField(
        _("retries"), default=2, help_text=_("How often a failed run is tried again.")
    )
    backoff_seconds = models.PositiveIntegerField(
        _("back-off (seconds)"),
        default=60,
        help_text=_("The wait before the first retry; it doubles with each further one."),
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    applied_version = models.PositiveIntegerField(default=0, editable=False)
    changed_at = models.DateTimeField(_("changed"), editable=False)
    next_run_at = models.DateTimeField(_("next run"), null=True, editable=False)
    retry_at = models.DateTimeField(_("next retry"), null=True, editable=False)
    retry_attempt = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_slot = models.DateTimeField(null=True, editable=False)
    last_outcome = models.CharField(_("last outcome"), max_length=20, default="", editable=False)

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what the scheduler could not follow, naming the field."""
        problems: dict[str, str] = {}
        if self.cron and self.interval_minutes is not None:
            problems["cron"] = str(_("Give an interval or a cron expression, not both."))
        if self.interval_minutes is not None and not 1 <= self.interval_minutes <= LONGEST_INTERVAL:
            problems["interval_minutes"] = gettext(
                "%(found)d: expected 1 to %(most)d minutes, or nothing."
            ) % {"found": self.interval_minutes, "most": LONGEST_INTERVAL}
        for name, most in MOST.items():
            value = getattr(self, name)
            if value is not None and value > most:
                problems[name] = gettext("%(found)d: expected at most %(most)d.") % {
                    "found": value,
                    "most": most,
                }
        try:
            time_zone(self.zone_name)
        except ScheduleError as error:
            problems["time_zone"] = in_words(error)
        try:
            timetable(self.cron, "UTC")
        except ScheduleError as error:
            problems["cron"] = in_words(error)
        if problems:
            raise ValidationError(problems)

    @property
    def zone_name(self) -> str:
        """The zone in which the cron expression is read."""
        return self.time_zone or conf.display_time_zone()

    @property
    def misfire_grace(self) -> timedelta:
        """How late a run may start."""
        seconds = self.misfire_grace_seconds
        return timedelta(seconds=conf.misfire_grace_seconds() if seconds is None else seconds)


class SchedulerProcess(models.Model):
    """One `runapscheduler`: it leads, or stands by. `beat` moves while it lives."""

    id = models.UUIDField(primary_key=True, editable=False)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started"))
    leads = models.BooleanField(_("leads"), default=False)
    beat = models.BigIntegerField(default=0)
    beat_at = models.DateTimeField(_("last heartbeat"))

    class Meta:
        verbose_name = _("scheduler process")
        verbose_name_plural = _("scheduler processes")
        ordering = ("started_at",)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class TaskRequest(models.Model):
    """Somebody asked for a task to be run now; the leading scheduler does it."""

    task = models.ForeignKey(
        ScheduledTask, verbose_name=_("task"), on_delete=models.CASCADE, related_name="requests"
    )
    agents = models.JSONField(_("agents"), default=list, blank=True)
    requested_at = models.DateTimeField(_("requested"))
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    taken_at = models.DateTimeField(_("taken"), null=True)

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        ordering = ("id",)
        indexes = (
            models.Index(fields=("id",), condition=Q(taken_at=None), name="request_waiting"),
        )

    def __str__(self) -> str:
        return f"{self.task_id} {self.requested_at}"


class TaskRun(models.Model):
    """One attempt at a task, from when it really began to when it really ended."""

    class Cause(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        CATCH_UP = "catch_up", _("catch-up")
        RETRY = "retry", _("retry")
        REQUEST = "request", _("request")

    class Outcome(models.TextChoices):
        RUNNING = "running", _("running")
        OK = "ok", _("ok")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")
        SKIPPED = "skipped", _("skipped: still running")
        MISSED = "missed", _("missed")

    task = models.ForeignKey(
        ScheduledTask, verbose_name=_("task"), on_delete=models.PROTECT, related_name="runs"
    )
    cause = models.CharField(_("cause"), max_length=20, choices=Cause.choices)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    scheduled_for = models.DateTimeField(_("scheduled"))
    fired_for = models.DateTimeField(
        _("fired"), help_text=_("The run time of the library's execution row.")
    )
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    error = models.TextField(_("error"), blank=True, default="")
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process"))
    process_id = models.UUIDField(editable=False)
    request = models.OneToOneField(
        TaskRequest, null=True, blank=True, on_delete=models.SET_NULL, related_name="run"
    )
    scan_run = models.ForeignKey(
        ScanRun, verbose_name=_("scan run"), null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        verbose_name = _("task run")
        verbose_name_plural = _("task runs")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("task", "scheduled_for", "attempt"), name="task_run_is_claimed_once"
            ),
        )
        indexes = (
            models.Index(fields=("task", "-id"), name="task_run_by_task"),
            models.Index(fields=("outcome", "-id"), name="task_run_by_outcome"),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.task} {timezone.localtime(self.scheduled_for):%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float | None:
        """How long it took, or None while it runs and for what never began."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class TaskChange(models.Model):
    """A task that went well fails for good, or goes well again; alerts are a reader of these."""

    task = models.ForeignKey(
        ScheduledTask, verbose_name=_("task"), on_delete=models.CASCADE, related_name="changes"
    )
    run = models.ForeignKey(TaskRun, on_delete=models.CASCADE, related_name="+")
    old_outcome = models.CharField(_("old outcome"), max_length=20, blank=True, default="")
    new_outcome = models.CharField(_("new outcome"), max_length=20)
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("task change")
        verbose_name_plural = _("task changes")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.task_id}: {self.old_outcome or '-'} → {self.new_outcome}"
