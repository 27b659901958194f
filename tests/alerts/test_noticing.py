"""From the state of jobs to incidents and their events."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner import roster
from scanner.alerts.acknowledging import acknowledge, unacknowledge
from scanner.alerts.noticing import leaderless, notice
from scanner.models import (
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
    MaintenanceWindow,
    ScanRun,
    VaultCopy,
)
from tests.alerts.rows import DAY, HOUR, MINUTE, judge, make_channel, make_jobs, make_problem_jobs
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

LATER = NOW + HOUR


@pytest.fixture(autouse=True)
def _somebody_is_told() -> None:
    make_channel("ops", level="warning")


def events(now: datetime = NOW) -> dict[str, int]:
    """Notice as of `now`, and give how many events of each kind there were."""
    return notice(now=now).events


def still() -> list[tuple[str, str, str]]:
    """Give (kind, level, reason) of the open incidents."""
    rows = Incident.objects.filter(ended_at=None).order_by("pk")
    return list(rows.values_list("kind", "level", "reason"))


def ends() -> list[str]:
    ended = Incident.objects.exclude(ended_at=None).order_by("pk")
    return list(ended.values_list("end", flat=True))


def fresh(jobs: Sequence[ExpectedBackupJob]) -> list[ExpectedBackupJob]:
    """Read jobs again, as a scan would: noticing has cleared their marks."""
    keys = [job.pk for job in jobs]
    return list(ExpectedBackupJob.objects.filter(pk__in=keys).order_by("pk"))


def test_a_job_in_trouble_is_one_incident_until_it_is_well() -> None:
    jobs = make_problem_jobs(1, "CORRUPT", "hash_mismatch")
    assert events() == {"opened": 1}
    assert still() == [("job", "problem", "hash_mismatch")]
    judge(fresh(jobs), "SUCCESS", now=LATER)
    assert events(LATER) == {"recovered": 1}
    assert (still(), ends()) == ([], ["recovered"])
    assert not IncidentMember.objects.filter(left_at=None).exists()


def test_looking_again_changes_nothing() -> None:
    make_problem_jobs(2, "FAILED", "backup_failed")
    make_problem_jobs(4, agent="OTHER", city="PARIS")
    assert events() == {"opened": 3}
    before = list(Incident.objects.order_by("pk").values())
    assert events() == {}
    ExpectedBackupJob.objects.update(alert_check_at=NOW)  # as if the mark had not been cleared
    assert events() == {}
    assert list(Incident.objects.order_by("pk").values()) == before


def test_a_silent_site_of_twenty_is_one_incident_and_half_of_it_recovering_is_told_once() -> None:
    jobs = make_problem_jobs(20)
    assert events() == {"opened": 1}
    assert still() == [("place", "problem", "no_report")]
    opened = IncidentEvent.objects.get()
    assert (opened.facts["count"], opened.facts["of"]) == (20, 20)
    judge(fresh(jobs)[:4], "SUCCESS", now=LATER)
    assert events(LATER) == {}
    judge(fresh(jobs)[4:11], "SUCCESS", now=LATER + HOUR)
    assert events(LATER + HOUR) == {"partly": 1}
    partly = IncidentEvent.objects.latest("pk")
    assert (partly.facts["count"], partly.facts["left"]) == (9, 11)
    judge(fresh(jobs)[11:], "SUCCESS", now=LATER + DAY)
    assert events(LATER + DAY) == {"recovered": 1}
    assert still() == []


def test_one_recipient_gets_one_delivery_for_a_silent_site() -> None:
    make_problem_jobs(20)
    notice(now=NOW)
    assert Delivery.objects.count() == 1


def test_a_job_that_goes_missing_later_joins_the_place() -> None:
    jobs = make_problem_jobs(8)
    good = make_jobs(2, database="LATER")
    judge(good, "SUCCESS")
    assert events() == {"opened": 1}
    judge(fresh(good), "MISSING", "no_report", now=LATER)
    assert events(LATER) == {"joined": 1}
    assert still() == [("place", "problem", "no_report")]
    assert IncidentMember.objects.filter(left_at=None).count() == len(jobs) + 2


def test_a_place_that_has_doubled_is_told() -> None:
    make_problem_jobs(3)
    others = make_jobs(2, database="LATER")
    judge(others, "SUCCESS")
    assert events() == {"opened": 1}
    more = make_problem_jobs(4, database="MORE", now=LATER)
    assert events(LATER) == {"grown": 1}
    assert IncidentEvent.objects.latest("pk").facts["count"] == 3 + len(more)


def test_a_single_job_becomes_part_of_its_place_silently() -> None:
    first = make_problem_jobs(1)
    others = make_jobs(4, database="LATER")
    judge(others, "SUCCESS")
    assert events() == {"opened": 1}
    judge(fresh(others), "MISSING", "no_report", now=LATER)
    assert events(LATER) == {"opened": 1}
    assert still() == [("place", "problem", "no_report")]
    assert ends() == ["folded"]
    assert first[0].pk in IncidentMember.objects.filter(left_at=None).values_list("job", flat=True)


def test_a_place_becomes_part_of_a_wider_one() -> None:
    make_problem_jobs(5)
    assert events() == {"opened": 1}
    make_problem_jobs(5, city="PARIS", now=LATER)
    assert events(LATER) == {"opened": 1}
    place = Incident.objects.get(ended_at=None)
    assert (place.company, place.city, place.facts["count"]) == ("ACME", "", 10)
    assert ends() == ["folded"]


def test_a_member_stays_in_its_place_though_the_rest_is_well() -> None:
    jobs = make_problem_jobs(5)
    events()
    judge(fresh(jobs)[:4], "SUCCESS", now=LATER)
    assert events(LATER) == {"partly": 1}
    judge(fresh(jobs)[4:], "MISSING", "no_report", now=LATER + DAY)
    assert events(LATER + DAY) == {}
    assert still() == [("place", "problem", "no_report")]
    member = IncidentMember.objects.get(left_at=None)
    assert member.entry_id == fresh(jobs)[4].last_entry_id


def test_a_member_whose_failure_becomes_another_leaves_for_one_of_its_own() -> None:
    jobs = make_problem_jobs(5)
    events()
    judge(fresh(jobs)[:1], "CORRUPT", "hash_mismatch", now=LATER)
    assert events(LATER) == {"opened": 1}
    assert still() == [("place", "problem", "no_report"), ("job", "problem", "hash_mismatch")]


def test_another_kind_of_failure_is_news_of_the_same_incident() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    events()
    judge(fresh(jobs), "CORRUPT", "hash_mismatch", now=LATER)
    assert events(LATER) == {"changed": 1}
    assert still() == [("job", "problem", "hash_mismatch")]


def test_a_warning_that_becomes_a_problem_goes_on_and_one_that_is_left_begins_anew() -> None:
    jobs = make_jobs(1)
    judge(jobs, "SUCCESS", warnings=["late"])
    assert events() == {"opened": 1}
    judge(fresh(jobs), "FAILED", "backup_failed", now=LATER)
    assert events(LATER) == {"changed": 1}
    assert still() == [("job", "problem", "backup_failed")]
    judge(fresh(jobs), "SUCCESS", warnings=["size_anomaly"], now=LATER + HOUR)
    assert events(LATER + HOUR) == {"recovered": 1, "opened": 1}
    assert still() == [("job", "warning", "size_anomaly")]


def test_of_warnings_only_a_further_one_is_news() -> None:
    jobs = make_jobs(1)
    judge(jobs, "SUCCESS", warnings=["late"])
    events()
    judge(fresh(jobs), "SUCCESS", warnings=["late", "size_anomaly"], now=LATER)
    assert events(LATER) == {"changed": 1}
    judge(fresh(jobs), "SUCCESS", warnings=["late"], now=LATER + HOUR)
    assert events(LATER + HOUR) == {}
    assert still() == [("job", "warning", "late")]
    judge(fresh(jobs), "SUCCESS", warnings=["opaque"], now=LATER + DAY)
    assert events(LATER + DAY) == {"recovered": 1}


def test_a_job_is_told_after_as_many_problems_as_it_says() -> None:
    jobs = make_jobs(1, alert_after=3)
    for number in range(3):
        at = NOW + number * DAY
        judge(fresh(jobs), "FAILED", "backup_failed", now=at)
        assert events(at) == ({"opened": 1} if number == 2 else {})


def test_a_changed_mind_about_how_many_counts_at_once() -> None:
    (job,) = make_problem_jobs(1, "FAILED", "backup_failed", alert_after=3)
    assert events() == {}
    (job,) = fresh([job])
    job.alert_after = 1
    roster.save(job, now=LATER)
    assert events(LATER) == {"opened": 1}


def test_the_first_missing_one_may_be_only_a_warning() -> None:
    jobs = make_problem_jobs(1, first_missing_is_warning=True)
    events()
    assert still() == [("job", "warning", "no_report")]
    judge(fresh(jobs), "MISSING", "no_report", now=NOW + DAY)
    assert events(NOW + DAY) == {"changed": 1}
    assert still() == [("job", "problem", "no_report")]


def test_a_place_of_warnings_becomes_a_problem() -> None:
    jobs = make_problem_jobs(5, first_missing_is_warning=True)
    assert events() == {"opened": 1}
    assert still() == [("place", "warning", "no_report")]
    judge(fresh(jobs), "MISSING", "no_report", now=NOW + DAY)
    assert events(NOW + DAY) == {"changed": 1}
    assert still() == [("place", "problem", "no_report")]


def test_a_paused_job_is_watched_no_more_and_one_that_goes_on_is() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    events()
    roster.pause([jobs[0].pk], now=LATER)
    assert events(LATER) == {"recovered": 1}
    assert ends() == ["paused"]
    assert IncidentEvent.objects.latest("pk").facts["how"] == "paused"
    roster.resume([jobs[0].pk], now=LATER + HOUR)
    assert events(LATER + HOUR) == {"opened": 1}


def test_a_place_whose_jobs_are_all_paused_is_over() -> None:
    jobs = make_problem_jobs(4)
    events()
    roster.pause([job.pk for job in jobs], now=LATER)
    assert events(LATER) == {"recovered": 1}
    assert ends() == ["paused"]


def test_the_only_copy_in_the_staged_file_is_a_problem_until_it_is_in_the_vault() -> None:
    jobs = make_jobs(2)
    first, second = judge(jobs, "SUCCESS", warnings=["not_in_vault"])
    VaultCopy.objects.create(
        job=second.job,
        entry=second,
        path="x",
        sha256="0" * 64,
        size=1,
        made_at=NOW,
        stored_at=NOW,
        audited_at=NOW,
    )
    assert events() == {"opened": 2}
    assert {incident.name: incident.level for incident in Incident.objects.all()} == {
        first.job.database_name: "problem",
        second.job.database_name: "warning",
    }


def test_in_a_maintenance_window_all_is_as_ever_and_at_its_end_what_lasts_is_told_once() -> None:
    window = MaintenanceWindow(
        name="move", city="DOUALA", starts_at=NOW - HOUR, ends_at=NOW + 2 * HOUR, created_at=NOW
    )
    window.save()
    jobs = make_problem_jobs(10)
    elsewhere = make_problem_jobs(1, "FAILED", "backup_failed", city="PARIS")
    assert events() == {"opened": 1}
    judge(fresh(jobs)[:3], "SUCCESS", now=LATER)
    assert events(LATER) == {}
    assert events(NOW + 2 * HOUR + MINUTE) == {"opened": 1}
    place = Incident.objects.get(kind="place")
    assert (place.facts["count"], place.since) == (7, NOW)
    assert elsewhere[0].incidents.count() == 1


def test_what_was_told_before_a_window_is_over_only_after_it() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    events()
    MaintenanceWindow.objects.create(
        name="x", starts_at=NOW, ends_at=NOW + 2 * HOUR, created_at=NOW
    )
    judge(fresh(jobs), "SUCCESS", now=LATER)
    assert events(LATER) == {}
    assert events(NOW + 3 * HOUR) == {"recovered": 1}


def test_what_is_no_jobs_opens_and_ends_too() -> None:
    ScanRun.objects.create(
        trigger="command",
        outcome="failed",
        started_at=NOW,
        finished_at=NOW,
        error="DepositRootUnavailable: away",
    )
    assert events() == {"opened": 1}
    assert still() == [("scan", "problem", "deposit_root")]
    assert events(LATER) == {}
    ScanRun.objects.create(
        trigger="command", outcome="complete", started_at=LATER, finished_at=LATER
    )
    assert events(LATER) == {"recovered": 1}


def test_a_window_over_everything_keeps_silent_about_the_server_too() -> None:
    MaintenanceWindow.objects.create(name="x", starts_at=NOW, ends_at=LATER, created_at=NOW)
    ScanRun.objects.create(
        trigger="command", outcome="failed", started_at=NOW, finished_at=NOW, error="x"
    )
    assert events() == {}
    assert events(LATER) == {"opened": 1}


def test_that_nobody_led_is_told_once_and_is_over() -> None:
    for _ in range(2):
        leaderless(since=NOW - HOUR, until=NOW, by_host="a", by_pid=7, now=NOW)
    incident = Incident.objects.get()
    assert (incident.kind, incident.since, incident.ended_at) == ("scheduler", NOW - HOUR, NOW)
    assert Delivery.objects.count() == 1
    assert events(LATER) == {}


def test_an_acknowledgement_ends_with_news_and_can_be_withdrawn() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    events()
    incident = Incident.objects.get()
    assert acknowledge(incident.pk, by="anna", note="on it", now=NOW)
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.acknowledged_note) == ("anna", "on it")
    judge(fresh(jobs), "FAILED", "backup_failed", now=NOW + DAY)  # the same again is no news
    events(NOW + DAY)
    incident.refresh_from_db()
    assert incident.acknowledged_at == NOW
    judge(fresh(jobs), "CORRUPT", "hash_mismatch", now=NOW + 2 * DAY)
    events(NOW + 2 * DAY)
    incident = Incident.objects.get()
    assert (incident.acknowledged_at, incident.acknowledged_by) == (None, "")
    assert acknowledge(incident.pk, by="anna", note="", now=NOW)
    assert unacknowledge(incident.pk, by="bob", now=NOW)
    assert not unacknowledge(incident.pk, by="bob", now=NOW)
    kinds = Counter(IncidentEvent.objects.values_list("kind", flat=True))
    assert (kinds["acknowledged"], kinds["unacknowledged"]) == (2, 1)


def test_what_is_over_cannot_be_acknowledged() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    events()
    judge(fresh(jobs), "SUCCESS", now=LATER)
    events(LATER)
    assert not acknowledge(Incident.objects.get().pk, by="anna", note="", now=LATER)


def test_without_telling_there_are_incidents_and_no_deliveries() -> None:
    make_problem_jobs(2, "FAILED", "backup_failed")
    assert notice(now=NOW, tell=False).events == {"opened": 2}
    assert Delivery.objects.count() == 0


def test_statements_grow_by_batches_and_not_with_jobs() -> None:
    counts = []
    for number, count in enumerate((50, 400)):
        at = NOW + number * DAY
        make_problem_jobs(count, "FAILED", "backup_failed", database=f"D{number}_", now=at)
        with CaptureQueriesContext(connection) as queries:
            assert events(at) == {"opened": count}
        counts.append(len(queries))
    # SQLite takes about a thousand values in one statement: some fifty rows of incidents.
    assert (counts[1] - counts[0]) * 20 < 350


def test_two_thousand_jobs_failing_in_one_scan_are_looked_at_in_few_statements() -> None:
    make_problem_jobs(2000, "FAILED", "backup_failed")
    with CaptureQueriesContext(connection) as queries:
        assert events() == {"opened": 2000}
    assert len(queries) * 15 < 2000


@pytest.mark.parametrize(
    ("status", "reason", "follows", "expected"),
    [
        ("CORRUPT", "hash_mismatch", ("FAILED", "backup_failed"), {"changed": 1}),
        ("CORRUPT", "hash_mismatch", ("MISSING", "no_report"), {"changed": 1}),
        ("SUCCESS", "", ("FAILED", "backup_failed"), {}),
    ],
)
def test_a_problem_that_would_not_be_told_yet_makes_nothing_well(
    status: str, reason: str, follows: tuple[str, str], expected: dict[str, int]
) -> None:
    jobs = make_jobs(1, alert_after=3)
    judge(jobs, status, reason, warnings=[] if reason else ["late"])
    assert events() == {"opened": 1}
    judge(fresh(jobs), *follows, now=LATER)
    assert events(LATER) == expected
    assert len(still()) == 1


def test_a_changed_mind_makes_nothing_well() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    assert events() == {"opened": 1}
    (job,) = fresh(jobs)
    job.alert_after = 5
    roster.save(job, now=LATER)
    assert events(LATER) == {}
    assert len(still()) == 1


def test_what_goes_missing_in_a_place_that_is_nearly_well_is_told_by_itself() -> None:
    dead = make_problem_jobs(20)
    others = make_jobs(20, city="PARIS", agent="B")
    judge(others, "SUCCESS")
    assert events() == {"opened": 1}
    judge(fresh(dead)[:18], "SUCCESS", now=LATER)
    assert events(LATER) == {"partly": 1}
    judge(fresh(dead)[:1], "MISSING", "no_report", now=LATER + DAY)
    assert events(LATER + DAY) == {"opened": 1}
    assert [kind for kind, *_ in still()] == ["place", "job"]


def test_a_place_remembers_since_when_its_parts_were_noticed() -> None:
    make_problem_jobs(1)
    others = make_jobs(4, database="LATER")
    judge(others, "SUCCESS")
    assert events() == {"opened": 1}
    judge(fresh(others), "MISSING", "no_report", now=LATER)
    assert events(LATER) == {"opened": 1}
    place = Incident.objects.get(ended_at=None)
    assert place.opened_at == NOW
    folded = Incident.objects.get(end="folded")
    assert IncidentEvent.objects.latest("pk").facts["parts"] == [folded.pk]
