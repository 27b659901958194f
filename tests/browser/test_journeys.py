"""What people come to do, from the first page on, as they would: by names that are read aloud."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from scanner.models import Download, ExpectedBackupJob, VaultCopy
from tests.browser.ground import Ground, is_paused, person, scheduler, until
from tests.browser.visitor import Come
from tests.schedule_rows import make_task

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def ground(site: str, deposit_root: Path) -> Ground:
    return Ground(deposit_root)


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_an_operator_logs_in_sees_what_fails_opens_it_and_acknowledges_it(
    come: Come, ground: Ground
) -> None:
    person("olivia", "operator")
    page = come().page
    page.goto("/")
    page.get_by_label("Username").fill("olivia")
    page.get_by_label("Password").fill("oliviaolivia")
    page.get_by_role("button", name="Log in").click()

    grid = page.get_by_role("treegrid")
    expect(grid.get_by_role("gridcell", name=re.compile("^Now, failed")).first).to_be_visible()
    grid.get_by_role("link", name="SALES", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("SALES")
    expect(page.get_by_text("the disk is full").first).to_be_visible()
    page.get_by_role("link", name="Acknowledge the incident").click()
    page.get_by_label("Note").fill("a new disk is on its way")
    page.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(page.get_by_text("a new disk is on its way").first).to_be_visible()

    incident = ground.incident
    assert incident.acknowledged_by == "olivia"
    assert incident.acknowledged_note == "a new disk is on its way"


def test_an_incident_is_acknowledged_on_the_board_itself(come: Come, ground: Ground) -> None:
    page = come(person("olivia", "operator")).visit("admin:index")
    page.get_by_role("button", name=re.compile("^Acknowledge: .*SALES")).click()
    expect(page.get_by_text("acknowledged by olivia")).to_be_visible()
    assert ground.incident.acknowledged_by == "olivia"


def test_a_job_is_paused_for_a_reason_and_resumed(come: Come, ground: Ground) -> None:
    page = come(person("olivia", "operator")).visit(
        "admin:scanner_expectedbackupjob_change", ground.sales.pk
    )
    page.get_by_role("link", name="Pause…").click()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("Say why")).to_be_visible()
    assert not is_paused(ground.sales)
    page.get_by_label("Why").fill("the disk is replaced")
    page.get_by_label(re.compile("^until tomorrow")).check()
    page.get_by_role("button", name="Pause", exact=True).click()

    expect(page.get_by_text("the disk is replaced").first).to_be_visible()
    assert is_paused(ground.sales)
    assert ground.sales.pause_reason == "the disk is replaced"
    assert ground.sales.paused_until is not None
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("link", name="Pause…")).to_be_visible()
    assert not is_paused(ground.sales)


def test_the_interval_of_the_scan_is_changed(come: Come, ground: Ground) -> None:
    task = make_task()
    page = come(person("olivia", "operator")).visit("admin:scanner_scheduledtask_change", task.pk)
    page.get_by_label("Interval (minutes)").fill("0")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("expected 1 to")).to_be_visible()
    page.get_by_label("Interval (minutes)").fill("7")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("/scheduledtask/$"))
    task.refresh_from_db()
    assert task.interval_minutes == 7


def test_a_file_of_jobs_is_imported_once_it_is_right(
    come: Come, ground: Ground, tmp_path: Path
) -> None:
    columns = "company_name,city,neighborhood,database_name,agent_id,schedule"
    place = "ACME,Douala,Newbell"
    file = tmp_path / "jobs.csv"
    file.write_text(f"{columns}\n{place},STOCK,ACME_DOUALA_NEWBELL,61 2 * * *\n")
    page = come(person("olivia", "operator")).visit("admin:scanner_expectedbackupjob_import")
    page.get_by_label("A file of jobs").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    errors = page.get_by_role("region", name="Errors")
    expect(errors.get_by_role("row", name=re.compile("^2 schedule"))).to_be_visible()
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)

    file.write_text(f"{columns}\n{place},STOCK,ACME_DOUALA_NEWBELL,30 2 * * *\n")
    page.get_by_role("link", name="Choose another file").click()
    page.get_by_label("A file of jobs").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("row", name=re.compile("STOCK"))).to_be_visible()
    assert not ExpectedBackupJob.objects.filter(database_name="STOCK").exists()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("1 job created, 0 updated, 0 unchanged.")).to_be_visible()
    assert ExpectedBackupJob.objects.get(database_name="STOCK").schedule == "30 2 * * *"


def test_the_pages_speak_french_to_whoever_switches_or_whose_browser_does(
    come: Come, ground: Ground
) -> None:
    olivia = person("olivia", "operator")
    page = come(olivia).visit("admin:index")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_role("navigation").get_by_text("Sauvegardes").first).to_be_visible()
    page.goto(reverse("admin:scanner_expectedbackupjob_change", args=[ground.sales.pk]))
    expect(page.locator("html")).to_have_attribute("lang", "fr")

    page = come(olivia, language="fr").visit("admin:index")
    expect(page.locator("html")).to_have_attribute("lang", "fr")


# --- Who may do what ------------------------------------------------------------------------------


def test_a_viewer_sees_and_cannot_act(come: Come, ground: Ground) -> None:
    viewer = come(person("victor", "viewer"))
    page = viewer.visit("admin:index")
    expect(page.get_by_role("link", name="SALES", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Acknowledge"))).to_have_count(0)
    page = viewer.visit("admin:scanner_expectedbackupjob_change", ground.sales.pk)
    for words in ("Pause", "Retire", "Scan", "Save"):
        acting = re.compile(f"^{words}", re.IGNORECASE)
        expect(page.get_by_role("link", name=acting)).to_have_count(0)
        expect(page.get_by_role("button", name=acting)).to_have_count(0)
    for name in ("import", "adopt", "add", "from_deposits"):
        assert viewer.status_of(f"admin:scanner_expectedbackupjob_{name}") == 403, name
    for name in ("pause", "retire"):
        assert viewer.status_of(f"admin:scanner_expectedbackupjob_{name}", ground.sales.pk) == 403


def test_an_operator_of_another_company_sees_nothing_of_this_one(
    come: Come, ground: Ground
) -> None:
    person("greta", "operator", companies=["GLOBEX"])
    greta = come(User.objects.get(username="greta"))
    page = greta.visit("admin:index")
    expect(page.get_by_role("link", name="LEDGER", exact=True)).to_be_visible()
    expect(page.get_by_text("SALES")).to_have_count(0)
    expect(page.get_by_text("ACME")).to_have_count(0)
    page = greta.visit("admin:scanner_expectedbackupjob_changelist")
    expect(page.get_by_text("LEDGER").first).to_be_visible()
    expect(page.get_by_text("SALES")).to_have_count(0)

    job, entry, incident = ground.sales, ground.sales.last_entry, ground.incident
    assert entry is not None
    for name, pk in (
        ("expectedbackupjob_pause", job.pk),
        ("expectedbackupjob_retire", job.pk),
    ):
        assert greta.status_of(f"admin:scanner_{name}", pk) == 404, name
    for name, pk in (
        ("expectedbackupjob_change", job.pk),
        ("backupentry_change", entry.pk),
        ("incident_change", incident.pk),
    ):
        # Django's admin leads to its first page from what is not there.
        assert greta.status_of(f"admin:scanner_{name}", pk) in (302, 404), name


# --- Acting, with what the machine does meanwhile -------------------------------------------------


def test_a_new_verdict_arrives_after_somebody_asked_for_a_scan(
    come: Come, ground: Ground, tmp_path: Path
) -> None:
    task = make_task(interval_minutes=31 * 24 * 60)
    olivia = come(person("olivia", "operator"))
    with scheduler(tmp_path / "scheduler.log"):
        until(lambda: task.runs.filter(outcome="ok").exists())  # what was due is made up for
        ground.deposit_good()
        page = olivia.visit("admin:scanner_expectedbackupjob_change", ground.sales.pk)
        page.get_by_role("link", name="Scan this agent now").click()
        expect(page.get_by_role("checkbox", name=ground.acme.name)).to_be_checked()
        expect(page.get_by_role("checkbox", name=ground.globex.name)).not_to_be_checked()
        page.get_by_role("button", name="Scan now").click()
        done = page.get_by_role("heading", name="The scan is complete")
        expect(done).to_be_visible(timeout=60_000)
        expect(page.get_by_role("listitem").filter(has_text="SALES")).to_contain_text("Success")
    ground.sales.refresh_from_db()
    assert ground.sales.status == "SUCCESS"
    page = olivia.visit("admin:index")
    name = re.compile("^Now, good")
    expect(row_of(page, "SALES").get_by_role("gridcell", name=name)).to_be_visible()


def test_a_copy_is_downloaded_whole_by_those_who_may(come: Come, ground: Ground) -> None:
    copy = VaultCopy.objects.get(job=ground.sales)
    page = come(person("ada", "administrator", companies=[])).visit(
        "admin:scanner_vaultcopy_change", copy.pk
    )
    with page.expect_download() as waited:
        page.get_by_role("link", name=re.compile("Download [(]")).click()
    content = waited.value.path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == copy.sha256
    assert Download.objects.get().downloaded_by == "ada"

    olivia = come(person("olivia", "operator"))
    page = olivia.visit("admin:scanner_vaultcopy_change", copy.pk)
    expect(page.get_by_role("link", name=re.compile("Download [(]"))).to_have_count(0)
    assert olivia.status_of("admin:scanner_vaultcopy_download", copy.pk) == 403


def test_a_display_shows_the_board_until_its_pass_is_revoked(come: Come, ground: Ground) -> None:
    page = come(person("ada", "administrator", companies=[])).visit("admin:scanner_wallpass_add")
    page.get_by_label("Name").fill("The corridor")
    page.get_by_label(re.compile("every company", re.IGNORECASE)).check()
    page.get_by_role("button", name="Save", exact=True).click()
    address = page.get_by_label("Address of the display").input_value()

    display = come()
    display.page.goto(urlsplit(address)._replace(scheme="", netloc="").geturl())
    expect(display.page.get_by_text("SALES").first).to_be_visible()
    assert "pass=" not in display.page.url
    display.page.reload()
    expect(display.page.get_by_text("SALES").first).to_be_visible()
    assert display.status_of("admin:index") == 302

    page.get_by_role("link", name="Wall passes").last.click()
    page.get_by_role("link", name="The corridor").click()
    page.get_by_role("button", name=re.compile("Revoke")).click()
    expect(page.get_by_text("opens nothing any more")).to_be_visible()
    assert display.status_of("board:wall") == 403
