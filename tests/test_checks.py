"""Each check's id: a setting that breaks it, and one at the edge that does not."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from scanner import address_checks, checks, conf

SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": "/srv/db.sqlite3",
    "OPTIONS": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    },
}

WRONG: list[tuple[str, str, Any, str]] = [
    ("E001", "SCANNER_INTERVAL_MINUTES", 0, "found 0; expected a whole number from 1 to 1440"),
    ("E001", "SCANNER_INTERVAL_MINUTES", 1441, "found 1441;"),
    ("E002", "MISFIRE_GRACE_TIME", 0, "found 0; expected a whole number from 1 to 86400"),
    ("E002", "MISFIRE_GRACE_TIME", 86401, "found 86401;"),
    ("E003", "REPORT_COLLECTION_WINDOW_MINUTES", 0, "expected a whole number from 1 to 10080"),
    ("E003", "REPORT_COLLECTION_WINDOW_MINUTES", 10081, "found 10081;"),
    ("E004", "AGENT_TIME_ZONE", "Mars/Olympus", "found 'Mars/Olympus'; expected a time zone"),
    ("E004", "AGENT_TIME_ZONE", "/etc/passwd", "found '/etc/passwd'; expected a time zone"),
    ("E005", "REPORT_SETTLE_SECONDS", -1, "found -1; expected a whole number from 0 to 86400"),
    ("E005", "REPORT_SETTLE_SECONDS", 86401, "found 86401;"),
    ("E006", "SCAN_WORKERS", 0, "found 0; expected a whole number from 1 to 1024"),
    ("E006", "SCAN_WORKERS", 1025, "found 1025;"),
    ("E007", "VERIFY_LEVEL", "deep", "found 'deep'; expected one of digest, archive, content"),
    ("E007", "VERIFY_LEVEL", "present", "found 'present'; expected one of digest"),
    ("E008", "AUTO_REGISTER", "on", "found 'on'; expected one of off, inactive, active"),
    ("E014", "SITE_URL", "backups.example.com", "found 'backups.example.com'; expected an address"),
    ("E014", "SITE_URL", "http://[::1", "expected an address"),
    ("E014", "SITE_URL", "", "found ''; expected an address"),
    ("E015", "HEARTBEAT_URL", "ftp://example.com", "found 'ftp://example.com'; expected"),
    ("E016", "ADMIN_EMAIL_RECIPIENTS", ["a@example.com", "b"], "found 'b'; expected an e-mail"),
    ("E031", "TRUSTED_PROXIES", ["10.0.0.1", "proxy"], "found 'proxy'; expected an address or a"),
    ("E031", "TRUSTED_PROXIES", ["10.0.0.1/8"], "found '10.0.0.1/8'; expected an address"),
    ("E033", "SESSION_HOURS", 0, "found 0; expected a whole number from 1 to 8760"),
    ("E033", "SESSION_HOURS", 8761, "found 8761;"),
    ("E034", "LOGIN_FAILURES", 0, "found 0; expected a whole number from 1 to 1000"),
    ("E035", "LOGIN_LOCK_MINUTES", 0, "found 0; expected a whole number from 1 to 10080"),
    ("E018", "KEEP_EXECUTIONS_DAYS", -1, "found -1; expected a whole number from 0 to 36500"),
    ("E018", "KEEP_EXECUTIONS_DAYS", 36501, "found 36501;"),
    ("E019", "KEEP_RUNS_DAYS", -1, "found -1; expected a whole number from 0 to 36500"),
    ("E019", "KEEP_RUNS_DAYS", 36501, "found 36501;"),
    ("E020", "KEEP_ARCHIVED_REPORTS_DAYS", -1, "found -1; expected a whole number from 0 to 36500"),
    ("E020", "KEEP_ARCHIVED_REPORTS_DAYS", 36501, "found 36501;"),
    ("E021", "VAULT_RESERVE_MIB", -1, "found -1; expected a whole number from 0 to 1073741824"),
    ("E022", "VAULT_KEEP_LAST", -1, "found -1; expected a whole number from 0 to 32767"),
    ("E022", "VAULT_KEEP_YEARLY", 32768, "found 32768;"),
    ("E023", "VAULT_AUDIT_MINUTES", 0, "found 0; expected a whole number from 1 to 1440"),
    ("E024", "VAULT_AUDIT_GIB", -1, "found -1; expected a whole number from 0 to 1048576"),
    ("E025", "SQLITE_CHECK_MAX_MIB", -1, "found -1; expected a whole number from 0 to 1048576"),
    ("E026", "RESTORE_DRILL_MINUTES", 0, "found 0; expected a whole number from 1 to 10080"),
    ("E027", "RESTORE_DRILL_TIMEOUT_MINUTES", 0, "found 0; expected a whole number from 1"),
    ("E028", "RESTORE_DRILL_MAX_GIB", 0, "found 0; expected a whole number from 1 to 1048576"),
    ("E017", "DEFAULT_FROM_EMAIL", "Backups", "found 'Backups'; expected an e-mail address"),
]

RIGHT: list[tuple[str, Any]] = [
    ("SCANNER_INTERVAL_MINUTES", 1),
    ("SCANNER_INTERVAL_MINUTES", 1440),
    ("MISFIRE_GRACE_TIME", 1),
    ("MISFIRE_GRACE_TIME", 86400),
    ("REPORT_COLLECTION_WINDOW_MINUTES", 1),
    ("REPORT_COLLECTION_WINDOW_MINUTES", 10080),
    ("AGENT_TIME_ZONE", "Africa/Douala"),
    ("REPORT_SETTLE_SECONDS", 0),
    ("REPORT_SETTLE_SECONDS", 86400),
    ("SCAN_WORKERS", 1),
    ("SCAN_WORKERS", 1024),
    ("VERIFY_LEVEL", "digest"),
    ("VERIFY_LEVEL", "archive"),
    ("VERIFY_LEVEL", "content"),
    ("AUTO_REGISTER", "off"),
    ("AUTO_REGISTER", "inactive"),
    ("AUTO_REGISTER", "active"),
    ("KEEP_EXECUTIONS_DAYS", 0),
    ("KEEP_EXECUTIONS_DAYS", 36500),
    ("KEEP_RUNS_DAYS", 0),
    ("KEEP_RUNS_DAYS", 36500),
    ("KEEP_ARCHIVED_REPORTS_DAYS", 0),
    ("KEEP_ARCHIVED_REPORTS_DAYS", 36500),
    ("VAULT_RESERVE_MIB", 0),
    ("VAULT_KEEP_LAST", 32767),
    ("VAULT_KEEP_DAILY", 7),
    ("VAULT_KEEP_WEEKLY", 5),
    ("VAULT_KEEP_MONTHLY", 12),
    ("VAULT_KEEP_YEARLY", 75),
    ("VAULT_AUDIT_MINUTES", 1440),
    ("VAULT_AUDIT_GIB", 0),
    ("SQLITE_CHECK_MAX_MIB", 0),
    ("RESTORE_DRILL_MINUTES", 10080),
    ("RESTORE_DRILL_TIMEOUT_MINUTES", 1),
    ("RESTORE_DRILL_MAX_GIB", 1),
    ("SITE_URL", "https://backups.example.com:8443/sub"),
    ("HEARTBEAT_URL", ""),
    ("HEARTBEAT_URL", "https://ping.example.com/x"),
    ("ADMIN_EMAIL_RECIPIENTS", []),
    ("TRUSTED_PROXIES", ["unix", "127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"]),
    ("DEFAULT_FROM_EMAIL", "Backups <backups@example.com>"),
]


def found(*, deploy: bool = False) -> list[CheckMessage]:
    """Give what the project's own checks find."""
    return run_checks(tags=[checks.TAG], include_deployment_checks=deploy)


