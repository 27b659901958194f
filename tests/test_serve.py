"""Serving and scheduling as one program: what stops one stops all."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User

from scanner.management.commands.serve import Command
from scanner.management.processes import run_together
from tests.process import MANAGE, PATIENCE, environment, fresh_sqlite

# A program that leaves a file when it was asked to end, and goes on until then.
OBEDIENT = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1]).write_text("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[2]).write_text("ready")
time.sleep(60)
"""
DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[2]).write_text("ready")
time.sleep(60)
"""
# Waits until the file that it is given exists, and tells its parent to stop.
ASKING = """
import os, pathlib, signal, sys, time
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
os.kill(os.getppid(), signal.{})
time.sleep(60)
"""
# The same; asked to end itself, it tells its parent to stop once more, and goes on.
INSISTING = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getppid(), signal.SIGINT))
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
os.kill(os.getppid(), signal.SIGINT)
while True: time.sleep(60)
"""
QUITTER = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
sys.exit(7)
"""


class Stage:
    """Programs with the files by which they tell of themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ended = folder / "ended"
        self.ready = folder / "ready"
        self.words: list[str] = []

    def program(self, source: str, *arguments: object) -> tuple[str, ...]:
        return (sys.executable, "-c", source, *map(str, arguments))

    def run(self, first: str, second: tuple[str, ...], patience: float = PATIENCE) -> int:
        programs = {"first": self.program(first, self.ended, self.ready), "second": second}
        return run_together(programs, folder=self.folder, patience=patience, tell=self.words.append)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield Stage(tmp_path)
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert after == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_told_to_stop_it_stops_all_and_is_content(stage: Stage, name: str) -> None:
    code = stage.run(OBEDIENT, stage.program(ASKING.format(name), stage.ready))
    assert code == 0
    assert stage.ended.exists()
    assert stage.words == []


def test_when_one_ends_by_itself_the_rest_is_stopped(stage: Stage) -> None:
    code = stage.run(OBEDIENT, stage.program(QUITTER, stage.ready))
    assert code == 1
    assert stage.ended.exists()
    assert stage.words == ["second has ended with exit code 7: stopping the rest"]


def test_who_does_not_end_is_killed_after_a_while(stage: Stage) -> None:
    code = stage.run(DEAF, stage.program(QUITTER, stage.ready), patience=0.3)
    assert code == 1
    assert stage.words[1:] == ["first does not end: killing it"]


def test_who_asks_twice_waits_no_longer(stage: Stage) -> None:
    twice = stage.program(INSISTING, stage.ready)
    code = stage.run(DEAF, twice, patience=60)
    assert code == 1
    assert stage.words == [
        "first does not end: killing it",
        "second does not end: killing it",
    ]


def test_when_one_cannot_be_started_the_rest_is_stopped(stage: Stage) -> None:
    with pytest.raises(FileNotFoundError):
        stage.run(OBEDIENT, ("no-such-program",))
    assert stage.words == []


# --- The way in -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_first_start_makes_a_superuser_and_tells_the_password_once() -> None:
    command = Command(stdout=StringIO())
    words = command.way_in()
    password = re.search(r"log in as admin with the password (\S+)", words)
    assert password is not None
    user = User.objects.get()
    assert user.is_superuser
    assert user.is_staff
    assert user.check_password(password[1])
    assert len(password[1]) >= 16
    again = command.way_in()
    assert password[1] not in again
    assert "changepassword admin" in again
    assert User.objects.get().check_password(password[1])


@pytest.mark.django_db
def test_a_superuser_of_another_name_is_named() -> None:
    User.objects.create_superuser("marie", password="secret")
    assert "log in as marie" in Command().way_in()
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_nobody_becomes_a_superuser_unasked() -> None:
    User.objects.create_user("admin", password="secret")
    assert "createsuperuser" in Command().way_in()
    assert not User.objects.get().is_superuser


# --- All of it ------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def served(variables: dict[str, str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve for the length of the block; what is printed goes into a file, which never fills."""
    command = [*MANAGE, "serve", "--bind", f"127.0.0.1:{port}"]
    with log.open("wb") as printed:
        process = subprocess.Popen(command, env=variables, stdout=printed, stderr=printed)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> str:
    """Give the page as soon as somebody listens."""
    for _ in range(600):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                text: str = response.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.slow
def test_serve_lets_people_in_and_stops_on_ctrl_c(tmp_path: Path, deposit_root: Path) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    log = tmp_path / "serve.log"
    with served(environment(DATABASE_URL=fresh_sqlite(tmp_path)), port, log) as process:
        page = wait_for(f"{site}/admin/login/", process)
        sheets = re.findall(r'<link href="(/static/[^"]*\.css)"', page)
        assert any("scanner/admin" in sheet for sheet in sheets)
        for sheet in sheets:
            assert len(wait_for(f"{site}{sheet}", process)) > 100

        password = re.search(r"the password (\S+)", log.read_text())
        assert password is not None
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        page = browser.open(f"{site}/admin/login/").read().decode()
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        form = {
            "username": "admin",
            "password": password[1],
            "csrfmiddlewaretoken": token[1],
            "next": "/admin/scanner/expectedbackupjob/",
        }
        answer = browser.open(f"{site}/admin/login/", urlencode(form).encode())
        assert answer.url == f"{site}/admin/scanner/expectedbackupjob/"

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0, log.read_text()
