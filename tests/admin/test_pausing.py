"""Pausing with a reason and an end, resuming and retiring: from the list, the page, an action."""

import hashlib
import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from scanner import roster
from scanner.models import ExpectedBackupJob, JobChange
from tests.admin.fields import hidden
from tests.admin.rows import LIST, staff, write
from tests.alerts.rows import make_incident
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

JOBS = LIST.format(ExpectedBackupJob)
MAY = ("view_expectedbackupjob", "change_expectedbackupjob")
DAY = timedelta(days=1)


def page_of(job: ExpectedBackupJob, what: str = "change") -> str:
    return f"{JOBS}{job.pk}/{what}/"


def html(client: Client, url: str) -> str:
    response = client.get(url, follow=True)
    assert response.status_code == 200
    return unescape(response.content.decode())


def local(at: datetime) -> str:
    """Write a time as a browser's field does."""
    return f"{timezone.localtime(at):%Y-%m-%dT%H:%M}"


def pause(client: Client, job: ExpectedBackupJob, query: str = "", **data: str) -> Any:
    said = {"reason": "moving house", "end": "", **data}
    return client.post(page_of(job, "pause") + query, said)


def act(client: Client, action: str, jobs: list[ExpectedBackupJob], **data: str) -> str:
    """Do an action of the list; with more data, answer what it asks."""
    chosen = {"action": action, "_selected_action": [str(job.pk) for job in jobs]}
    response = client.post(JOBS, {**chosen, **data}, follow=True)
    assert response.status_code == 200
    return unescape(response.content.decode())


def confirmed(*jobs: ExpectedBackupJob) -> str:
    """Give what the page that asks about these jobs posts."""
    keys = ",".join(str(key) for key in sorted(job.pk for job in jobs))
    return hashlib.sha256(keys.encode()).hexdigest()


# --- The switch in the list -----------------------------------------------------------------------


def test_the_switch_leads_to_the_page_that_asks_why(admin_client: Client) -> None:
    job = make_job()
    page = html(admin_client, f"{JOBS}?city=DOUALA&p=1")
    row = re.search(rf'<a id="job-{job.pk}"[^>]*>', page)
    assert row is not None
    assert 'class="bm-switch bm-switch-on"' in row[0]
    assert f'aria-label="{job} is active: pause it"' in row[0]
    way = re.search(r'href="([^"]*)"', row[0])
    assert way is not None
    assert 'name="reason"' in html(admin_client, way[1])
    job.refresh_from_db()
    assert job.is_active

    response = admin_client.post(way[1], {"reason": "moving house", "end": ""})
    assert response["Location"] == f"{JOBS}?city=DOUALA&p=1#job-{job.pk}"


