"""Each reader of a setting gives the domain's type, and sees a change at once."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from scanner import conf
from scanner.pipeline.verification import Level


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"),
    [
        ("BACKUP_STORAGE_ROOT", Path("/srv/in"), conf.deposit_root, Path("/srv/in")),
        ("VALIDATED_BACKUPS_BASE_PATH", "/srv/vault", conf.vault_root, Path("/srv/vault")),
        ("SCANNER_INTERVAL_MINUTES", 5, conf.scan_interval_minutes, 5),
        ("MISFIRE_GRACE_TIME", 90, conf.misfire_grace_seconds, 90),
        ("REPORT_COLLECTION_WINDOW_MINUTES", 90, conf.default_grace, timedelta(minutes=90)),
        ("AGENT_TIME_ZONE", "Africa/Douala", conf.agent_time_zone, "Africa/Douala"),
        ("REPORT_SETTLE_SECONDS", 90, conf.settle, timedelta(seconds=90)),
        ("SCAN_WORKERS", 3, conf.workers, 3),
        ("VERIFY_LEVEL", "digest", conf.verify_level, Level.DIGEST),
        ("AUTO_REGISTER", "off", conf.auto_register, conf.AutoRegister.OFF),
        ("KEEP_EXECUTIONS_DAYS", 7, conf.keep_executions_days, 7),
        ("KEEP_RUNS_DAYS", 8, conf.keep_runs_days, 8),
        ("KEEP_ARCHIVED_REPORTS_DAYS", 0, conf.keep_archived_reports_days, 0),
        ("TRUSTED_PROXIES", ["10.0.0.1"], conf.trusted_proxies, ("10.0.0.1",)),
        ("SITE_URL", "https://b.example.com", conf.site_url, "https://b.example.com"),
        ("HEARTBEAT_URL", "https://h.example.com", conf.heartbeat_url, "https://h.example.com"),
        ("DEFAULT_FROM_EMAIL", "b@example.com", conf.default_from_email, "b@example.com"),
        (
            "ADMIN_EMAIL_RECIPIENTS",
            ["a@example.com", "b@example.com"],
            conf.admin_email_recipients,
            ("a@example.com", "b@example.com"),
        ),
    ],
)
def test_a_changed_setting_is_seen_at_once_in_the_domains_type(
    settings: Settings, name: str, value: object, read: Callable[[], Any], expected: object
) -> None:
    before = read()
    setattr(settings, name, value)
    assert read() == expected
    assert before != expected


@pytest.mark.parametrize("name", ["VERIFY_LEVEL", "AUTO_REGISTER"])
def test_an_unknown_choice_is_an_error(settings: Settings, name: str) -> None:
    setattr(settings, name, "maybe")
    read = {"VERIFY_LEVEL": conf.verify_level, "AUTO_REGISTER": conf.auto_register}[name]
    with pytest.raises(ValueError, match="'maybe' is not a valid"):
        read()


def test_every_test_has_trees_of_its_own(tmp_path: Path) -> None:
    assert conf.deposit_root().parent == tmp_path
    assert conf.vault_root().parent == tmp_path
