from django.db import models
from django.utils.translation import gettext_lazy as _


class Agent(models.Model):
    """An agent that a scan has seen in the deposit tree.

    An empty tree is taken for an unmounted disk where agents were seen before, and a `log/` that
    vanished for a fault: for that, what earlier scans saw must be remembered.
    """

    name = models.CharField(_("name"), max_length=255, unique=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    had_log = models.BooleanField(_("had a log folder"), default=False)

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
