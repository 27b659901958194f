"""Mail, by the server of EMAIL_URL: one message for each recipient, as text and as HTML."""

import hashlib
import smtplib
import threading
from contextlib import suppress
from email.utils import parseaddr
from typing import Any
from uuid import uuid4

import django
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from scanner import conf
from scanner.alerts.channels.outbound import shown
from scanner.alerts.message import Message
from scanner.errors import ChannelError
from scanner.pipeline.text import clean, clean_name

LONGEST_SUBJECT = 250
GOODBYE_SECONDS = 1.0
"""How long the end of a conversation is waited for when its outcome is known."""

THREAD = "mail-out"

_CLOSING, _TOO_LARGE = 421, 552
"""Of SMTP: the server ends the conversation; the message is larger than it takes."""


def send(recipient: str, message: Message, *, seconds: float) -> None:
    """Send a message to one address. Raise ChannelError when the server did not take it in time.

    The Message-ID is the same whenever the same message is sent again.
    """
    attempt = _Attempt(_server(), _mail(recipient, message))
    try:
        taken = attempt.run(seconds)
    except Exception as error:  # noqa: BLE001 - each is told in words that hold no secret
        raise _told(error, attempt.server) from None
    if not taken:
        words = _("The mail server did not take the message within %(seconds)s seconds.")
        raise ChannelError(words % {"seconds": f"{seconds:g}"}, is_down=True)


def _mail(recipient: str, message: Message) -> EmailMultiAlternatives:
    sender = conf.default_from_email()
    mail = EmailMultiAlternatives(
        subject=clean_name(" ".join(message.subject.splitlines()), LONGEST_SUBJECT),
        body=_encodable(message.text),
        from_email=sender,
        to=[recipient],
        headers={
            "Message-ID": _message_id(recipient, message, sender),
            "Auto-Submitted": "auto-generated",
            # Exchange does not know that header; reports of failed delivery are still welcome.
            "X-Auto-Response-Suppress": "OOF, AutoReply, RN, NRN",
        },
    )
    if message.html:
        mail.attach_alternative(_encodable(message.html), "text/html")
    return mail


def _message_id(recipient: str, message: Message, sender: str) -> str:
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    given = message.data.get("id") or uuid4()
    number = hashlib.sha256(f"{given} {recipient}".encode(errors="replace")).hexdigest()[:32]
    return f"<{number}@{domain}>"


def _encodable(text: str) -> str:
    return clean(text, len(text))


def _server() -> Any:
    """Give a new connection, as whichever Django this is makes it of the settings."""
    if django.VERSION >= (6, 1):
        return import_string("django.core.mail.mailers").default
    return django_mail.get_connection()


class _Attempt:
    """One try to send one mail, by a thread that can be left behind while it looks up a name."""

    def __init__(self, server: Any, mail: EmailMultiAlternatives) -> None:
        self.server = server
        self._mail = mail
        self._is_decided = threading.Event()
        self._error: Exception | None = None

    def run(self, seconds: float) -> bool:
        """Tell whether the mail was taken in time; raise what went wrong.

        What could not be ended in time ends by itself, and sends nothing any more.
        """
        thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        thread.start()
        is_in_time = self._is_decided.wait(seconds)
        if is_in_time:  # all that is left is the goodbye
            thread.join(GOODBYE_SECONDS)
        if thread.is_alive():
            self._abandon()
            thread.join(GOODBYE_SECONDS)
        if is_in_time and self._error is not None:
            raise self._error
        # It may have been taken at the last moment.
        return self._is_decided.is_set() and self._error is None

    def _work(self) -> None:
        try:
            # Opened beforehand, for else a goodbye that fails would fail the message.
            self.server.open()
            self.server.send_messages([self._mail])
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits
            self._error = error
        finally:
            self._is_decided.set()
        with suppress(Exception):
            self.server.close()

    def _abandon(self) -> None:
        # Not every backend has one: those that talk to no server need none.
        abandon = getattr(self.server, "abandon", None)
        if abandon is not None:
            abandon()


def _told(error: Exception, server: Any) -> ChannelError:
    """Give an error in words, without the password, and whether the server itself is down."""
    code, answer = _answer(error)
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    hidden = [getattr(server, "password", None) or ""]
    match error:
        case smtplib.SMTPRecipientsRefused():
            words, is_down = _("The mail server refuses this recipient: %(answer)s"), False
        case smtplib.SMTPDataError():
            words, is_down = _("The mail server refuses this message: %(answer)s"), False
        case smtplib.SMTPSenderRefused():
            words = _("The mail server refuses mail of this sender: %(answer)s")
            is_down = code != _TOO_LARGE
        case smtplib.SMTPAuthenticationError():
            words = _("The mail server refuses the user and password of EMAIL_URL: %(answer)s")
            is_down = True
        case smtplib.SMTPException() | OSError():
            words = _("The mail server cannot be reached, or broke off: %(answer)s")
            is_down = True
        case _:
            words = _("No mail can be made of this message or recipient: %(answer)s")
            is_down = False
    told = words % {"answer": shown(f"{code} {text}" if code else text, hidden)}
    return ChannelError(told, is_down=is_down or code == _CLOSING)


def _answer(error: Exception) -> tuple[int, bytes | str]:
    """Give the code and the words of the server's answer; without one, 0 and those of the error."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return next(iter(error.recipients.values()))
        case smtplib.SMTPResponseException():
            return error.smtp_code, error.smtp_error
        case smtplib.SMTPException() | OSError():
            return 0, str(error) or type(error).__name__
        case _:
            return 0, type(error).__name__