@pytest.fixture(autouse=True)
def _nothing_else_is_wrong(deposit_root: Path) -> None:
    """Start from settings in which no check finds anything."""
    assert found() == []


@pytest.mark.parametrize(("code", "name", "value", "words"), WRONG)
def test_a_wrong_value_is_named_with_what_was_found_and_expected(
    settings: Settings, code: str, name: str, value: object, words: str
) -> None:
    setattr(settings, name, value)
    [message] = found()
    assert message.id == f"scanner.{code}"
    assert message.is_serious()
    assert message.msg.startswith(f"{name}: found ")
    assert words in message.msg
    assert message.hint is not None
    assert name in message.hint


@pytest.mark.parametrize(
    ("code", "setting", "seconds", "words"),
    [
        ("E032", "SECURE_HSTS_SECONDS", -86400, "HSTS_DAYS: found -1; expected a whole number"),
        ("E032", "SECURE_HSTS_SECONDS", 3651 * 86400, "HSTS_DAYS: found 3651; expected"),
    ],
)
def test_what_django_counts_in_seconds_is_named_as_people_set_it(
    settings: Settings, code: str, setting: str, seconds: int, words: str
) -> None:
    setattr(settings, setting, seconds)
    [message] = found()
    assert message.id == f"scanner.{code}"
    assert message.msg.startswith(words)


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_a_value_at_the_edge_is_accepted(settings: Settings, name: str, value: object) -> None:
    setattr(settings, name, value)
    assert found() == []


