"""Jobs in and out of the admin by files, and from what agents have deposited."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from scanner import job_import, roster
from scanner.admin import import_preview, job_from_deposits, job_importing
from scanner.job_changes import COLUMNS
from scanner.job_import import Kind, Plan, plan
from scanner.models import ExpectedBackupJob, JobChange
from tests.admin.rows import staff
from tests.agent import Agent
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

LIST = "/admin/scanner/expectedbackupjob/"
EXPORT, IMPORT, EXAMPLE, DEPOSITS = (
    LIST + path for path in ("export/", "import/", "import/example.csv", "from-deposits/")
)
HEADER = "company_name,city,neighborhood,database_name,agent_id,grace_minutes\n"
ACME = "ACME,DOUALA,NEWBELL,{},ACME_DOUALA_NEWBELL,{}\n"
SCRIPT = "</script><script>alert(1)</script>"
OPERATOR = ("view_expectedbackupjob", "add_expectedbackupjob", "change_expectedbackupjob")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def body(response: Any) -> str:
    """Give the text of a page, or of a file that is streamed."""
    content = response.getvalue() if response.streaming else response.content
    return str(content.decode("utf-8-sig"))


def upload(client: Client, content: str | bytes, name: str = "jobs.csv") -> HttpResponse:
    data = content.encode() if isinstance(content, str) else content
    return client.post(IMPORT, {"file": SimpleUploadedFile(name, data)})  # type: ignore[return-value]


def carried(response: HttpResponse) -> str:
    """Give what the button of a preview carries."""
    found = re.search(r'name="carried" value="([^"]+)"', body(response))
    assert found, body(response)
    return unescape(found[1])


def apply(client: Client, response: HttpResponse) -> HttpResponse:
    return client.post(IMPORT, {"carried": carried(response)})  # type: ignore[return-value]


def told(response: Any) -> str:
    """Give a page's text without its markup."""
    text = body(response).partition('id="content"')[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text)))


def stored() -> list[dict[str, Any]]:
    return [dict(row) for row in ExpectedBackupJob.objects.order_by("pk").values()]


# --- what is exported ---


def test_the_export_asks_for_the_form_and_says_how_many(admin_client: Client) -> None:
    make_job("ONE")
    make_job("TWO")
    page = admin_client.get(EXPORT, {"q": "ONE"})
    assert "1 job, as the list shows it." in told(page)
    assert '<input type="hidden" name="q" value="ONE">' in body(page)
    assert re.findall(r'name="format" value="(\w+)"( checked)?', body(page)) == [
        ("csv", " checked"),
        ("semicolons", ""),
        ("yaml", ""),
    ]


def test_french_spreadsheets_are_offered_semicolons_first(admin_client: Client) -> None:
    page = admin_client.get(EXPORT, headers={"accept-language": "fr"})
    assert 'value="semicolons" checked' in body(page)


@pytest.mark.parametrize(
    ("form", "name"), [("csv", "csv"), ("semicolons", "csv"), ("yaml", "yaml")]
)
def test_what_the_list_shows_is_exported_and_reads_back(
    admin_client: Client, form: str, name: str
) -> None:
    make_job("=1+1", city="Yaoundé", schedule="@daily")
    make_job("OTHER", "GLOBEX_PARIS_BERCY")
    make_job("RETIRED", is_active=False, retired_at=NOW)
    for query, count in (({}, 2), ({"q": "globex"}, 1), ({"company_name": "ACME", "p": "7"}, 1)):
        response = admin_client.get(EXPORT, {"format": form, **query})
        assert response.status_code == 200
        assert re.search(rf'"jobs-[\d-]{{10}}\.{name}"', response["Content-Disposition"])
        planned = plan(body(response).encode(), f"jobs.{name}")
        assert [one.kind for one in planned.changes] == [Kind.UNCHANGED] * count


def test_a_spreadsheet_can_tell_that_the_export_is_utf8(admin_client: Client) -> None:
    response: Any = admin_client.get(EXPORT, {"format": "csv"})
    assert response.getvalue().startswith(b"\xef\xbb\xbfcompany_name,")


