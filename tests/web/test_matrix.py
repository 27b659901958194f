"""The data of the board's matrix, over HTTP."""

import gzip
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from scanner import access
from scanner.models import ExpectedBackupJob, WallPass
from tests.admin.rows import staff
from tests.scanning import NOW, make_job
from tests.test_matrix import many

pytestmark = pytest.mark.django_db

URL = reverse("board:matrix")
HOSTILE = "</script><script>alert(1)</script>"


def asked(client: Client, query: str = "") -> dict[str, Any]:
    response = client.get(URL + query)
    assert response.status_code == 200, response.content
    data: dict[str, Any] = response.json()
    return data


def databases(client: Client) -> list[str]:
    return [job[1] for place in asked(client)["places"] for job in place[3]]


def logged_in(client: Client, *permissions: str, companies: tuple[str, ...] = ("*",)) -> Client:
    client.force_login(staff(*permissions, companies=companies))
    return client


def test_nobody_who_is_not_logged_in_gets_it(client: Client) -> None:
    make_job()
    response = client.get(URL)
    assert response.status_code == 403
    assert response.json() == {"error": "forbidden"}


def test_whoever_may_not_see_jobs_does_not_get_it(client: Client) -> None:
    assert logged_in(client, "view_incident").get(URL).status_code == 403


def test_whoever_may_see_jobs_gets_those_of_their_companies(client: Client) -> None:
    make_job("MINE"), make_job("OTHERS", "OTHER_DOUALA_AKWA")
    logged_in(client, "view_expectedbackupjob", companies=("ACME",))
    assert databases(client) == ["MINE"]


def test_whoever_sees_every_company_gets_all(client: Client) -> None:
    make_job("MINE"), make_job("OTHERS", "OTHER_DOUALA_AKWA")
    assert databases(logged_in(client, "view_expectedbackupjob")) == ["MINE", "OTHERS"]


def test_whoever_sees_no_company_gets_no_row(client: Client) -> None:
    make_job()
    logged_in(client, "view_expectedbackupjob", companies=())
    assert asked(client)["places"] == []


def test_a_display_with_a_pass_gets_the_jobs_of_its_companies(client: Client) -> None:
    make_job("ITS"), make_job("OTHERS", "OTHER_DOUALA_AKWA")
    token, digest = access.new_token()
    shown = WallPass.objects.create(
        name="hall", token_sha256=digest, companies=["ACME"], created_at=NOW
    )
    client.get(reverse("board:wall"), {"pass": token}, follow=True)
    assert databases(client) == ["ITS"]
    shown.revoked_at = NOW
    shown.save()
    assert client.get(URL).status_code == 403


def test_thirty_days_are_given_unless_ninety_are_asked_for(admin_client: Client) -> None:
    make_job()
    for query, span in (("", 30), ("?days=30", 30), ("?days=90", 90)):
        data = asked(admin_client, query)
        assert data["span"] == span
        assert data["end"] == timezone.localdate().isoformat()
        [[*_place, [job]]] = data["places"]
        assert len(job[2]) == span


@pytest.mark.parametrize("days", ["0", "31", "-1", "x", "", "٣٠", "1e9"])
def test_another_number_of_days_is_refused(admin_client: Client, days: str) -> None:
    assert admin_client.get(URL, {"days": days}).status_code == 400


def test_names_of_strangers_are_data_and_no_page(admin_client: Client) -> None:
    job = make_job()
    ExpectedBackupJob.objects.filter(pk=job.pk).update(database_name=HOSTILE, city=HOSTILE)
    response = admin_client.get(URL)
    assert response["Content-Type"] == "application/json"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert databases(admin_client) == [HOSTILE]


def test_it_is_read_and_never_posted_to(admin_client: Client) -> None:
    assert admin_client.post(URL).status_code == 405


def test_what_did_not_change_is_not_sent_again(admin_client: Client) -> None:
    make_job()
    response = admin_client.get(URL)
    again = {"if-none-match": response["ETag"]}
    assert admin_client.get(URL, headers=again).status_code == 304
    make_job("OTHER")
    assert admin_client.get(URL, headers=again).status_code == 200


def test_no_shared_cache_keeps_it(admin_client: Client) -> None:
    response = admin_client.get(URL)
    assert "private" in response["Cache-Control"]
    assert "no-cache" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_it_is_sent_compressed(admin_client: Client) -> None:
    many(50)
    response = admin_client.get(URL, headers={"accept-encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(response.content))["places"]) == 35


def test_it_takes_no_more_statements_for_many_jobs(client: Client) -> None:
    logged_in(client, "view_expectedbackupjob", companies=("Company 1", "Company 2"))

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            asked(client, "?days=90")
        return len(captured)

    many(10)
    few = statements()
    ExpectedBackupJob.objects.all().delete()
    many(1000)
    assert statements() == few
