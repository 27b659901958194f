"""What every test stands on: settings that no developer's `.env` changes, trees under `tmp_path`.

- TEST_DATABASE_URL runs the whole suite on that database; without it: SQLite in a file, so that
  threads and processes of a test share it.
- With CI=true a test that is skipped fails: there is nothing that CI may leave out.
"""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.postgres import PostgresAbsent, throwaway_cluster

ROOT = Path(__file__).resolve().parent.parent
# Where a process started by a test writes if the test does not tell it where.
_ELSEWHERE = Path(tempfile.mkdtemp(prefix="backupmonitor-tests-"))
atexit.register(shutil.rmtree, _ELSEWHERE, ignore_errors=True)


def _isolate_settings() -> None:
    """Make the environment the same on every machine; a test's processes inherit it."""
    for name in re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        os.environ.pop(name, None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "backupmonitor.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "no secret: only for tests",
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL")
        or f"sqlite:///{_ELSEWHERE / 'db.sqlite3'}",
        "BACKUP_STORAGE_ROOT": str(_ELSEWHERE / "deposits"),
        "VALIDATED_BACKUPS_BASE_PATH": str(_ELSEWHERE / "validated"),
    }


# At import: pytest-django sets Django up right after this file is loaded.
_isolate_settings()

from django.conf import settings as django_settings  # noqa: E402
from django.utils import translation  # noqa: E402

# Nothing is collected for a test, and no test is about how costly a password is to guess.
django_settings.STORAGES["staticfiles"]["BACKEND"] = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)
django_settings.WHITENOISE_AUTOREFRESH = True
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_xdist_auto_num_workers() -> int:
    """Give half as many workers again as there are cores: many tests wait for a process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) * 3 // 2


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep SQLite's test database in a file."""
    database = django_settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        file = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(file)


@pytest.fixture(autouse=True)
def _own_trees(tmp_path: Path, settings: Settings) -> None:
    """Let no test see the trees of another, or of the machine; neither exists at first."""
    settings.BACKUP_STORAGE_ROOT = tmp_path / "deposits"
    settings.VALIDATED_BACKUPS_BASE_PATH = tmp_path / "validated"


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """Let no test speak the language in which the last page of another was asked for."""
    yield
    translation.deactivate()


@pytest.fixture
def deposit_root(_own_trees: None, tmp_path: Path) -> Path:
    """Give the deposit root that the settings name, made and empty."""
    root = tmp_path / "deposits"
    root.mkdir()
    return root


@pytest.fixture
def vault_root(_own_trees: None, tmp_path: Path) -> Path:
    """Give the vault's root that the settings name; a scan makes it when it needs it."""
    return tmp_path / "validated"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Give the URL of an empty database on a PostgreSQL server that lives for the session."""
    try:
        with throwaway_cluster() as url:
            yield url
    except PostgresAbsent as absent:
        pytest.skip(str(absent))


def _skip_is_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _skip_is_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _skip_is_failure(report)
    return report
