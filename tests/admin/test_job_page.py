"""The page of one job: the answers first, its form last."""

import re
from collections.abc import Iterable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from scanner import roster
from scanner.admin.job_tables import differences
from scanner.models import BackupEntry, ExpectedBackupJob, JobChange
from tests.admin.fields import seen, told
from tests.admin.rows import add_entries, staff, write
from tests.admin.test_history import html, make_entry, make_report, page_of
from tests.admin.vault_rows import make_copy, make_drill, make_finding
from tests.alerts.rows import make_incident
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
DAY = timedelta(days=1)
SEEN = ("view_expectedbackupjob", "view_backupentry", "view_agentreport", "view_vaultcopy")


def section(page: str, key: str) -> str:
    found = re.search(rf'<section id="{key}".*?</section>', page, re.DOTALL)
    assert found is not None, key
    return found[0]


def words(markup: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", markup).split()))


def rows(page: str, key: str) -> list[str]:
    body = re.search(r"<tbody>.*</tbody>", section(page, key), re.DOTALL)
    return [words(row) for row in re.findall(r"<tr>.*?</tr>", body[0], re.DOTALL)] if body else []


def settings_of(page: str) -> str:
    return page[page.index('<details id="settings"') :]


def restate(job: ExpectedBackupJob, **fields: Any) -> ExpectedBackupJob:
    ExpectedBackupJob.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def fine_job(days: Iterable[int] = range(5, -1, -1)) -> ExpectedBackupJob:
    """Make a job that is all right, with backups of these days ago, and tomorrow's awaited."""
    now = timezone.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    job = make_job(schedule="@daily", time_zone="UTC", now=now)
    entry = None
    for ago in days:
        entry = make_entry(job, cycle_due=today - ago * DAY, vault_path="a")
    return restate(
        job,
        status="SUCCESS",
        last_entry=entry,
        last_good_entry=entry,
        last_good_at=now - DAY / 4,
        due_at=today + DAY,
        deadline_at=today + DAY + job.grace,
    )


# --- How it stands --------------------------------------------------------------------------------


def test_the_page_says_first_how_the_job_stands(admin_client: Client) -> None:
    job = fine_job()
    state = words(section(html(admin_client, page_of(job)), "state"))
    day = timezone.now() - 5 * DAY
    assert f"On time every day since {day:%A}." in state
    assert "The last good copy is 6 h old." in state
    assert "No copy of it was ever restored for a proof." in state


def test_a_row_of_good_backups_begins_after_the_last_trouble(admin_client: Client) -> None:
    job = fine_job(range(5, 3, -1))
    now = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    make_entry(job, cycle_due=now - 3 * DAY, warnings=["late"])
    make_entry(job, cycle_due=now - 2 * DAY, warnings=["opaque"])
    make_entry(job, cycle_due=now - DAY)
    assert f"since {now - 2 * DAY:%A}." in section(html(admin_client, page_of(job)), "state")
    make_entry(job, cycle_due=now, status="MISSING", reason="no_report")
    assert "On time" not in section(html(admin_client, page_of(job)), "state")
    make_entry(job, cycle_due=now)
    page = html(admin_client, page_of(job))
    assert "The last backup came on time and is good." in section(page, "state")


def test_days_that_nobody_judged_are_not_said_to_be_good(admin_client: Client) -> None:
    job = fine_job([*range(50, 46, -1), *range(3, -1, -1)])
    day = timezone.now() - 3 * DAY
    state = section(html(admin_client, page_of(job)), "state")
    assert f"On time every day since {day:%A}." in state
    restate(job, deadline_at=timezone.now() - DAY)
    state = section(html(admin_client, page_of(job)), "state")
    assert "The last backup came on time and is good." in state


def test_what_fails_before_it_is_adopted_is_said_to_fail(admin_client: Client) -> None:
    job = restate(
        make_job(),
        awaits_adoption=True,
        status="CORRUPT",
        reason="hash_mismatch",
        problem_cycles=4,
        status_since=timezone.now() - DAY,
    )
    state = words(section(html(admin_client, page_of(job)), "state"))
    assert state.startswith("State Corrupt since yesterday: the file is not the one")
    assert "To adopt: reports mention this database" in state


def test_the_proof_is_told_where_it_is_of_the_last_good_copy(admin_client: Client) -> None:
    job = fine_job()
    copy = make_copy(job, made_at=NOW)
    restate(job, last_restore=make_drill(copy, finished_at=NOW))
    year = "" if timezone.now().year == NOW.year else f" {NOW.year}"
    state = section(html(admin_client, page_of(job)), "state")
    assert f"The backup of 2 March{year} was proven restorable on 2 March{year}." in state
    restate(job, last_good_entry=copy.entry)
    state = section(html(admin_client, page_of(job)), "state")
    assert f"The last good copy is 6 h old, proven restorable on 2 March{year}." in state


def test_a_pause_tells_who_why_and_until_when(admin_client: Client) -> None:
    job = fine_job()
    now = timezone.now()
    roster.pause([job.pk], now=now, by="amina", reason=f"moving {SCRIPT}", until=now + DAY)
    page = html(admin_client, page_of(job))
    assert SCRIPT not in page
    state = words(section(page, "state"))
    assert "Paused by amina since" in state
    assert f"The reason given: “moving {SCRIPT}”" in state
    assert "It is resumed by itself on" in state
    assert "Nothing is due while nobody watches it." in section(page, "deadlines")


def test_the_facts_stand_below_the_words(admin_client: Client) -> None:
    job = restate(make_job(schedule="30 2 * * *"), status="CORRUPT", reason="hash_mismatch")
    page = html(admin_client, page_of(job))
    assert told(page, "Status") == "Corrupt"
    assert told(page, "Reason") == "checksum mismatch"
    assert told(page, "Agent") == job.agent_id
    assert "02:30" in told(page, "Schedule")
    assert told(page, "Open incident") == "none"


# --- Deadlines ------------------------------------------------------------------------------------


def test_the_next_five_deadlines_are_told_where_the_job_is_and_where_the_site_is(
    admin_client: Client, settings: Any
) -> None:
    settings.TIME_ZONE = "UTC"
    now = timezone.now()
    job = make_job(schedule="30 2 * * *", time_zone="Africa/Douala", grace_minutes=45, now=now)
    page = html(admin_client, page_of(job))
    assert re.findall(r'<th scope="col">(\S+)</th>', section(page, "deadlines")) == [
        "Africa/Douala",
        "UTC",
    ]
    told_rows = rows(page, "deadlines")
    assert len(told_rows) == 5
    for row in told_rows:
        assert re.search(r"02:30, until 03:15 \S+ \d+ \S+, 01:30, until 02:15$", row)
    assert job.due_at is not None
    assert f'data-from="{job.due_at.isoformat()}"' in page


def test_one_zone_is_told_once(admin_client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    job = make_job(schedule="@daily", time_zone="UTC", now=timezone.now())
    heads = re.findall(r'<th scope="col">', section(html(admin_client, page_of(job)), "deadlines"))
    assert len(heads) == 1


def test_without_a_schedule_the_page_says_what_to_do(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_job()))
    assert "Give it one in the settings" in section(page, "deadlines")


# --- Entries, copies, changes ---------------------------------------------------------------------


def test_the_last_entries_are_shown_with_the_way_to_each(admin_client: Client) -> None:
    job = make_job()
    assert "all of them" not in html(admin_client, page_of(job))
    add_entries(job, 25)
    page = html(admin_client, page_of(job))
    entries = section(page, "entries")
    links = [int(key) for key in re.findall(r"/admin/scanner/backupentry/(\d+)/change/", entries)]
    assert links == list(BackupEntry.objects.order_by("-pk").values_list("pk", flat=True)[:20])
    assert "message 24" in entries
    assert "message 4<" not in entries
    assert f"?job__id__exact={job.pk}" in entries


def test_a_claim_stands_beside_what_was_measured_only_where_they_differ(
    admin_client: Client,
) -> None:
    job = make_job()
    make_entry(job, claimed_size=10, size=10, claimed_sha256="a" * 64, sha256="a" * 64)
    make_entry(job, claimed_size=10, claimed_sha256="a" * 64)
    assert "Claimed, and measured" not in section(html(admin_client, page_of(job)), "entries")
    make_entry(
        job,
        claimed_size=10_000,
        size=11_000,
        claimed_sha256="a" * 64,
        sha256="b" * 64,
        claimed_content_size=1,
        content_size=2,
    )
    page = html(admin_client, page_of(job))
    newest = rows(page, "entries")[0]
    assert "size: the agent says 10,000 bytes, measured were 11,000" in newest
    assert "SHA-256: the agent says aaaaaaaaaaaa…, measured was bbbbbbbbbbbb…" in newest
    assert "size of the dump: the agent says 1 bytes, measured were 2" in newest
    assert "the agent says" not in "".join(rows(page, "entries")[1:])


def test_what_differs_is_told_as_french_writes_numbers() -> None:
    entry = BackupEntry(claimed_size=1_234_567, size=1000, claimed_sha256="a" * 64, sha256="b" * 64)
    with translation.override("fr"):
        size, digest = differences(entry)
    thousands = "l\u2019agent annonce 1\u00a0234\u00a0567 octets, 1\u00a0000 ont été mesurés"
    assert size == f"taille\u00a0: {thousands}"
    assert digest.startswith("empreinte SHA-256\u00a0: l\u2019agent annonce aaaaaaaaaaaa…, bbbb")


def test_the_last_copies_can_be_downloaded_by_whom_it_is_permitted(client: Client) -> None:
    job = make_job()
    copies = [
        make_copy(job, str(number), made_at=NOW - number * DAY, proven_at=NOW)
        for number in range(12)
    ]
    make_copy(job, "lost", made_at=NOW + DAY, state="absent")
    client.force_login(staff(*SEEN, name="viewer"))
    page = html(client, page_of(job))
    assert len(rows(page, "copies")) == 10
    assert page_of(copies[0]) in page
    assert "download/" not in page
    client.force_login(staff(*SEEN, "download_backup", name="administrator"))
    page = html(client, page_of(job))
    links = re.findall(r"/vaultcopy/(\d+)/download/", page)
    assert [int(key) for key in links] == [copy.pk for copy in copies[:9]]


def test_the_changes_of_the_job_are_told_by_the_names_of_its_fields(admin_client: Client) -> None:
    job = make_job(schedule="@daily")
    job.schedule, job.grace_minutes, job.has_trailer = "30 2 * * *", 5, False
    job.notification_recipients = ""
    roster.save(job, now=NOW, by=f"amina {SCRIPT}")
    roster.retire([job.pk], now=NOW, by="bodil", reason="moved")
    page = html(admin_client, page_of(job))
    assert SCRIPT not in page
    retired, changed, added = rows(page, "changes")
    assert "bodil retired active: yes → no moved" in retired
    assert f"amina {SCRIPT} changed schedule: @daily → 30 2 * * *" in changed
    assert "grace (minutes): blank → 5" in changed
    assert "the dump has an end to check: yes → no" in changed
    assert "the program added" in added


def test_a_change_of_a_field_that_is_gone_is_told_all_the_same(admin_client: Client) -> None:
    job = make_job()
    JobChange.objects.create(
        job=job, action="changed", changed_at=NOW, changes={"old_name": [1, 2]}
    )
    assert "old_name: 1 → 2" in rows(html(admin_client, page_of(job)), "changes")[0]


# --- Reports --------------------------------------------------------------------------------------


def test_the_last_reports_that_tell_of_the_job_are_shown(admin_client: Client) -> None:
    job, other = make_job(), make_job("other")
    for number in range(12):
        report = make_report(sha256=f"{number:064}", arrived_at=NOW + number * DAY)
        make_entry(job, report=report)
    untold = make_report(sha256="f" * 64, file_name="untold.json")
    make_entry(other, report=untold)
    page = html(admin_client, page_of(job))
    assert len(rows(page, "reports")) == 10
    assert page_of(report) in page
    assert "untold.json" not in page


def test_reports_that_speak_of_other_companies_are_kept_from_who_sees_one(client: Client) -> None:
    job = make_job()
    make_entry(job, report=make_report(file_name="shared.json"))
    client.force_login(staff(*SEEN, companies=("ACME",), name="acme"))
    assert "shared.json" in html(client, page_of(job))
    make_job("theirs", company_name="GLOBEX")
    page = html(client, page_of(job))
    assert "shared.json" not in page
    assert "none that you may see" in section(page, "reports")


def test_reports_are_for_whom_may_see_reports(client: Client) -> None:
    job = make_job()
    make_entry(job, report=make_report(file_name="shared.json"))
    client.force_login(staff("view_expectedbackupjob"))
    assert "shared.json" not in html(client, page_of(job))


# --- What other pages keep to themselves ----------------------------------------------------------

BEHIND = {
    "view_backupentry": ("words of the entry", "/backupentry/", 'class="bm-plot"'),
    "view_vaultcopy": ("/vaultcopy/", "1 copy"),
    "view_vaultfinding": ("words of the finding", "/vaultfinding/"),
    "view_jobchange": ("moved",),
    "view_incident": ("/incident/",),
}


def job_with_all_behind() -> ExpectedBackupJob:
    job = make_job(time_zone="UTC")
    for size in (1, 2):
        entry = make_entry(job, size=size, message="words of the entry", cycle_due=timezone.now())
    copy = make_copy(job)
    make_finding(copy, message="words of the finding")
    JobChange.objects.create(job=job, action="retired", changed_at=NOW, note="moved")
    make_incident([job])
    return restate(job, last_entry=entry, last_restore=make_drill(copy, finished_at=NOW))


@pytest.mark.parametrize("permission", BEHIND)
def test_what_lies_behind_the_page_is_for_whom_may_see_it_elsewhere(
    client: Client, permission: str
) -> None:
    job = job_with_all_behind()
    client.force_login(staff("view_expectedbackupjob", *BEHIND))
    page = html(client, page_of(job))
    assert "You are not permitted" not in page
    for sign in BEHIND[permission]:
        assert sign in page
    client.force_login(staff("view_expectedbackupjob", *(set(BEHIND) - {permission}), name="other"))
    page = html(client, page_of(job))
    for sign in BEHIND[permission]:
        assert sign not in page


def test_the_page_for_who_sees_jobs_alone_leads_nowhere_that_is_forbidden(client: Client) -> None:
    job = job_with_all_behind()
    client.force_login(staff("view_expectedbackupjob"))
    page = html(client, page_of(job))
    ours = page[page.index('<div class="bm-job">') : page.index('<details id="settings"')]
    assert not re.search(r'(href|data-href)="/admin/', ours)
    for key in ("entries", "copies", "changes", "charts"):
        assert "You are not permitted to see them." in section(page, key)
    assert "Nothing to draw yet" not in page
    today = f"{timezone.now():%-d %B %Y}: good"
    assert f'role="img" aria-label="{today}"' in section(page, "calendar")


# --- The page as a whole --------------------------------------------------------------------------


def test_the_navigation_leads_to_each_part_of_the_page(admin_client: Client) -> None:
    page = html(admin_client, page_of(fine_job()))
    keys = re.findall(r'<a href="#(\w+)">', page[page.index('class="bm-sections"') :])
    assert keys[0] == "state"
    assert keys[-1] == "settings"
    places = [page.index(f' id="{key}"') for key in keys]
    assert places == sorted(places)


def test_the_form_is_closed_until_it_is_asked_for(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_job()))
    assert re.search(r'<details id="settings" class="bm-settings">', page)
    assert 'name="schedule"' in settings_of(page)
    assert 'name="_save"' in settings_of(page)
    assert 'id="submit-row"' not in page[: page.index('<details id="settings"')]


