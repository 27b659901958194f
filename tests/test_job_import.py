"""Jobs from a file: read, validated whole, and written all or not at all."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.errors import InvalidJobs
from scanner.job_changes import COLUMNS
from scanner.job_import import Imported, Kind, import_file, table
from scanner.models import ExpectedBackupJob
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = "company_name,city,neighborhood,database_name,agent_id"
ACME = "ACME,DOUALA,NEWBELL,ACME_2025,ACME_DOUALA_NEWBELL"


def write(folder: Path, content: str | bytes, name: str = "jobs.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def csv_of(*rows: str, more: str = "") -> str:
    """Give a CSV file with the columns that are required and `more` after them."""
    return "\n".join([REQUIRED + more, *rows]) + "\n"


def imported(folder: Path, content: str | bytes, name: str = "jobs.csv") -> Imported:
    return import_file(write(folder, content, name), now=NOW)


def problems(folder: Path, content: str | bytes, name: str = "jobs.csv") -> list[str]:
    """Import what has errors; give them. Nothing was written."""
    before = list(ExpectedBackupJob.objects.values())
    with pytest.raises(InvalidJobs) as refused:
        imported(folder, content, name)
    assert list(ExpectedBackupJob.objects.values()) == before
    return refused.value.problems


def stated(job: ExpectedBackupJob) -> dict[str, Any]:
    return {name: getattr(job, name) for name in COLUMNS}


def only_job() -> ExpectedBackupJob:
    return ExpectedBackupJob.objects.get()


# --- what becomes of a row ---


def test_a_new_job_has_what_the_file_says_and_awaits_its_first_cycle(tmp_path: Path) -> None:
    more = ",year,schedule,time_zone,grace_minutes,notification_recipients,is_active"
    row = f'{ACME},2025,30 2 * * *,Africa/Douala,90,"a@x.example, b@x.example",oui'
    done = imported(tmp_path, csv_of(row, more=more))
    assert [(one.line, one.kind) for one in done.changes] == [(2, Kind.CREATED)]
    job = only_job()
    assert stated(job) == {
        "company_name": "ACME",
        "city": "DOUALA",
        "neighborhood": "NEWBELL",
        "database_name": "ACME_2025",
        "year": 2025,
        "agent_id": "ACME_DOUALA_NEWBELL",
        "schedule": "30 2 * * *",
        "time_zone": "Africa/Douala",
        "grace_minutes": 90,
        "notification_recipients": "a@x.example, b@x.example",
        "is_active": True,
    }
    assert job.due_at is not None
    assert job.due_at.isoformat() == "2026-03-03T01:30:00+00:00"
    assert job.deadline_at == job.due_at + timedelta(minutes=90)


def test_a_new_job_has_defaults_for_absent_columns(tmp_path: Path) -> None:
    imported(tmp_path, csv_of(ACME))
    job = only_job()
    assert (job.year, job.schedule, job.time_zone, job.grace_minutes) == (None, "", "", None)
    assert (job.notification_recipients, job.is_active) == ("", True)


def test_a_stored_job_is_found_by_its_agent_in_any_case_and_its_database(tmp_path: Path) -> None:
    make_job()
    make_job("acme_2025")  # another database
    row = "ACME,DOUALA,PORT,ACME_2025,acme_Douala_NEWBELL"
    done = imported(tmp_path, csv_of(row))
    assert [(one.kind, one.fields) for one in done.changes] == [(Kind.UPDATED, ("neighborhood",))]
    places = ExpectedBackupJob.objects.values_list("database_name", "neighborhood")
    assert set(places) == {("ACME_2025", "PORT"), ("acme_2025", "NEWBELL")}


FULL: dict[str, Any] = {
    "year": 2024,
    "schedule": "0 4 * * *",
    "time_zone": "Europe/Paris",
    "grace_minutes": 30,
    "notification_recipients": "a@x.example",
    "is_active": False,
}
BLANK = {
    "year": None,
    "schedule": "",
    "time_zone": "",
    "grace_minutes": None,
    "notification_recipients": "",
    "is_active": True,
}


def test_absent_columns_leave_values_as_they_were(tmp_path: Path) -> None:
    before = stated(make_job(**FULL))
    done = imported(tmp_path, csv_of(ACME))
    assert [one.kind for one in done.changes] == [Kind.UNCHANGED]
    assert stated(only_job()) == before


@pytest.mark.parametrize("column", sorted(FULL))
def test_an_empty_cell_is_the_default(tmp_path: Path, column: str) -> None:
    before = stated(make_job(**FULL))
    done = imported(tmp_path, csv_of(f"{ACME},", more=f",{column}"))
    assert [(one.kind, one.fields) for one in done.changes] == [(Kind.UPDATED, (column,))]
    assert stated(only_job()) == before | {column: BLANK[column]}


def test_an_import_again_changes_nothing(tmp_path: Path) -> None:
    content = csv_of(f"{ACME},30 2 * * *", more=",schedule")
    imported(tmp_path, content)
    before = ExpectedBackupJob.objects.values().get()
    done = import_file(write(tmp_path, content), now=NOW + timedelta(days=3))
    assert [done.count(kind) for kind in Kind] == [0, 0, 1]
    assert ExpectedBackupJob.objects.values().get() == before


def test_a_changed_schedule_follows_the_rules_of_the_roster(tmp_path: Path) -> None:
    make_job(schedule="0 4 * * *", time_zone="UTC")
    imported(tmp_path, csv_of(f"{ACME},0 20 * * *", more=",schedule"))
    job = only_job()
    assert job.due_at is not None
    assert job.due_at.isoformat() == "2026-03-02T20:00:00+00:00"
    assert [era["schedule"] for era in job.past_timetables] == ["0 4 * * *"]


def test_what_scans_found_is_left_alone(tmp_path: Path) -> None:
    make_job()
    ExpectedBackupJob.objects.update(status="CORRUPT", reason="hash_mismatch", last_size=7)
    imported(tmp_path, csv_of(f"{ACME},2025", more=",year"))
    job = only_job()
    assert (job.year, job.status, job.reason, job.last_size) == (
        2025,
        "CORRUPT",
        "hash_mismatch",
        7,
    )


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path) -> None:
    make_job(schedule="0 4 * * *")
    file = write(tmp_path, csv_of(f"{ACME},0 5 * * *", ACME[:-1] + ",0 6 * * *", more=",schedule"))
    before = list(ExpectedBackupJob.objects.values())
    tried = import_file(file, now=NOW, dry_run=True)
    assert list(ExpectedBackupJob.objects.values()) == before
    done = import_file(file, now=NOW)
    told = [(one.line, one.kind, one.fields, one.job.agent_id) for one in tried.changes]
    assert told == [(one.line, one.kind, one.fields, one.job.agent_id) for one in done.changes]
    assert [one.kind for one in done.changes] == [Kind.UPDATED, Kind.CREATED]


@pytest.mark.parametrize("made", [False, True], ids=["created", "updated"])
def test_many_rows_cost_statements_by_the_batch(tmp_path: Path, made: bool) -> None:
    def statements(count: int) -> int:
        ExpectedBackupJob.objects.all().delete()
        rows = [
            f"ACME,DOUALA,Q{number},DB,ACME_DOUALA_Q{number},{{hour}}" for number in range(count)
        ]
        content = csv_of(*rows, more=",grace_minutes")
        if made:
            imported(tmp_path, content.replace("{hour}", "60"))
        file = write(tmp_path, content.replace("{hour}", "90"))
        with CaptureQueriesContext(
            connection,
        ) as asked:
            import_file(file, now=NOW)
        assert ExpectedBackupJob.objects.filter(grace_minutes=90).count() == count
        return len(asked)

    few, many = statements(10), statements(1000)
    assert few < 10
    # SQLite takes some 1,000 values a statement, PostgreSQL any number: 500 jobs are a batch.
    assert many < few + 60


# --- CSV ---


@pytest.mark.parametrize(
    "content",
    [
        csv_of(ACME),
        csv_of(ACME).replace(",", ";"),
        csv_of(ACME).replace("\n", "\r\n"),
        csv_of(ACME).replace("\n", "\r"),
        csv_of(ACME).rstrip("\n"),
        "\ufeff" + csv_of(ACME).replace(",", ";"),
        "sep=;\r\n" + csv_of(ACME).replace(",", ";"),
        "\n\n" + csv_of(ACME) + "\n,,,,\n\n",
        csv_of(ACME + ",,,", more=",,,"),
        csv_of(ACME + ",,"),
        csv_of(" ACME , DOUALA ,NEWBELL, ACME_2025 ,\u00a0ACME_DOUALA_NEWBELL "),
        csv_of('"ACME","DOUALA","NEWBELL","ACME_2025","ACME_DOUALA_NEWBELL"'),
        csv_of(ACME).replace("company_name", "Company_Name "),
    ],
    ids=[
        "comma",
        "semicolon",
        "windows lines",
        "old mac lines",
        "no last line end",
        "byte order mark",
        "separator line",
        "blank lines",
        "blank columns",
        "blank cells after the last column",
        "space around cells",
        "quoted",
        "header in other case",
    ],
)
def test_the_csv_of_every_spreadsheet_is_read(tmp_path: Path, content: str) -> None:
    done = imported(tmp_path, content)
    assert (len(done.changes), done.notes) == (1, ())
    job = only_job()
    read = (job.company_name, job.city, job.neighborhood, job.database_name, job.agent_id)
    assert ",".join(read) == ACME


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    header = ",".join(reversed(REQUIRED.split(",")))
    imported(tmp_path, f"{header}\n{','.join(reversed(ACME.split(',')))}\n")
    assert only_job().database_name == "ACME_2025"


def test_text_that_is_not_utf8_is_read_as_windows_1252_and_said(tmp_path: Path) -> None:
    content = csv_of("ACME,Yaoundé,Bépanda,ACME_2025,ACME_YAOUNDE_BEPANDA").replace(",", ";")
    done = imported(tmp_path, content.encode("cp1252"))
    assert (only_job().city, only_job().neighborhood) == ("Yaoundé", "Bépanda")
    (note,) = done.notes
    assert "not UTF-8 (line 2), read as Windows-1252" in note


def test_a_quoted_cell_may_hold_separators_quotation_marks_and_lines(tmp_path: Path) -> None:
    rows = ('"Sons, ""& Co""",DOUALA,NEWBELL,X,A_B_C,"a@x.example\nb@x.example"', f"{ACME},")
    done = imported(tmp_path, csv_of(*rows, more=",notification_recipients"))
    job = ExpectedBackupJob.objects.get(database_name="X")
    assert job.company_name == 'Sons, "& Co"'
    assert job.notification_recipients == "a@x.example, b@x.example"
    assert [one.line for one in done.changes] == [2, 4]


