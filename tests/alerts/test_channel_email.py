import re
import threading
from collections.abc import Callable
from typing import Any

import django
import pytest
from django.core import mail as django_mail
from pytest_django import Settings

from scanner.alerts.channels import email
from scanner.alerts.message import Message
from scanner.errors import ChannelError
from tests.alerts.dripping import dripping
from tests.alerts.servers import (  # noqa: F401 - `mail_server`, `smtp_settings`
    MailServer,
    mail_server_fixture,
    refusing_port,
    send_mail_to,
    smtp_settings_fixture,
)

SECONDS = 30.0
MESSAGE = Message(
    subject="MISSING sdmc_2023, DOUALA / NEWBELL",
    text="Nothing arrived since Monday.\n",
    html="<p>Nothing arrived since Monday.</p>",
    data={"id": "incident-7"},
)


def refusal(message: Message = MESSAGE, seconds: float = SECONDS) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        email.send("ops@example.com", message, seconds=seconds)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


def set_option(settings: Settings, name: str, option: str, value: Any) -> None:
    """Set an option of the mail server in the settings of whichever Django."""
    if django.VERSION >= (6, 1):
        settings.MAILERS["default"]["OPTIONS"][option] = value
    else:
        setattr(settings, name, value)


def left_behind() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == email.THREAD]


