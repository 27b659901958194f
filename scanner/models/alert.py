"""What people are told: incidents, what happened to them, and each message that tells of it.

facts -> incidents -> events -> deliveries -> messages: each arrow is a transaction, or can be
repeated.
"""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from scanner.models.channel import AlertLevel, Channel
from scanner.models.entry import BackupEntry
from scanner.models.job import ExpectedBackupJob
from scanner.models.naming import named


class Incident(models.Model):
    """Something wrong, from when it is noticed until it is over: at most one open for each `key`.

    Of a place it stands for the jobs that are its members; each job is in one open incident at
    most. `facts` holds what messages tell of it: numbers, and words of its kind.
    """

    class Kind(models.TextChoices):
        JOB = "job", _("job")
        PLACE = "place", _("place")
        VAULT = "vault", _("vault")
        SCAN = "scan", _("scan")
        TASK = "task", _("task")
        SCHEDULER = "scheduler", _("scheduler")
        CHANNEL = "channel", _("channel")

    class End(models.TextChoices):
        RECOVERED = "recovered", _("recovered")
        PAUSED = "paused", _("paused: it is not watched any more")
        FOLDED = "folded", _("became part of another incident")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    key = models.CharField(max_length=700, editable=False)
    level = models.CharField(_("level"), max_length=10, choices=AlertLevel.choices)
    status = models.CharField(_("status"), max_length=20, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=50, blank=True, default="")
    company = models.CharField(_("company"), max_length=100, blank=True, default="")
    city = models.CharField(_("city"), max_length=100, blank=True, default="")
    neighborhood = models.CharField(_("neighborhood"), max_length=100, blank=True, default="")
    agent_id = models.CharField(_("agent"), max_length=255, blank=True, default="")
    name = models.CharField(_("what"), max_length=300, blank=True, default="")
    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="incidents",
    )
    facts = models.JSONField(default=dict, blank=True)
    since = models.DateTimeField(_("since"), help_text=_("When the trouble itself began."))
    opened_at = models.DateTimeField(_("noticed"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end = models.CharField(_("how it ended"), max_length=20, choices=End.choices, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True, default="")
    acknowledged_note = models.TextField(_("note"), blank=True, default="")
    acknowledged_until = models.DateTimeField(
        _("acknowledged until"), null=True, blank=True, help_text=_("Blank: until it is over.")
    )

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("key",), condition=Q(ended_at=None), name="incident_is_open_once"
            ),
        )
        indexes = (
            models.Index(fields=("ended_at", "-id"), name="incident_by_end"),
            models.Index(
                fields=("opened_at",), condition=Q(ended_at=None), name="incident_open_by_age"
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.name}"

    def is_known(self, now: datetime) -> bool:
        """Tell whether somebody says to know of it, and that still counts; see `known_at`."""
        until = self.acknowledged_until
        return self.acknowledged_at is not None and (until is None or until > now)


def known_at(now: datetime) -> Q:
    """Give the condition of the incidents that somebody says to know of, which still counts."""
    lasts = Q(acknowledged_until=None) | Q(acknowledged_until__gt=now)
    return Q(acknowledged_at__isnull=False) & lasts


class IncidentMember(models.Model):
    """A job in an incident, from when it joined until it left; `entry` is its newest verdict."""

    incident = models.ForeignKey(
        Incident, verbose_name=_("incident"), on_delete=models.CASCADE, related_name="members"
    )
    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        on_delete=models.PROTECT,
        related_name="memberships",
    )
    entry = models.ForeignKey(
        BackupEntry,
        verbose_name=_("entry"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    since = models.DateTimeField(_("since"))
    joined_at = models.DateTimeField(_("joined"))
    left_at = models.DateTimeField(_("left"), null=True, blank=True)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("job",), condition=Q(left_at=None), name="job_is_in_one_open_incident"
            ),
        )

    def __str__(self) -> str:
        return f"{self.incident_id}: {self.job_id}"


class IncidentEvent(models.Model):
    """Something that happened to an incident, and that is told (or, acknowledged, only kept).

    `facts` is what the incident was like then: `level`, `status`, `reason`, `count` of its members,
    `of` so many; `joined` and `left` count those that came and went since what was told before.
    """

    class Kind(models.TextChoices):
        OPENED = "opened", _("opened")
        CHANGED = "changed", _("changed")
        GROWN = "grown", _("grown")
        JOINED = "joined", _("joined")
        PARTLY = "partly", _("partly recovered")
        RECOVERED = "recovered", _("over")
        REMINDER = "reminder", _("reminder")
        ACKNOWLEDGED = "acknowledged", _("acknowledged")
        UNACKNOWLEDGED = "unacknowledged", _("acknowledgement withdrawn")

    incident = models.ForeignKey(
        Incident, verbose_name=_("incident"), on_delete=models.CASCADE, related_name="events"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    at = models.DateTimeField(_("at"))
    entry = models.ForeignKey(
        BackupEntry,
        verbose_name=_("entry"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    facts = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("incident event")
        verbose_name_plural = _("incident events")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.incident_id} {self.kind}"


class Delivery(models.Model):
    """One event to be told to one recipient of a channel (or one digest): the outbox.

    Whoever sends claims it first by a compare-and-swap, until `claimed_until`; it is `sent` only
    after the other side has taken it. Killed in between, it is sent again.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("to be sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("given up")

    event = models.ForeignKey(
        IncidentEvent,
        verbose_name=_("event"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="deliveries",
    )
    digest_at = models.DateTimeField(
        _("digest of"), null=True, blank=True, help_text=_("The time at which a digest was due.")
    )
    channel = models.ForeignKey(
        Channel, verbose_name=_("channel"), on_delete=models.CASCADE, related_name="deliveries"
    )
    recipient = models.CharField(_("recipient"), max_length=254, blank=True, default="")
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.PENDING.value
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True, default="")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("event", "channel", "recipient"),
                condition=~Q(event=None),
                name="event_is_told_once",
            ),
            models.UniqueConstraint(
                fields=("channel", "recipient", "digest_at"),
                condition=~Q(digest_at=None),
                name="digest_is_sent_once",
            ),
            models.CheckConstraint(
                condition=Q(event=None) ^ Q(digest_at=None), name="delivery_is_of_one_thing"
            ),
        )
        indexes = (
            models.Index(
                fields=("next_try_at",), condition=Q(state="pending"), name="delivery_to_send"
            ),
            models.Index(fields=("state", "-id"), name="delivery_by_state"),
            models.Index(fields=("claim",), condition=~Q(claim=None), name="delivery_by_claim"),
        )

    def __str__(self) -> str:
        return named(self.channel, self.recipient) if self.recipient else str(self.channel)