def test_errors_name_the_line_on_which_their_record_starts(tmp_path: Path) -> None:
    rows = (
        f'{ACME},"a@x.example,\n\nb@x.example"',
        "",
        "ACME,DOUALA,NEWBELL,,A_B_C,",
        'ACME,DOUALA,NEWBELL,"two\nlines",A_B_C,',
        ",DOUALA,NEWBELL,Y,A_B_C,",
    )
    assert problems(tmp_path, csv_of(*rows, more=",notification_recipients")) == [
        "line 6: database_name is missing",
        "line 7: database_name: found 'two\\nlines', expected one line without control characters",
        "line 9: company_name is missing",
    ]


def test_a_formula_is_text(tmp_path: Path) -> None:
    imported(tmp_path, csv_of('"=HYPERLINK(""http://x.example"")",DOUALA,NEWBELL,X,A_B_C'))
    assert only_job().company_name == '=HYPERLINK("http://x.example")'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (REQUIRED.replace(",agent_id", "") + "\n", ["line 1: the column agent_id is missing"]),
        (
            "database_name,databse_name,agent_id,agent_id\n",
            [
                (
                    "line 1: unknown column 'databse_name': the columns are company_name, city, "
                    "neighborhood, database_name, year, agent_id, schedule, time_zone, "
                    "grace_minutes, notification_recipients, is_active"
                ),
                "line 1: the column 'agent_id' stands twice",
                "line 1: the column company_name is missing",
                "line 1: the column city is missing",
                "line 1: the column neighborhood is missing",
            ],
        ),
        (
            csv_of("ACME,DOUALA", ACME, f"{ACME},more"),
            [
                "line 2: found 2 cells, expected 5 as in the header",
                "line 4: found 6 cells, expected 5 as in the header",
            ],
        ),
        (
            csv_of(ACME, '"ACME,DOUALA,NEWBELL,Y,A_B_C', ACME),
            [
                (
                    "line 3: this is not CSV (unexpected end of data): check the quotation marks "
                    "in the cells that start here; what follows was not read"
                )
            ],
        ),
        (
            csv_of(ACME, "ACME,DOUALA,NEWBELL,Y,acme_douala_newbell", ACME),
            ["line 4: 'ACME_2025' of agent ACME_DOUALA_NEWBELL stands on line 2 too"],
        ),
        (
            csv_of(ACME, ACME.lower().replace("acme_2025", "ACME_2025")),
            ["line 3: 'ACME_2025' of agent ACME_DOUALA_NEWBELL stands on line 2 too"],
        ),
    ],
    ids=["no column", "wrong columns", "cells", "quotation mark", "twice", "twice in other case"],
)
def test_a_csv_that_is_wrong_is_refused(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert problems(tmp_path, content) == expected


@pytest.mark.parametrize("content", ["", "\n \n", REQUIRED, "\ufeff", "jobs:\n", "[]", "# none\n"])
def test_a_file_without_jobs_is_refused(tmp_path: Path, content: str) -> None:
    is_csv = not content.startswith(("jobs", "[", "#"))
    (words,) = problems(tmp_path, content, "jobs.csv" if is_csv else "jobs.yaml")[:1]
    assert "no jobs in it" in words or "the column" in words


# --- values ---


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        *(("is_active", word, True) for word in ("true", "YES", "Oui", "1", "vrai", "VRAI")),
        *(("is_active", word, False) for word in ("false", "No", "NON", "0", "faux", "False")),
        ("year", "1999", 1999),
        ("grace_minutes", "0", 0),
        ("grace_minutes", "527040", 527040),
        ("schedule", "@daily", "@daily"),
        ("schedule", " 0 4 * * MON-FRI ", "0 4 * * MON-FRI"),
        ("time_zone", "europe/paris", "europe/paris"),
        ("notification_recipients", "a@x.example;b@x.example", "a@x.example, b@x.example"),
        ("notification_recipients", "a@x.example a@x.example", "a@x.example"),
    ],
)
def test_a_value_is_read(tmp_path: Path, column: str, text: str, value: object) -> None:
    imported(tmp_path, csv_of(f'{ACME},"{text}"', more=f",{column}"))
    assert getattr(only_job(), column) == value


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("schedule", "30 2 * *", "has 4 field(s)"),
        ("schedule", "99 2 * * *", "cannot be read"),
        ("schedule", "0 0 LW * */7", "never comes"),
        ("schedule", "0 " * 80, "at most 100 characters"),
        ("time_zone", "Africa/Doula", "is unknown"),
        ("time_zone", "../../etc/passwd", "is unknown"),
        ("year", "25", "25: expected 1900 to 2099, or nothing"),
        ("year", "2025.0", "expected a year"),
        ("year", "two", "expected a year"),
        ("year", "٢٠٢٥", "expected a year"),
        ("grace_minutes", "-5", "expected a whole number of minutes, 0 or more"),
        ("grace_minutes", "1h", "expected a whole number"),
        ("grace_minutes", "527041", "expected 0 to 527040, or nothing"),
        ("grace_minutes", "9" * 5000, "expected a whole number"),
        ("notification_recipients", "a@x.example, nobody", "'nobody' is not an e-mail address"),
        ("notification_recipients", "A <a@x.example>", "is not an e-mail address"),
        ("is_active", "maybe", "expected yes or no"),
        ("is_active", "2", "expected yes or no"),
        ("schedule", "0 4 * * *\x1b[31m", "without control characters"),
        ("time_zone", "UTC\0", "without control characters"),
    ],
)
@pytest.mark.parametrize("stored", [False, True], ids=["new", "stored"])
def test_a_value_that_is_wrong_is_refused(
    tmp_path: Path, column: str, text: str, words: str, stored: bool
) -> None:
    if stored:
        make_job()
    (told,) = problems(tmp_path, csv_of(f'{ACME},"{text}"', more=f",{column}"))
    assert told.startswith(f"line 2: {column}: ")
    assert words in told
    assert len(told) < 1000


