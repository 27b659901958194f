"""The end of an operation comes from clocks that are not ours, and is doubted where it must be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from scanner.pipeline.operation_end import End, in_utc, resolve_end, time_in_name

PARIS = ZoneInfo("Europe/Paris")
DOUALA = ZoneInfo("Africa/Douala")


def utc(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


class TestTimeInName:
    @pytest.mark.parametrize(
        "name",
        [
            "20260302_125606_ACME_DOUALA_X.json",
            "2026-03-02_12-56-06_ACME_DOUALA_X.json",
            "2026-03-02T12-56-06_ACME_DOUALA_X.json",
            "2026-03-02t12-56-06_acme_douala_x.JSON",
            "20260302_125606_acme\n\udcff.Json",
        ],
        ids=ascii,
    )
    def test_a_name_without_z_tells_a_time_without_a_zone(self, name: str) -> None:
        assert time_in_name(name) == datetime(2026, 3, 2, 12, 56, 6)  # noqa: DTZ001

    @pytest.mark.parametrize("letters", [str.upper, str.lower])
    def test_a_name_with_z_tells_utc(self, letters: Callable[[str], str]) -> None:
        name = letters("2026-03-02T12-56-06Z_ACME_DOUALA_X.json")

        assert time_in_name(name) == utc(2, 12, 56, 6)

    @pytest.mark.parametrize(
        "name",
        [
            "HORODATAGE_ACME_DOUALA_X.json",
            "horodatage_acme_douala_x.json",
            "20260230_125606_A.json",
            "20260302_126006_A.json",
            "20260302_125660_A.json",
            "00000302_125606_A.json",
            "20260302T125606_A.json",
            "2026-03-02_12-56-06Z_A.json",
            "2026-0302_12-56-06_A.json",
            "20260302_125606.json",
            "20260302_125606_A.txt",
            "x20260302_125606_A.json",
            "\u0662\u0660260302_125606_A.json",
            "",
        ],
        ids=ascii,
    )
    def test_another_name_tells_none(self, name: str) -> None:
        assert time_in_name(name) is None


class TestResolveEnd:
    ARRIVED = utc(10, 12)

    def resolve(
        self, ended: datetime | None, name_time: datetime | None = None, zone: ZoneInfo = DOUALA
    ) -> End:
        return resolve_end(ended, name_time, arrived=self.ARRIVED, zone=zone)

    def test_the_reports_own_end_comes_first(self) -> None:
        assert self.resolve(utc(10, 11), utc(10, 10)) == End(utc(10, 11), clock_skew=False)

    def test_the_time_in_the_name_comes_second(self) -> None:
        assert self.resolve(None, utc(10, 10)) == End(utc(10, 10), clock_skew=False)

    def test_the_arrival_comes_last(self) -> None:
        assert self.resolve(None) == End(self.ARRIVED, clock_skew=False)

    def test_an_end_without_a_zone_is_in_the_jobs_zone(self) -> None:
        local = datetime(2026, 3, 10, 11, 30)  # noqa: DTZ001

        assert self.resolve(local, zone=DOUALA).at == utc(10, 10, 30)
        assert self.resolve(None, local, zone=PARIS).at == utc(10, 10, 30)
        assert self.resolve(local, zone=ZoneInfo("UTC")).at == utc(10, 11, 30)

    def test_an_end_with_an_offset_is_not_in_the_jobs_zone(self) -> None:
        ended = datetime(2026, 3, 10, 6, 0, tzinfo=timezone(-timedelta(hours=5)))

        assert self.resolve(ended) == End(utc(10, 11), clock_skew=False)
        assert self.resolve(ended).at.tzinfo is UTC

    @pytest.mark.parametrize(
        ("offset", "expected", "clock_skew"),
        [
            (timedelta(minutes=5), timedelta(minutes=5), False),
            (timedelta(minutes=5, microseconds=1), timedelta(0), True),
            (timedelta(days=4000), timedelta(0), True),
            (-timedelta(days=7), -timedelta(days=7), False),
            (-timedelta(days=7, microseconds=1), -timedelta(days=7, microseconds=1), True),
        ],
        ids=["5 minutes ahead", "more than that", "years ahead", "7 days old", "older than that"],
    )
    @pytest.mark.parametrize("source", ["report", "name"])
    def test_a_clock_far_from_the_arrival_is_doubted(
        self, source: str, offset: timedelta, expected: timedelta, *, clock_skew: bool
    ) -> None:
        moment = self.ARRIVED + offset

        end = self.resolve(moment) if source == "report" else self.resolve(None, moment)

        assert end == End(self.ARRIVED + expected, clock_skew=clock_skew)

    def test_a_future_end_is_replaced_by_the_arrival_and_not_by_the_name(self) -> None:
        assert self.resolve(utc(11, 0), utc(10, 10)) == End(self.ARRIVED, clock_skew=True)

    @pytest.mark.parametrize(
        "impossible",
        [
            datetime.min,  # noqa: DTZ901
            datetime.max,  # noqa: DTZ901
            datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
            datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
            datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
            datetime(9999, 1, 1, tzinfo=UTC),
        ],
        ids=str,
    )
    def test_an_impossible_end_gives_way_to_the_next_source_and_is_doubted(
        self, impossible: datetime
    ) -> None:
        assert in_utc(impossible, PARIS) is None
        assert self.resolve(impossible, utc(10, 10)) == End(utc(10, 10), clock_skew=True)
        assert self.resolve(impossible, impossible) == End(self.ARRIVED, clock_skew=True)

    def test_a_repeated_hour_is_read_as_its_first(self) -> None:
        assert in_utc(datetime(2026, 10, 25, 2, 30), PARIS) == datetime(  # noqa: DTZ001
            2026, 10, 25, 0, 30, tzinfo=UTC
        )