def test_a_form_or_filter_that_there_is_not_is_refused(admin_client: Client) -> None:
    assert admin_client.get(EXPORT, {"format": "xlsx"}).status_code == 400
    assert admin_client.get(EXPORT, {"format": "csv", "nothing": "x"}).status_code == 400
    assert admin_client.get(EXPORT, {"format": "csv", "company_name": "\0"}).status_code == 400


@pytest.mark.parametrize("action", ["export_csv", "export_yaml"])
def test_those_selected_are_exported(admin_client: Client, action: str) -> None:
    make_job("ONE")
    two = make_job("TWO")
    response = admin_client.post(LIST, {"action": action, "_selected_action": [two.pk]})
    assert "TWO" in body(response)
    assert "ONE" not in body(response)


@pytest.mark.parametrize("form", ["", "csv", "yaml"])
def test_an_export_takes_no_more_statements_for_many_jobs(admin_client: Client, form: str) -> None:
    def statements(count: int) -> int:
        ExpectedBackupJob.objects.all().delete()
        fill(count)
        with CaptureQueriesContext(connection) as asked:
            body(admin_client.get(EXPORT, {"format": form} if form else {}))
        return len(asked)

    statements(1)  # fills the caches of content types
    assert statements(10) == statements(1000)


def fill(count: int) -> None:
    ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name="ACME",
            city="DOUALA",
            neighborhood="NEWBELL",
            database_name=f"db{number}",
            agent_id="ACME_DOUALA_NEWBELL",
            created_at=NOW,
            zone_in_force="UTC",
        )
        for number in range(count)
    )


# --- what is imported ---


def test_the_page_says_what_each_column_takes(admin_client: Client) -> None:
    text = told(admin_client.get(IMPORT))
    for column in COLUMNS:
        assert f"{column} " in text
    assert set(import_preview.TAKES) == set(COLUMNS)
    assert "At most 5 MiB and 20000 jobs" in text


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_example_can_be_imported(admin_client: Client, language: str) -> None:
    example: Any = admin_client.get(EXAMPLE, headers={"accept-language": language})
    page = upload(admin_client, example.content)
    apply(admin_client, page)
    assert ExpectedBackupJob.objects.count() == 2


def test_a_file_with_an_error_is_not_applied_and_without_it_is(admin_client: Client) -> None:
    make_job(grace_minutes=30)
    before = stored()
    wrong = HEADER + ACME.format("ACME_2025", 60) + ACME.format("NEW", "soon")
    page = upload(admin_client, wrong)
    assert page.status_code == 422
    assert "1 error. Nothing can be applied until it is gone." in told(page)
    expected = "3 grace_minutes found 'soon', expected a whole number of minutes, 0 or more"
    assert expected in told(page)
    assert 'name="carried"' not in body(page)
    assert stored() == before

    page = upload(admin_client, wrong.replace("soon", "90"))
    assert page.status_code == 200
    assert "1 created 1 updated 0 unchanged" in told(page)
    assert "2 ACME_2025 ACME_DOUALA_NEWBELL updated grace_minutes 30 → 60" in told(page)
    assert "3 NEW ACME_DOUALA_NEWBELL created" in told(page)
    assert stored() == before

    done = apply(admin_client, page)
    assert done["Location"] == LIST
    jobs = dict(ExpectedBackupJob.objects.values_list("database_name", "grace_minutes"))
    assert jobs == {"ACME_2025": 60, "NEW": 90}
    changes = JobChange.objects.filter(changed_by="admin")
    assert set(changes.values_list("job__database_name", "action")) == {
        ("ACME_2025", "changed"),
        ("NEW", "added"),
    }
    assert changes.get(action="changed").changes == {"grace_minutes": [30, 60]}
    words = "1 job created, 1 updated, 0 unchanged."
    assert words in unescape(body(admin_client.get(LIST)))