@pytest.mark.parametrize(
    ("column", "most"),
    [
        ("company_name", 100),
        ("city", 100),
        ("neighborhood", 100),
        ("database_name", 200),
        ("agent_id", 255),
    ],
)
def test_text_that_is_longer_than_its_column_is_refused(
    tmp_path: Path, column: str, most: int
) -> None:
    cells = dict(zip(REQUIRED.split(","), ACME.split(","), strict=True))
    start = "A_B_" if column == "agent_id" else ""
    fits, too_long = (
        ",".join((cells | {column: start.ljust(n, "x")}).values()) for n in (most, most + 1)
    )
    assert imported(tmp_path, csv_of(fits)).count(Kind.CREATED) == 1
    (told,) = problems(tmp_path, csv_of(too_long))
    assert told.startswith(f"line 2: {column}: ")
    assert str(most) in told


def test_every_error_of_a_file_is_told_in_the_order_of_its_lines(tmp_path: Path) -> None:
    make_job()
    more = ",year,is_active"
    rows = (
        f"{ACME},2025,yes",
        "ACME,DOUALA,NEWBELL,X,A_B_C,20255,perhaps",
        "short",
        "ACME,,NEWBELL,Y,,2025,yes",
    )
    told = problems(tmp_path, csv_of(*rows, more=more))
    assert [words.partition(",")[0] for words in told] == [
        "line 3: is_active: found 'perhaps'",
        "line 3: year: 20255: expected 1900 to 2099",
        "line 4: found 1 cells",
        "line 5: city is missing",
        "line 5: agent_id is missing",
    ]