def test_a_form_that_is_refused_is_open_and_the_page_tells_the_job_as_it_is_stored(
    admin_client: Client,
) -> None:
    job = make_job(schedule="30 2 * * *", now=timezone.now())
    form = {
        "company_name": "Elsewhere",
        "city": "Douala",
        "neighborhood": "Newbell",
        "database_name": job.database_name,
        "agent_id": job.agent_id,
        "schedule": "99 2 * * *",
        "alert_after": "1",
        "is_active": "on",
        **seen(admin_client, page_of(job)),
    }
    response = admin_client.post(page_of(job), form)
    page = response.content.decode()
    assert response.status_code == 200
    assert re.search(r'<details id="settings" class="bm-settings" open', page)
    assert 'role="alert"' in page
    assert "cannot be read" in settings_of(page)
    assert told(page, "Place") == "ACME DOUALA, NEWBELL"
    assert len(rows(page, "deadlines")) == 5


def test_a_new_job_has_the_form_alone(admin_client: Client) -> None:
    page = html(admin_client, "/admin/scanner/expectedbackupjob/add/")
    assert 'name="schedule"' in page
    assert 'id="submit-row"' in page
    assert 'id="state"' not in page


def test_who_may_only_look_sees_all_but_a_form(client: Client) -> None:
    job = fine_job()
    make_copy(job)
    client.force_login(staff(*SEEN))
    page = html(client, page_of(job))
    for key in ("state", "deadlines", "charts", "calendar", "entries", "copies", "reports"):
        section(page, key)
    assert "@daily" in settings_of(page)
    assert 'name="schedule"' not in page
    assert 'name="_save"' not in page


