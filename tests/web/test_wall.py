"""The wall display: who may see it, what of, and that a pass opens it until it is revoked."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from scanner import access
from scanner.models import (
    BackupEntry,
    ExpectedBackupJob,
    Incident,
    Lease,
    ScanRun,
    VaultFinding,
    WallPass,
)
from scanner.web import visitors
from tests.admin.rows import LIST, staff, write
from tests.scanning import NOW, make_job
from tests.schedule_rows import make_all_well

pytestmark = pytest.mark.django_db

WALL, STATE, MATRIX = "/board/", "/board/state.json", "/board/matrix.json"
DOORS = (WALL, STATE, MATRIX)
TOKEN = "a-token-that-nobody-guesses"
ACME, GLOBEX = "ACME_DOUALA_NEWBELL", "GLOBEX_PARIS_BERCY"
each_door = pytest.mark.parametrize("door", DOORS)


def make_pass(*companies: str, token: str = TOKEN, **fields: Any) -> WallPass:
    return WallPass.objects.create(
        **{
            "name": f"pass {token}",
            "companies": list(companies),
            "token_sha256": access.digest_of(token),
            "created_at": NOW,
            **fields,
        }
    )


def hang_up(client: Client, token: str = TOKEN, query: str = "", **extra: Any) -> HttpResponse:
    """Open the display with a pass, as its address is shown when it is made."""
    found: HttpResponse = client.get(f"{WALL}?pass={token}{query}", **extra)  # type: ignore[assignment]
    return found


def html(client: Client, url: str = WALL) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def parts(client: Client) -> str:
    return "".join(client.get(STATE).json()["parts"].values())


def counted(page: str, kind: str) -> int:
    found = re.search(rf'data-kind="{kind}".*?<strong>(\d+)</strong>', page, re.DOTALL)
    assert found is not None
    return int(found[1])


def make_jobs_of_two_companies() -> None:
    for agent in (ACME, GLOBEX):
        job = make_job(f"DB_{agent}", agent)
        ExpectedBackupJob.objects.filter(pk=job.pk).update(status="FAILED")
        Incident.objects.create(
            kind="job",
            key=f"job:{job.pk}",
            level="problem",
            status="FAILED",
            reason="transfer_failed",
            company=job.company_name,
            city=job.city,
            neighborhood=job.neighborhood,
            name=job.database_name,
            job=job,
            since=NOW,
            opened_at=NOW,
        )


# --- Who may enter --------------------------------------------------------------------------------


def test_who_is_not_logged_in_and_has_no_pass_is_sent_to_the_login(client: Client) -> None:
    response = client.get(WALL)
    assert response.status_code == 302
    assert response["Location"] == "/admin/login/?next=/board/"


@pytest.mark.parametrize("door", [STATE, MATRIX])
def test_programs_without_a_pass_are_refused(client: Client, door: str) -> None:
    assert client.get(door).status_code == 403


def test_a_user_with_the_permission_enters(client: Client) -> None:
    client.force_login(staff("view_wall"))
    for door in DOORS:
        assert client.get(door).status_code == 200


def test_a_user_without_the_permission_is_told_what_to_do(client: Client) -> None:
    client.force_login(staff("view_expectedbackupjob", "view_incident"))
    response = client.get(WALL)
    assert response.status_code == 403
    assert "Ask an administrator for the permission" in response.content.decode()
    assert client.get(STATE).status_code == 403


def test_whoever_may_see_jobs_gets_the_matrix_of_the_admins_board(client: Client) -> None:
    client.force_login(staff("view_expectedbackupjob"))
    assert client.get(MATRIX).status_code == 200


@each_door
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_display_is_only_looked_at(client: Client, door: str, method: str) -> None:
    client.force_login(staff("view_wall"))
    assert getattr(client, method)(door).status_code == 405


@each_door
def test_a_user_who_was_switched_off_does_not_enter(client: Client, door: str) -> None:
    client.force_login(staff("view_wall"))
    User.objects.update(is_active=False)
    assert client.get(door).status_code in {302, 403}


# --- A pass ---------------------------------------------------------------------------------------


def test_a_pass_leaves_the_address_for_a_cookie(client: Client) -> None:
    make_pass()
    response = hang_up(client)
    assert response.status_code == 302
    assert response["Location"] == WALL
    cookie = response.cookies[visitors.COOKIE]
    assert TOKEN not in cookie.value
    assert cookie["path"] == WALL
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]
    for door in DOORS:
        assert client.get(door).status_code == 200
    assert TOKEN not in html(client)


def test_the_rest_of_the_address_stays(client: Client) -> None:
    make_pass()
    assert hang_up(client, query="&theme=dark")["Location"] == f"{WALL}?theme=dark"


def test_the_cookie_goes_over_https_alone_where_there_is_https(
    client: Client, settings: Settings
) -> None:
    make_pass()
    assert hang_up(client, secure=True).cookies[visitors.COOKIE]["secure"]
    settings.SITE_URL = "https://backups.example.com"
    assert hang_up(client).cookies[visitors.COOKIE]["secure"]


def test_each_opening_makes_the_cookie_last_anew(client: Client) -> None:
    make_pass()
    hang_up(client)
    assert int(client.get(WALL).cookies[visitors.COOKIE]["max-age"]) == 400 * 24 * 3600


def test_nobody_else_learns_the_address(client: Client) -> None:
    make_pass()
    answers = [client.get(WALL), hang_up(client), hang_up(client, "wrong"), client.get(WALL)]
    for response in [*answers, client.get(STATE)]:
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert response["X-Robots-Tag"] == "noindex"


def test_a_revoked_pass_is_answered_like_one_that_never_was(client: Client) -> None:
    make_pass(revoked_at=NOW)
    revoked, unknown = hang_up(client), hang_up(client, "never made")
    assert revoked.status_code == unknown.status_code == 403
    assert revoked.content == unknown.content
    assert "Ask an administrator for a new one" in revoked.content.decode()
    assert visitors.COOKIE not in client.cookies


def test_a_pass_that_is_revoked_while_it_hangs_opens_nothing_any_more(client: Client) -> None:
    make_pass()
    hang_up(client)
    WallPass.objects.update(revoked_at=NOW)
    page = client.get(WALL)
    assert page.status_code == 403
    assert "was revoked" in page.content.decode()
    answer = client.get(STATE)
    assert answer.status_code == 403
    assert "was revoked" in answer.json()["words"]
    assert client.get(MATRIX).status_code == 403


@each_door
def test_a_cookie_that_this_server_did_not_sign_opens_nothing(client: Client, door: str) -> None:
    made = make_pass()
    client.cookies[visitors.COOKIE] = made.token_sha256
    assert client.get(door).status_code in {302, 403}
    client.cookies[visitors.COOKIE] = f"{made.token_sha256}:1abcde:forged"
    assert client.get(door).status_code in {302, 403}


@pytest.mark.parametrize("token", ["", "%00", "%C3%A9" * 10, "x" * 5000])
def test_strange_tokens_are_refused(client: Client, token: str) -> None:
    make_pass()
    assert hang_up(client, token).status_code == 403


def test_a_pass_opens_nothing_of_the_admin(client: Client) -> None:
    make_pass()
    hang_up(client)
    assert client.get(LIST.format(ExpectedBackupJob)).status_code == 302


def test_its_use_is_noted_once_an_hour(client: Client) -> None:
    made = make_pass()
    hang_up(client)

    def used() -> Any:
        client.get(STATE)
        made.refresh_from_db()
        return made.last_used_at

    first = used()
    assert first is not None
    assert used() == first
    WallPass.objects.update(last_used_at=timezone.now() - timedelta(minutes=61))
    assert used() >= first


def test_a_user_sees_their_own_whatever_pass_the_browser_holds(client: Client) -> None:
    make_jobs_of_two_companies()
    make_pass()
    hang_up(client)
    client.force_login(staff("view_wall", companies=["ACME"]))
    assert GLOBEX not in html(client)


# --- What is shown --------------------------------------------------------------------------------


def enter(client: Client, how: str, *companies: str) -> None:
    if how == "pass":
        make_pass(*(companies or ("*",)))
        hang_up(client)
    else:
        client.force_login(staff("view_wall", companies=companies or ("*",)))


each_way = pytest.mark.parametrize("how", ["pass", "user"])


def test_a_pass_that_names_no_company_shows_none(client: Client) -> None:
    make_jobs_of_two_companies()
    make_pass()
    hang_up(client)
    page = html(client) + parts(client) + client.get(MATRIX).content.decode()
    assert ACME not in page
    assert GLOBEX not in page
    assert "host-a" not in page
    assert counted(page, "problem") == 0


@each_way
def test_another_companys_backups_are_behind_no_door(client: Client, how: str) -> None:
    make_jobs_of_two_companies()
    enter(client, how, "ACME")
    page = html(client)
    assert f"DB_{ACME}" in page
    assert counted(page, "problem") == 1
    for answer in (page, parts(client), client.get(MATRIX).content.decode()):
        assert f"DB_{GLOBEX}" not in answer
        assert "GLOBEX" not in answer


@each_way
def test_what_is_the_servers_is_shown_to_those_who_see_every_company(
    client: Client, how: str
) -> None:
    make_all_well(timezone.now())
    Lease.objects.update(holder="", host="secret-host")
    Incident.objects.create(
        kind="scan", key="scan", level="problem", since=NOW, opened_at=NOW, reason="deposit_root"
    )
    enter(client, how)
    page = html(client)
    assert "manage.py runapscheduler" in page
    assert "Nothing is checked: the deposit tree is away" in page
    assert "Vault" in page


@each_way
def test_others_are_told_only_that_the_scheduler_is_not_healthy(client: Client, how: str) -> None:
    make_all_well(timezone.now())
    Lease.objects.update(beat_at=NOW, host="secret-host")
    Incident.objects.create(
        kind="scan", key="scan", level="problem", since=NOW, opened_at=NOW, reason="deposit_root"
    )
    enter(client, how, "ACME")
    for answer in (html(client), parts(client)):
        assert "The scheduler is not healthy" in answer
        assert "secret-host" not in answer
        assert "manage.py" not in answer
        assert "deposit tree" not in answer
        assert "Vault" not in answer


def test_a_healthy_server_says_when_the_last_scan_was(client: Client) -> None:
    make_all_well(timezone.now())
    enter(client, "pass", "ACME")
    page = html(client)
    assert "Last good scan:" in page
    assert "not healthy" not in page


def test_the_vault_is_told_in_a_line(client: Client) -> None:
    make_all_well(timezone.now())
    ScanRun.objects.update(vault_free_bytes=5 * 2**30, vault_days_left=12.5)
    enter(client, "pass")
    assert "Nothing is known to be wrong. 5.0\xa0GB free, full in 12 days." in html(client)
    VaultFinding.objects.create(kind="extra", path="x", message="x", found_at=NOW)
    ScanRun.objects.update(vault_days_left=0.5)
    assert "1 finding is open. 5.0\xa0GB free, full within a day." in html(client)
    ScanRun.objects.update(vault_days_left=None)
    assert "1 finding is open. 5.0\xa0GB free." in html(client)


def test_an_incident_that_somebody_knows_of_says_who(client: Client) -> None:
    make_jobs_of_two_companies()
    Incident.objects.filter(company="ACME").update(
        acknowledged_at=NOW, acknowledged_by="Ada", acknowledged_note="not for the wall"
    )
    enter(client, "pass")
    page = html(client)
    assert "Ada knows" in page
    assert "not for the wall" not in page
    Incident.objects.update(acknowledged_until=NOW)
    assert "Ada knows" not in html(client)


def test_incidents_that_are_over_are_not_shown(client: Client) -> None:
    make_jobs_of_two_companies()
    Incident.objects.update(ended_at=NOW)
    enter(client, "pass")
    assert "No incident is open." in html(client)


def test_a_wall_holds_so_many_incidents_and_counts_the_rest(client: Client) -> None:
    write(60)
    enter(client, "pass")
    page = html(client)
    assert page.count('<span class="wall-words">') == 50
    assert "and 10 more" in page


def test_links_lead_where_one_may_go(client: Client) -> None:
    make_jobs_of_two_companies()
    jobs, incidents = LIST.format(ExpectedBackupJob), LIST.format(Incident)
    enter(client, "pass")
    assert f'href="{jobs}' not in html(client)
    client.force_login(staff("view_wall", "view_incident", "view_expectedbackupjob"))
    page = html(client)
    assert f'href="{jobs}?counted_as=problem"' in page
    assert f'href="{incidents}' in page
    User.objects.update(is_staff=False)
    assert f'href="{incidents}' not in html(client)


def test_entries_are_linked_for_those_who_may_open_both(client: Client) -> None:
    entries = LIST.format(BackupEntry)
    user = staff("view_wall", "view_backupentry", "view_expectedbackupjob")
    client.force_login(user)
    assert entries in html(client)
    user.user_permissions.remove(user.user_permissions.get(codename="view_backupentry"))
    assert entries not in html(client)


def test_what_agents_say_becomes_no_markup(client: Client) -> None:
    write(2, text="<script>alert(1)</script>")
    enter(client, "pass")
    for answer in (html(client), parts(client)):
        assert "<script>alert(1)" not in answer


def test_who_was_granted_no_company_is_told_so(client: Client) -> None:
    make_jobs_of_two_companies()
    user = staff("view_wall")
    user.company_grants.all().delete()
    client.force_login(user)
    page = html(client)
    assert "ask an administrator to grant you one" in page
    assert counted(page, "problem") == 0


def test_a_new_install_shows_its_three_steps_without_links(client: Client) -> None:
    enter(client, "pass")
    page = html(client)
    assert page.count('class="bm-step"') == 3
    assert "bm-step-links" not in page


def test_its_theme_is_in_the_address(client: Client) -> None:
    enter(client, "user")
    assert 'data-theme="auto"' in html(client)
    assert 'data-theme="dark" class="dark"' in html(client, f"{WALL}?theme=dark")
    assert 'data-theme="auto"' in html(client, f"{WALL}?theme=<b>")
    assert "?theme=light" in html(client)


def test_its_language_is_in_the_address(client: Client) -> None:
    make_pass()
    french = f"{WALL}?lang=fr&theme=dark"
    assert hang_up(client, query="&lang=fr&theme=dark")["Location"] == french
    response = client.get(french)
    page = response.content.decode()
    assert response["Content-Language"] == "fr"
    assert '<html lang="fr" data-theme="dark"' in page
    assert "Aucun incident en cours" in page
    assert re.search(r'href="[?]lang=fr&amp;theme=dark" lang="fr"[^>]*aria-current="true"', page)
    assert re.search(r'href="[?]lang=en&amp;theme=dark" lang="en" hreflang="en">English<', page)
    assert re.search(r'href="[?]lang=fr&amp;theme=light"', page)
    # What it looks for again is in the same language.
    looks = re.search(r'data-url="([^"]*)"', page)
    assert looks is not None
    answer = client.get(unescape(looks[1])).json()
    assert "Aucun incident en cours" in answer["parts"]["incidents"]
    assert '<html lang="en"' in html(client)


@pytest.mark.parametrize("language", ["", "de", "FR", "../fr", "%00"])
def test_a_language_that_we_do_not_speak_leaves_it_as_the_device_asks(
    client: Client, language: str
) -> None:
    enter(client, "user")
    for asked in ("en", "fr"):
        response = client.get(f"{WALL}?lang={language}", headers={"accept-language": asked})
        assert f'<html lang="{asked}"' in response.content.decode()
        assert response["Content-Language"] == asked


def test_a_display_that_is_refused_comes_back_as_it_was_and_says_so_in_its_language(
    client: Client,
) -> None:
    make_pass(revoked_at=NOW)
    page = hang_up(client, query="&lang=fr&theme=dark").content.decode()
    assert '<html lang="fr"' in page
    assert 'data-url="/board/?lang=fr&amp;theme=dark"' in page
    assert "?next=/board/%3Flang%3Dfr%26theme%3Ddark" in page
    assert TOKEN not in page


@pytest.mark.parametrize(
    ("language", "since"),
    [("en", "since 2026-03-02 13:00 UTC"), ("fr", "depuis le 02/03/2026 13:00 UTC")],
)
def test_an_incident_says_since_when_as_other_pages_write_times_and_in_which_zone(
    client: Client, language: str, since: str
) -> None:
    make_jobs_of_two_companies()
    Incident.objects.update(since=datetime(2026, 3, 2, 13, tzinfo=UTC))
    enter(client, "pass")
    assert since in html(client, f"{WALL}?lang={language}")


def test_the_display_holds_nothing_that_its_policy_forbids(client: Client) -> None:
    enter(client, "pass")
    page = html(client)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", page) == []
    assert re.findall(r'(?:src|href)="(?:\w+:)?//', page) == []


def test_it_takes_as_many_statements_for_many_rows() -> None:
    make_all_well(timezone.now())
    ways = {how: Client() for how in ("pass", "user")}
    for how, client in ways.items():
        enter(client, how)

    def taken() -> dict[tuple[str, str], int]:
        counts = {}
        for how, door in product(ways, (WALL, STATE)):
            with CaptureQueriesContext(connection) as captured:
                assert ways[how].get(door).status_code == 200
            counts[how, door] = len(captured.captured_queries)
        return counts

    write(10)
    taken()
    few = taken()
    write(990, first=10)
    assert taken() == few
