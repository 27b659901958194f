"""What fails besides the channels: the database for a moment, one event that cannot be written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from scanner.alerts.outbox import Sent, send
from scanner.alerts.wording import blocks
from scanner.models import Delivery
from tests.alerts.rows import (
    MINUTE,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.alerts.servers import (  # noqa: F401 - fixtures
    MailServer,
    mail_server_fixture,
    smtp_settings_fixture,
)
from tests.scanning import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp_settings")]


@pytest.fixture(autouse=True)
def _admins(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []


def waiting(recipient: str = "ops@example.com", **fields: Any) -> Delivery:
    """Let something wait for a recipient of the channel."""
    number = Delivery.objects.count()
    incident = make_incident(key=f"task:{number}", kind="task", name=f"task {number}")
    return make_delivery(make_event(incident), fields.pop("channel"), recipient, **fields)


class Hiccup:
    """Lets the statement of that number that begins so fail once."""

    def __init__(self, words: str, number: int) -> None:
        self.words = words
        self.left = number

    def __call__(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith(self.words):
            self.left -= 1
            if self.left == 0:
                raise OperationalError("the connection is gone")
        return execute(sql, *arguments)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(1, 7))
def test_a_database_that_is_away_for_a_moment_sends_nothing_twice(
    number: int, mail_server: MailServer
) -> None:
    rows = [waiting(channel=make_channel(name)) for name in "abc"]
    with connection.execute_wrapper(Hiccup('UPDATE "scanner_delivery" SET', number)):
        assert send(now=NOW).messages == 3
    assert {row.state for row in Delivery.objects.all()} == {"sent"}
    assert len(mail_server.mails) == len(rows)


def test_what_is_new_does_not_wait_for_what_failed(
    mail_server: MailServer,
) -> None:
    channel = make_channel()
    mail_server.answer_to_data = "554 no"
    old = waiting(channel=channel)
    assert send(now=NOW).failed == 1
    mail_server.answer_to_data = ""
    new = waiting(channel=channel)
    assert send(now=NOW + timedelta(seconds=1)) == Sent(1, 0, {})
    assert [Delivery.objects.get(pk=row.pk).state for row in (old, new)] == ["pending", "sent"]


def test_one_event_that_cannot_be_written_costs_the_others_of_its_recipient_nothing(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = make_channel()
    jobs = make_problem_jobs(5, "FAILED", "backup_failed")
    rows = [make_delivery(make_event(make_incident([job])), channel) for job in jobs]
    block = blocks.block

    def break_one(item: Any, *arguments: Any, **named: Any) -> Any:
        if item.incident.name == "DB3":
            raise LookupError("a mistake of ours")
        return block(item, *arguments, **named)

    monkeypatch.setattr(blocks, "block", break_one)
    sent = send(now=NOW)
    assert (sent.messages, sent.failed) == (1, 1)
    for row in rows:
        row.refresh_from_db()
    assert [row.state for row in rows] == ["sent", "sent", "sent", "pending", "sent"]
    assert rows[3].last_error == "LookupError"
    channel.refresh_from_db()
    assert channel.failing_since is None


def test_a_slow_channel_leaves_what_it_cannot_do_in_time_to_the_next_pass(
    mail_server: MailServer,
) -> None:
    channels = [make_channel(name) for name in "ab"]
    for channel in channels:
        for name in "xyz":
            waiting(f"{name}@example.com", channel=channel)
    assert send(now=NOW, longest=timedelta(0)) == Sent(2, 0, {})
    assert send(now=NOW + MINUTE) == Sent(4, 0, {})
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}


def test_what_failed_while_the_server_was_away_is_sent_as_soon_as_it_is_back(
    mail_server: MailServer,
) -> None:
    channel = make_channel()
    old = waiting(channel=channel, attempts=9)  # the next wait is an hour
    mail_server.refuse_connections()
    assert send(now=NOW).failed == 1
    mail_server.accept_connections()
    waiting("new@example.com", channel=channel)
    assert send(now=NOW + MINUTE) == Sent(1, 0, {})
    assert send(now=NOW + 2 * MINUTE) == Sent(1, 0, {})
    old.refresh_from_db()
    assert (old.state, old.attempts) == ("sent", 11)
