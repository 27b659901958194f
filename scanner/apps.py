"""What Django has to know of the scanner."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ScannerConfig(AppConfig):
    """Registers the checks of the settings when Django starts."""

    name = "scanner"
    verbose_name = _("Backups")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the checks, which registers them."""
        from scanner import address_checks, checks  # noqa: F401