@pytest.mark.parametrize(
    ("deposits", "vault"), [("a", "a/b"), ("a/b", "a"), ("a", "a"), ("a", "link/b")]
)
def test_trees_in_one_another_are_an_error(
    settings: Settings, tmp_path: Path, deposits: str, vault: str
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    settings.BACKUP_STORAGE_ROOT = tmp_path / deposits
    settings.VALIDATED_BACKUPS_BASE_PATH = tmp_path / vault
    assert [message.id for message in found()] == ["scanner.E009"]


def test_trees_whose_names_only_begin_alike_are_apart(settings: Settings, tmp_path: Path) -> None:
    settings.VALIDATED_BACKUPS_BASE_PATH = tmp_path / "deposits-validated"
    assert found() == []


@pytest.mark.parametrize(
    ("code", "name"), [("E010", "BACKUP_STORAGE_ROOT"), ("E011", "VALIDATED_BACKUPS_BASE_PATH")]
)
def test_a_file_in_place_of_a_tree_is_an_error(
    settings: Settings, tmp_path: Path, code: str, name: str
) -> None:
    (tmp_path / "file").touch()
    setattr(settings, name, tmp_path / "file")
    [message] = found()
    assert message.id == f"scanner.{code}"
    assert "file, which is not a directory" in message.msg


def test_an_absent_deposit_root_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_STORAGE_ROOT = tmp_path / "not-mounted"
    [message] = found()
    assert message.id == "scanner.W001"
    assert not message.is_serious()
    assert "not-mounted" in message.msg


@pytest.mark.parametrize(
    "database",
    [
        {"ENGINE": "django.db.backends.mysql", "NAME": "backups"},
        SQLITE | {"NAME": ":memory:"},
    ],
)
def test_a_database_on_which_nothing_was_tested_is_an_error(
    monkeypatch: pytest.MonkeyPatch, database: dict[str, Any]
) -> None:
    monkeypatch.setattr(conf, "database", lambda: database)
    [message] = checks.check_database()
    assert message.id == "scanner.E012"
    assert message.msg.startswith("DATABASE_URL: found ")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 1),
        ("transaction_mode", "DEFERRED"),
        ("transaction_mode", None),
        ("init_command", "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL"),
        ("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"),
        ("init_command", ""),
    ],
)
def test_sqlite_without_an_option_that_writers_need_is_an_error(
    monkeypatch: pytest.MonkeyPatch, option: str, value: object
) -> None:
    options = SQLITE["OPTIONS"] | {option: value}
    monkeypatch.setattr(conf, "database", lambda: SQLITE | {"OPTIONS": options})
    [message] = checks.check_database()
    assert message.id == "scanner.E013"
    assert f"{option} = {value!r}" in message.msg


@pytest.mark.parametrize(
    "database", [SQLITE, {"ENGINE": "django.db.backends.postgresql", "NAME": "backups"}]
)
def test_the_two_tested_databases_are_accepted(
    monkeypatch: pytest.MonkeyPatch, database: dict[str, Any]
) -> None:
    monkeypatch.setattr(conf, "database", lambda: database)
    assert checks.check_database() == []


def test_static_files_that_were_not_collected_are_a_warning_before_deployment(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    settings.STATIC_ROOT = tmp_path
    assert [message.id for message in found(deploy=True)] == ["scanner.W002"]
    assert found() == []
    (tmp_path / "staticfiles.json").touch()
    assert found(deploy=True) == []


@pytest.mark.parametrize(
    ("code", "name", "url", "words"),
    [
        ("E029", "RESTORE_DRILL_POSTGRES_URL", "postgresql://drill:hush@db/prod", "not marked"),
        ("E029", "RESTORE_DRILL_POSTGRES_URL", "mysql://drill:hush@db/restore_drill", "postgresql"),
        ("E030", "RESTORE_DRILL_MYSQL_URL", "mysql://drill:hush@db/prod", "not marked"),
        ("E030", "RESTORE_DRILL_MYSQL_URL", "sqlite:///x", "mysql"),
    ],
)
def test_a_drill_may_only_use_a_scratch_database(
    settings: Settings, code: str, name: str, url: str, words: str
) -> None:
    setattr(settings, name, url)
    [message] = found()
    assert message.id == f"scanner.{code}"
    assert message.msg.startswith(f"{name}: ")
    assert words in message.msg
    assert "hush" not in message.msg


def test_a_scratch_database_is_no_problem(settings: Settings) -> None:
    settings.RESTORE_DRILL_POSTGRES_URL = "postgresql://drill:hush@db:5433/restore_drill"
    settings.RESTORE_DRILL_MYSQL_URL = "mysql://drill:hush@db:3307/restore_drill"
    assert found() == []


def test_every_id_is_in_the_table_of_the_module_and_in_these_tests() -> None:
    source = "".join(Path(str(one.__file__)).read_text() for one in (checks, address_checks))
    given = set(re.findall(r'"(?:scanner\.)?([EW]\d{3})"', source))
    assert given == set(
        re.findall(r"^\| scanner\.([EW]\d{3}) ", checks.__doc__ or "", re.MULTILINE)
    )
    assert given == set(re.findall(r"\b([EW]\d{3})\b", Path(__file__).read_text()))
