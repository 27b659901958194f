"""What waits is sent: in one message a recipient, and whatever becomes of other channels."""

import threading
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connections
from pytest_django import Settings

from scanner.alerts import channels, wording
from scanner.alerts.outbox import CLAIM, GIVE_UP, Sent, _Sender, send, wait_after
from scanner.models import Channel, Delivery, Recipient
from tests.alerts.rows import (
    DAY,
    MINUTE,
    builtin,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
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


def test_for_a_day_it_is_tried_again_and_then_given_up(mail_server: MailServer) -> None:
    mail_server.answer_to_data = "451 4.3.0 Not now"
    row = waiting(make_channel())
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
    assert "451" in row.last_error
    mail_server.answer_to_data = ""
    assert send(now=NOW + 3 * DAY) == Sent(0, 0, {})


def test_no_secret_is_in_an_error_or_in_the_log(
    web_server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    web_server.answer(403, f"you said {SECRET}".encode())
    row = waiting(hook(web_server.url(f"/{SECRET}")), "")
    send(now=NOW)
    row.refresh_from_db()
    assert row.last_error
    row.channel.refresh_from_db()
    assert row.channel.last_error == row.last_error
    assert SECRET not in row.last_error + caplog.text


def test_the_words_of_an_error_that_nobody_foresaw_are_not_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(channels, "hand_over", break_down)
    row = waiting(make_channel())
    sent = send(now=NOW)
    row.refresh_from_db()
    assert row.last_error == "ZeroDivisionError"
    assert SECRET not in f"{sent} {caplog.text}"


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


def test_a_webhook_that_hears_of_it_again_knows_it_by_its_id(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = waiting(hook(web_server.url()), "")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("scanner.alerts.outbox._Sender._mark_sent", die)
        with pytest.raises(KeyboardInterrupt):
            send(now=NOW)
    assert send(now=NOW + CLAIM + MINUTE) == Sent(1, 0, {})
    assert state_of(row) == ("sent", 2)
    first, second = (request.headers["x-backupmonitor-id"] for request in web_server.requests)
    assert first == second


def test_a_claim_counts_from_when_it_is_taken_however_long_the_pass(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = make_channel()
    for name in "ab":
        waiting(channel, f"{name}@example.com")
    passed, ends = [0.0], list[datetime | None]()
    clock = SimpleNamespace(monotonic=lambda: passed[0])
    monkeypatch.setattr("scanner.alerts.outbox.time", clock)
    compose = wording.compose

    def slowly(channel: Channel, recipient: str, rows: list[Delivery], **named: Any) -> Any:
        ends.extend(row.claimed_until for row in rows)
        passed[0] += 600
        return compose(channel, recipient, rows, **named)

    monkeypatch.setattr(wording, "compose", slowly)
    assert send(now=NOW, longest=timedelta(hours=1)).messages == 2
    assert ends == [NOW + CLAIM, NOW + 10 * MINUTE + CLAIM]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_has_the_mark_once_it_is_back(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = waiting(make_channel())
    mark, tries = _Sender._mark_sent, list[int]()

    def fail_once(sender: _Sender, work: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("the server closed the connection")
        mark(sender, work)

    monkeypatch.setattr(_Sender, "_mark_sent", fail_once)
    assert send(now=NOW) == Sent(1, 0, {})
    assert (state_of(row), len(tries), len(mail_server.mails)) == (("sent", 1), 2, 1)


def test_what_waits_for_a_day_for_a_channel_that_is_off_is_given_up(
    mail_server: MailServer,
) -> None:
    old = waiting(make_channel(enabled=False))
    assert send(now=NOW + GIVE_UP) == Sent(0, 0, {})
    assert state_of(old) == ("pending", 0)
    assert send(now=NOW + GIVE_UP + MINUTE) == Sent(0, 0, {})
    assert state_of(old) == ("failed", 0)
    assert old.last_error == "the channel is off"


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
