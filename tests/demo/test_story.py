"""The fleet and what befalls it are of one piece."""

import pytest

from scanner.demo import story
from scanner.demo.fleet import AGENTS, SITES
from scanner.demo.story import INCIDENTS, Incident, Trouble, trouble_of
from scanner.timetable import time_zone, timetable

DATABASES = {(site.agent, database.name) for site in SITES for database in site.databases}
WHOLE_OPERATIONS = {
    Trouble.SILENT,
    Trouble.OPERATION_FAILED,
    Trouble.GARBLED,
    Trouble.IMPOSTOR,
    Trouble.DELAYED,
}


def test_the_fleet_is_as_large_as_the_readme_promises() -> None:
    companies = {site.place.company for site in SITES}
    expected = [one for site in SITES for one in site.databases if one.is_expected]
    assert len(companies) >= 4
    assert len(AGENTS) == len(SITES) >= 8
    assert len(expected) >= 40
    assert len(DATABASES) == sum(len(site.databases) for site in SITES)


def test_the_fleet_lives_in_several_zones_and_by_several_schedules() -> None:
    zones = {site.zone for site in SITES}
    schedules = {site.runs for site in SITES} | {
        schedule
        for site in SITES
        for database in site.databases
        for schedule in (database.runs, database.expected)
        if schedule is not None
    }
    assert zones == {"", "Africa/Douala", "Europe/Paris"}
    assert "" in schedules
    for schedule in schedules:
        assert timetable(schedule, "UTC").expression == schedule
    for zone in zones - {""}:
        assert time_zone(zone).key == zone


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda one: f"{one.agent} {one.trouble.name}")
def test_each_incident_befalls_somebody_who_exists(incident: Incident) -> None:
    if incident.trouble in WHOLE_OPERATIONS:
        assert incident.agent in AGENTS
        assert incident.database == ""
    else:
        assert (incident.agent, incident.database) in DATABASES
    assert -story.DAYS <= incident.first <= (-1 if incident.last is None else incident.last)


def test_what_goes_on_began_days_before_the_opening() -> None:
    assert {one.first for one in INCIDENTS if one.last is None} <= set(range(-7, -2))


def test_each_trouble_happens() -> None:
    assert {one.trouble for one in INCIDENTS} == set(Trouble)


def test_a_trouble_lasts_from_its_first_to_its_last_day() -> None:
    found = [trouble_of("GLOBEX_PARIS_BERCY", "", day) for day in range(-27, -23)]
    assert found == [None, Trouble.SILENT, Trouble.SILENT, None]
    assert trouble_of("ACME_BERTOUA_MOKOLO", "", 400) is Trouble.SILENT