def test_what_was_applied_is_counted_as_french_does(admin_client: Client) -> None:
    admin_client.post("/i18n/setlang/", {"language": "fr"})
    apply(admin_client, upload(admin_client, HEADER + ACME.format("ACME_2025", 30)))
    words = "1 sauvegarde créée, 0 modifiée, 0 inchangée."
    assert words in unescape(body(admin_client.get(LIST)))
    both = HEADER + ACME.format("NEW", 30) + ACME.format("NEWER", 30) + ACME.format("ACME_2025", 30)
    apply(admin_client, upload(admin_client, both))
    words = "2 sauvegardes créées, 0 modifiée, 1 inchangée."
    assert words in unescape(body(admin_client.get(LIST)))


def test_what_is_so_already_offers_nothing_to_apply(admin_client: Client) -> None:
    make_job(grace_minutes=30)
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 30))
    assert "All jobs are so already" in told(page)
    assert 'name="carried"' not in body(page)


def test_yaml_is_taken_too(admin_client: Client) -> None:
    make_job()
    exported = body(admin_client.get(EXPORT, {"format": "yaml"}))
    page = upload(admin_client, exported.replace("is_active: true", "is_active: false"), "j.yaml")
    assert "is_active yes → no" in told(page)
    apply(admin_client, page)
    job = ExpectedBackupJob.objects.get()
    assert (job.is_active, job.paused_by) == (False, "admin")


def test_jobs_that_changed_between_are_shown_again_and_not_overwritten(
    admin_client: Client,
) -> None:
    job = make_job(grace_minutes=30)
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    ExpectedBackupJob.objects.filter(pk=job.pk).update(grace_minutes=45)
    again = apply(admin_client, page)
    assert again.status_code == 409
    assert "Jobs have changed meanwhile, and nothing was applied." in told(again)
    assert "grace_minutes 45 → 60" in told(again)
    assert ExpectedBackupJob.objects.get().grace_minutes == 45
    apply(admin_client, again)
    assert ExpectedBackupJob.objects.get().grace_minutes == 60


def test_a_job_that_was_made_between_is_no_second_one(admin_client: Client) -> None:
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    make_job()
    assert apply(admin_client, page).status_code == 409
    assert ExpectedBackupJob.objects.get().grace_minutes is None


