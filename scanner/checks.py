"""Proves the settings before any command runs: `manage.py check`.

| id           | proves                                                                       |
|--------------|------------------------------------------------------------------------------|
| scanner.E001 | SCANNER_INTERVAL_MINUTES is from 1 minute to a day                           |
| scanner.E002 | MISFIRE_GRACE_TIME is from 1 second to a day                                 |
| scanner.E003 | REPORT_COLLECTION_WINDOW_MINUTES is from 1 minute to a week                  |
| scanner.E004 | AGENT_TIME_ZONE is a time zone                                               |
| scanner.E005 | REPORT_SETTLE_SECONDS is from 0 seconds to a day                             |
| scanner.E006 | SCAN_WORKERS is from 1 to 1024 threads                                       |
| scanner.E007 | VERIFY_LEVEL is digest, archive or content                                   |
| scanner.E008 | AUTO_REGISTER is off, inactive or active                                     |
| scanner.E009 | the deposit tree and the vault do not lie in one another                     |
| scanner.E010 | what stands at BACKUP_STORAGE_ROOT is a directory                            |
| scanner.E011 | what stands at VALIDATED_BACKUPS_BASE_PATH is a directory                    |
| scanner.E012 | DATABASE_URL names SQLite (in a file) or PostgreSQL                          |
| scanner.E013 | SQLite runs with the options under which several processes may write         |
| scanner.E014 | SITE_URL is an http or https address                                         |
| scanner.E015 | HEARTBEAT_URL, if set, is an http or https address                           |
| scanner.E016 | ADMIN_EMAIL_RECIPIENTS are e-mail addresses                                  |
| scanner.E017 | DEFAULT_FROM_EMAIL is an e-mail address, with or without a name              |
| scanner.E018 | KEEP_EXECUTIONS_DAYS is from 0 to 36500 days                                 |
| scanner.E019 | KEEP_RUNS_DAYS is from 0 to 36500 days                                       |
| scanner.E020 | KEEP_ARCHIVED_REPORTS_DAYS is from 0 to 36500 days                           |
| scanner.E021 | VAULT_RESERVE_MIB is from 0 to 1 PiB                                         |
| scanner.E022 | each VAULT_KEEP_… is from 0 to 32767                                         |
| scanner.E023 | VAULT_AUDIT_MINUTES is from 1 minute to a day                                |
| scanner.E024 | VAULT_AUDIT_GIB is from 0 to 1 PiB                                           |
| scanner.E025 | SQLITE_CHECK_MAX_MIB is from 0 to 1 TiB                                      |
| scanner.E026 | RESTORE_DRILL_MINUTES is from 1 minute to a week                             |
| scanner.E027 | RESTORE_DRILL_TIMEOUT_MINUTES is from 1 minute to a week                     |
| scanner.E028 | RESTORE_DRILL_MAX_GIB is from 1 GiB to 1 PiB                                 |
| scanner.E029 | RESTORE_DRILL_POSTGRES_URL, if set, names a scratch database of PostgreSQL   |
| scanner.E030 | RESTORE_DRILL_MYSQL_URL, if set, names a scratch database of MySQL           |
| scanner.E031 | TRUSTED_PROXIES are addresses, networks or the word unix                     |
| scanner.E032 | HSTS_DAYS is from 0 to 3650 days                                             |
| scanner.E033 | SESSION_HOURS is from 1 hour to a year                                       |
| scanner.E034 | LOGIN_FAILURES is from 1 to 1000                                             |
| scanner.E035 | LOGIN_LOCK_MINUTES is from 1 minute to a week                                |
| scanner.W001 | BACKUP_STORAGE_ROOT exists (a disk may be mounted later; a scan then fails)  |
| scanner.W002 | with `--deploy`: the static files were collected                             |

What is an address is proven by `scanner/address_checks.py`. Errors stop the command, warnings are
printed; none of the checks touches the database. `manage.py check --tag scanner` runs these alone.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.checks import CheckMessage, Error, Warning, register

from scanner import conf
from scanner.drills.targets import Engine, problem_of
from scanner.pipeline.verification import Level

TAG = "scanner"
SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
SQLITE_LEAST_TIMEOUT_SECONDS = 5

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
DAY_MINUTES = 24 * 60
DAY_SECONDS = 24 * 60 * 60
WEEK = 7 * DAY_MINUTES
CENTURY_DAYS = 36500
MIB, GIB, TIB, PIB = 2**20, 2**30, 2**40, 2**50
MOST_KEPT = 32767


# (id, setting, its value, the least and the most it may be)
AMOUNTS: tuple[tuple[str, str, Callable[[], int], int, int], ...] = (
    ("E001", "SCANNER_INTERVAL_MINUTES", conf.scan_interval_minutes, 1, DAY_MINUTES),
    ("E002", "MISFIRE_GRACE_TIME", conf.misfire_grace_seconds, 1, DAY_SECONDS),
    ("E003", "REPORT_COLLECTION_WINDOW_MINUTES", lambda: conf.default_grace() // MINUTE, 1, WEEK),
    ("E005", "REPORT_SETTLE_SECONDS", lambda: conf.settle() // SECOND, 0, DAY_SECONDS),
    ("E006", "SCAN_WORKERS", conf.workers, 1, 1024),
    ("E018", "KEEP_EXECUTIONS_DAYS", conf.keep_executions_days, 0, CENTURY_DAYS),
    ("E019", "KEEP_RUNS_DAYS", conf.keep_runs_days, 0, CENTURY_DAYS),
    ("E020", "KEEP_ARCHIVED_REPORTS_DAYS", conf.keep_archived_reports_days, 0, CENTURY_DAYS),
    ("E021", "VAULT_RESERVE_MIB", lambda: conf.vault_reserve_bytes() // MIB, 0, PIB // MIB),
    ("E023", "VAULT_AUDIT_MINUTES", lambda: conf.audit_budget() // MINUTE, 1, DAY_MINUTES),
    ("E024", "VAULT_AUDIT_GIB", lambda: conf.audit_budget_bytes() // GIB, 0, PIB // GIB),
    ("E025", "SQLITE_CHECK_MAX_MIB", lambda: conf.sqlite_check_bytes() // MIB, 0, TIB // MIB),
    ("E026", "RESTORE_DRILL_MINUTES", lambda: conf.drill_budget() // MINUTE, 1, WEEK),
    ("E027", "RESTORE_DRILL_TIMEOUT_MINUTES", lambda: conf.drill_timeout() // MINUTE, 1, WEEK),
    ("E028", "RESTORE_DRILL_MAX_GIB", lambda: conf.drill_bytes() // GIB, 1, PIB // GIB),
    ("E032", "HSTS_DAYS", conf.hsts_days, 0, 3650),
    ("E033", "SESSION_HOURS", conf.session_hours, 1, 365 * 24),
    ("E034", "LOGIN_FAILURES", conf.login_failures, 1, 1000),
    ("E035", "LOGIN_LOCK_MINUTES", conf.login_lock_minutes, 1, WEEK),
)


@register(TAG)
def check_amounts(**_: Any) -> list[CheckMessage]:
    """Prove that each number is within its range."""
    found: list[CheckMessage] = []
    for code, name, value, least, most in AMOUNTS:
        found += _amount(code, name, value(), least, most)
    for rule, number in conf.vault_keeps().items():
        found += _amount("E022", f"VAULT_KEEP_{rule.upper()}", number, 0, MOST_KEPT)
    return found


@register(TAG)
def check_choices(**_: Any) -> list[CheckMessage]:
    """Prove that the zone exists and that each choice is one of those on offer."""
    levels = [level.value for level in (Level.DIGEST, Level.ARCHIVE, Level.CONTENT)]
    answers = [answer.value for answer in conf.AutoRegister]
    return [
        *_zone("E004", "AGENT_TIME_ZONE", conf.agent_time_zone()),
        *_choice("E007", "VERIFY_LEVEL", conf.verify_level, levels),
        *_choice("E008", "AUTO_REGISTER", conf.auto_register, answers),
    ]


@register(TAG)
def check_trees(**_: Any) -> list[CheckMessage]:
    """Prove that the deposit tree and the vault are directories, apart from one another."""
    deposits, vault = conf.deposit_root(), conf.vault_root()
    found: list[CheckMessage] = [
        *_directory("E010", "BACKUP_STORAGE_ROOT", deposits),
        *_directory("E011", "VALIDATED_BACKUPS_BASE_PATH", vault),
    ]
    if _within(deposits, vault) or _within(vault, deposits):
        found.append(
            Error(
                f"BACKUP_STORAGE_ROOT ({deposits}) and VALIDATED_BACKUPS_BASE_PATH ({vault}) lie "
                "in one another; expected two trees apart.",
                hint="Agents write into the one, and must never reach the copies in the other.",
                id="scanner.E009",
            )
        )
    if not _stands(deposits):
        found.append(
            Warning(
                f"BACKUP_STORAGE_ROOT: {deposits} does not exist; a scan will fail.",
                hint="Create it, mount its disk, or set BACKUP_STORAGE_ROOT to where agents write.",
                id="scanner.W001",
            )
        )
    return found


@register(TAG)
def check_database(**_: Any) -> list[CheckMessage]:
    """Prove that the database is one on which the leases and the scan were tested."""
    database = conf.database()
    engine, name = database["ENGINE"], database["NAME"]
    in_memory = engine == SQLITE and ":memory:" in str(name)
    if engine not in (SQLITE, POSTGRESQL) or in_memory:
        return [
            wrong(
                "E012",
                "DATABASE_URL",
                "a database in memory" if in_memory else engine,
                "a file of SQLite or a PostgreSQL database",
            )
        ]
    if engine == SQLITE:
        return list(_sqlite_options(database.get("OPTIONS", {})))
    return []


@register(TAG)
def check_drill_targets(**_: Any) -> list[CheckMessage]:
    """Prove that restore drills would use scratch databases, and never the application's own."""
    targets = (
        ("E029", "RESTORE_DRILL_POSTGRES_URL", conf.drill_postgres_url(), Engine.POSTGRES),
        ("E030", "RESTORE_DRILL_MYSQL_URL", conf.drill_mysql_url(), Engine.MYSQL),
    )
    return [
        Error(
            f"{name}: {problem}.",
            hint="docs/restore-drills.md tells how to set up a scratch database.",
            id=f"scanner.{code}",
        )
        for code, name, url, engine in targets
        if (problem := problem_of(url, conf.database(), engine=engine))
    ]