# --- YAML ---

YAML_ACME = """
  - company_name: ACME
    city: DOUALA
    neighborhood: NEWBELL
    database_name: ACME_2025
    agent_id: ACME_DOUALA_NEWBELL
"""


@pytest.mark.parametrize("head", ["", "jobs:"], ids=["list", "mapping"])
@pytest.mark.parametrize("name", ["jobs.yaml", "jobs.YML"])
def test_yaml_is_a_list_or_a_mapping_with_jobs(tmp_path: Path, head: str, name: str) -> None:
    done = imported(tmp_path, f"# comment\n{head}{YAML_ACME}", name)
    assert [one.line for one in done.changes] == [3]
    assert only_job().database_name == "ACME_2025"


def test_yaml_keeps_text_as_it_is_written(tmp_path: Path) -> None:
    content = """
- {company_name: no, city: 012, neighborhood: 2025-01-01, database_name: 1e3, agent_id: a_b_0x1F,
   year: 2025, is_active: Off, schedule: null, time_zone: ~, grace_minutes: }
""".replace("Off", "no")
    imported(tmp_path, content, "jobs.yaml")
    job = only_job()
    assert (job.company_name, job.city, job.neighborhood) == ("no", "012", "2025-01-01")
    assert (job.database_name, job.agent_id) == ("1e3", "A_B_0X1F")
    assert (job.year, job.is_active, job.schedule, job.grace_minutes) == (2025, False, "", None)


