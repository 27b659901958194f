"""Which missing backups are one trouble of a place."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.alerts.grouping import FEWEST, PERCENT, Names, Seat, group

AGENT = ("ACME", "DOUALA", "NEWBELL", "A")
Sites = dict[Names, tuple[int, int]]
"""How many jobs of each agent are active, and how many of them are missing."""


def grouped(sites: Sites, reason: str = "no_report") -> dict[Names, int]:
    """Give each place that is taken, with the number of jobs in it; () holds the single ones."""
    seats = seats_of(sites, reason)
    active = {names: total for names, (total, _) in sites.items()}
    found = group(seats, active)
    counts = Counter(found[seat.job_id].names if seat.job_id in found else () for seat in seats)
    return dict(counts)


def seats_of(sites: Sites, reason: str = "no_report") -> list[Seat]:
    seats = []
    for names, (_, missing) in sites.items():
        seats += [Seat(hash((names, number)), names, reason) for number in range(missing)]
    return seats


@pytest.mark.parametrize(
    ("active", "missing", "is_group"),
    [(3, 3, True), (5, 3, True), (6, 3, False), (2, 2, False), (10, 6, True), (10, 5, False)],
)
def test_it_takes_three_and_sixty_percent(active: int, missing: int, is_group: bool) -> None:
    assert grouped({AGENT: (active, missing)}) == {AGENT if is_group else (): missing}


def test_a_dead_site_is_named_although_its_whole_company_qualifies() -> None:
    other = ("ACME", "PARIS", "NORD", "B")
    assert grouped({AGENT: (14, 14), other: (6, 0)}) == {AGENT: 14}


def test_one_more_that_is_missing_elsewhere_stays_single() -> None:
    other = ("ACME", "PARIS", "NORD", "B")
    assert grouped({AGENT: (14, 14), other: (6, 1)}) == {AGENT: 14, (): 1}


def test_two_dead_cities_are_one_trouble_of_the_company() -> None:
    sites: Sites = {
        AGENT: (10, 10),
        ("ACME", "PARIS", "NORD", "B"): (10, 10),
        ("ACME", "LYON", "SUD", "C"): (10, 0),
    }
    assert grouped(sites) == {("ACME",): 20}


def test_two_dead_quarters_of_a_city_are_one_trouble_of_the_city() -> None:
    sites: Sites = {
        AGENT: (4, 4),
        ("ACME", "DOUALA", "AKWA", "B"): (4, 3),
        ("ACME", "PARIS", "NORD", "C"): (20, 0),
    }
    assert grouped(sites) == {("ACME", "DOUALA"): 7}


def test_missing_ones_that_are_spread_thin_are_the_companys() -> None:
    sites: Sites = {("ACME", f"CITY{n}", "N", f"A{n}"): (1, int(n < 4)) for n in range(5)}
    assert grouped(sites) == {("ACME",): 4}


def test_a_dead_site_does_not_hide_that_the_rest_is_as_bad() -> None:
    sites: Sites = {AGENT: (10, 10)}
    sites |= {("ACME", f"CITY{n}", "N", f"A{n}"): (2, 2 if n < 8 else 0) for n in range(10)}
    assert grouped(sites) == {("ACME",): 26}


def test_two_agents_of_one_quarter_are_told_apart() -> None:
    sites: Sites = {AGENT: (5, 5), (*AGENT[:3], "B"): (5, 0)}
    assert grouped(sites) == {AGENT: 5}


def test_other_reasons_are_other_troubles() -> None:
    seats = seats_of({AGENT: (6, 3)}) + [Seat(100 + n, AGENT, "file_absent") for n in range(3)]
    assert group(seats, {AGENT: 6}) == {}
    found = group(seats, {AGENT: 5})
    assert {one.reason for one in found.values()} == {"no_report", "file_absent"}


NAMES = st.tuples(
    st.sampled_from(["X", "Y"]),
    st.sampled_from("KLM"),
    st.sampled_from("PQ"),
    st.sampled_from("AB"),
)


@given(st.dictionaries(NAMES, st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1))
def test_each_group_is_bad_enough_and_its_jobs_are_in_it(raw: Sites) -> None:
    sites = {names: (total, min(total, missing)) for names, (total, missing) in raw.items()}
    seats = seats_of(sites)
    active = {names: total for names, (total, _) in sites.items()}
    found = group(seats, active)
    by_id = {seat.job_id: seat for seat in seats}
    for job, place in found.items():
        assert place.holds(by_id[job])
    for place in set(found.values()):
        members = [seat for seat in seats if place.holds(seat)]
        assert {found.get(seat.job_id) for seat in members} == {place}
        total = sum(n for names, n in active.items() if names[: len(place.names)] == place.names)
        assert len(members) >= FEWEST
        assert len(members) * 100 >= total * PERCENT
    bad_agents = [
        names
        for names, (total, missing) in sites.items()
        if missing >= FEWEST and missing * 100 >= total * PERCENT
    ]
    for names in bad_agents:  # whatever else there is, a dead agent is no storm
        assert all(seat.job_id in found for seat in seats if seat.names == names)
