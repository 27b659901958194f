"""The only reader of Django's settings; each call reads them anew, so that a test may change one.

What the values must be like is proven by `scanner/checks.py` before a command runs.
docs/settings.md says what each means.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings

from scanner.pipeline.retention import Policy
from scanner.pipeline.verification import Level


class AutoRegister(StrEnum):
    """What becomes of a database that a report mentions and no job expects."""

    OFF = "off"
    INACTIVE = "inactive"
    ACTIVE = "active"


def deposit_root() -> Path:
    """Give the absolute path of the tree in which agents deposit (BACKUP_STORAGE_ROOT)."""
    return Path(settings.BACKUP_STORAGE_ROOT)


def vault_root() -> Path:
    """Give the absolute path of the tree of verified copies (VALIDATED_BACKUPS_BASE_PATH)."""
    return Path(settings.VALIDATED_BACKUPS_BASE_PATH)


def scan_interval_minutes() -> int:
    """Give the minutes from one scheduled scan to the next."""
    return settings.SCANNER_INTERVAL_MINUTES


def misfire_grace_seconds() -> int:
    """Give the seconds by which a scheduled scan may start late and still start."""
    return settings.MISFIRE_GRACE_TIME


def default_grace() -> timedelta:
    """Give the grace of a job that has none of its own (REPORT_COLLECTION_WINDOW_MINUTES)."""
    return timedelta(minutes=settings.REPORT_COLLECTION_WINDOW_MINUTES)


def agent_time_zone() -> str:
    """Give the name of the zone in which agents live whose jobs name none."""
    return settings.AGENT_TIME_ZONE


def display_time_zone() -> str:
    """Give the name of the zone in which people are shown times (TIME_ZONE)."""
    return settings.TIME_ZONE


def settle() -> timedelta:
    """Give how long a report that is not whole JSON may still be in the writing."""
    return timedelta(seconds=settings.REPORT_SETTLE_SECONDS)


def workers() -> int:
    """Give the number of threads that read staged files."""
    return settings.SCAN_WORKERS


def verify_level() -> Level:
    """Give how far a staged file is verified; raise ValueError for a level that does not exist."""
    return Level(settings.VERIFY_LEVEL)


def auto_register() -> AutoRegister:
    """Give what becomes of an unexpected database; raise ValueError for an unknown answer."""
    return AutoRegister(settings.AUTO_REGISTER)


def keep_executions_days() -> int:
    """Give for how many days the runs of tasks are kept; 0: for ever."""
    return settings.KEEP_EXECUTIONS_DAYS


def keep_runs_days() -> int:
    """Give for how many days scans that recorded nothing are kept; 0: for ever."""
    return settings.KEEP_RUNS_DAYS


def keep_archived_reports_days() -> int:
    """Give for how many days the files of reports stay on their shelves; 0: for ever."""
    return settings.KEEP_ARCHIVED_REPORTS_DAYS


def vault_keeps() -> dict[str, int]:
    """Give how many restore points each rule keeps (last, daily, ...); 0 is no such rule."""
    rules = (field.name for field in fields(Policy))
    return {rule: getattr(settings, f"VAULT_KEEP_{rule.upper()}") for rule in rules}


def vault_policy() -> Policy:
    """Give which copies are kept of a job that says nothing of its own."""
    return Policy(**vault_keeps())


def vault_reserve_bytes() -> int:
    """Give the bytes that a copy has to leave free on the vault's file system."""
    return settings.VAULT_RESERVE_MIB * 2**20


def audit_budget() -> timedelta:
    """Give for how long one audit of the vault begins to read further copies."""
    return timedelta(minutes=settings.VAULT_AUDIT_MINUTES)


def audit_budget_bytes() -> int:
    """Give after how many bytes one audit of the vault begins no further copy; 0: no bound."""
    return settings.VAULT_AUDIT_GIB * 2**30


def sqlite_check_bytes() -> int:
    """Give the size up to which an SQLite database in a backup is checked by SQLite itself."""
    return settings.SQLITE_CHECK_MAX_MIB * 2**20


def drill_budget() -> timedelta:
    """Give for how long one run of restore drills begins further ones."""
    return timedelta(minutes=settings.RESTORE_DRILL_MINUTES)


def drill_timeout() -> timedelta:
    """Give after how long one restore is given up."""
    return timedelta(minutes=settings.RESTORE_DRILL_TIMEOUT_MINUTES)


def drill_bytes() -> int:
    """Give the size of the largest dump that a drill restores."""
    return settings.RESTORE_DRILL_MAX_GIB * 2**30


def drill_postgres_url() -> str:
    """Give the scratch database of PostgreSQL that drills start from; empty: none."""
    return settings.RESTORE_DRILL_POSTGRES_URL


def drill_mysql_url() -> str:
    """Give the scratch database of MySQL or MariaDB that drills start from; empty: none."""
    return settings.RESTORE_DRILL_MYSQL_URL


def session_hours() -> int:
    """Give the hours after which somebody has to log in again (SESSION_HOURS)."""
    return settings.SESSION_HOURS


def hsts_days() -> int:
    """Give the days for which a browser is to insist on https (HSTS_DAYS)."""
    return settings.SECURE_HSTS_SECONDS // (24 * 3600)


def login_failures() -> int:
    """Give the failed logins after which a name is locked at an address (LOGIN_FAILURES)."""
    return settings.LOGIN_FAILURES


def login_lock_minutes() -> int:
    """Give the minutes that such a lock lasts (LOGIN_LOCK_MINUTES)."""
    return settings.LOGIN_LOCK_MINUTES


def trusted_proxies() -> tuple[str, ...]:
    """Give whom to believe from where a visitor came: addresses, networks, or unix."""
    return tuple(settings.TRUSTED_PROXIES)


def site_url() -> str:
    """Give the address under which people reach this server, without a slash at its end."""
    return settings.SITE_URL


def heartbeat_url() -> str:
    """Give the address to call after each good scan; empty: none."""
    return settings.HEARTBEAT_URL


def default_from_email() -> str:
    """Give the sender of every mail."""
    return settings.DEFAULT_FROM_EMAIL


def admin_email_recipients() -> tuple[str, ...]:
    """Give the addresses that are told of every problem."""
    return tuple(settings.ADMIN_EMAIL_RECIPIENTS)


def mail_is_logged() -> bool:
    """Tell whether mail is written to the log instead of being sent: EMAIL_URL is not set."""
    mailers: Mapping[str, Any] | None = getattr(settings, "MAILERS", None)
    backend = mailers["default"]["BACKEND"] if mailers else settings.EMAIL_BACKEND
    return bool(backend == "backupmonitor.mail.LogBackend")


def alerts_may_be_private() -> bool:
    """Tell whether channels may reach loopback, link-local and private addresses."""
    return settings.ALERT_ALLOW_PRIVATE


def language() -> str:
    """Give the language of messages and pages that say none (LANGUAGE_CODE)."""
    return settings.LANGUAGE_CODE


def languages() -> tuple[str, ...]:
    """Give the languages that there are, by their codes (LANGUAGES)."""
    return tuple(code for code, _ in settings.LANGUAGES)


def database() -> Mapping[str, Any]:
    """Give the settings of the one database, as Django understands them."""
    return settings.DATABASES["default"]


def collected_static_root() -> Path | None:
    """Give where `collectstatic` has to have put the static files; None when none are needed."""
    backend = settings.STORAGES["staticfiles"]["BACKEND"]
    return Path(settings.STATIC_ROOT) if "Manifest" in backend else None