def test_the_switch_of_a_paused_job_starts_it_again_at_once(admin_client: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    roster.pause([job.pk], now=NOW)
    page = html(admin_client, f"{JOBS}?city=DOUALA")
    row = re.search(rf'<button[^>]*id="job-{job.pk}"[^>]*>', page)
    assert row is not None
    assert 'role="switch"' in row[0]
    assert 'aria-checked="false"' in row[0]
    action = re.search(r'formaction="([^"]*)"', row[0])
    assert action is not None
    response = admin_client.post(action[1], {"on": "1"})
    assert response["Location"] == f"{JOBS}?city=DOUALA#job-{job.pk}"
    job.refresh_from_db()
    assert job.is_active
    assert job.deadline_at is not None


def test_the_list_says_who_paused_a_job_why_and_until_when(admin_client: Client) -> None:
    job = make_job()
    roster.pause([job.pk], now=NOW, by="ada", reason="<b>moving</b>", until=NOW + DAY)
    page = admin_client.get(JOBS).content.decode()
    assert "paused by ada" in page
    assert "2026-03-03 12:00" in page
    assert "&lt;b&gt;moving&lt;/b&gt;" in page
    assert "<b>moving</b>" not in page


def test_the_list_says_since_when_a_job_is_retired(admin_client: Client) -> None:
    job = make_job()
    roster.retire([job.pk], now=NOW)
    page = html(admin_client, f"{JOBS}?counted_as=retired")
    assert re.search(r"retired <time[^>]*>2026-03-02 12:00", page)


def test_who_may_only_look_sees_how_a_job_stands_and_no_switch(client: Client) -> None:
    make_job("a")
    paused, waiting = make_job("b"), make_job("c", is_active=False)
    roster.pause([paused.pk], now=NOW, by="ada")
    ExpectedBackupJob.objects.filter(pk=waiting.pk).update(awaits_adoption=True)
    client.force_login(staff("view_expectedbackupjob"))
    page = html(client, JOBS)
    standing = re.findall(r'<span class="bm-standing">(.*?)</td>', page, re.DOTALL)
    assert len(standing) == 3
    for words, cell in zip(("active", "paused by ada", "to adopt"), standing, strict=True):
        assert words in cell
        assert "href" not in cell
        assert "<button" not in cell


# --- Pausing one job ------------------------------------------------------------------------------


def test_a_job_is_paused_with_a_reason_and_an_end(admin_client: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    until = timezone.now() + 3 * DAY
    response = pause(admin_client, job, end="at", until=local(until))
    assert response["Location"] == page_of(job)
    job.refresh_from_db()
    assert (job.is_active, job.deadline_at) == (False, None)
    assert (job.paused_by, job.pause_reason) == ("admin", "moving house")
    assert job.paused_until == until.replace(second=0, microsecond=0)
    change = job.changes.get(action="paused")
    assert (change.changed_by, change.note) == ("admin", "moving house")
    assert LogEntry.objects.get().get_change_message() == "Paused."


def test_a_pause_without_an_end_lasts_until_somebody_resumes_it(admin_client: Client) -> None:
    job = make_job()
    pause(admin_client, job)
    job.refresh_from_db()
    assert (job.is_active, job.paused_until) == (False, None)
    assert "nobody is told of it" in html(admin_client, page_of(job))


def test_the_ends_on_offer_are_still_to_come_and_are_taken(admin_client: Client) -> None:
    job = make_job()
    page = html(admin_client, page_of(job, "pause"))
    values = re.findall(r'type="radio"[^>]*name="end" value="([^"]*)"', page)
    assert values[0] == ""
    assert values[-1] == "at"
    assert 4 <= len(values) <= 5  # in the evening, this evening is none of them
    for value in values[1:-1]:
        pause(admin_client, job, end=value)
        job.refresh_from_db()
        assert job.paused_until is not None
        assert local(job.paused_until) == value
        assert job.paused_until > timezone.now()


def test_an_end_is_read_in_the_zone_of_the_pages(admin_client: Client, settings: Settings) -> None:
    settings.TIME_ZONE = "Africa/Douala"
    job = make_job()
    assert "(Africa/Douala)" in html(admin_client, page_of(job, "pause"))
    tomorrow = (timezone.now() + DAY).replace(hour=12, minute=0, second=0, microsecond=0)
    pause(admin_client, job, end="at", until=f"{tomorrow:%Y-%m-%d}T13:00")
    job.refresh_from_db()
    assert job.paused_until == tomorrow


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"reason": ""}, "Say why"),
        ({"reason": "  "}, "Say why"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"reason": "nul\0"}, "Null characters are not allowed."),
        ({"end": "at"}, "Say until when"),
        ({"end": "at", "until": "2020-01-01T12:00"}, "This is past"),
        ({"end": "at", "until": "9999-12-31T23:59"}, "more than ten years away"),
        ({"end": "at", "until": "soon"}, "Enter a valid date/time."),
        ({"end": "at", "until": "0001-01-01T00:00"}, "This is past"),
        ({"end": "2020-01-01T12:00"}, "This is past"),
        ({"end": "whenever"}, "Enter a valid date/time."),
    ],
)
def test_a_pause_that_cannot_be_is_refused_beside_its_field(
    admin_client: Client, data: dict[str, str], error: str
) -> None:
    job = make_job()
    response = pause(admin_client, job, **data)
    assert response.status_code == 200
    page = response.content.decode()
    assert 'aria-invalid="true"' in page
    assert error in page
    job.refresh_from_db()
    assert job.is_active


def test_what_was_filled_in_is_not_lost_by_an_error(admin_client: Client) -> None:
    job = make_job()
    page = pause(admin_client, job, reason="a <move>", end="at", until="2020-01-01T12:00")
    text = page.content.decode()
    assert "a &lt;move&gt;</textarea>" in text
    assert 'value="2020-01-01T12:00"' in text
    assert re.search(r'name="end" value="at" checked', text)


def test_a_pause_is_changed_on_the_same_page(admin_client: Client) -> None:
    job = make_job()
    until = timezone.now().replace(second=0, microsecond=0) + DAY
    roster.pause([job.pk], now=NOW, by="ada", reason="moving", until=until)
    page = html(admin_client, page_of(job, "pause"))
    assert "moving</textarea>" in page
    assert f'value="{local(until)}"' in page
    assert re.search(r'name="end" value="at" checked', page)
    pause(admin_client, job, reason="still moving", end="at", until=local(until + DAY))
    job.refresh_from_db()
    assert (job.pause_reason, job.paused_until) == ("still moving", until + DAY)
    assert (job.paused_by, job.paused_at) == ("admin", NOW)
    pause(admin_client, job, reason="still moving", end="at", until=local(until + DAY))
    assert job.changes.filter(action="paused").count() == 2