def test_a_mail_has_a_text_a_page_and_one_recipient(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    email.send("ops@example.com", MESSAGE, seconds=SECONDS)
    (mail,) = mail_server.mails
    assert mail.recipients == ("ops@example.com",)
    assert mail.message["To"] == "ops@example.com"
    assert mail.message["From"] == "backupmonitor@localhost"
    assert mail.subject == MESSAGE.subject
    assert mail.body().splitlines() == MESSAGE.text.splitlines()
    assert mail.body("html").strip() == MESSAGE.html
    assert not left_behind()


def test_no_program_that_answers_mail_answers_these(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    email.send("ops@example.com", MESSAGE, seconds=SECONDS)
    (mail,) = mail_server.mails
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert "OOF" in mail.message["X-Auto-Response-Suppress"]


def test_the_same_message_to_the_same_recipient_has_the_same_message_id(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    for recipient in ("ops@example.com", "ops@example.com", "dba@example.com"):
        email.send(recipient, MESSAGE, seconds=SECONDS)
    email.send("ops@example.com", Message("other", "other", data={"id": "8"}), seconds=SECONDS)
    first, second, third, fourth = mail_server.message_ids()
    assert first == second
    assert len({first, third, fourth}) == 3
    assert re.fullmatch(r"<[0-9a-f]{32}@localhost>", first)


def test_an_id_that_is_no_word_of_a_header_does_no_harm(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    message = Message("s", "t", data={"id": "a\r\nBcc: all@example.com> \ud800é"})
    email.send("ops@example.com", message, seconds=SECONDS)
    (mail,) = mail_server.mails
    assert mail.message["Bcc"] is None
    assert re.fullmatch(r"<[0-9a-f]{32}@localhost>", mail.message_id)


def test_a_stranger_s_text_can_neither_add_a_header_nor_keep_a_mail_from_being_made(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    message = Message("MISSING\r\nBcc: all@example.com\x00\u0085 \ud800é", "text \ud800\x00 é\x00")
    email.send("ops@example.com", message, seconds=SECONDS)
    (mail,) = mail_server.mails
    assert mail.message["Bcc"] is None
    assert mail.subject.startswith("MISSING Bcc: all@example.com")
    assert mail.body().split() == ["text", "\ufffd", "é"]


@pytest.mark.parametrize(
    ("answer", "is_down"),
    [
        ("550 5.1.1 No such user here", False),
        ("451 4.7.1 Greylisted, come again", False),
        ("421 4.3.2 The server goes down", True),
    ],
)
def test_a_recipient_who_is_refused_is_not_a_server_that_is_down(
    mail_server: MailServer, smtp_settings: Settings, answer: str, is_down: bool
) -> None:
    mail_server.answers["ops@example.com"] = answer
    error = refusal()
    assert error.is_down is is_down
    assert "refuses this recipient" in str(error)
    assert answer in str(error)
    email.send("dba@example.com", MESSAGE, seconds=SECONDS)
    assert [mail.recipients for mail in mail_server.mails] == [("dba@example.com",)]


def test_a_message_that_is_refused_says_nothing_of_others(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    mail_server.answer_to_data = "554 5.7.1 Looks like spam"
    error = refusal()
    assert not error.is_down
    assert "554 5.7.1 Looks like spam" in str(error)


def test_an_address_that_is_none_is_told_as_that(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    with pytest.raises(ChannelError, match="recipient") as caught:
        email.send("ops@example.com\nBcc: all@example.com", MESSAGE, seconds=SECONDS)
    assert not caught.value.is_down
    assert not mail_server.mails


def test_a_server_that_refuses_the_connection_is_down(settings: Settings) -> None:
    with refusing_port() as port:
        send_mail_to(settings, port)
        error = refusal()
    assert error.is_down
    assert "Connection refused" in str(error)


def test_a_server_that_does_not_know_tls_is_down(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    set_option(smtp_settings, "EMAIL_USE_TLS", "use_tls", value=True)
    error = refusal()
    assert error.is_down
    assert "STARTTLS" in str(error)


def test_a_server_that_cuts_off_is_down_and_gets_the_message_again(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    mail_server.cuts_off = True
    assert refusal().is_down
    mail_server.cuts_off = False
    email.send("ops@example.com", MESSAGE, seconds=SECONDS)
    first, second = mail_server.message_ids()
    assert first == second


def test_a_server_that_hangs_is_left_when_the_time_is_over(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    mail_server.hang()
    error = refusal(seconds=0.3)
    assert error.is_down
    assert "within 0.3 seconds" in str(error)
    assert not left_behind()


@pytest.mark.parametrize(
    ("beginning", "byte", "in_tls"),
    [
        (b"", b"2", False),
        (b"220 mail.test\r\n250-", b"2", False),
        (b"220 mail.test\r\n250 mail.test\r\n250 OK\r\n250 OK\r\n354 go on\r\n", b"2", False),
        (b"", b"", True),
    ],
    ids=["greeting", "hello", "message", "TLS"],
)
def test_a_server_that_drips_is_left_when_the_time_is_over(
    settings: Settings, beginning: bytes, byte: bytes, in_tls: bool
) -> None:
    with dripping(beginning, byte) as server:
        send_mail_to(settings, server.port)
        set_option(settings, "EMAIL_USE_SSL", "use_ssl", value=in_tls)
        error = refusal(seconds=0.5)
        assert server.visits == 1
        assert not left_behind()
    assert error.is_down
    assert "within 0.5 seconds" in str(error)


def test_a_mail_that_was_taken_counts_though_the_goodbye_is_never_answered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email, "GOODBYE_SECONDS", 0.2)
    answers = b"220 mail.test\r\n250 mail.test\r\n250 OK\r\n250 OK\r\n354 go on\r\n250 taken\r\n"
    with dripping(answers) as server:
        send_mail_to(settings, server.port)
        email.send("ops@example.com", MESSAGE, seconds=SECONDS)
        assert server.visits == 1
    for thread in left_behind():
        thread.join(SECONDS)


def no_login(settings: Settings, server: MailServer) -> None:
    set_option(settings, "EMAIL_HOST_USER", "username", "monitor")


def echo(settings: Settings, server: MailServer) -> None:
    server.answers["ops@example.com"] = "550 hunter-2-secret aHVudGVyLTItc2VjcmV0 is no password"


def spam(settings: Settings, server: MailServer) -> None:
    server.answer_to_data = "554 " + "x" * 280 + " hunter-2-secret"


@pytest.mark.parametrize("trouble", [no_login, echo, spam])
def test_the_password_is_in_no_error(
    mail_server: MailServer,
    smtp_settings: Settings,
    trouble: Callable[[Settings, MailServer], None],
) -> None:
    set_option(smtp_settings, "EMAIL_HOST_PASSWORD", "password", "hunter-2-secret")
    trouble(smtp_settings, mail_server)
    words = f"{refusal()}{refusal()!r}"
    assert "hunter" not in words
    assert "aHVudGVyL" not in words


def test_what_a_server_says_is_kept_short_and_on_one_line(
    mail_server: MailServer, smtp_settings: Settings
) -> None:
    mail_server.answers["ops@example.com"] = "\r\n".join(f"550-{'no' * 100}" for _ in range(5))
    mail_server.answers["ops@example.com"] += "\r\n550 no"
    words = str(refusal())
    assert "\n" not in words
    assert len(words) < 400


def test_without_a_server_mail_counts_as_sent() -> None:
    email.send("ops@example.com", MESSAGE, seconds=SECONDS)
    assert [mail.to for mail in django_mail.outbox] == [["ops@example.com"]]
