"""Whoever was granted some companies sees and acts on nothing else, whichever door they try."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scanner import access, groups, roster
from scanner.admin.scoped import Scoped
from scanner.alerts.noticing import notice
from scanner.models import (
    EVERY_COMPANY,
    Agent,
    AgentReport,
    BackupEntry,
    Channel,
    CompanyGrant,
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentMember,
    JobChange,
    Lease,
    MaintenanceWindow,
    RestoreDrill,
    ScanRun,
    ScheduledTask,
    StatusChange,
    VaultCopy,
    VaultFinding,
)
from tests.admin.fields import seen
from tests.admin.rows import LIST, MODELS, staff, write
from tests.alerts.rows import make_problem_jobs
from tests.scanning import NOW, make_job
from tests.schedule_rows import make_all_well, make_task

pytestmark = pytest.mark.django_db

MINE, THEIRS = "Company 0 X", "Company 1 X"
SCOPED = tuple(model for model in MODELS if access.belongs_to_companies(model))
OF_THE_SERVER = tuple(model for model in MODELS if not access.belongs_to_companies(model))
each_scoped = pytest.mark.parametrize("model", SCOPED, ids=lambda model: model.__name__)
each_of_the_server = pytest.mark.parametrize(
    "model", OF_THE_SERVER, ids=lambda model: model.__name__
)
JOBS = LIST.format(ExpectedBackupJob)


def page_of(row: Model, what: str = "change") -> str:
    return f"{LIST.format(type(row))}{quote(row.pk)}/{what}/"


def permitted(companies: tuple[str, ...] = (MINE,), name: str = "limited") -> User:
    """Make somebody who may do everything, to the backups of these companies."""
    user = staff(companies=companies, name=name)
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.fixture
def limited(client: Client) -> Client:
    write(2, text="X")
    client.force_login(permitted())
    return client


def rows_of(model: type[Model], companies: access.Companies) -> list[Any]:
    return list(access.visible(model._default_manager.order_by("pk"), companies))


def refused(client: Client, url: str, data: dict[str, Any] | None = None) -> bool:
    """Tell whether an address does as if nothing were there, or says no."""
    response = client.get(url) if data is None else client.post(url, data)
    if response.status_code == 302:  # Django's admin sends whoever asks for no row to the front
        return response["Location"] in ("/admin/", "/fr/admin/")
    return response.status_code in (403, 404)


@each_scoped
def test_each_company_has_its_own_rows_and_together_they_are_all(model: type[Model]) -> None:
    write(2, text="X")
    mine = rows_of(model, frozenset({MINE}))
    theirs = rows_of(model, frozenset({THEIRS}))
    assert mine
    assert theirs
    assert not set(mine) & set(theirs)
    assert len(mine) + len(theirs) == model._default_manager.count()
    assert rows_of(model, access.EVERY) == list(model._default_manager.order_by("pk"))
    assert rows_of(model, access.NONE) == []


@each_of_the_server
def test_what_belongs_to_the_server_is_of_no_company(model: type[Model]) -> None:
    write(2, text="X")
    assert rows_of(model, frozenset({MINE})) == []
    assert rows_of(model, access.EVERY)


def test_every_page_of_the_admin_is_scoped() -> None:
    elsewhere = {
        model for model, page in admin.site._registry.items() if not isinstance(page, Scoped)
    }
    assert elsewhere == set()


@each_scoped
def test_a_list_shows_the_rows_of_the_companies_granted(
    limited: Client, model: type[Model]
) -> None:
    response = limited.get(LIST.format(model))
    assert response.status_code == 200
    shown = response.context["cl"].result_list
    assert {row.pk for row in shown} == {row.pk for row in rows_of(model, frozenset({MINE}))}
    assert THEIRS not in response.content.decode()


@each_scoped
@pytest.mark.parametrize("what", ["change", "history", "delete"])
def test_the_pages_of_a_row_are_closed_to_other_companies(
    limited: Client, model: type[Model], what: str
) -> None:
    (mine, *_), (theirs, *_) = (rows_of(model, frozenset({name})) for name in (MINE, THEIRS))
    assert refused(limited, page_of(theirs, what))
    assert refused(limited, page_of(theirs, what), {"post": "yes"})
    if what == "change":
        assert limited.get(page_of(mine, what)).status_code == 200


@each_of_the_server
def test_what_belongs_to_the_server_is_closed_to_whoever_sees_some_companies(
    limited: Client, model: type[Model]
) -> None:
    row = model._default_manager.first()
    assert row is not None
    assert refused(limited, LIST.format(model))
    assert refused(limited, page_of(row))
    assert f'"{LIST.format(model)}"' not in limited.get("/admin/").content.decode()


@pytest.mark.parametrize("model", [User, Group, ScheduledTask], ids=lambda model: model.__name__)
def test_people_and_tasks_are_closed_to_whoever_sees_some_companies(
    limited: Client, model: type[Model]
) -> None:
    assert refused(limited, LIST.format(model))
    assert refused(limited, f"{LIST.format(model)}add/")


def test_no_filter_or_search_reaches_another_company(limited: Client) -> None:
    for query in (
        f"company_name={THEIRS}",
        "q=db_0001",
        "agent_id=AGENT_1_X",
        "counted_as=problem&q=db_0001",
    ):
        page = limited.get(f"{JOBS}?{query}", follow=True).content.decode()
        assert "db_0001_X" not in page
    for query in ("term=Company", "term=Company+1"):
        places = limited.get(f"{JOBS}places/?part=company_name&{query}").json()["results"]
        assert [one["id"] for one in places] in ([MINE], [])


def test_no_choice_of_a_job_reaches_another_company(limited: Client) -> None:
    query = "app_label=scanner&model_name=maintenancewindow&field_name=job&term=db"
    found = limited.get(f"/admin/autocomplete/?{query}").json()["results"]
    assert [one["text"].split(" ")[0] for one in found] == ["db_0000_X"]


@pytest.mark.parametrize("verb", ["pause", "resume", "retire"])
def test_no_button_acts_on_another_companys_job(limited: Client, verb: str) -> None:
    theirs = ExpectedBackupJob.objects.get(company_name=THEIRS)
    before = ExpectedBackupJob.objects.filter(pk=theirs.pk).values().get()
    data = {"reason": "x", "on": "0", "post": "yes"}
    assert refused(limited, f"{JOBS}{theirs.pk}/{verb}/", data)
    assert ExpectedBackupJob.objects.filter(pk=theirs.pk).values().get() == before


def test_no_database_of_another_company_is_adopted(limited: Client) -> None:
    theirs = ExpectedBackupJob.objects.filter(company_name=THEIRS)
    theirs.update(is_active=False, awaits_adoption=True)
    data = {"jobs": [theirs.get().pk], "job": [theirs.get().pk], "schedule": "0 2 * * *"}
    page = limited.post(f"{JOBS}adopt/", data, follow=True)
    assert b"db_0001_X" not in page.content
    assert theirs.get().awaits_adoption
    assert not theirs.get().is_active


@pytest.mark.parametrize(
    "action", ["pause", "resume", "retire", "adopt", "export_csv", "export_yaml"]
)
def test_no_action_takes_another_companys_job(limited: Client, action: str) -> None:
    theirs = ExpectedBackupJob.objects.get(company_name=THEIRS)
    before = ExpectedBackupJob.objects.filter(pk=theirs.pk).values().get()
    data = {"action": action, "_selected_action": [str(theirs.pk)], "reason": "x", "post": "yes"}
    page = limited.post(JOBS, data, follow=True)
    assert b"db_0001_X" not in page.getvalue()
    assert ExpectedBackupJob.objects.filter(pk=theirs.pk).values().get() == before


def test_no_incident_of_another_company_is_acknowledged(limited: Client) -> None:
    theirs = rows_of(Incident, frozenset({THEIRS}))[0]
    for what in ("acknowledge", "withdraw"):
        assert refused(limited, page_of(theirs, what), {"hours": "", "note": "x"})
    data = {
        "action": "acknowledge_selected",
        "_selected_action": [str(theirs.pk)],
        "hours": "",
        "note": "x",
    }
    limited.post(LIST.format(Incident), data)
    theirs.refresh_from_db()
    assert theirs.acknowledged_note != "x"


def test_an_incident_tells_of_the_jobs_granted_alone(limited: Client) -> None:
    incident = rows_of(Incident, frozenset({MINE}))[0]
    theirs = ExpectedBackupJob.objects.get(company_name=THEIRS)
    IncidentMember.objects.filter(job=theirs).delete()
    IncidentMember.objects.create(incident=incident, job=theirs, since=NOW, joined_at=NOW)
    page = limited.get(page_of(incident)).content.decode()
    assert "db_0000_X" in page
    assert "db_0001_X" not in page


def test_a_job_that_was_moved_tells_nothing_of_the_company_it_was_of(client: Client) -> None:
    jobs = make_problem_jobs(4, company="SECRETCO", city="HIDDEN", agent="SECRETCO_HIDDEN_PLACE")
    notice(now=NOW)
    place = Incident.objects.get()
    moved = ExpectedBackupJob.objects.get(pk=jobs[0].pk)
    moved.company_name, moved.city, moved.agent_id = MINE, "DOUALA", "AGENT_0_X"
    roster.save(moved, now=NOW)
    # Until the alerts have looked it is still counted among those of its place.
    assert IncidentMember.objects.filter(job=moved, left_at=None).get().incident == place
    client.force_login(permitted())
    page = client.get(page_of(moved)).content.decode()
    assert "did not arrive" not in page
    assert page_of(place) not in page
    client.force_login(permitted(companies=(EVERY_COMPANY,), name="all"))
    assert page_of(place) in client.get(page_of(moved)).content.decode()


def test_whoever_may_see_no_incident_is_told_of_none_on_the_page_of_a_job(client: Client) -> None:
    jobs = make_problem_jobs(4)
    notice(now=NOW)
    client.force_login(staff("view_expectedbackupjob", companies=("ACME",)))
    page = client.get(page_of(jobs[0])).content.decode()
    assert "did not arrive" not in page
    assert "/admin/scanner/incident/" not in page


def form_of_a_job(**fields: str) -> dict[str, str]:
    return {
        "company_name": MINE,
        "city": "DOUALA",
        "neighborhood": "NEWBELL",
        "database_name": "NEW",
        "agent_id": "AGENT_0_X",
        "alert_after": "1",
        "is_active": "on",
        "has_trailer": "on",
        **fields,
    }


def test_a_job_is_added_for_a_company_granted(limited: Client) -> None:
    response = limited.post(f"{JOBS}add/", form_of_a_job())
    assert response.status_code == 302, response.context["errors"]
    assert JobChange.objects.get().changed_by == "limited"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"company_name": THEIRS}, "You may name these companies only"),
        ({"agent_id": "AGENT_1_X"}, "This is no agent of the companies that you see."),
        ({"agent_id": "OTHER_DOUALA_AKWA"}, "This is no agent of the companies that you see."),
    ],
)
def test_no_job_is_added_that_would_see_what_another_companys_agent_sends(
    limited: Client, fields: dict[str, str], words: str
) -> None:
    response = limited.post(f"{JOBS}add/", form_of_a_job(**fields))
    assert response.status_code == 200
    assert words in response.content.decode()
    assert not ExpectedBackupJob.objects.filter(database_name="NEW").exists()


@pytest.mark.parametrize("database", ["THEIR_SECRET", "THEIRS"])
def test_no_job_of_a_shared_agent_is_turned_to_another_database_of_it(
    limited: Client, database: str
) -> None:
    mine = make_job("MINE_ALONE", "SHARED_DOUALA_AKWA", company_name=MINE)
    make_job("THEIRS", "SHARED_DOUALA_AKWA", company_name=THEIRS)
    fields = {"database_name": database, "agent_id": "SHARED_DOUALA_AKWA"}
    data = form_of_a_job(**fields, **seen(limited, page_of(mine)))
    response = limited.post(page_of(mine), data)
    page = response.content.decode()
    assert "This is no agent of the companies that you see." in page
    assert "is expected already" not in page
    mine.refresh_from_db()
    assert mine.database_name == "MINE_ALONE"


def test_no_window_silences_another_company(limited: Client) -> None:
    url = f"{LIST.format(MaintenanceWindow)}add/"
    theirs = ExpectedBackupJob.objects.get(company_name=THEIRS)
    common = {
        "name": "new",
        "enabled": "on",
        "starts_at_0": "2026-03-02",
        "starts_at_1": "12:00",
        "ends_at_0": "2026-03-03",
        "ends_at_1": "12:00",
    }
    for fields in ({"company": THEIRS}, {"company": ""}, {"company": MINE, "job": theirs.pk}):
        assert limited.post(url, {**common, **fields}).status_code == 200
        assert not MaintenanceWindow.objects.filter(name="new").exists()
    limited.post(url, {**common, "company": MINE})
    assert MaintenanceWindow.objects.get(name="new").company == MINE


def test_an_agent_of_several_companies_is_for_whoever_sees_them_all() -> None:
    make_job("A", "ACME_DOUALA_AKWA")
    make_job("B", "ACME_DOUALA_AKWA", company_name="OTHER")
    Agent.objects.create(name="ACME_DOUALA_AKWA", first_seen_at=NOW, last_seen_at=NOW)
    assert rows_of(Agent, frozenset({"ACME"})) == []
    assert len(rows_of(Agent, frozenset({"ACME", "OTHER"}))) == 1
    assert access.usable_agents(frozenset({"ACME"}), ["ACME_DOUALA_AKWA"]) == frozenset()


def test_a_new_agent_is_usable_by_the_company_whose_name_it_bears() -> None:
    agents = ["ACME_DOUALA_AKWA", "OTHER_DOUALA_AKWA"]
    assert access.usable_agents(frozenset({"Acme"}), agents) == {"ACME_DOUALA_AKWA"}
    assert access.usable_agents(access.EVERY, agents) == set(agents)


# --- Who is granted what --------------------------------------------------------------------------


def test_a_grant_is_held_in_person_or_by_a_group() -> None:
    user = staff(companies=("A",), name="somebody")
    group = Group.objects.create(name="ops")
    CompanyGrant.objects.create(group=group, company="B")
    assert access.companies_of(User.objects.get(pk=user.pk)) == frozenset({"A"})
    user.groups.add(group)
    assert access.companies_of(User.objects.get(pk=user.pk)) == frozenset({"A", "B"})
    access.grant(user, [EVERY_COMPANY])
    assert access.companies_of(User.objects.get(pk=user.pk)) is access.EVERY


def test_without_a_grant_nothing_is_seen_and_the_pages_say_so(client: Client) -> None:
    write(2, text="X")
    client.force_login(permitted(companies=()))
    page = client.get("/admin/").content.decode()
    assert "No company was granted to you yet" in page
    assert client.get(JOBS).context["cl"].result_count == 0
    assert "db_000" not in page


def test_a_superuser_needs_no_grant_and_who_is_switched_off_sees_nothing(
    admin_user: User,
) -> None:
    assert access.companies_of(admin_user) is access.EVERY
    gone = staff(name="gone")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    assert access.companies_of(User.objects.get(pk=gone.pk)) == access.NONE


def test_the_companies_of_somebody_are_asked_for_once_a_request(client: Client) -> None:
    write(2, text="X")
    client.force_login(permitted())
    client.get(JOBS)
    with CaptureQueriesContext(connection) as captured:
        client.get(JOBS)
    asked = [one for one in captured.captured_queries if "scanner_companygrant" in one["sql"]]
    assert len(asked) == 1


@pytest.mark.parametrize("companies", [(MINE,), ()])
def test_the_alarm_tells_nothing_of_the_server_to_whoever_does_not_see_every_company(
    client: Client, companies: tuple[str, ...]
) -> None:
    write(2, text="X")
    make_all_well(timezone.now())
    Lease.objects.update(beat_at=timezone.now() - timedelta(hours=1))
    make_task("prune", last_outcome="failed")
    job = ExpectedBackupJob.objects.get(company_name=MINE)
    client.force_login(permitted(companies=companies))
    for url in ("/admin/", JOBS, page_of(job), "/admin/password_change/"):
        page = client.get(url, follow=True).content.decode()
        assert page.count('role="alert"') == (1 if companies else 2), url
        assert page.count("The scheduler is not healthy") == 1, url
        for told in ("host-a", "4711", "prune", "runapscheduler", LIST.format(ScheduledTask)):
            assert told not in page, (url, told)
    client.force_login(permitted(companies=(EVERY_COMPANY,), name="all"))
    page = client.get("/admin/").content.decode()
    assert "process 4711 on host-a was last heard of" in page
    assert "The task “prune” has failed" in page


def test_the_alarm_names_no_agent_to_whoever_sees_some_companies(client: Client) -> None:
    write(2, text="X")
    for number in (1, 2):
        at = timezone.now() - timedelta(minutes=number)
        ScanRun.objects.create(
            trigger="schedule",
            outcome="incomplete",
            started_at=at,
            finished_at=at,
            findings=["agent SECRET_CITY_PLACE was not looked at"],
        )
    client.force_login(permitted())
    assert "SECRET_CITY" not in client.get("/admin/").content.decode()
    client.force_login(permitted(companies=(EVERY_COMPANY,), name="all"))
    assert "SECRET_CITY" in client.get("/admin/").content.decode()


SEEN_BY_NOBODY_LIMITED = (Channel, Delivery, ScanRun)
ALL_SCOPED = (AgentReport, BackupEntry, RestoreDrill, StatusChange, VaultCopy, VaultFinding)


def test_the_rules_know_the_models_that_hold_backups() -> None:
    assert all(access.belongs_to_companies(model) for model in ALL_SCOPED)
    assert not any(access.belongs_to_companies(model) for model in SEEN_BY_NOBODY_LIMITED)
    assert set(groups.GROUPS) == {"viewer", "operator", "administrator"}
