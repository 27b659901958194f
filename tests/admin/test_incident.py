"""The pages of incidents and deliveries: what is wrong, who knows, and who was told."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from scanner.models import Delivery, Incident, IncidentEvent
from tests.admin.rows import LIST, staff
from tests.alerts.rows import (
    HOUR,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

INCIDENTS, DELIVERIES = LIST.format(Incident), LIST.format(Delivery)


@pytest.fixture
def incident() -> Incident:
    return make_incident(make_problem_jobs(3))


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def act(client: Client, incident: Incident, what: str, **data: str) -> int:
    return client.post(f"{INCIDENTS}{incident.pk}/{what}/", data).status_code


def test_open_ones_are_listed_unless_others_are_asked_for(
    admin_client: Client, incident: Incident
) -> None:
    make_incident(key="scan", ended_at=NOW, end="recovered")
    rows = {
        query: html(admin_client, INCIDENTS + query).count('class="data-row')
        for query in ("", "?standing=ended", "?standing=all")
    }
    assert rows == {"": 1, "?standing=ended": 1, "?standing=all": 2}
    assert admin_client.get(f"{INCIDENTS}?standing=never").status_code == 302


def test_its_page_tells_its_jobs_what_happened_and_who_was_told(
    admin_client: Client, incident: Incident
) -> None:
    make_delivery(make_event(incident), recipient="told@example.com", last_error="no such user")
    page = html(admin_client, f"{INCIDENTS}{incident.pk}/change/")
    for words in ("DB0", "DB2", "opened", "told@example.com", "no such user", "did not arrive"):
        assert words in page


@pytest.mark.parametrize(("hours", "ends"), [("4", True), ("168", True), ("", False)])
def test_it_is_acknowledged_with_a_note_for_as_long_as_is_chosen(
    admin_client: Client, incident: Incident, hours: str, ends: bool
) -> None:
    before = timezone.now()
    assert act(admin_client, incident, "acknowledge", note=" on it\0 ", hours=hours) == 302
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.acknowledged_note) == ("admin", "on it")
    until = incident.acknowledged_until
    if ends:
        assert until is not None
        wanted = before + timedelta(hours=int(hours))
        assert wanted <= until <= wanted + HOUR
    else:
        assert until is None
    page = html(admin_client, f"{INCIDENTS}{incident.pk}/change/")
    assert "Withdraw the acknowledgement" in page
    assert act(admin_client, incident, "withdraw") == 302
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
    kinds = IncidentEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["acknowledged", "unacknowledged"]


@pytest.mark.parametrize("hours", ["5", "-1", "x", "99999999999999999999"])
def test_no_other_time_can_be_chosen(admin_client: Client, incident: Incident, hours: str) -> None:
    assert act(admin_client, incident, "acknowledge", hours=hours) == 400
    assert act(admin_client, Incident(pk=99), "acknowledge", hours="4") == 404


def test_only_who_may_change_incidents_acknowledges_and_only_by_post(
    client: Client, incident: Incident
) -> None:
    client.force_login(staff("view_incident"))
    page = html(client, f"{INCIDENTS}{incident.pk}/change/")
    assert "acknowledge/" not in page
    assert act(client, incident, "acknowledge", hours="4") == 403
    assert act(client, incident, "withdraw") == 403
    assert client.get(f"{INCIDENTS}{incident.pk}/acknowledge/").status_code == 405
    assert not IncidentEvent.objects.exists()


def test_what_was_not_sent_is_tried_again_and_what_was_is_not(
    admin_client: Client, incident: Incident
) -> None:
    event = make_event(incident)
    states: dict[str, dict[str, Any]] = {
        "failed": {"state": "failed", "attempts": 9},
        "waiting": {"next_try_at": NOW + HOUR},
        "sent": {"state": "sent", "sent_at": NOW},
        "sending": {"claimed_until": timezone.now() + HOUR},
    }
    rows = {
        name: make_delivery(event, make_channel(name), **fields) for name, fields in states.items()
    }
    keys = [str(row.pk) for row in rows.values()]
    before = timezone.now()
    admin_client.post(DELIVERIES, {"action": "try_again", "_selected_action": keys})
    again = Delivery.objects.filter(state="pending", next_try_at__gte=before)
    assert set(again.values_list("channel__name", flat=True)) == {"failed", "waiting"}
    assert Delivery.objects.get(pk=rows["sent"].pk).state == "sent"


def test_who_may_only_look_at_deliveries_cannot_have_them_sent(
    client: Client, incident: Incident
) -> None:
    client.force_login(staff("view_delivery"))
    row = make_delivery(make_event(incident), state="failed")
    client.post(DELIVERIES, {"action": "try_again", "_selected_action": [str(row.pk)]})
    assert Delivery.objects.get().state == "failed"
