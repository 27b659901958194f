"""Mail, by the server of EMAIL_URL: one message for each recipient, as text and as HTML."""

import smtplib
import threading
from collections.abc import Callable
from email.utils import parseaddr

from django.core.mail import EmailMultiAlternatives

from scanner import conf
from scanner.alerts.message import Message
from scanner.errors import ChannelError
from scanner.pipeline.text import clean

LONGEST_ANSWER = 300


def send(recipient: str, message: Message, *, seconds: float) -> None:
    """Send a message to one address. Raise ChannelError when the server did not take it in time.

    The Message-ID is the same whenever the same message is sent again.
    """
    domain = parseaddr(conf.default_from_email())[1].rpartition("@")[2] or "localhost"
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if number := message.data.get("id"):
        headers["Message-ID"] = f"<{number}@{domain}>"
    mail = EmailMultiAlternatives(
        subject=" ".join(message.subject.split()),
        body=message.text,
        from_email=conf.default_from_email(),
        to=[recipient],
        headers=headers,
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    _within(seconds, lambda: _send(mail))


def _send(mail: EmailMultiAlternatives) -> None:
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        raise ChannelError(f"the recipient was refused: {code} {_words(answer)}") from None
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        words = f"{error.smtp_code} {_words(error.smtp_error)}"
        raise ChannelError(f"the mail server refused the message: {words}") from None
    except smtplib.SMTPAuthenticationError as error:
        raise ChannelError(
            f"the mail server refused the user of EMAIL_URL: {error.smtp_code}", is_down=True
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        words = clean(str(error), LONGEST_ANSWER)
        raise ChannelError(
            f"the mail server cannot be reached or broke off: {type(error).__name__}: {words}",
            is_down=True,
        ) from None


def _words(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return clean(text, LONGEST_ANSWER)


def _within(seconds: float, do: Callable[[], None]) -> None:
    """Do something for so long at most: a server that drips bytes would hold each read open.

    What is given up goes on in its thread until the time-out of a single read ends it.
    """
    errors: list[Exception] = []

    def work() -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            errors.append(error)

    thread = threading.Thread(target=work, name="mail-out", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ChannelError(f"the mail server did not answer within {seconds:g} s", is_down=True)
    if errors:
        raise errors[0]
