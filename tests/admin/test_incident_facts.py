"""What the pages of incidents, of deliveries and of jobs tell of incidents."""

import re
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner.admin.incident_history import LAST
from scanner.models import Delivery, ExpectedBackupJob, Incident, IncidentEvent, IncidentMember
from tests.admin.fields import seen, told
from tests.admin.rows import LIST, staff
from tests.alerts.rows import (
    DAY,
    HOUR,
    builtin,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

INCIDENTS, DELIVERIES = LIST.format(Incident), LIST.format(Delivery)
SCRIPT = "<script>alert(1)</script>"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def page_of(row: Any) -> str:
    return f"{LIST.format(type(row))}{row.pk}/change/"


def text(page: str) -> str:
    """Give what stands on a page, each white space one blank."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def found(client: Client, url: str) -> int:
    return html(client, url).count('class="data-row')


def statements(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        html(client, url)
    return len(captured.captured_queries)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("standing=acknowledged", 1),
        ("standing=ended", 1),
        ("standing=all", 4),
        ("level__exact=warning", 1),
        ("kind__exact=scan", 1),
        ("kind__exact=job&kind__exact=place&standing=all", 3),
        ("company_name=ACME", 1),
        ("company_name=ACME&standing=all", 2),
        ("city=GAROUA", 1),
        ("city=NOWHERE", 0),
        ("company_name=%00", 3),
        ("q=garoua", 1),
        ("q=db0&standing=all", 2),
    ],
)
def test_incidents_are_filtered_and_searched(admin_client: Client, query: str, count: int) -> None:
    there = make_problem_jobs(2, city="YAOUNDE")
    make_incident(there)
    make_incident(
        make_problem_jobs(1, company="NORDIS", city="GAROUA"), level="warning", acknowledged_at=NOW
    )
    make_incident()
    make_incident(make_problem_jobs(1), ended_at=NOW, end="recovered")
    IncidentMember.objects.filter(job__city="DOUALA").update(left_at=NOW)
    url = f"{INCIDENTS}?{query}"
    assert admin_client.get(url, follow=True).content.decode().count('class="data-row') == count


def test_a_place_is_told_with_the_jobs_that_are_in_it_now(admin_client: Client) -> None:
    incident = make_incident(make_problem_jobs(14))
    gone = incident.members.order_by("pk")[:4]
    IncidentMember.objects.filter(pk__in=[one.pk for one in gone]).update(left_at=NOW)
    page = html(admin_client, INCIDENTS)
    cells = {
        name: text(cell)
        for name, cell in re.findall(r"<t[dh][^>]*field-(\w+)[^>]*>(.*?)</t[dh]>", page, re.DOTALL)
    }
    assert cells["jobs"] == "10"
    assert cells["its_level"] == "problem"
    assert "did not arrive: site or link down?" in cells["what"]
    assert cells["since_when"] == "2026-03-02 12:00"


def test_the_standings_stand_above_the_list(admin_client: Client) -> None:
    make_incident()
    page = html(admin_client, f"{INCIDENTS}?standing=acknowledged")
    assert 'aria-label="Incidents by standing"' in page
    assert "1 open" in text(page)
    assert re.search(r'standing=acknowledged" aria-current="true"', page)


def test_its_page_says_what_to_try_first_and_what_was_found(admin_client: Client) -> None:
    lost = make_incident(
        kind="vault",
        key="vault:damaged",
        reason="damaged",
        name="damaged",
        facts={
            "count": 1,
            "samples": [{"path": f"acme/{SCRIPT}", "job": "DB0", "message": "bits differ"}],
        },
    )
    page = html(admin_client, page_of(lost))
    assert SCRIPT not in page
    for words in ("Vault: 1 copy is damaged", "bits differ", "Look at the disk"):
        assert words in page
    scan = make_incident(facts={"error": f"the root is away {SCRIPT}"})
    page = html(admin_client, page_of(scan))
    assert SCRIPT not in page
    assert "the root is away" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "MISSING", "reason": "no_report"}, "no report"),
        ({"status": "", "reason": "late", "level": "warning"}, "it arrived late"),
        ({"status": "", "reason": "not heard of"}, "not heard of"),
    ],
)
def test_its_page_tells_the_reason(
    admin_client: Client, fields: dict[str, Any], words: str
) -> None:
    incident = make_incident(make_problem_jobs(1), **fields)
    assert told(html(admin_client, page_of(incident)), "Reason") == words


def test_what_the_agent_said_of_a_job_stands_beside_it_in_bounds(admin_client: Client) -> None:
    words = f"{SCRIPT} " + "word " * 200 + "the end"
    incident = make_incident(make_problem_jobs(1, "FAILED", "backup_failed", message=words))
    page = html(admin_client, page_of(incident))
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert "the end" not in page
    assert incident.job is not None
    assert page_of(incident.job) in page


def test_its_page_is_bounded_and_says_so(admin_client: Client) -> None:
    incident = make_incident(make_problem_jobs(LAST + 1))
    left = incident.members.order_by("pk").first()
    assert left is not None
    IncidentMember.objects.filter(pk=left.pk).update(left_at=NOW)
    events = [make_event(incident, "reminder") for _ in range(LAST + 1)]
    Delivery.objects.bulk_create(
        Delivery(event=event, channel=builtin(), next_try_at=NOW, created_at=NOW)
        for event in events
    )
    page = html(admin_client, page_of(incident))
    assert f"only {LAST} of them are shown" in page
    assert f"only the last {LAST} are shown" in page
    assert page.count('class="data-row') == 3 * LAST
    # Those who are still in it come first, on every database.
    assert f">{left.job.database_name}<" not in page
    assert found(admin_client, f"{DELIVERIES}?event__incident__id__exact={incident.pk}&all=") == (
        LAST + 1
    )


def test_pages_take_no_more_statements_for_many_jobs_events_and_messages(
    admin_client: Client,
) -> None:
    def more(count: int, number: int) -> None:
        jobs = make_problem_jobs(count, neighborhood=f"N{number}")
        IncidentMember.objects.bulk_create(
            IncidentMember(
                incident=incident, job=job, entry_id=job.last_entry_id, since=NOW, joined_at=NOW
            )
            for job in jobs
        )
        events = IncidentEvent.objects.bulk_create(
            IncidentEvent(incident=incident, kind="reminder", at=NOW) for _ in range(count)
        )
        Delivery.objects.bulk_create(
            Delivery(
                event=event,
                channel=make_channel(f"{number} {place}") if place < 10 else builtin(),
                next_try_at=NOW,
                created_at=NOW,
            )
            for place, event in enumerate(events)
        )

    incident = make_incident(make_problem_jobs(2))
    more(10, 0)
    pages = (page_of(incident), INCIDENTS, DELIVERIES)
    for page in pages:
        html(admin_client, page)  # fills the caches of content types
    few = [statements(admin_client, page) for page in pages]
    more(120, 1)
    assert [statements(admin_client, page) for page in pages] == few


def test_who_may_not_see_deliveries_sees_none_on_the_page_of_an_incident(client: Client) -> None:
    incident = make_incident(make_problem_jobs(1))
    make_delivery(make_event(incident), recipient="told@example.com")
    client.force_login(staff("view_incident"))
    assert "told@example.com" not in html(client, page_of(incident))


def test_the_page_of_a_job_leads_to_the_incident_that_it_is_in(admin_client: Client) -> None:
    first, second, *_ = jobs = make_problem_jobs(3)
    assert "open incident none" in text(html(admin_client, page_of(first))).lower()
    incident = make_incident(jobs)
    assert page_of(incident) in html(admin_client, page_of(first))
    IncidentMember.objects.filter(job=second).update(left_at=NOW)
    assert page_of(incident) not in html(admin_client, page_of(second))


def test_a_job_says_when_it_is_told_of(admin_client: Client) -> None:
    job = make_problem_jobs(1)[0]
    page = html(admin_client, page_of(job))
    assert 'name="alert_after"' in page
    assert 'name="first_missing_is_warning"' in page
    form = {
        "company_name": job.company_name,
        "city": job.city,
        "neighborhood": job.neighborhood,
        "database_name": job.database_name,
        "agent_id": job.agent_id,
        "is_active": "on",
        "alert_after": "3",
        "first_missing_is_warning": "on",
        **seen(admin_client, page_of(job)),
    }
    ExpectedBackupJob.objects.update(alert_check_at=None)
    assert admin_client.post(page_of(job), form).status_code == 302
    job.refresh_from_db()
    assert (job.alert_after, job.first_missing_is_warning) == (3, True)
    assert job.alert_check_at is not None
    form = {**form, "alert_after": "0", **seen(admin_client, page_of(job))}
    refused = admin_client.post(page_of(job), form)
    assert list(refused.context["adminform"].form.errors) == ["alert_after"]


# --- Deliveries -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("state__exact=failed", 1),
        ("state__exact=failed&state__exact=pending", 3),
        ("channel=ops", 2),
        ("channel=nobody", 0),
        ("channel=%00", 4),
        ("q=anna", 1),
        ("event__incident__id__exact=x", 4),
    ],
)
def test_deliveries_are_filtered_and_searched(admin_client: Client, query: str, count: int) -> None:
    event, ops = make_event(make_incident()), make_channel("ops")
    make_delivery(event, ops, "anna@example.com", state="sent", sent_at=NOW)
    make_delivery(event, ops, "ben@example.com", state="failed")
    make_delivery(event, None, "cleo@example.com")
    make_delivery(None, None, "dana@example.com", digest_at=NOW)
    url = f"{DELIVERIES}?{query}"
    assert admin_client.get(url, follow=True).content.decode().count('class="data-row') == count


def test_a_delivery_tells_what_of_and_what_became_of_it(admin_client: Client) -> None:
    incident = make_incident(make_problem_jobs(1))
    row = make_delivery(
        make_event(incident),
        attempts=7,
        next_try_at=NOW + HOUR,
        last_error=f"refused {SCRIPT} " + "word " * 100 + "the end",
    )
    for url, whole in ((DELIVERIES, False), (page_of(row), True)):
        page = html(admin_client, url)
        for words in ("DB0: opened", "to be sent", "7", "2026-03-02 13:00", "ops@example.com"):
            assert words in page
        assert ("the end" in page) is whole
        assert SCRIPT not in page
        assert page_of(incident) in page
    Delivery.objects.update(state="failed")
    assert "2026-03-02 13:00" not in html(admin_client, page_of(row))


def test_a_digest_says_so(admin_client: Client) -> None:
    row = make_delivery(None, digest_at=NOW - DAY)
    for url in (DELIVERIES, page_of(row)):
        assert "digest of 2026-03-01 12:00" in text(html(admin_client, url))


def test_no_page_of_deliveries_reads_what_opens_a_channel(admin_client: Client) -> None:
    hook = make_channel("hook", "webhook", address="https://example.com/TOKEN", secret="TOKEN" * 4)
    row = make_delivery(make_event(make_incident()), hook, "")
    for visit in (DELIVERIES, page_of(row), page_of(row.event.incident)):  # type: ignore[union-attr]
        with CaptureQueriesContext(connection) as captured:
            assert "TOKEN" not in html(admin_client, visit)
        secrets = partial(re.search, r'"scanner_channel"\."(address|secret)"')
        assert not any(secrets(query["sql"]) for query in captured.captured_queries)