@pytest.mark.parametrize("standing", ["retired", "to adopt", "judged, and to adopt"])
def test_what_is_retired_or_to_adopt_cannot_be_paused(admin_client: Client, standing: str) -> None:
    job = make_job(is_active=standing.startswith("judged"))
    if standing == "retired":
        roster.retire([job.pk], now=NOW)
    else:
        ExpectedBackupJob.objects.filter(pk=job.pk).update(awaits_adoption=True)
    for response in (
        admin_client.get(page_of(job, "pause"), follow=True),
        admin_client.post(page_of(job, "pause"), {"reason": "x", "end": ""}, follow=True),
    ):
        assert "there is nothing to pause" in response.content.decode()
    assert not JobChange.objects.filter(action="paused").exists()


# --- Resuming and retiring one job ----------------------------------------------------------------


@pytest.mark.parametrize("was", ["paused", "retired"])
def test_a_job_is_resumed_from_its_page(admin_client: Client, was: str) -> None:
    job = make_job(schedule="30 2 * * *")
    (roster.pause if was == "paused" else roster.retire)([job.pk], now=NOW)
    response = admin_client.post(page_of(job, "resume"), follow=True)
    assert "is watched again" in response.content.decode()
    job.refresh_from_db()
    assert (job.is_active, job.retired_at, job.paused_at) == (True, None, None)
    assert job.deadline_at is not None
    assert job.changes.get(action="resumed").changed_by == "admin"
    again = admin_client.post(page_of(job, "resume"), follow=True)
    assert "It was so already." in again.content.decode()
    assert LogEntry.objects.count() == 1


def test_a_job_is_not_resumed_by_looking(admin_client: Client) -> None:
    job = make_job(is_active=False)
    assert admin_client.get(page_of(job, "resume")).status_code == 405
    job.refresh_from_db()
    assert not job.is_active


def test_retiring_says_first_what_happens(admin_client: Client) -> None:
    job = make_job()
    page = html(admin_client, page_of(job, "retire"))
    for words in ("history and its copies", "nobody is told of it", "“Resume” brings it back"):
        assert words in page
    job.refresh_from_db()
    assert job.is_active
    response = admin_client.post(page_of(job, "retire"), {"reason": "sold"}, follow=True)
    assert "is retired. Its history and its copies are kept." in response.content.decode()
    job.refresh_from_db()
    assert (job.is_active, job.retired_at is not None) == (False, True)
    change = job.changes.get(action="retired")
    assert (change.changed_by, change.note) == ("admin", "sold")
    again = admin_client.post(page_of(job, "retire"), {"reason": "sold"}, follow=True)
    assert "It was so already." in again.content.decode()


def test_retiring_asks_for_no_reason(admin_client: Client) -> None:
    job = make_job()
    admin_client.post(page_of(job, "retire"), {"reason": ""})
    job.refresh_from_db()
    assert job.retired_at is not None


def test_a_reason_to_retire_is_not_longer_than_it_can_be_kept(admin_client: Client) -> None:
    job = make_job()
    page = admin_client.post(page_of(job, "retire"), {"reason": "x" * 501}).content.decode()
    assert "at most 500 characters" in page
    job.refresh_from_db()
    assert job.retired_at is None


# --- Many -----------------------------------------------------------------------------------------


def test_many_jobs_are_paused_when_it_is_said_why(admin_client: Client) -> None:
    jobs = [make_job(f"db_{number}", schedule="@daily") for number in range(3)]
    page = act(admin_client, "pause", jobs[:2], index="0")
    assert "Pause 2 jobs" in page
    assert "db_0" in page
    assert "db_2" not in page
    assert ExpectedBackupJob.objects.filter(is_active=True).count() == 3

    said = {"confirmed": hidden(page, "confirmed"), "end": ""}
    assert "Say why" in act(admin_client, "pause", jobs[:2], reason="", **said)
    assert "2 jobs paused." in act(admin_client, "pause", jobs[:2], reason="moving", **said)
    assert list(ExpectedBackupJob.objects.filter(is_active=True)) == [jobs[2]]
    notes = JobChange.objects.filter(action="paused").values_list("note", "changed_by")
    assert list(notes) == [("moving", "admin"), ("moving", "admin")]
    assert LogEntry.objects.count() == 2
    assert "They all were so already." in act(
        admin_client, "pause", jobs[:2], reason="moving", **said
    )


