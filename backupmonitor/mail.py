"""Which way mail leaves: by the server of EMAIL_URL or, without one, into the log."""

import logging
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

logger = logging.getLogger(__name__)

LOG_BACKEND = f"{__name__}.LogBackend"
SMTP_BACKEND = "backupmonitor.smtp.EmailBackend"
TIMEOUT_SECONDS = 10
"""How long the mail server may take for one answer, where EMAIL_URL does not say."""

# What django.conf calls a setting, and what Django 6.1's MAILERS calls the same option.
_OPTIONS = {
    "EMAIL_HOST": "host",
    "EMAIL_PORT": "port",
    "EMAIL_HOST_USER": "username",
    "EMAIL_HOST_PASSWORD": "password",
    "EMAIL_USE_TLS": "use_tls",
    "EMAIL_USE_SSL": "use_ssl",
    "EMAIL_TIMEOUT": "timeout",
}


class LogBackend(BaseEmailBackend):
    """Writes each message to the log instead of sending it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Log the messages and give their number."""
        for message in email_messages:
            logger.info(
                "Mail is not sent, as EMAIL_URL is not set. To: %s. Subject: %s\n%s",
                ", ".join(message.recipients()),
                message.subject,
                message.body,
            )
        return len(email_messages)


def bounded(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the same EMAIL_* settings, so that no mail server can hold a sender for ever."""
    if not settings["EMAIL_BACKEND"].endswith(".smtp.EmailBackend"):
        return settings
    timeout = settings.get("EMAIL_TIMEOUT") or TIMEOUT_SECONDS
    return {**settings, "EMAIL_BACKEND": SMTP_BACKEND, "EMAIL_TIMEOUT": timeout}


def mailer(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the entry of Django 6.1's MAILERS that means the same as these EMAIL_* settings."""
    backend = settings["EMAIL_BACKEND"]
    if backend.endswith(".smtp.EmailBackend"):
        options = {_OPTIONS[name]: value for name, value in settings.items() if name in _OPTIONS}
        return {"BACKEND": backend, "OPTIONS": options}
    if backend.endswith(".filebased.EmailBackend"):
        return {"BACKEND": backend, "OPTIONS": {"file_path": settings["EMAIL_FILE_PATH"]}}
    return {"BACKEND": backend}
