"""Acknowledging many incidents at once, by the action of their list."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from scanner.admin import acknowledging
from scanner.models import Incident, IncidentEvent
from tests.admin.rows import LIST, staff
from tests.alerts.rows import DAY, HOUR, make_incident, make_problem_jobs
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

INCIDENTS = LIST.format(Incident)
FILTERED = f"{INCIDENTS}?kind__exact=job&kind__exact=scan"


@pytest.fixture
def three() -> list[Incident]:
    """Give two that are open, and one that is over."""
    jobs = make_problem_jobs(1)
    return [
        make_incident(jobs),
        make_incident(key="scan"),
        make_incident(key="task:prune", kind="task", ended_at=NOW, end="recovered"),
    ]


def act(client: Client, incidents: list[Incident], url: str = FILTERED, **data: str) -> Any:
    """Press the button of the action, or with `hours` that of the page that it shows."""
    chosen = {
        "action": "acknowledge_selected",
        "_selected_action": [str(one.pk) for one in incidents],
    }
    return client.post(url, {**chosen, **data})


def test_the_action_asks_for_a_note_and_for_how_long(
    admin_client: Client, three: list[Incident]
) -> None:
    page = act(admin_client, three[:2], index="0").content.decode()
    assert "Acknowledge 2 incidents" in page
    assert re.findall(r'name="_selected_action" value="(\d+)"', page) == [
        str(one.pk) for one in reversed(three[:2])
    ]
    assert "DB0 at DOUALA / NEWBELL: no backup arrived" in page
    assert re.findall(r'<option value="(\d*)"', page) == ["4", "24", "72", "168", ""]
    assert 'name="note"' in page
    assert f'href="{FILTERED.replace("&", "&amp;")}"' in page
    assert not IncidentEvent.objects.exists()


def test_what_is_answered_holds_for_those_that_are_open(
    admin_client: Client, three: list[Incident]
) -> None:
    before = timezone.now()
    response = act(admin_client, three, f"{INCIDENTS}?standing=all", hours="72", note=" a\0 disk ")
    assert response["Location"] == f"{INCIDENTS}?standing=all"
    for one in three[:2]:
        one.refresh_from_db()
        assert (one.acknowledged_by, one.acknowledged_note) == ("admin", "a disk")
        assert one.acknowledged_until is not None
        assert before <= one.acknowledged_until - timedelta(hours=72) < before + HOUR
    three[2].refresh_from_db()
    assert three[2].acknowledged_at is None
    assert "2 incidents acknowledged." in admin_client.get(INCIDENTS).content.decode()


def test_those_on_other_pages_are_meant_when_all_are(
    admin_client: Client, three: list[Incident]
) -> None:
    page = act(admin_client, three[:1], index="0", select_across="1").content.decode()
    assert len(re.findall(r'name="_selected_action"', page)) == 2


@pytest.mark.parametrize("hours", ["5", "-1", "x", "9" * 30])
def test_no_other_time_can_be_chosen(
    admin_client: Client, three: list[Incident], hours: str
) -> None:
    assert act(admin_client, three, hours=hours).status_code == 400
    assert not IncidentEvent.objects.exists()


def test_too_many_at_once_are_refused(
    admin_client: Client, three: list[Incident], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledging, "MOST_AT_ONCE", 1)
    response = act(admin_client, three[:2], hours="4")
    assert response["Location"] == FILTERED
    assert "More than 1 at once" in admin_client.get(INCIDENTS).content.decode()
    assert not IncidentEvent.objects.exists()


def test_who_may_only_look_is_offered_no_action_and_can_take_none(
    client: Client, three: list[Incident]
) -> None:
    client.force_login(staff("view_incident"))
    assert "acknowledge_selected" not in client.get(INCIDENTS).content.decode()
    act(client, three, hours="4")
    assert not IncidentEvent.objects.exists()


def test_one_that_is_over_is_not_acknowledged_and_that_is_said(
    admin_client: Client, three: list[Incident]
) -> None:
    url = f"{INCIDENTS}{three[2].pk}/"
    response = admin_client.post(f"{url}acknowledge/", {"hours": "4"}, follow=True)
    assert "It is over already." in response.content.decode()
    assert "acknowledge/" not in response.content.decode()
    response = admin_client.post(f"{url}withdraw/", follow=True)
    assert "Nobody had acknowledged it." in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "told", "listed"),
    [
        ({}, "—", False),
        ({"acknowledged_by": "Ada"}, "Ada", True),
        ({"acknowledged_by": "Ada", "acknowledged_until": DAY}, "Ada, until", True),
        ({"acknowledged_by": "Ada", "acknowledged_until": -DAY}, "Ada run out", False),
    ],
)
def test_the_list_tells_who_knows_and_whether_that_still_holds(
    admin_client: Client, fields: dict[str, Any], told: str, listed: bool
) -> None:
    now = timezone.now()
    if fields:
        fields["acknowledged_at"] = NOW
    if "acknowledged_until" in fields:
        fields["acknowledged_until"] += now
    make_incident(**fields)
    page = admin_client.get(INCIDENTS).content.decode()
    cell = re.search(r"<td[^>]*field-known_by[^>]*>(.*?)</td>", page, re.DOTALL)
    assert cell is not None
    words = " ".join(re.sub(r"<[^>]*>", " ", cell[1]).split())
    assert words.startswith(told)
    known = admin_client.get(f"{INCIDENTS}?standing=acknowledged").content.decode()
    assert known.count('class="data-row') == listed
