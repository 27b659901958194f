"""All that alerts do in one pass; what fails of it keeps the rest from nothing."""

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts import due, noticing, outbox
from scanner.alerts.noticing import Noticed
from scanner.alerts.outbox import Sent
from scanner.alerts.tell import tell
from scanner.models import Delivery, Incident
from tests.alerts.rows import (
    HOUR,
    judge,
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

MOST_STATEMENTS = 90
MOST_INSERTS = 150  # of 10,000 rows: SQLite takes few of them at a time
LARGEST_MAIL = 200_000


@pytest.fixture(autouse=True)
def _admins(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = ["a@example.com", "b@example.com"]


def break_down(**_: Any) -> None:
    raise ValueError("a mistake of ours")


def test_what_is_wrong_is_noticed_and_sent_and_told_once(mail_server: MailServer) -> None:
    make_problem_jobs(1, "FAILED", "backup_failed")
    told = tell(now=NOW)
    assert (told.noticed, told.due, told.sent) == (Noticed({"opened": 1}, 2), 0, Sent(2, 0, {}))
    told = tell(now=NOW)
    assert (told.noticed, told.due, told.sent) == (Noticed({}, 0), 0, Sent(0, 0, {}))
    assert len(mail_server.mails) == 2


def test_what_is_due_by_the_time_alone_is_sent_in_the_same_pass(mail_server: MailServer) -> None:
    channel = make_channel(escalate_after_hours=2)
    make_problem_jobs(1, "FAILED", "backup_failed")
    tell(now=NOW)
    assert mail_server.to("ops@example.com") == []
    told = tell(now=NOW + 2 * HOUR)
    assert (told.due, told.sent.messages) == (1, 1)
    assert len(mail_server.to("ops@example.com")) == 1
    assert channel.deliveries.get().state == "sent"


@pytest.mark.parametrize("step", ["noticing.notice", "due.plan_due"])
def test_a_step_that_fails_keeps_no_other_from_being_tried(
    step: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"scanner.alerts.{step}", break_down)
    row = make_delivery(make_event(make_incident()), make_channel())
    with pytest.raises(ValueError, match="a mistake of ours"):
        tell(now=NOW)
    row.refresh_from_db()
    assert row.state == "sent"


def test_what_was_noticed_stays_when_sending_fails(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_problem_jobs(1, "FAILED", "backup_failed")
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "send", break_down)
        with pytest.raises(ValueError, match="a mistake of ours"):
            tell(now=NOW)
    assert Incident.objects.count() == 1
    assert tell(now=NOW).sent == Sent(2, 0, {})


def test_of_several_failures_the_first_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*, now: datetime) -> None:
        raise LookupError("the first")

    monkeypatch.setattr(noticing, "notice", fail)
    monkeypatch.setattr(due, "plan_due", break_down)
    monkeypatch.setattr(outbox, "send", break_down)
    with pytest.raises(LookupError, match="the first"):
        tell(now=NOW)


def test_half_of_a_silent_site_that_comes_back_is_one_message(mail_server: MailServer) -> None:
    jobs = make_problem_jobs(20)
    tell(now=NOW)
    judge(jobs[:10], "SUCCESS", now=NOW + HOUR)
    tell(now=NOW + HOUR)
    judge(jobs[10:], "SUCCESS", now=NOW + 2 * HOUR)
    tell(now=NOW + 2 * HOUR)
    for recipient in ("a@example.com", "b@example.com"):
        beginnings = [mail.subject.partition("]")[0] for mail in mail_server.to(recipient)]
        assert beginnings == ["[PROBLEM", "[BETTER", "[OK"]


@pytest.mark.slow
def test_two_thousand_that_fail_at_once_are_one_message_a_recipient(
    mail_server: MailServer,
) -> None:
    make_problem_jobs(2000, "FAILED", "backup_failed", message="m" * 1000)
    with CaptureQueriesContext(connection) as queries:
        told = tell(now=NOW)
    assert told.noticed.events == {"opened": 2000}
    assert told.sent == Sent(2, 0, {})
    assert [mail.recipients for mail in mail_server.mails] == [
        ("a@example.com",),
        ("b@example.com",),
    ]
    assert all(len(mail.message.as_bytes()) < LARGEST_MAIL for mail in mail_server.mails)
    inserts = sum(query["sql"].startswith("INSERT") for query in queries)
    assert inserts < MOST_INSERTS
    assert len(queries) - inserts < MOST_STATEMENTS
    assert set(Delivery.objects.values_list("state")) == {("sent",)}
