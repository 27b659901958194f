"""Who sees the backups of which company: people, groups of people, and displays on a wall."""

from django.contrib.auth.models import Group, User
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

EVERY_COMPANY = "*"


class CompanyGrant(models.Model):
    """Somebody, or each member of a group, sees and acts on the jobs of a company.

    Whoever has no grant sees none; a superuser needs none. EVERY_COMPANY is all of them, those to
    come included, and what belongs to no company: the scheduler, the vault, the channels.
    """

    user = models.ForeignKey(
        User,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="company_grants",
    )
    group = models.ForeignKey(
        Group,
        verbose_name=_("group"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="company_grants",
    )
    company = models.CharField(
        _("company"),
        max_length=100,
        help_text=_("As its jobs name it; * is every company."),
    )

    class Meta:
        verbose_name = _("granted company")
        verbose_name_plural = _("granted companies")
        ordering = ("company",)
        constraints = (
            models.CheckConstraint(
                condition=Q(user=None, group__isnull=False) | Q(group=None, user__isnull=False),
                name="grant_is_of_a_user_or_a_group",
            ),
            models.UniqueConstraint(
                fields=("user", "company"), condition=~Q(user=None), name="grant_of_user_is_once"
            ),
            models.UniqueConstraint(
                fields=("group", "company"), condition=~Q(group=None), name="grant_of_group_is_once"
            ),
        )

    def __str__(self) -> str:
        return self.company


class WallPass(models.Model):
    """A display on a wall may show the board, of these companies, until the pass is revoked.

    EVERY_COMPANY among them is all of them, as in a grant; where there are none, none is shown. The
    token itself is shown once, when the pass is made; what is kept is its SHA-256.
    """

    name = models.CharField(
        _("name"), max_length=100, unique=True, help_text=_("Where the display hangs.")
    )
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    companies = models.JSONField(_("companies"), default=list, blank=True)
    created_at = models.DateTimeField(_("made"), editable=False)
    created_by = models.CharField(
        _("made by"), max_length=150, blank=True, default="", editable=False
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    revoked_by = models.CharField(
        _("revoked by"), max_length=150, blank=True, default="", editable=False
    )

    class Meta:
        verbose_name = _("wall pass")
        verbose_name_plural = _("wall passes")
        ordering = ("name",)
        permissions = (("view_wall", _("Can open the wall display")),)

    def __str__(self) -> str:
        return self.name