def test_many_jobs_are_resumed_at_once(admin_client: Client) -> None:
    jobs = [make_job(f"db_{number}", schedule="@daily") for number in range(3)]
    roster.pause([job.pk for job in jobs[:2]], now=NOW)
    assert "2 jobs resumed." in act(admin_client, "resume", jobs)
    assert ExpectedBackupJob.objects.filter(is_active=True, deadline_at__gt=NOW).count() == 3
    assert "They all were so already." in act(admin_client, "resume", jobs)
    assert LogEntry.objects.count() == 2


def test_resuming_leaves_what_waits_to_be_adopted(admin_client: Client) -> None:
    jobs = [make_job(f"db_{number}", is_active=False) for number in range(2)]
    ExpectedBackupJob.objects.filter(pk=jobs[0].pk).update(awaits_adoption=True)
    page = act(admin_client, "resume", jobs)
    assert "1 job resumed." in page
    assert "1 of them waits to be adopted" in page
    assert list(ExpectedBackupJob.objects.filter(is_active=True)) == [jobs[1]]


def test_many_jobs_are_retired_when_it_is_confirmed(admin_client: Client) -> None:
    jobs = [make_job(f"db_{number}") for number in range(3)]
    page = act(admin_client, "retire", jobs[:2], index="0")
    assert "Retire 2 jobs" in page
    assert ExpectedBackupJob.objects.filter(retired_at=None).count() == 3
    said = {"confirmed": hidden(page, "confirmed"), "reason": "sold"}
    page = act(admin_client, "retire", jobs[:2], **said)
    assert "2 jobs retired." in page
    assert list(ExpectedBackupJob.objects.filter(retired_at=None)) == [jobs[2]]
    assert "They all were so already." in act(admin_client, "retire", jobs[:2], index="0")


def test_of_jobs_that_are_not_watched_none_is_paused(admin_client: Client) -> None:
    job = make_job()
    roster.retire([job.pk], now=NOW)
    assert "there is nothing to pause" in act(admin_client, "pause", [job], index="0")


def test_an_action_reaches_the_jobs_on_other_pages_too(admin_client: Client) -> None:
    write(60)
    first = ExpectedBackupJob.objects.all()[:1]
    page = act(admin_client, "pause", list(first), select_across="1")
    assert "Pause 60 jobs" in page
    assert "and 10 more" in page
    answer = {name: hidden(page, name) for name in ("confirmed", "select_across")}
    assert answer["select_across"] == "1"
    page = act(admin_client, "pause", list(first), **answer | {"reason": "moving", "end": ""})
    assert "60 jobs paused." in page
    assert not ExpectedBackupJob.objects.filter(is_active=True).exists()


@pytest.mark.parametrize("action", ["pause", "retire"])
def test_nothing_is_done_to_jobs_that_were_not_shown(admin_client: Client, action: str) -> None:
    job = make_job()
    asked = act(admin_client, action, [job], select_across="1")
    make_job("new")
    said = {"reason": "moving", "end": "", "select_across": "1"}
    page = act(admin_client, action, [job], **said, confirmed=hidden(asked, "confirmed"))
    assert "The list has changed meanwhile." in page
    assert "new" in page
    assert ExpectedBackupJob.objects.filter(is_active=True).count() == 2
    act(admin_client, action, [job], **said, confirmed=hidden(page, "confirmed"))
    assert not ExpectedBackupJob.objects.filter(is_active=True).exists()


@pytest.mark.parametrize("action", ["pause", "retire"])
def test_nothing_is_done_where_as_many_other_jobs_were_shown(
    admin_client: Client, action: str
) -> None:
    recovers, fails = make_job("recovers"), make_job("fails")
    failed = f"{JOBS}?status__exact=FAILED"
    said = {"action": action, "select_across": "1", "_selected_action": str(recovers.pk)}
    ExpectedBackupJob.objects.filter(pk=recovers.pk).update(status="FAILED")
    asked = admin_client.post(failed, said).content.decode()
    assert "recovers" in asked
    ExpectedBackupJob.objects.filter(pk=recovers.pk).update(status="SUCCESS")
    ExpectedBackupJob.objects.filter(pk=fails.pk).update(status="FAILED")
    said |= {"confirmed": hidden(asked, "confirmed"), "reason": "moving", "end": ""}
    page = admin_client.post(failed, said).content.decode()
    assert "The list has changed meanwhile." in page
    assert "fails" in page
    assert "recovers" not in page
    assert ExpectedBackupJob.objects.filter(is_active=True).count() == 2


# --- Who may --------------------------------------------------------------------------------------

DOORS = ("pause", "resume", "retire")


