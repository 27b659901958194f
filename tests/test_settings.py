"""How the environment becomes settings; each test evaluates settings.py anew."""

import ast
import json
import logging
import os
import re
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.db.utils import ConnectionHandler
from django.test import Client

from backupmonitor.environment import Environment
from backupmonitor.mail import LogBackend
from backupmonitor.secret_key import persistent_secret_key
from scanner.logs import JsonFormatter, StderrHandler, TextFormatter

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "backupmonitor" / "settings.py"
READERS = {
    name for name in vars(Environment) if not name.startswith("_")
}  # the methods that take a variable's name


def variables_read() -> set[str]:
    """Give each variable that settings.py reads, from its source."""
    return {
        call.args[0].value
        for call in ast.walk(ast.parse(SETTINGS.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and call.func.attr in READERS
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def documented() -> dict[str, str]:
    """Give each variable in the tables of docs/settings.md with its default as written there."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| ([^|]*) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )
    return dict(rows)


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that evaluates settings.py with only the given variables set."""

    def run(**variables: str) -> dict[str, Any]:
        for name in variables_read():
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ENV_FILE", os.devnull)
        monkeypatch.setenv("SECRET_KEY", "no secret")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))

    return run


def test_every_variable_is_documented_and_no_other() -> None:
    assert set(documented()) == variables_read()


def test_every_variable_is_in_the_example_file_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE)) == variables_read()


def test_every_setting_of_the_design_is_read() -> None:
    assert len(variables_read()) > 20
    some = {"BACKUP_STORAGE_ROOT", "VERIFY_LEVEL", "KEEP_RUNS_DAYS", "EMAIL_URL", "LOG_FORMAT"}
    assert some <= variables_read()


def test_documented_defaults_are_the_real_ones(evaluate: Any) -> None:
    values = evaluate()
    compared = 0
    for name, cell in documented().items():
        if cell.startswith("`"):
            value = values[name]
            if isinstance(value, Path):
                value = value.relative_to(ROOT)
            if isinstance(value, bool):
                value = str(value).lower()
            if isinstance(value, list):
                value = ",".join(value)
            assert cell == f"`{value}`", name
            compared += 1
    assert compared > 15


