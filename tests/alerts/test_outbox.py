"""What waits is sent: in one message a recipient, and whatever becomes of other channels."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts import channels
from scanner.alerts.noticing import notice
from scanner.alerts.outbox import CLAIM, GIVE_UP, Sent, send, wait_after
from scanner.alerts.tell import tell
from scanner.models import Channel, Delivery, Recipient
from tests.alerts.rows import (
    DAY,
    HOUR,
    MINUTE,
    builtin,
    judge,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.alerts.servers import (  # noqa: F401 - fixtures
    MailServer,
    WebServer,
    mail_server_fixture,
    refusing_port,
    smtp_settings_fixture,
    web_server_fixture,
)
from tests.scanning import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp_settings")]

SECRET = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _admins(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []
    settings.ALERT_ALLOW_PRIVATE = True


def hook(url: str, name: str = "hook", **fields: Any) -> Channel:
    return make_channel(name, "webhook", address=url, secret=SECRET, **fields)


def waiting(channel: Channel, recipient: str = "ops@example.com", **fields: Any) -> Delivery:
    """Let something wait for a recipient."""
    number = Delivery.objects.count()
    incident = make_incident(key=f"task:{number}", kind="task", name=f"task {number}")
    return make_delivery(make_event(incident), channel, recipient, **fields)


def state_of(delivery: Delivery) -> tuple[str, int]:
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts


def test_all_that_waits_for_a_recipient_is_one_message(mail_server: MailServer) -> None:
    channel = make_channel(address="a@example.com, b@example.com")
    for recipient in ("a@example.com", "b@example.com"):
        for _ in range(3):
            waiting(channel, recipient)
    assert send(now=NOW) == Sent(2, 0, {})
    assert sorted(mail.recipients for mail in mail_server.mails) == [
        ("a@example.com",),
        ("b@example.com",),
    ]
    assert set(Delivery.objects.values_list("state", "sent_at")) == {("sent", NOW)}
    assert send(now=NOW) == Sent(0, 0, {})


def test_a_site_of_twenty_that_goes_silent_and_comes_back_is_three_messages(
    mail_server: MailServer, settings: Settings
) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = ["a@example.com", "b@example.com"]
    jobs = make_problem_jobs(20)
    tell(now=NOW)
    assert len(mail_server.mails) == 2
    judge(jobs[:10], "SUCCESS", now=NOW + HOUR)
    tell(now=NOW + HOUR)
    assert len(mail_server.mails) == 4
    judge(jobs[10:], "SUCCESS", now=NOW + 2 * HOUR)
    tell(now=NOW + 2 * HOUR)
    assert [mail.subject[:6] for mail in mail_server.to("a@example.com")] == [
        "[PROBL",
        "[BETTE",
        "[OK] D",
    ]


def test_two_thousand_failing_jobs_are_one_message_in_few_statements(
    mail_server: MailServer, settings: Settings
) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = ["a@example.com"]
    make_problem_jobs(2000, "FAILED", "backup_failed")
    notice(now=NOW)
    with CaptureQueriesContext(connection) as queries:
        assert send(now=NOW).messages == 1
    assert len(queries) < 25
    assert len(mail_server.mails) == 1


def test_one_that_refuses_hangs_or_breaks_keeps_no_other_waiting(
    mail_server: MailServer, web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = channels.hand_over

    def hand_over(channel: Channel, *arguments: Any) -> None:
        if channel.name == "broken":
            raise ZeroDivisionError(SECRET)
        real(channel, *arguments, seconds=3)

    monkeypatch.setattr(channels, "hand_over", hand_over)
    web_server.hang()
    with refusing_port() as port:
        rows = {
            "good": waiting(make_channel("good")),
            "broken": waiting(make_channel("broken")),
            "hanging": waiting(hook(web_server.url(), "hanging"), ""),
            "refusing": waiting(hook(f"http://127.0.0.1:{port}/", "refusing"), ""),
        }
        sent = send(now=NOW)
    web_server.go_on()
    assert (sent.messages, sent.failed) == (1, 3)
    assert sent.errors.keys() == {"broken", "hanging", "refusing"}
    assert {name: state_of(row) for name, row in rows.items()} == {
        "good": ("sent", 1),
        "broken": ("pending", 1),
        "hanging": ("pending", 1),
        "refusing": ("pending", 1),
    }
    assert len(mail_server.mails) == 1


def test_an_address_that_is_refused_costs_the_others_nothing(mail_server: MailServer) -> None:
    mail_server.reject("bad@example.com")
    channel = make_channel()
    good, bad = waiting(channel, "good@example.com"), waiting(channel, "bad@example.com")
    assert send(now=NOW).failed == 1
    assert (state_of(good), state_of(bad)) == (("sent", 1), ("pending", 1))
    assert "550" in bad.last_error
    channel.refresh_from_db()
    assert channel.failing_since is None


def test_a_server_that_is_away_is_asked_once_in_a_pass(
    mail_server: MailServer,
) -> None:
    channel = make_channel()
    rows = [waiting(channel, f"{name}@example.com") for name in "abc"]
    mail_server.refuse_connections()
    assert send(now=NOW).failed == 1
    channel.refresh_from_db()
    assert (channel.failing_since, bool(channel.last_error)) == (NOW, True)
    assert sorted(state_of(row)[1] for row in rows) == [0, 0, 1]
    mail_server.accept_connections()
    assert send(now=NOW + MINUTE) == Sent(3, 0, {})
    channel.refresh_from_db()
    assert (channel.failing_since, channel.last_error) == (None, "")


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (9, 3600), (500, 3600)],
)
def test_each_wait_is_twice_as_long_up_to_an_hour(attempts: int, seconds: int) -> None:
    assert wait_after(attempts) == timedelta(seconds=seconds)


def test_for_a_day_it_is_tried_again_and_then_given_up(web_server: WebServer) -> None:
    web_server.answer(500, b"down")
    row = waiting(hook(web_server.url()), "", next_try_at=NOW)
    now, tried = NOW, list[timedelta]()
    while state_of(row)[0] == "pending":
        assert send(now=now - timedelta(seconds=1)) == Sent(0, 0, {})
        assert send(now=now).failed == 1
        tried.append(now - NOW)
        row.refresh_from_db()
        now = row.next_try_at
    assert row.state == "failed"
    assert len(tried) > 25
    assert tried[-1] <= GIVE_UP
    assert "500" in row.last_error
    assert send(now=NOW + 3 * DAY) == Sent(0, 0, {})


def test_no_secret_is_in_an_error_or_in_the_log(
    web_server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    web_server.answer(403, f"you said {SECRET}".encode())
    row = waiting(hook(web_server.url(f"/{SECRET}")), "")
    send(now=NOW)
    row.refresh_from_db()
    assert row.last_error
    assert SECRET not in row.last_error + caplog.text


def test_what_is_claimed_is_left_until_the_claim_ends_and_sent_again_as_the_same(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = waiting(make_channel())

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("scanner.alerts.outbox._Sender._mark_sent", die)
        with pytest.raises(KeyboardInterrupt):
            send(now=NOW)
    assert state_of(row) == ("pending", 1)
    assert send(now=NOW + CLAIM / 2) == Sent(0, 0, {})
    assert send(now=NOW + CLAIM + MINUTE) == Sent(1, 0, {})
    first, second = mail_server.message_ids()
    assert first == second


def test_a_channel_that_is_off_keeps_what_waits(mail_server: MailServer) -> None:
    channel = make_channel(enabled=False)
    row = waiting(channel)
    assert send(now=NOW) == Sent(0, 0, {})
    Channel.objects.update(enabled=True)
    send(now=NOW)
    assert state_of(row)[0] == "sent"


def test_what_cannot_be_written_holds_up_nothing_else(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scanner.alerts import wording

    compose = wording.compose

    def break_one(channel: Channel, recipient: str, *arguments: Any, **named: Any) -> Any:
        if recipient == "bad@example.com":
            raise LookupError("a mistake of ours")
        return compose(channel, recipient, *arguments, **named)

    monkeypatch.setattr(wording, "compose", break_one)
    channel = make_channel()
    bad, good = waiting(channel, "bad@example.com"), waiting(channel, "good@example.com")
    send(now=NOW)
    assert (state_of(bad), state_of(good)) == (("pending", 1), ("sent", 1))
    assert bad.last_error == "LookupError"


def test_a_digest_is_a_message_of_its_own(mail_server: MailServer) -> None:
    channel = make_channel()
    Recipient.objects.create(address="ops@example.com", language="fr")
    waiting(channel)
    make_delivery(None, channel, digest_at=NOW)
    assert send(now=NOW).messages == 2
    subjects = sorted(mail.subject for mail in mail_server.mails)
    assert subjects[0].strip().startswith("Sauvegardes")
    assert subjects[1].startswith("[PROB")


@pytest.mark.django_db(transaction=True)
def test_several_senders_send_each_message_once(mail_server: MailServer) -> None:
    builtin()
    channel = make_channel()
    for number in range(12):
        waiting(channel, f"{number}@example.com")
    start = threading.Barrier(3)
    results: list[Sent] = []

    def work() -> None:
        try:
            start.wait()
            results.append(send(now=NOW))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.messages for one in results) == 12
    assert len(mail_server.mails) == len(set(mail_server.message_ids())) == 12


def test_a_step_that_fails_keeps_no_other_from_being_tried(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scanner.alerts import noticing

    def break_down(*, now: datetime) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(noticing, "notice", break_down)
    row = waiting(make_channel())
    with pytest.raises(ValueError, match="a mistake of ours"):
        tell(now=NOW)
    assert state_of(row)[0] == "sent"