def test_a_job_that_is_made_at_the_very_moment_is_no_second_one(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def carry_out(planned: Plan, **how: Any) -> None:
        make_job()  # a rival, between our look and our writing
        really(planned, **how)

    really = job_import.carry_out
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    monkeypatch.setattr(job_import, "carry_out", carry_out)
    assert apply(admin_client, page).status_code == 409
    assert not JobChange.objects.filter(changed_by="admin").exists()


def test_a_change_elsewhere_does_not_hinder(admin_client: Client) -> None:
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    make_job("OTHER")
    assert apply(admin_client, page).status_code == 302


def test_applied_twice_it_changes_nothing_the_second_time(admin_client: Client) -> None:
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    assert apply(admin_client, page).status_code == 302
    assert apply(admin_client, page).status_code == 409
    assert JobChange.objects.count() == 1


@pytest.mark.parametrize("how", ["changed", "cut", "another's", "plain", "empty", "old"])
def test_only_what_was_shown_to_oneself_is_applied(
    admin_client: Client, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    text = carried(page)
    if how == "old":
        monkeypatch.setattr(job_importing, "_A_DAY", -1)
    client = logged_in(staff(*OPERATOR)) if how == "another's" else admin_client
    sent = {
        "changed": text[:30] + ("A" if text[30] != "A" else "B") + text[31:],
        "cut": text[:-1],
        "another's": text,
        "plain": HEADER + ACME.format("ACME_2025", 60),
        "empty": "",
        "old": text,
    }[how]
    refused = client.post(IMPORT, {"carried": sent})
    assert refused.status_code == 400
    assert "choose the file again" in told(refused)
    assert not ExpectedBackupJob.objects.exists()


def test_without_a_file_the_page_says_so(admin_client: Client) -> None:
    page = admin_client.post(IMPORT)
    assert page.status_code == 400
    assert "Choose a file first." in told(page)


def test_of_many_rows_and_errors_the_first_are_shown(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_preview, "MOST_ROWS_SHOWN", 2)
    monkeypatch.setattr(import_preview, "MOST_PROBLEMS_SHOWN", 2)
    rows = [ACME.format(f"db{number}", 60) for number in range(5)]
    page = upload(admin_client, HEADER + "".join(rows))
    assert "3 further rows are not shown, and applied all the same." in told(page)
    assert "db2" not in told(page)
    page = upload(admin_client, HEADER + "".join(rows).replace("60", "soon"))
    assert "5 errors" in told(page)
    assert "3 further errors are not shown." in told(page)


def test_the_words_of_errors_are_those_of_the_page(admin_client: Client) -> None:
    """In another language the errors are looked up when they are told, not when they are read."""
    with override("fr"):
        make_job(grace_minutes=30)
    page = upload(admin_client, HEADER + ACME.format("NEW", "x"))
    assert "expected a whole number of minutes" in told(page)


# --- hostile files ---


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"x" * (20 * 2**20), "jobs.csv", "over 5 MiB; split it into several files"),
        (b"MZ\x90\x00", "jobs.exe", "expected a file named .csv, .yaml or .yml"),
        (b"", "jobs.csv", "the column company_name is missing"),
        (HEADER.encode() + b"\0,\0,\0,\0,\0,\0", "jobs.csv", "without control characters"),
        (b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "jobs.yaml", "expected a list, or a mapping"),
        (b"- " + b"[" * 5000, "jobs.yaml", "stand in each other too deep"),
        (b"[" * 2**20, "jobs.yaml", "stand in each other too deep"),
        (b"- {" + b"a," * 2**20 + b"}", "jobs.yaml", "too long for a file of jobs"),
        (b"- !!python/object/apply:os.system ['x']", "jobs.yaml", "expected a mapping"),
        ("é".encode("latin-1"), "jobs.yaml", "this is not UTF-8; save the file as UTF-8"),
        ("é".encode("utf-16"), "jobs.csv", "this is UTF-16; save it as UTF-8"),
        (HEADER.encode() + b"a\n" * 2**20, "jobs.csv", "1000 errors or more"),
        (HEADER.encode() + b'"' * 2**20, "jobs.csv", "this is not CSV"),
    ],
)
def test_a_hostile_file_is_refused_in_words(
    admin_client: Client, content: bytes, name: str, words: str
) -> None:
    page = upload(admin_client, content, name)
    assert page.status_code == 422
    assert words in told(page)
    assert len(body(page)) < 500_000
    assert not ExpectedBackupJob.objects.exists()


def test_an_alias_may_not_repeat_a_text_without_end(admin_client: Client) -> None:
    start = "- {company_name: A, city: B, neighborhood: C, database_name: D, agent_id: a_b_c, "
    bomb = f"{start}schedule: &s {'x' * 100_000}}}\n" + f"{start}schedule: *s}}\n" * 10_000
    page = upload(admin_client, bomb, "jobs.yaml")
    assert "aliases repeat too much text" in told(page)


def test_windows_1252_is_read_and_said(admin_client: Client) -> None:
    row = "ACME;Yaoundé;Bépanda;X;A_B_C;60\n"
    page = upload(admin_client, (HEADER.replace(",", ";") + row).encode("cp1252"))
    assert "read as Windows-1252" in told(page)
    apply(admin_client, page)
    assert ExpectedBackupJob.objects.get().city == "Yaoundé"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_apostrophe_before_a_formula_is_taken_away(admin_client: Client, mark: str) -> None:
    row = 'ACME,DOUALA,NEWBELL,"\'=HYPERLINK(1)",ACME_DOUALA_NEWBELL,60\n'
    apply(admin_client, upload(admin_client, mark + HEADER + row))
    assert ExpectedBackupJob.objects.get().database_name == "=HYPERLINK(1)"


