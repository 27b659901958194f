"""Which addresses are of scratch databases, and which are refused before anything is touched."""

import pytest

from scanner.drills.targets import Engine, drills_name, is_a_drills, parse, problem_of

SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/var/db.sqlite3"}
POSTGRES = {"ENGINE": "django.db.backends.postgresql", "NAME": "monitor", "HOST": "db", "PORT": ""}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://drill@127.0.0.1:5433/restore_drill",
        "postgres://drill:p%40ss@db.example.com/restore_drill_of_acme?sslmode=require",
        "postgresql:///restore_drill?host=/run/postgresql&user=drill",
        "mysql://drill:p%40ss@127.0.0.1:3307/restore_drill",
        "mariadb://drill@[::1]/restore_drill2",
        "mysql://drill@/restore_drill?unix_socket=/run/mysqld/mysqld.sock",
    ],
)
@pytest.mark.parametrize("own", [SQLITE, POSTGRES], ids=["SQLite", "PostgreSQL"])
def test_a_marked_database_may_be_used(url: str, own: dict[str, str]) -> None:
    assert problem_of(url, own) == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://drill@db/monitor", "'monitor' is not marked as scratch"),
        ("postgresql://drill@db/Restore_drill", "not marked"),
        ("postgresql://drill@db/my_restore_drill", "not marked"),
        ("postgresql://drill@db/restore_drill-1", "not marked"),
        ("mysql://drill@db/restore_drill%60", "not marked"),
        ("postgresql://drill@db/restore_drill_" + "a" * 60, "not marked"),
        ("postgresql://drill@db/restore_drill_0123456789ab", "does not end like a drill's own"),
        ("postgresql://drill@db/", "lacks a database"),
        ("postgresql:///restore_drill", "lacks a host and a user"),
        ("mysql://db/restore_drill", "lacks a user"),
        ("sqlite:///restore_drill", "of no known database"),
        ("restore_drill", "of no known database"),
        ("postgresql://drill:s3cret@[db/restore_drill", "cannot be read"),
        ("postgresql://drill:s3cret@db/restore_drill?nonsense=1", "cannot be read"),
        ("postgresql://drill@db/restore_drill?sslpassword=s3cret", "found sslpassword in"),
        ("mysql://drill:s3cret@db:port/restore_drill", "cannot be read"),
        ("mysql://drill:s3cret@db/restore_drill?ssl=1", "cannot be read"),
        ("mysql://drill:s3cret%0Ahost=x@db/restore_drill", "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_address_is_told_without_its_password(url: str, words: str) -> None:
    problem = problem_of(url, SQLITE)
    assert words in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize("host", ["db", "127.0.0.1", "the.same.host.by.another.name"])
@pytest.mark.parametrize("own_name", ["restore_drill", "restore_drill_0123456789ab"])
def test_a_name_like_the_applications_own_is_refused_on_every_host(
    host: str, own_name: str
) -> None:
    own = {**POSTGRES, "NAME": own_name}
    problem = problem_of(f"postgresql://drill@{host}/restore_drill", own)
    assert "a drill never touches it" in problem


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("mysql://drill@db/restore_drill", Engine.POSTGRES),
        ("postgresql://drill@db/restore_drill", Engine.MYSQL),
    ],
)
def test_each_setting_wants_its_own_kind_of_server(url: str, engine: Engine) -> None:
    assert "found the address of a " in problem_of(url, SQLITE, engine=engine)


def test_what_is_special_in_a_password_may_be_quoted() -> None:
    for scheme in ("postgresql", "mysql"):
        found = parse(f"{scheme}://dr%40ill:p%40s%2Fs%25@db:1234/restore_drill")
        assert (found["user"], found["password"]) == ("dr@ill", "p@s/s%")
        assert (found["host"], found["port"]) == ("db", "1234")


def test_a_drills_own_database_is_told_by_its_name() -> None:
    name = drills_name("restore_drill")
    assert name != drills_name("restore_drill")
    assert is_a_drills(name, "restore_drill")
    for other in ("restore_drill", "restore_drill_a", f"{name}0", f"x{name}", f"{name}\n"):
        assert not is_a_drills(other, "restore_drill")
    assert not is_a_drills(name, "restore_drill_b")
