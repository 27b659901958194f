"""The drawings of a job's last backups, and the same numbers as a table."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import override

from scanner.admin import job_charts
from scanner.models import BackupEntry, ExpectedBackupJob
from tests.admin.test_history import html, make_entry, make_run, page_of
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def add(job: ExpectedBackupJob, count: int, **fields: Any) -> None:
    run, start = make_run(), NOW - 1000 * DAY
    BackupEntry.objects.bulk_create(
        BackupEntry(
            **{
                "job": job,
                "run": run,
                "agent_id": job.agent_id,
                "recorded_at": NOW,
                "cycle_due": start + number * DAY,
                "status": "SUCCESS",
                "size": 1000 + number,
                "dump_seconds": 60 + number,
                **fields,
            }
        )
        for number in range(count)
    )


def drawn(job: ExpectedBackupJob) -> list[job_charts.Chart]:
    with override("en"):
        return job_charts.charts(job_charts.recent(job.entries.all()), NOW)


def test_the_last_good_backups_are_drawn_with_the_problems_among_them() -> None:
    job = make_job()
    add(job, 3, status="MISSING", size=None, reason="no_report")
    add(job, 100)
    add(job, 2, status="MISSING", size=None, reason="no_report", cycle_due=None)
    add(job, 1)
    size, duration = drawn(job)
    assert [mark.kind for mark in size.marks] == ["fine"] * 89 + ["problem"] * 2 + ["fine"]
    assert [mark.kind for mark in duration.marks] == [mark.kind for mark in size.marks]


def test_what_is_unusual_is_marked_in_the_drawing_that_it_is_about() -> None:
    job = make_job()
    add(job, 5)
    add(job, 1, size=9000, warnings=["size_anomaly"])
    add(job, 1, dump_seconds=900, warnings=["duration_anomaly", "late"])
    size, duration = drawn(job)
    assert [mark.kind for mark in size.marks][-2:] == ["unusual", "fine"]
    assert [mark.kind for mark in duration.marks][-2:] == ["fine", "unusual"]
    assert size.marks[-2].words.endswith("8.8\xa0KB, unusual")
    assert duration.marks[-1].words.endswith("15 min 0 s, unusual")


def test_a_drawing_says_in_words_what_it_shows() -> None:
    job = make_job()
    add(job, 8)
    add(job, 1, size=9000, warnings=["size_anomaly"])
    add(job, 1, status="FAILED", reason="backup_failed", size=None)
    size = drawn(job)[0]
    assert size.text == (
        "9 good backups, from 6 June 2023 to 6 June 2023: 1000\xa0bytes to 8.8\xa0KB, "
        "the last one 8.8\xa0KB. Unusual: 1. Problems in between: 1."
    )
    assert size.marks[-1].words == "Tue 6 Jun 2023, 12:00: Failed, backup failed"


def test_the_largest_stands_at_the_top_and_nothing_leaves_the_drawing() -> None:
    job = make_job()
    add(job, 30)
    for chart in drawn(job):
        places = [(float(mark.x), float(mark.y)) for mark in chart.marks]
        assert all(0 <= x <= job_charts.WIDTH and 0 <= y <= job_charts.HEIGHT for x, y in places)
        assert min(y for _, y in places) == float(chart.ticks[0][0])
        assert [x for x, _ in places] == sorted(x for x, _ in places)


def test_the_lines_are_named_by_sizes_and_durations() -> None:
    job = make_job()
    add(job, 2, size=4096, dump_seconds=120)
    size, duration = drawn(job)
    assert [words for _, words in size.ticks] == ["4.0\xa0KB", "2.0\xa0KB"]
    assert [words for _, words in duration.ticks] == ["2 min 0 s", "1 min 0 s"]


def test_empty_backups_are_drawn_on_the_ground() -> None:
    job = make_job()
    add(job, 3, size=0, dump_seconds=0)
    assert {mark.y for chart in drawn(job) for mark in chart.marks} == {"110.0"}


def test_of_what_fewer_than_two_backups_tell_nothing_is_drawn(admin_client: Client) -> None:
    job = make_job()
    add(job, 1)
    assert drawn(job) == []
    assert "it takes two good backups" in html(admin_client, page_of(job))
    add(job, 1, dump_seconds=None)
    assert [chart.key for chart in drawn(job)] == ["size"]


def test_the_page_has_each_drawing_as_a_picture_with_a_table_beside_it(
    admin_client: Client,
) -> None:
    job = make_job()
    add(job, 3)
    page = html(admin_client, page_of(job))
    assert re.findall(r'<svg viewBox="0 0 320 136" role="img" aria-labelledby="(\S+) (\S+)">', page)
    section = page[page.index('id="charts"') : page.index('id="calendar"')]
    pictures = section[: section.index('class="bm-numbers"')]
    assert "<a " not in pictures  # nothing can be reached inside a picture
    last = make_entry(job, size=5, dump_seconds=75, warnings=["late"])
    section = html(admin_client, page_of(job))
    cells = rf'<tr><th scope="row"><a[^>]*href="{page_of(last)}".*?</tr>'
    row = re.search(cells, section, re.DOTALL)
    assert row is not None
    for words in ("5\xa0bytes", "1 min 15 s", "late", "Success"):
        assert words in row[0]
    assert f'data-href="{page_of(last)}"' in section


def test_numbers_in_a_drawing_are_for_machines(admin_client: Client, settings: Any) -> None:
    settings.LANGUAGE_CODE = "fr"
    job = make_job()
    add(job, 3)
    page = html(admin_client, page_of(job))
    points = re.findall(r' points="([^"]*)"', page)
    assert points
    assert all(re.fullmatch(r"[\d.]+,[\d.]+( [\d.]+,[\d.]+)*", one) for one in points)