@pytest.mark.parametrize("door", DOORS)
def test_who_may_only_look_can_do_nothing(client: Client, door: str) -> None:
    job = make_job(is_active=door != "resume")
    client.force_login(staff("view_expectedbackupjob"))
    said = {"reason": "x", "end": ""}
    assert client.post(page_of(job, door), said).status_code == 403
    page = html(client, JOBS)
    assert f'value="{door}"' not in page
    act(client, door, [job], confirmed=confirmed(job), **said)
    assert JobChange.objects.exclude(action="added").count() == 0


@pytest.mark.parametrize("door", DOORS)
def test_another_companys_job_cannot_be_acted_on(client: Client, door: str) -> None:
    own = make_job("own", is_active=door != "resume")
    other = make_job("other", "NORDIS_GAROUA_CENTRE", is_active=door != "resume")
    client.force_login(staff(*MAY, companies=("ACME",), name="acme"))
    said = {"reason": "x", "end": ""}
    assert client.get(page_of(other, door)).status_code in {404, 405}
    assert client.post(page_of(other, door), said).status_code == 404
    of_both = confirmed(own, other)
    act(client, door, [other], confirmed=confirmed(other), **said)
    act(client, door, [own, other], confirmed=of_both, select_across="1", **said)
    assert JobChange.objects.exclude(action="added").count() == (door == "resume")
    act(client, door, [own, other], confirmed=confirmed(own), select_across="1", **said)
    changed = JobChange.objects.exclude(action="added").values_list("job_id", flat=True)
    assert list(changed) == [own.pk]


@pytest.mark.parametrize("door", DOORS)
def test_a_job_that_is_gone_is_not_found(admin_client: Client, door: str) -> None:
    job = make_job()
    url = page_of(job, door)
    job.delete()
    assert admin_client.post(url, {"reason": "x"}).status_code == 404


@pytest.mark.parametrize("door", DOORS)
def test_each_door_is_safe_from_other_sites(door: str) -> None:
    job = make_job(is_active=door != "resume")
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff(*MAY))
    said = {"reason": "x", "end": ""}
    assert client.post(page_of(job, door), said).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', html(client, JOBS))
    assert token is not None
    said["csrfmiddlewaretoken"] = token[1]
    assert client.post(page_of(job, door), said).status_code == 302


# --- The bar of a job's page ----------------------------------------------------------------------


def bar(client: Client, job: ExpectedBackupJob) -> str:
    page = html(client, page_of(job))
    found = re.search(r'<div class="bm-actions".*?</div>', page, re.DOTALL)
    return found[0] if found else ""


@pytest.mark.parametrize(
    ("standing", "offered"),
    [
        ("active", {"pause", "retire"}),
        ("paused", {"resume", "pause", "retire"}),
        ("retired", {"resume"}),
        ("to adopt", {"adopt", "retire"}),
    ],
)
def test_a_jobs_page_offers_what_can_be_done_to_it(
    admin_client: Client, standing: str, offered: set[str]
) -> None:
    job = make_job(is_active=standing == "active")
    if standing == "retired":
        roster.retire([job.pk], now=NOW)
    if standing == "to adopt":
        ExpectedBackupJob.objects.filter(pk=job.pk).update(awaits_adoption=True)
    found = bar(admin_client, job)
    doors = set(re.findall(rf'(?:href|action)="{JOBS}{job.pk}/(\w+)/"', found))
    if f'href="{JOBS}adopt/?job={job.pk}"' in found:
        doors.add("adopt")
    assert doors == offered
    assert ("Change the pause…" in found) is (standing == "paused")


def test_a_jobs_page_leads_to_its_open_incident(client: Client) -> None:
    job = make_job()
    incident = make_incident([job])
    client.force_login(staff("view_expectedbackupjob", "view_incident", "change_incident"))
    found = bar(client, job)
    assert f"/admin/scanner/incident/{incident.pk}/change/" in found
    assert "Acknowledge the incident" in found
    type(incident).objects.update(acknowledged_at=NOW)
    assert "Open incident" in bar(client, job)
    type(incident).objects.update(acknowledged_until=timezone.now() + timedelta(days=1))
    assert "Open incident" in bar(client, job)
    type(incident).objects.update(acknowledged_until=timezone.now())
    assert "Acknowledge the incident" in bar(client, job)


def test_a_jobs_page_offers_to_scan_its_agent_to_who_may(client: Client) -> None:
    job = make_job()
    client.force_login(staff("view_expectedbackupjob"))
    assert bar(client, job) == ""
    client.force_login(staff("view_expectedbackupjob", "request_scan", name="other"))
    assert f"?agent={job.agent_id}" in bar(client, job)