def test_a_user_of_another_company_does_not_see_the_page(client: Client) -> None:
    job = fine_job()
    client.force_login(staff(*SEEN, companies=("GLOBEX",), name="globex"))
    response = client.get(page_of(job), follow=True)
    assert job.agent_id not in response.content.decode()


def test_the_page_takes_no_more_statements_for_a_long_history(admin_client: Client) -> None:
    write(1)
    job = ExpectedBackupJob.objects.get()
    make_entry(job, report=make_report())

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, page_of(job))
        return len(captured.captured_queries)

    def grow(count: int) -> None:
        add_entries(job, count)
        for number in range(count // 10):
            make_copy(job, f"{count} {number}")
            report = make_report(sha256=f"{count}{number}".zfill(64))
            make_entry(job, report=report, status="CORRUPT", reason="hash_mismatch", size=number)
        JobChange.objects.bulk_create(
            JobChange(job=job, action="changed", changed_at=NOW, changes={"schedule": ["", "x"]})
            for _ in range(count)
        )

    grow(10)
    html(admin_client, page_of(job))
    few = statements()
    grow(1000)
    write(100, first=1)
    assert statements() == few


def test_nothing_that_an_agent_says_becomes_markup(admin_client: Client) -> None:
    write(2, text=SCRIPT)
    job = ExpectedBackupJob.objects.get(database_name=f"db_0000_{SCRIPT}")
    report = make_report(
        agent_id=job.agent_id, file_name=f"{SCRIPT}.json", sha256="e" * 64, overall=SCRIPT[:20]
    )
    make_entry(job, report=report, message=SCRIPT, warnings=[SCRIPT])
    page = html(admin_client, page_of(job))
    assert SCRIPT not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.json" in page


def test_the_page_needs_no_style_or_script_within_it(admin_client: Client) -> None:
    page = html(admin_client, page_of(fine_job()))
    ours = page[page.index('<div class="bm-job">') : page.index('<details id="settings"')]
    assert not re.search(r'\s(style|on\w+)="', ours)
    assert "<script" not in ours
    assert "<style" not in ours
