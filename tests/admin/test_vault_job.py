"""What the page of a job says of its copies, and what one may say there of its dumps."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner.models import ExpectedBackupJob, VaultCopy, VaultFinding
from scanner.pipeline.retention import Policy
from tests.admin.fields import seen, told
from tests.admin.rows import staff
from tests.admin.test_history import found, html, page_of
from tests.admin.test_job import ADD, FIELDS
from tests.admin.vault_rows import make_copy, make_drill, make_finding
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
KEEPS = ("LAST", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")


def set_keeps(settings: Any, *numbers: int) -> None:
    for name, number in zip(KEEPS, numbers, strict=True):
        setattr(settings, f"VAULT_KEEP_{name}", number)


# --- The form -------------------------------------------------------------------------------------


def test_what_is_expected_of_a_dump_and_which_copies_are_kept_can_be_said(
    admin_client: Client,
) -> None:
    said = {"min_size": "1000000", "stale_after": "7", "keep_last": "3", "keep_monthly": "0"}
    assert admin_client.post(ADD, {**FIELDS, **said}).status_code == 302
    job = ExpectedBackupJob.objects.get()
    assert not job.has_trailer
    assert (job.min_size, job.stale_after) == (1_000_000, 7)
    assert (job.keep_last, job.keep_daily, job.keep_monthly) == (3, None, 0)
    said = {"has_trailer": "on", "keep_daily": "14"}
    said |= seen(admin_client, page_of(job))
    assert admin_client.post(page_of(job), {**FIELDS, **said}).status_code == 302
    changed = ExpectedBackupJob.objects.get()
    assert changed.has_trailer
    assert (changed.min_size, changed.stale_after) == (None, None)
    assert (changed.keep_last, changed.keep_daily, changed.keep_monthly) == (None, 14, None)


@pytest.mark.parametrize("field", ["min_size", "stale_after", "keep_last", "keep_yearly"])
@pytest.mark.parametrize("value", ["-1", "many", "9" * 40])
def test_a_number_that_cannot_be_kept_is_refused_beside_its_field(
    admin_client: Client, field: str, value: str
) -> None:
    response = admin_client.post(ADD, {**FIELDS, field: value})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]
    assert not ExpectedBackupJob.objects.exists()


def test_a_new_job_is_offered_what_the_settings_say(admin_client: Client, settings: Any) -> None:
    set_keeps(settings, 3, 14, 0, 0, 0)
    page = html(admin_client, ADD)
    assert re.search(r'<input[^>]*name="keep_daily"[^>]*placeholder="14"', page)
    assert re.search(r'<input[^>]*name="has_trailer"[^>]*checked', page)


@pytest.mark.parametrize(
    ("general", "own", "words"),
    [
        ((0, 0, 0, 0, 0), {}, "every copy is kept"),
        ((0, 0, 0, 0, 0), {"keep_last": 0}, "last: 0 (the job's own) every copy is kept"),
        (
            (3, 0, 0, 0, 2),
            {},
            "last: 3 (the setting VAULT_KEEP_LAST) yearly: 2 (the setting VAULT_KEEP_YEARLY)",
        ),
        (
            (3, 7, 0, 0, 0),
            {"keep_daily": 14, "keep_weekly": 4},
            (
                "last: 3 (the setting VAULT_KEEP_LAST) daily: 14 (the job's own) "
                "weekly: 4 (the job's own)"
            ),
        ),
        ((3, 0, 0, 0, 0), {"keep_last": 0}, "last: 0 (the job's own) every copy is kept"),
    ],
)
def test_a_job_tells_which_copies_are_kept_and_who_says_so(
    admin_client: Client,
    settings: Any,
    general: tuple[int, ...],
    own: dict[str, Any],
    words: str,
) -> None:
    set_keeps(settings, *general)
    job = make_job(**own)
    rules = told(html(admin_client, page_of(job)), "In force")
    assert rules == words
    assert ("every copy is kept" in rules) is (job.policy == Policy())


# --- What is known --------------------------------------------------------------------------------


def test_a_job_without_copies_says_so(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_job()))
    assert told(page, "Last proven restorable") == "never"
    assert told(page, "Copies in the vault") == "—"
    assert told(page, "Open findings") == "none"
    assert told(page, "Unchanged cycles") == "0"


def test_a_job_tells_which_backup_was_last_proven_restorable(admin_client: Client) -> None:
    job = make_job()
    copy = make_copy(job, made_at=NOW - timedelta(days=2))
    drill = make_drill(copy, seconds=75, tables=12, rows=34_567)
    ExpectedBackupJob.objects.filter(pk=job.pk).update(last_restore=drill, unchanged_cycles=4)
    assert told(html(admin_client, page_of(job)), "Last proven restorable") == (
        "the backup of 2026-02-28 12:00 , restored 2026-03-02 12:00 in 1 min 15 s : "
        "tables 12, rows 34,567"
    )
    assert told(html(admin_client, page_of(job)), "Unchanged cycles") == "4"
    page = html(admin_client, page_of(job))
    assert page_of(copy) in page
    assert page_of(drill) in page


def test_a_job_counts_the_copies_that_should_be_there(admin_client: Client) -> None:
    job = make_job()
    for state in ("whole", "damaged", "absent", "deleting", "deleted"):
        make_copy(job, state, state=state, size=1024)
    make_copy(make_job("other"))
    assert told(html(admin_client, page_of(job)), "Copies in the vault") == "3 copies , 3.0 KB"
    assert f"?job__id__exact={job.pk}" in html(admin_client, page_of(job))
    assert found(admin_client, VaultCopy, f"job__id__exact={job.pk}") == 5


def test_a_jobs_open_findings_are_red_and_lead_to_each(admin_client: Client) -> None:
    job = make_job()
    finding = make_finding(make_copy(job), path=f"x/{SCRIPT}", message=f"words {SCRIPT}")
    make_finding(make_copy(job, "two"), message="ended", ended_at=NOW, end="whole")
    make_finding(make_copy(make_job("other")), message="of another")
    page = html(admin_client, page_of(job))
    assert SCRIPT not in page
    label = re.search(r"<span[^>]*uppercase[^>]*>\s*damaged copy", page)
    assert label is not None
    assert "text-red-" in label[0]
    assert page_of(finding) in page
    words = told(html(admin_client, page_of(job)), "Open findings")
    assert f"words {SCRIPT}" in words
    assert "ended" not in words
    assert "of another" not in words


def test_of_many_findings_a_job_shows_the_newest_and_the_way_to_all(
    admin_client: Client,
) -> None:
    copy = make_copy(make_job())
    for number in range(8):
        make_finding(copy, path=f"file {number}")
    page = html(admin_client, page_of(copy.job))
    shown = [number for number in range(8) if f"file {number}" in page]
    assert shown == [3, 4, 5, 6, 7]
    assert found(admin_client, VaultFinding, f"job__id__exact={copy.job_id}") == 8


def test_a_jobs_page_takes_no_more_statements_for_a_full_vault(admin_client: Client) -> None:
    job = make_job()

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, page_of(job))
        return len(captured.captured_queries)

    def fill(number: int) -> None:
        make_finding(make_copy(job, str(number)))
        drill = make_drill(make_copy(job, f"{number} again"))
        ExpectedBackupJob.objects.filter(pk=job.pk).update(last_restore=drill)

    fill(0)
    html(admin_client, page_of(job))
    few = statements()
    for number in range(1, 31):
        fill(number)
    assert statements() == few


def test_who_may_only_look_sees_what_is_expected(client: Client) -> None:
    job = make_job(keep_last=3, min_size=77)
    client.force_login(staff("view_expectedbackupjob"))
    page = html(client, page_of(job))
    assert 'name="keep_last"' not in page
    assert "last: 3 (the job&#x27;s own)" in page
    assert "77" in page


def test_what_was_proven_survives_a_change_of_the_job(admin_client: Client) -> None:
    job = make_job()
    drill = make_drill(make_copy(job))
    ExpectedBackupJob.objects.filter(pk=job.pk).update(last_restore=drill, unchanged_cycles=4)
    data = {**FIELDS, "keep_last": "5", **seen(admin_client, page_of(job))}
    assert admin_client.post(page_of(job), data).status_code == 302
    job.refresh_from_db()
    assert (job.last_restore, job.unchanged_cycles, job.keep_last) == (drill, 4, 5)
