from django.db import models
from django.utils.translation import gettext_lazy as _

from scanner.models.vault import VaultCopy


class Download(models.Model):
    """Somebody took a backup out of the vault: who, from where, which copy, and how much of it.

    The row is written before the first byte is sent. `finished_at` stays empty where the reader
    went away, or the process was killed.
    """

    copy = models.ForeignKey(
        VaultCopy, verbose_name=_("vault copy"), on_delete=models.PROTECT, related_name="downloads"
    )
    downloaded_by = models.CharField(_("who"), max_length=150)
    address = models.CharField(_("from"), max_length=64, blank=True, default="")
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    first_byte = models.BigIntegerField(_("from byte"), default=0)
    bytes_asked = models.BigIntegerField(_("bytes asked for"))
    bytes_sent = models.BigIntegerField(_("bytes sent"), default=0)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("download")
        verbose_name_plural = _("downloads")
        ordering = ("-id",)
        indexes = (models.Index(fields=("copy", "-id"), name="download_by_copy"),)

    def __str__(self) -> str:
        return f"{self.downloaded_by} {self.started_at:%Y-%m-%d %H:%M}"