def test_yaml_takes_recipients_as_a_list(tmp_path: Path) -> None:
    more = "    notification_recipients: [a@x.example, b@x.example]\n"
    imported(tmp_path, YAML_ACME + more, "jobs.yaml")
    assert only_job().notification_recipients == "a@x.example, b@x.example"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("jobs: [", "line 1: this is not YAML: "),
        ("a: b: c", "line 1: this is not YAML: "),
        (f"jobs:{YAML_ACME}    schedule: @daily\n", "line 7: this is not YAML: "),
        ("- a\n--- \n- b", "line 2: this is not YAML: "),
        ("- \x07", "line 1: this is not YAML: it has a character"),
        ("jobs: 7", "line 1: expected a list of jobs"),
        ("just text", "line 1: expected a list of jobs"),
        ("work: []", "line 1: expected a list, or a mapping with the key jobs"),
        (f"jobs:{YAML_ACME}more: 1\n", "line 1: expected a list, or a mapping with the key jobs"),
        (f"{YAML_ACME}  - text\n", "line 7: expected a mapping of columns to values"),
        (f"{YAML_ACME}    yaer: 2025\n", "line 2: unknown column 'yaer'"),
        (f"{YAML_ACME}    city: X\n", "line 2: the column 'city' stands twice"),
        (f"{YAML_ACME}    year: [2025]\n", "line 2: year: expected text"),
        (f"{YAML_ACME}    year: {{a: b}}\n", "line 2: year: expected text"),
        (f"{YAML_ACME}    [1]: 2\n", "line 2: unknown column "),
        (f"{YAML_ACME}    schedule: !!python/name:os.system ''\n", "line 2: schedule: expected"),
        (f"{YAML_ACME}    schedule: !!binary aGVsbG8=\n", "line 2: schedule: expected text"),
        (f"{YAML_ACME}    <<: {{city: X}}\n", "line 2: unknown column '<<'"),
        ("  - city: X\n", "line 1: company_name is missing"),
        (f"{YAML_ACME}{YAML_ACME}", "line 8: 'ACME_2025' of agent ACME_DOUALA_NEWBELL stands on"),
        (f'{YAML_ACME}    time_zone: "\\uD800"\n', "line 7: this is not YAML: "),
        ("[" * 20_000, "lists or mappings stand in each other too deep"),
        ("&a [*a, *a]", "line 1: expected a mapping of columns to values"),
    ],
)
def test_a_yaml_file_that_is_wrong_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    told = problems(tmp_path, content, "jobs.yaml")
    assert told[0].startswith(expected)