def test_nothing_in_a_file_becomes_markup(admin_client: Client) -> None:
    row = f"ACME,DOUALA,{SCRIPT},{SCRIPT},ACME_DOUALA_NEWBELL,60\n"
    bad = row.replace("60", SCRIPT)
    for content in (HEADER + row, HEADER + bad, HEADER.replace("city", SCRIPT) + row):
        page = upload(admin_client, content, f"{SCRIPT}.csv")
        assert SCRIPT not in body(page)
        assert "&lt;/script&gt;" in body(page) or "&lt;script&gt;" in body(page)


def test_a_file_that_no_page_can_carry_is_said_to_be_too_long(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_importing, "MOST_CARRIED", 50)
    page = upload(admin_client, HEADER + ACME.format("ACME_2025", 60))
    assert "This file is too long to be applied here" in told(page)
    assert 'name="carried"' not in body(page)


def test_as_large_a_file_as_is_usual_fits_into_its_page(admin_client: Client) -> None:
    rows = "".join(
        f"Company {n % 50},DOUALA,Q{n % 400},DB_{n},A{n % 50}_DOUALA_Q{n % 400},{n % 600}\n"
        for n in range(20_000)
    )
    request: Any = type("Request", (), {"user": User(pk=1)})()
    text = job_importing.signed(request, (HEADER + rows).encode(), "jobs.csv", "0" * 64)
    assert len(text) < job_importing.MOST_CARRIED
    assert job_importing.opened(request, text)[2] == (HEADER + rows).encode()
    with pytest.raises(signing.BadSignature):
        job_importing.opened(type("Request", (), {"user": User(pk=2)})(), text)


@pytest.mark.parametrize("there", [False, True], ids=["created", "updated"])
def test_many_rows_cost_statements_by_the_batch(admin_client: Client, there: bool) -> None:
    def statements(count: int) -> tuple[int, int]:
        ExpectedBackupJob.objects.all().delete()
        if there:
            fill(count)
        content = HEADER + "".join(ACME.format(f"db{n}", 90) for n in range(count))
        with CaptureQueriesContext(connection) as asked:
            page = upload(admin_client, content)
        shown = len(asked)
        with CaptureQueriesContext(connection) as asked:
            assert apply(admin_client, page).status_code == 302
        assert ExpectedBackupJob.objects.filter(grace_minutes=90).count() == count
        return shown, len(asked)

    statements(1)
    (few_shown, few_applied), (many_shown, many_applied) = statements(10), statements(1000)
    # A batch is 500 jobs. SQLite writes some 17 of them with each statement, PostgreSQL all.
    assert many_shown <= few_shown + 1
    assert many_applied <= few_applied + 90


# --- who may, and whose ---


DOORS = {
    EXPORT: ("view_expectedbackupjob",),
    IMPORT: OPERATOR,
    EXAMPLE: OPERATOR,
    DEPOSITS: ("view_expectedbackupjob", "add_expectedbackupjob"),
}


@pytest.mark.parametrize("url", DOORS)
def test_each_door_opens_for_those_who_may_and_for_nobody_else(
    url: str, deposit_root: Path
) -> None:
    deposit_root.mkdir(exist_ok=True)
    needed = DOORS[url]
    assert logged_in(staff(*needed)).get(url).status_code == 200
    for number, missing in enumerate(needed):
        if missing == "view_expectedbackupjob" and len(needed) > 1:
            continue  # who may add or change need not be told that they may look
        others = [one for one in needed if one != missing]
        client = logged_in(staff(*others, name=f"less{number}"))
        assert client.get(url).status_code == 403
        assert client.post(url, {"carried": "x", "how": "adopt"}).status_code == 403
    assert Client().get(url).status_code == 302


