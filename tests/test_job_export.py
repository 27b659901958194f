"""Jobs to a file, which reads back as they were; and no spreadsheet runs anything in it."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.job_changes import COLUMNS
from scanner.job_export import BYTE_ORDER_MARK, Form, neutral, pieces, plain, written
from scanner.job_import import Kind, plan
from scanner.job_import.table import read_table
from scanner.models import ExpectedBackupJob
from tests.scanning import NOW, make_job

each_form = pytest.mark.parametrize("form", Form, ids=lambda form: form.value)
LEADS = "=+-@＝＋－＠"  # noqa: RUF001 - full-width, which spreadsheets take for the others

# What a column may hold: one line without space around it. Much of it looks like formulas.
nasty = st.text(st.sampled_from(LEADS + "',;\"a \t|\\#:~\u00a0é\U0001f600"), max_size=12)
line = (
    st.one_of(nasty, st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40))
    .map(lambda text: text.replace("\t", "").strip())
    .filter(bool)
)
rows = st.lists(
    st.tuples(
        line,
        line,
        line,
        line,
        st.none() | st.integers(1900, 2099),
        line.map(lambda text: text.upper().strip()),
        st.sampled_from(["", "@daily", "30 2 * * *", "- + =", "=1"]),
        st.sampled_from(["", "Africa/Douala", "null", "~", "-"]),
        st.none() | st.integers(0, 527_040),
        st.sampled_from(["", "a@x.example", "+a@x.example, =b@x.example"]),
        st.booleans(),
    ),
    max_size=5,
)


def file_of(form: Form) -> str:
    return "".join(pieces(ExpectedBackupJob.objects.order_by("pk"), form))


def read_again(text: str, form: Form) -> list[dict[str, str]]:
    """Give the cells that the import reads from a file that was exported."""
    mark = "" if form is Form.YAML else BYTE_ORDER_MARK
    table = read_table((mark + text).encode(), f"jobs.{form.suffix}")
    assert (table.problems, table.notes) == ([], [])
    return [row.cells for row in table.rows]


def words_of(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


# --- back as they were ---


@each_form
@given(rows=rows)
@settings(max_examples=150, deadline=None)
def test_every_text_comes_back_as_it_was(form: Form, rows: list[tuple[Any, ...]]) -> None:
    text = "".join(written(rows, form))
    expected = [dict(zip(COLUMNS, map(words_of, row), strict=True)) for row in rows]
    if not rows:
        table = read_table(text.encode(), f"x.{form.suffix}")
        assert ["no jobs in it" in problem.words for problem in table.problems] == [True]
        return
    found = read_again(text, form)
    if form is Form.YAML:
        for row in expected:
            row["is_active"] = {"yes": "true", "no": "false"}[row["is_active"]]
    assert found == expected


FULL: dict[str, Any] = {
    "company_name": "=Sons & Co",
    "city": "Yaoundé",
    "year": 2024,
    "schedule": "@daily",
    "time_zone": "Europe/Paris",
    "grace_minutes": 30,
    "notification_recipients": "a@x.example\n b@x.example",
    "is_active": False,
}


@pytest.mark.django_db
@each_form
def test_an_export_that_is_imported_changes_nothing(form: Form) -> None:
    make_job("'=1+1", **FULL)
    make_job("012", city=" DOUALA")  # as a folder's name may have it
    make_job("no", neighborhood="null")
    planned = plan(file_of(form).encode(), f"jobs.{form.suffix}")
    assert planned.problems == ()
    assert [(one.kind, one.fields) for one in planned.changes] == [(Kind.UNCHANGED, ())] * 3


@pytest.mark.django_db
@each_form
def test_an_export_makes_the_same_jobs_elsewhere(form: Form) -> None:
    make_job("'=1+1", **FULL | {"notification_recipients": "a@x.example, b@x.example"})
    before = ExpectedBackupJob.objects.values(*COLUMNS).get()
    text = file_of(form)
    ExpectedBackupJob.objects.all().delete()
    (change,) = plan(text.encode(), f"jobs.{form.suffix}").changes
    assert {name: getattr(change.job, name) for name in COLUMNS} == before


@pytest.mark.django_db
@each_form
def test_a_file_of_no_jobs_is_a_file(form: Form) -> None:
    text = file_of(form)
    assert yaml.safe_load(text) == [] if form is Form.YAML else text.startswith(COLUMNS[0])


def test_the_columns_are_those_of_the_import() -> None:
    text = "".join(written([], Form.CSV))
    assert next(csv.reader(io.StringIO(text))) == list(COLUMNS)


# --- formulas ---


@pytest.mark.parametrize("lead", LEADS)
def test_what_begins_like_a_formula_gets_an_apostrophe(lead: str) -> None:
    assert neutral(f"{lead}1+1") == f"'{lead}1+1"
    assert plain(f"'{lead}1+1") == f"{lead}1+1"


@pytest.mark.parametrize(
    "text",
    ["", "a", "a=1", "a-b", "'a", "''", "O'Neil", "30 2 * * *", "1,5", "a@x.example", "a, b"],
)
def test_any_other_text_is_left_as_it_is(text: str) -> None:
    assert neutral(text) == plain(text) == text


@pytest.mark.parametrize("cut", ",;\t")
def test_a_spreadsheet_that_cuts_at_another_separator_finds_no_formula_either(cut: str) -> None:
    row = (f'x{cut}=HYPERLINK("http://x.example"){cut} "+1', *[""] * 10)
    for form in (Form.CSV, Form.SEMICOLONS):
        text = "".join(written([row], form))
        for other in ",;\t":
            for cell in (one for line in text.splitlines() for one in line.split(other)):
                assert not cell.strip().lstrip('"').strip().startswith(tuple(LEADS)), (other, cell)


@given(text=st.text(st.sampled_from(LEADS + "',;\"a \t\r\n"), max_size=20))
@settings(max_examples=400)
def test_the_apostrophe_is_taken_away_exactly(text: str) -> None:
    cell = neutral(text)
    assert plain(cell) == text
    assert not cell.startswith(tuple(LEADS))


# --- cost ---


@pytest.mark.django_db
@each_form
def test_any_number_of_jobs_takes_one_statement(form: Form) -> None:
    def statements(count: int) -> int:
        ExpectedBackupJob.objects.all().delete()
        ExpectedBackupJob.objects.bulk_create(
            ExpectedBackupJob(
                company_name="ACME", database_name=f"db{n}", agent_id="A_B_C", created_at=NOW
            )
            for n in range(count)
        )
        with CaptureQueriesContext(connection) as asked:
            text = file_of(form)
        assert text.count("db") == count
        return len(asked)

    assert statements(10) == statements(1000) == 1


# --- the command ---


@pytest.mark.django_db
def test_the_command_writes_what_the_import_reads(tmp_path: Path) -> None:
    make_job(city="Yaoundé")
    make_job("RETIRED_2020", is_active=False, retired_at=NOW)
    file = tmp_path / "jobs.csv"
    call_command("export_jobs", file)
    planned = plan(file.read_bytes(), file.name)
    assert [one.kind for one in planned.changes] == [Kind.UNCHANGED]


@pytest.mark.django_db
def test_the_command_prints_the_file_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    make_job()
    call_command("export_jobs", "--format", "yaml")
    assert yaml.safe_load(capsys.readouterr().out)[0]["database_name"] == "ACME_2025"


@pytest.mark.django_db
def test_the_command_says_why_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        call_command("export_jobs", tmp_path / "absent" / "jobs.csv")
    assert exited.value.code == 2
    assert "No such file" in capsys.readouterr().err