@register(TAG, deploy=True)
def check_static_files(**_: Any) -> list[CheckMessage]:
    """Prove that the pages will find their style sheets."""
    root = conf.collected_static_root()
    if root is None or (root / "staticfiles.json").exists():
        return []
    return [
        Warning(
            f"The static files are not in {root}; every page will fail.",
            hint="Run `manage.py collectstatic --noinput` after each update.",
            id="scanner.W002",
        )
    ]


def wrong(code: str, name: str, found: str, expected: str) -> Error:
    """Give the error of a setting that has a wrong value."""
    return Error(
        f"{name}: found {found}; expected {expected}.",
        hint=f"Set {name} in the environment or in .env; docs/settings.md describes it.",
        id=f"scanner.{code}",
    )


def _amount(code: str, name: str, value: int, least: int, most: int) -> Iterator[Error]:
    if not least <= value <= most:
        yield wrong(code, name, str(value), f"a whole number from {least} to {most}")


def _zone(code: str, name: str, value: str) -> Iterator[Error]:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        yield wrong(code, name, repr(value), "a time zone, like Africa/Douala")


def _choice(
    code: str, name: str, read: Callable[[], StrEnum], choices: Collection[str]
) -> Iterator[Error]:
    try:
        value = read().value
    except ValueError as error:
        found = str(error).partition(" is not ")[0]
    else:
        if value in choices:
            return
        found = repr(value)
    yield wrong(code, name, found, f"one of {', '.join(choices)}")


def _directory(code: str, name: str, path: Path) -> Iterator[Error]:
    if _stands(path) and not path.is_dir():
        yield wrong(code, name, f"{path}, which is not a directory", "a directory")


def _stands(path: Path) -> bool:
    # Path.exists raises where a folder on the way may not be searched.
    try:
        return path.exists()
    except OSError:
        return False


def _within(path: Path, other: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(other))


def _sqlite_options(options: Mapping[str, Any]) -> Iterator[Error]:
    init = str(options.get("init_command", "")).replace(" ", "").lower()
    faults = {
        "timeout": options.get("timeout", 0) < SQLITE_LEAST_TIMEOUT_SECONDS,
        "transaction_mode": str(options.get("transaction_mode")).upper() != "IMMEDIATE",
        "init_command": "journal_mode=wal" not in init or "synchronous=full" not in init,
    }
    for option, at_fault in faults.items():
        if at_fault:
            yield wrong(
                "E013",
                "DATABASE_URL",
                f"SQLite's option {option} = {options.get(option)!r}",
                f"timeout of at least {SQLITE_LEAST_TIMEOUT_SECONDS} seconds, transaction_mode "
                "IMMEDIATE, journal_mode WAL and synchronous FULL (leave them out of the URL)",
            )