def test_the_list_offers_what_one_may_do(deposit_root: Path) -> None:
    def offered(user: User, query: str = "") -> list[str]:
        page = unescape(body(logged_in(user).get(LIST + query)))
        return [url for url in (IMPORT, DEPOSITS, EXPORT + query) if f'href="{url}"' in page]

    make_job()
    assert offered(staff(*OPERATOR)) == [IMPORT, DEPOSITS, EXPORT]
    assert offered(staff(*OPERATOR, companies=["ACME"], name="acme")) == [IMPORT, EXPORT]
    viewer = staff("view_expectedbackupjob", name="viewer")
    assert offered(viewer, "?q=acme&company_name=ACME") == [EXPORT + "?q=acme&company_name=ACME"]


@pytest.fixture
def acme() -> Iterator[Client]:
    """Somebody who sees ACME's jobs, of which there is one; GLOBEX has one too."""
    make_job("ACME_2025", grace_minutes=30)
    make_job("SECRET", "GLOBEX_PARIS_BERCY", grace_minutes=7)
    return logged_in(staff(*OPERATOR, companies=["ACME"]))  # type: ignore[return-value]


def test_an_export_holds_the_jobs_that_one_sees(acme: Client) -> None:
    for response in (
        acme.get(EXPORT, {"format": "csv"}),
        acme.get(EXPORT, {"format": "yaml", "q": "GLOBEX"}),
        acme.get(EXPORT, {"format": "csv", "company_name": "GLOBEX"}),
        acme.post(
            LIST,
            {
                "action": "export_yaml",
                "_selected_action": list(ExpectedBackupJob.objects.values_list("pk", flat=True)),
            },
        ),
    ):
        assert "SECRET" not in body(response)
    assert "ACME_2025" in body(acme.get(EXPORT, {"format": "csv"}))


OTHERS = [
    # company, agent, database
    ("GLOBEX", "GLOBEX_PARIS_BERCY", "SECRET"),
    ("GLOBEX", "GLOBEX_PARIS_BERCY", "NO_SUCH"),
    ("GLOBEX", "ACME_DOUALA_NEWBELL", "ACME_2025"),
    ("ACME", "GLOBEX_PARIS_BERCY", "SECRET"),
    ("ACME", "GLOBEX_PARIS_BERCY", "NO_SUCH"),
    ("ACME", "INITECH_LYON_GARE", "NO_SUCH"),
    ("acme", "ACME_DOUALA_NEWBELL", "ACME_2025"),
]


@pytest.mark.parametrize(("company", "agent", "database"), OTHERS)
def test_a_row_of_another_company_is_refused_in_the_same_words(
    acme: Client, company: str, agent: str, database: str
) -> None:
    before = stored()
    page = upload(acme, f"{HEADER}{company},C,N,{database},{agent},60\n")
    assert page.status_code == 422
    row = "2 company_name expected a company that you may see, and an agent of its own"
    assert row in told(page)
    assert "30" not in told(page)
    assert stored() == before


def test_one_row_of_another_company_keeps_all_from_being_applied(acme: Client) -> None:
    content = HEADER + ACME.format("ACME_2025", 60)
    assert apply(acme, upload(acme, content)).status_code == 302
    more = content.replace("60", "90") + "GLOBEX,C,N,SECRET,GLOBEX_PARIS_BERCY,60\n"
    assert 'name="carried"' not in body(upload(acme, more))
    assert ExpectedBackupJob.objects.get(database_name="ACME_2025").grace_minutes == 60


def test_a_new_site_of_ones_own_company_can_be_imported(acme: Client) -> None:
    content = HEADER + "ACME,KRIBI,PORT,NEW,ACME_KRIBI_PORT,60\n"
    assert apply(acme, upload(acme, content)).status_code == 302
    assert ExpectedBackupJob.objects.filter(database_name="NEW").exists()


def test_what_somebody_may_no_longer_see_is_not_applied(acme: Client) -> None:
    page = upload(acme, HEADER + ACME.format("ACME_2025", 60))
    ExpectedBackupJob.objects.filter(database_name="ACME_2025").update(company_name="GLOBEX")
    again = apply(acme, page)
    assert again.status_code == 409
    assert "expected a company that you may see" in told(again)
    assert ExpectedBackupJob.objects.get(database_name="ACME_2025").grace_minutes == 30