def test_yaml_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    content = YAML_ACME.replace("DOUALA\n", "Yaoundé\n").encode("cp1252")
    (told,) = problems(tmp_path, content, "jobs.yaml")
    assert told == "line 3: this is not UTF-8; save the file as UTF-8"


# --- bounds, and files that are none ---


@pytest.mark.parametrize("name", ["jobs", "jobs.xlsx", "jobs.json", ".csv"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    (told,) = problems(tmp_path, csv_of(ACME), name)
    assert "expected a file named .csv, .yaml or .yml" in told


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, words in (("absent.csv", "No such file"), ("folder.csv", "Is a directory")):
        with pytest.raises(InvalidJobs, match=words):
            import_file(tmp_path / name, now=NOW)


def test_utf16_is_refused_in_words(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, csv_of(ACME).encode("utf-16"))
    assert "this is UTF-16; save it as UTF-8" in told


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, b"company_name\n\x81\x8d") == [
        "line 2: this is not UTF-8; save the file as UTF-8"
    ]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, b"x" * (table.MOST_BYTES + 1))
    assert "over 16 MiB; split it into several files" in told


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.yaml"])
def test_a_file_with_too_many_rows_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST_ROWS", 2)
    rows = [ACME.replace("ACME_2025", f"X{number}") for number in range(4)]
    item = "- {company_name: A, city: B, neighborhood: C, database_name: X%d, agent_id: a_b_c}\n"
    content = csv_of(*rows) if name == "jobs.csv" else "".join(item % n for n in range(4))
    (told,) = problems(tmp_path, content, name)
    line = 4 if name == "jobs.csv" else 3
    assert told == f"line {line}: over 2 jobs; split the file into several"


def test_a_cell_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, csv_of(f"{'x' * 200_000},D,N,X,A_B_C"))
    assert told.startswith("line 2: this is not CSV (field larger than field limit")


# --- the examples in docs/ ---


def test_the_examples_say_the_same_in_both_forms() -> None:
    done = import_file(ROOT / "docs/jobs.example.csv", now=NOW)
    assert done.count(Kind.CREATED) == 4
    again = import_file(ROOT / "docs/jobs.example.yaml", now=NOW)
    assert [one.kind for one in again.changes] == [Kind.UNCHANGED] * 4
    header = (ROOT / "docs/jobs.example.csv").read_text().splitlines()[0]
    assert tuple(header.split(",")) == COLUMNS