def test_defaults_of_the_example_file_are_the_documented_ones() -> None:
    example = (ROOT / ".env.example").read_text()
    for name, value in re.findall(r"^# ([A-Z_]+)=(.+)$", example, re.MULTILINE):
        assert documented()[name] == f"`{value}`"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SCANNER_INTERVAL_MINUTES", "often", "found 'often'; expected a whole number"),
        ("SCAN_WORKERS", "1.5", "found '1.5'; expected a whole number"),
        ("DEBUG", "perhaps", "found 'perhaps'; expected true or false"),
        ("TIME_ZONE", "Mars/Olympus", "found 'Mars/Olympus'; expected a time zone"),
        ("TIME_ZONE", "../../etc/passwd", "expected a time zone"),
        ("LANGUAGE_CODE", "tlh", "found 'tlh'; expected one of en, fr"),
        ("LOG_FORMAT", "xml", "found 'xml'; expected one of text, json"),
        ("LOG_LEVEL", "LOUD", "found 'LOUD'; expected one of DEBUG, INFO"),
        ("DATABASE_URL", "postgres", "expected a database URL"),
        ("EMAIL_URL", "pigeon://coop", "expected an e-mail URL"),
        ("EMAIL_URL", "smtp://host:port", "expected an e-mail URL"),
        ("BACKUP_STORAGE_ROOT", "~nobody-has-this-name/x", "expected the path of a directory"),
    ],
)
def test_an_unreadable_value_is_named_with_what_was_found_and_expected(
    evaluate: Any, name: str, value: str, words: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        evaluate(**{name: value})
    assert str(caught.value).startswith(f"{name}: found ")
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["DATABASE_URL", "EMAIL_URL"])
def test_an_error_never_shows_a_password(evaluate: Any, name: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        evaluate(**{name: "gopher://user:hunter2@host"})
    assert "hunter2" not in str(caught.value)


def test_a_blank_variable_counts_as_not_set(evaluate: Any) -> None:
    values = evaluate(SCANNER_INTERVAL_MINUTES="", EMAIL_URL=" ", DATABASE_URL="")
    assert values["SCANNER_INTERVAL_MINUTES"] == 15
    assert values["DATABASES"]["default"]["NAME"] == str(ROOT / "var" / "db.sqlite3")


def test_the_real_environment_beats_the_file(evaluate: Any, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text("SCANNER_INTERVAL_MINUTES=7\nSCAN_WORKERS=3\n")
    values = evaluate(ENV_FILE=str(file), SCANNER_INTERVAL_MINUTES="9")
    assert (values["SCANNER_INTERVAL_MINUTES"], values["SCAN_WORKERS"]) == (9, 3)


def test_the_file_beside_manage_py_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ENV_FILE")
    monkeypatch.delenv("SCAN_WORKERS", raising=False)
    (tmp_path / ".env").write_text("SCAN_WORKERS=3\n")
    assert Environment(tmp_path / ".env").integer("SCAN_WORKERS", 1) == 3
    assert Environment(tmp_path / "absent").integer("SCAN_WORKERS", 1) == 1
    assert 'Environment(BASE_DIR / ".env")' in SETTINGS.read_text()


def test_a_named_file_of_variables_must_exist(evaluate: Any, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="ENV_FILE: there is no file"):
        evaluate(ENV_FILE=str(tmp_path / "absent"))


def test_a_file_of_variables_that_is_no_text_is_named(evaluate: Any, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(ImproperlyConfigured, match=r"ENV_FILE: .*variables cannot be read"):
        evaluate(ENV_FILE=str(file))


def test_relative_paths_start_at_the_project_and_a_tilde_is_home(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    values = evaluate(BACKUP_STORAGE_ROOT="in", VALIDATED_BACKUPS_BASE_PATH="~/vault")
    assert values["BACKUP_STORAGE_ROOT"] == ROOT / "in"
    assert values["VALIDATED_BACKUPS_BASE_PATH"] == tmp_path / "vault"


def test_sqlite_is_opened_in_the_way_in_which_several_processes_may_write(evaluate: Any) -> None:
    database = evaluate(DATABASE_URL="sqlite:///somewhere/db.sqlite3")["DATABASES"]["default"]
    assert database["NAME"] == str(ROOT / "somewhere" / "db.sqlite3")
    assert database["OPTIONS"] == {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    }


def test_postgresql_connections_are_kept_and_proven(evaluate: Any) -> None:
    url = "postgresql://user:secret@db.example.com:5433/name?sslmode=require"
    database = evaluate(DATABASE_URL=url)["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example.com",
        5433,
        "name",
    )
    assert database["OPTIONS"]["sslmode"] == "require"
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)


def test_a_network_that_drops_everything_hangs_no_thread_for_minutes(evaluate: Any) -> None:
    """What the URL says beats what is stated here; times in seconds, the last in milliseconds."""
    url = "postgresql://db.example.com/name?connect_timeout=9&keepalives_idle=60"
    database = evaluate(DATABASE_URL=url)["DATABASES"]["default"]
    assert database["OPTIONS"] == {
        "connect_timeout": 9,
        "keepalives_idle": 60,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }


@pytest.mark.postgres
def test_the_limits_of_the_network_reach_postgresql(evaluate: Any, postgres_url: str) -> None:
    database = evaluate(DATABASE_URL=postgres_url)["DATABASES"]["default"]
    options = {option: str(value) for option, value in database["OPTIONS"].items()}
    backend = ConnectionHandler({"default": database})["default"]
    with backend.get_new_connection(backend.get_connection_params()) as session:
        assert options.items() <= session.info.get_parameters().items()


@pytest.mark.parametrize(
    ("site", "secure"), [("http://127.0.0.1:8000", False), ("https://b.example.com/", True)]
)
def test_cookies_are_for_https_only_where_the_site_is(
    evaluate: Any, site: str, secure: bool
) -> None:
    values = evaluate(SITE_URL=site)
    assert values["SESSION_COOKIE_SECURE"] is secure
    assert values["CSRF_COOKIE_SECURE"] is secure
    assert values["LANGUAGE_COOKIE_SECURE"] is secure
    assert values["CSRF_TRUSTED_ORIGINS"] == (["https://b.example.com"] if secure else [])


def mail_of(values: dict[str, Any]) -> tuple[str, str | None, int | None, bool | None]:
    """Give backend, host, port and TLS, in whichever way this Django is told of mail."""
    if django.VERSION >= (6, 1):
        mailer = values["MAILERS"]["default"]
        options = mailer.get("OPTIONS", {})
        return (
            mailer["BACKEND"],
            options.get("host"),
            options.get("port"),
            options.get("use_tls"),
        )
    return (
        values["EMAIL_BACKEND"],
        values.get("EMAIL_HOST"),
        values.get("EMAIL_PORT"),
        values.get("EMAIL_USE_TLS"),
    )


def test_mail_goes_to_the_server_of_the_url(evaluate: Any) -> None:
    values = evaluate(EMAIL_URL="smtp://user:password@mail.example.com:587/?tls=true")
    backend = "backupmonitor.smtp.EmailBackend"
    assert mail_of(values) == (backend, "mail.example.com", 587, True)


@pytest.mark.parametrize(("query", "seconds"), [("", 10), ("?timeout=3", 3)])
def test_a_mail_server_is_waited_for_only_so_long(evaluate: Any, query: str, seconds: int) -> None:
    values = evaluate(EMAIL_URL=f"smtp://mail.example.com/{query}")
    if django.VERSION >= (6, 1):
        assert values["MAILERS"]["default"]["OPTIONS"]["timeout"] == seconds
    else:
        assert values["EMAIL_TIMEOUT"] == seconds


def test_mail_without_a_server_goes_to_the_log(
    evaluate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert mail_of(evaluate())[0] == "backupmonitor.mail.LogBackend"
    with caplog.at_level(logging.INFO):
        message = EmailMessage("A backup is missing", "sdmc_2023", to=["ops@example.com"])
        assert LogBackend().send_messages([message]) == 1
    assert "ops@example.com" in caplog.text
    assert "A backup is missing" in caplog.text
    assert "sdmc_2023" in caplog.text


def test_a_secret_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret_key"
    key = persistent_secret_key(path)
    assert len(key) == 50
    assert path.stat().st_mode & 0o777 == 0o600
    assert persistent_secret_key(path) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]


def test_processes_that_start_together_get_the_same_secret_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    together = threading.Barrier(8)
    keys: list[str] = []

    def start() -> None:
        together.wait()
        keys.append(persistent_secret_key(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert set(keys) == {path.read_text().strip()}


def test_a_secret_key_that_cannot_be_kept_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImproperlyConfigured, match="set SECRET_KEY"):
        persistent_secret_key(tmp_path / "file" / "secret_key")


def test_an_empty_secret_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    with pytest.raises(ImproperlyConfigured, match="is empty"):
        persistent_secret_key(tmp_path / "secret_key")


def test_a_wrong_setting_stops_a_command_with_words_and_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check"],
        env=os.environ | {"SCAN_WORKERS": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "backupmonitor is not configured: SCAN_WORKERS: found 'many'; "
        "expected a whole number, like 15.\n"
    )


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_server_does_not_start_with_a_setting_out_of_range(door: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import backupmonitor.{door}"],
        cwd=ROOT,
        env=os.environ | {"SCAN_WORKERS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "(scanner.E006) SCAN_WORKERS: found 0; expected a whole number" in done.stderr


def test_the_first_page_is_the_admin(client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_the_log_goes_to_what_standard_error_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    handler = StderrHandler()
    handler.handle(record("a scan ended"))
    assert capsys.readouterr() == ("", "a scan ended\n")


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("scanner.scan")
    return logger.makeRecord(
        logger.name, logging.WARNING, __file__, 1, message, arguments, None, extra=extra
    )


def test_a_json_record_is_one_object_with_its_extras() -> None:
    made = record("rejected %s", "x\n.json", agent="A\udc80", path=Path("log"), level="ours wins")
    line = JsonFormatter().format(made)
    assert "\n" not in line
    value = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value.pop("ts"))
    assert value == {
        "level": "WARNING",
        "logger": "scanner.scan",
        "message": "rejected x\n.json",
        "agent": "A\udc80",
        "path": "log",
    }


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_record_of_an_error_holds_its_traceback(formatter: logging.Formatter) -> None:
    made = record("failed")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = formatter.format(made)
    assert "Traceback (most recent call last)" in text
    assert "ValueError: why" in text


def test_an_agents_string_cannot_forge_a_line_of_the_log() -> None:
    line = TextFormatter().format(record("report %s", "a\n2025 INFO x\r\x1b[2J\u2028"))
    assert line.count("\n") == 0
    assert line.endswith(r"WARNING scanner.scan: report a\n2025 INFO x\r\x1b[2J\u2028")