# --- from the deposit tree ---


def keys_of(page: Any) -> list[str]:
    return [unescape(key) for key in re.findall(r'name="database" value="([^"]+)"', body(page))]


def test_what_reports_mention_is_offered_and_the_chosen_is_registered(
    admin_client: Client, deposit_root: Path
) -> None:
    make_job("KNOWN_2025")
    Agent(deposit_root).report({"NEW_2025": {}, "KNOWN_2025": {}, "OTHER": {}}, NOW)
    page: Any = admin_client.get(DEPOSITS)
    assert "NEW_2025 ACME DOUALA, NEWBELL ACME_DOUALA_NEWBELL" in told(page)
    assert "KNOWN_2025" not in told(page)
    assert "1 report read. 1 database is expected already." in told(page)
    assert ExpectedBackupJob.objects.count() == 1

    chosen, _other = keys_of(page)
    done = admin_client.post(DEPOSITS, {"database": chosen, "how": "adopt"})
    assert done["Location"] == reverse("admin:scanner_expectedbackupjob_adopt")
    job = ExpectedBackupJob.objects.get(database_name="NEW_2025")
    assert (job.is_active, job.awaits_adoption, job.year) == (False, True, 2025)
    assert (job.company_name, job.city, job.neighborhood) == ("ACME", "DOUALA", "NEWBELL")
    change = job.changes.get()
    assert (change.action, change.changed_by) == ("registered", "admin")


def test_they_can_be_registered_as_paused(admin_client: Client, deposit_root: Path) -> None:
    Agent(deposit_root).report({"NEW_2025": {}}, NOW)
    keys = keys_of(admin_client.get(DEPOSITS))
    done = admin_client.post(DEPOSITS, {"database": keys, "how": "paused"})
    assert done["Location"] == LIST
    job = ExpectedBackupJob.objects.get()
    assert (job.is_active, job.awaits_adoption, job.paused_by) == (False, False, "admin")


def test_what_somebody_registered_meanwhile_is_left_alone(
    admin_client: Client, deposit_root: Path
) -> None:
    Agent(deposit_root).report({"NEW_2025": {}}, NOW)
    keys = keys_of(admin_client.get(DEPOSITS))
    make_job("NEW_2025", grace_minutes=7)
    admin_client.post(DEPOSITS, {"database": keys * 2, "how": "adopt"})
    assert ExpectedBackupJob.objects.get().grace_minutes == 7


