from datetime import UTC, datetime, timedelta

from scanner.demo.operations import Operation, arriving
from scanner.demo.story import Trouble

OPENING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def between(first: int, last: int) -> list[Operation]:
    return arriving(OPENING + first * DAY, OPENING + last * DAY, opening=OPENING)


def of(agent: str, operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if one.site.agent == agent]


def test_no_operation_is_lost_or_done_twice_where_the_time_is_cut() -> None:
    whole = between(-30, 2)
    pieces = [one for day in range(-30, 2) for one in between(day, day + 1)]
    assert pieces == whole
    assert [one.arrived for one in whole] == sorted(one.arrived for one in whole)


def test_an_operation_ends_after_its_due_and_its_report_comes_after_that() -> None:
    for one in between(-30, 0):
        assert one.due < one.ended < one.arrived <= one.due + timedelta(hours=12)
        assert one.ended.microsecond == one.arrived.microsecond == 0


def test_databases_with_another_schedule_are_of_another_operation() -> None:
    names = {
        tuple(database.name for database in one.databases)
        for one in of("ACME_DOUALA_NEWBELL", between(-2, -1))
    }
    assert ("ACME_NEWBELL_CAISSE",) in names
    assert all("ACME_NEWBELL_ARCHIVES" not in some for some in names)
    assert len(names) == 2


def test_a_silent_agent_does_nothing() -> None:
    assert len(of("ACME_BERTOUA_MOKOLO", between(-8, -5))) == 3
    assert of("ACME_BERTOUA_MOKOLO", between(-3, 5)) == []


def test_a_delayed_report_comes_the_next_morning() -> None:
    delayed = [one for one in between(-30, 0) if one.trouble is Trouble.DELAYED]
    assert [one.site.agent for one in delayed] == ["ACME_BERTOUA_MOKOLO"]
    assert delayed[0].arrived - delayed[0].ended > timedelta(hours=9)


def test_an_agent_mentions_a_database_only_once_it_exists() -> None:
    def mentions(day: int) -> bool:
        return any(
            database.name == "GLOBEX_ESSAI_2026"
            for one in of("GLOBEX_BAFOUSSAM_ORANGE", between(day, day + 1))
            for database in one.databases
        )

    assert [mentions(day) for day in (-7, -6, -5, -4)] == [False, False, True, True]
