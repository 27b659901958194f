from django.db import models
from django.utils.translation import gettext_lazy as _


class Lease(models.Model):
    """Who holds a name that at most one process may hold; `holder` is empty when nobody does.

    `token` grows with every holder (a fencing token), `beat` with every heartbeat of one. Times are
    for people: whether a holder lives is judged by seeing `beat` move, never by comparing clocks.
    """

    name = models.CharField(_("name"), max_length=50, primary_key=True)
    token = models.BigIntegerField(_("token"), default=0)
    beat = models.BigIntegerField(_("beat"), default=0)
    holder = models.CharField(_("holder"), max_length=64, blank=True, default="")
    host = models.CharField(_("host"), max_length=255, blank=True, default="")
    pid = models.PositiveIntegerField(_("process"), null=True)
    held_since = models.DateTimeField(_("held since"), null=True)
    beat_at = models.DateTimeField(_("last heartbeat"), null=True)

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")

    def __str__(self) -> str:
        return f"{self.name}: {self.holder or '-'}"