def test_what_somebody_registers_at_the_very_moment_is_no_second_one(
    admin_client: Client, deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(*found: Any, **how: Any) -> list[ExpectedBackupJob]:
        make_job("NEW_2025")  # a rival, between our look and our writing
        return really(*found, **how)

    really = roster.register
    Agent(deposit_root).report({"NEW_2025": {}}, NOW)
    keys = keys_of(admin_client.get(DEPOSITS))
    monkeypatch.setattr(roster, "register", register)
    done = admin_client.post(DEPOSITS, {"database": keys, "how": "adopt"}, follow=True)
    assert "Somebody else registered some of them just now." in unescape(body(done))


def test_nothing_but_what_was_offered_is_registered(
    admin_client: Client, deposit_root: Path
) -> None:
    deposit_root.mkdir(exist_ok=True)
    for data in (
        {"database": "x", "how": "adopt"},
        {"database": '["A_B_C",["A","B","C"],"X"]', "how": "adopt"},
        {"how": "everything"},
        {},
    ):
        assert admin_client.post(DEPOSITS, data).status_code == 400
    assert admin_client.post(DEPOSITS, {"how": "adopt"}).status_code == 302
    assert not ExpectedBackupJob.objects.exists()


def test_what_could_not_be_read_is_said(admin_client: Client, deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    agent.report({"KNOWN_2025": {}}, NOW)
    make_job("KNOWN_2025")
    agent.drop("bad.json", "{}")
    page: Any = admin_client.get(DEPOSITS)
    assert "every database that was read of is expected" in told(page)
    assert "ACME_DOUALA_NEWBELL/log/bad.json" in told(page)


def test_a_tree_that_is_away_is_said(admin_client: Client) -> None:
    page: Any = admin_client.get(DEPOSITS)
    assert page.status_code == 200
    assert "cannot be read" in told(page)
    assert "There are none" not in told(page)


def test_a_request_reads_the_newest_reports_and_says_so(
    admin_client: Client, deposit_root: Path
) -> None:
    agent = Agent(deposit_root)
    for day in range(1, 8):
        agent.drop(f"202603{day:02}_110000_A.json", f'{{"databases": {{"DB_{day}": {{}}}}}}')
    page: Any = admin_client.get(DEPOSITS)
    assert "the 5 newest reports were read; 2 older ones were not" in told(page)
    assert "DB_7" in told(page)
    assert "DB_2" not in told(page)
    assert "manage.py import_jobs --from-deposits" in told(page)


def test_a_request_ends_when_its_time_is_over_and_begins_with_the_unknown(
    admin_client: Client, deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Agent(deposit_root, "A_A_KNOWN").report({"NEW_1": {}}, NOW)
    make_job("OLD", "A_A_KNOWN")
    Agent(deposit_root, "B_B_UNKNOWN").report({"NEW_2": {}}, NOW)
    ticks = iter([0.0, 1.0, 99.0])
    monkeypatch.setattr(job_from_deposits, "monotonic", lambda: next(ticks))
    page: Any = admin_client.get(DEPOSITS)
    assert "After 10 seconds there was no time left for 1 agent." in told(page)
    assert "NEW_2" in told(page)
    assert "NEW_1" not in told(page)


def test_more_databases_than_a_form_takes_come_by_and_by(
    admin_client: Client, deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_from_deposits, "MOST_SHOWN", 2)
    Agent(deposit_root).report({f"DB_{number}": {} for number in range(5)}, NOW)
    page: Any = admin_client.get(DEPOSITS)
    assert len(keys_of(page)) == 2
    assert "3 further databases are shown when these are registered." in told(page)


def test_nothing_that_an_agent_says_becomes_markup(
    admin_client: Client, deposit_root: Path
) -> None:
    agent = Agent(deposit_root)
    agent.report({SCRIPT: {}}, NOW)
    agent.drop("<b>bad.json", "{}")
    page: Any = admin_client.get(DEPOSITS)
    assert SCRIPT not in body(page)
    assert "<b>bad" not in body(page)
    assert SCRIPT in told(page) or "&lt;/script&gt;" in body(page)


def test_who_sees_some_companies_only_reads_no_deposits(deposit_root: Path) -> None:
    Agent(deposit_root).report({"NEW_2025": {}}, NOW)
    client = logged_in(staff(*OPERATOR, companies=["ACME"]))
    assert client.get(DEPOSITS).status_code == 403
    assert client.post(DEPOSITS, {"how": "adopt"}).status_code == 403


def test_deposits_take_no_more_statements_for_many_databases(
    admin_client: Client, deposit_root: Path
) -> None:
    def statements(count: int) -> tuple[int, int]:
        Agent(deposit_root).report({f"DB_{number}": {} for number in range(count)}, NOW)
        with CaptureQueriesContext(connection) as asked:
            page = admin_client.get(DEPOSITS)
        shown = len(asked)
        with CaptureQueriesContext(connection) as asked:
            data = {"database": keys_of(page), "how": "adopt"}
            assert admin_client.post(DEPOSITS, data).status_code == 302
        ExpectedBackupJob.objects.all().delete()
        return shown, len(asked)

    statements(1)
    (few, few_registered), (many, many_registered) = statements(10), statements(1000)
    assert few == many
    assert many_registered <= few_registered + 40  # 500 of them, some 17 a statement on SQLite
