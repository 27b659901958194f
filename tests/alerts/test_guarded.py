"""The process that calls strangers: what it takes for public, and what it may do."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scanner.alerts.channels import guarded
from tests.alerts.servers import WebServer, web_server_fixture  # noqa: F401 - `web_server`
from tests.process import PATIENCE

PROGRAM = Path(guarded.__file__)


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "2001:4860:4860::8888",
        "2a00:1450:4007::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_an_address_of_the_internet_is_public(host: str) -> None:
    assert guarded.is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "224.0.1.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_every_other_address_is_not(host: str) -> None:
    assert not guarded.is_public(host)


@pytest.mark.parametrize("words", ["", " 8.8.8.8", "localhost", "example.com", "127.1", "0x7f.1"])
def test_what_is_no_address_in_numbers_is_not(words: str) -> None:
    assert not guarded.is_public(words)


def run(script: str, *, arguments: Mapping[str, Any] | None = None) -> Any:
    """Run Python that has the program as `guarded`; give what it prints, as JSON."""
    load = f"""
import importlib.util, json, os, socket, sys
spec = importlib.util.spec_from_file_location("guarded", {str(PROGRAM)!r})
guarded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guarded)
given = json.loads(sys.argv[1])
def said(do):
    try:
        do()
    except Exception as error:
        return f"{{type(error).__name__}} {{error}}"
    return "done"
"""
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", load + script, json.dumps(arguments or {})],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


REBOUND = """
# A name server that gives a public address to who looks, and another to who connects.
real, asked = socket.getaddrinfo, []
def rebound(host, *rest, **options):
    if host == "rebound.example.com":
        asked.append(host)
        host = "8.8.8.8" if len(asked) == 1 else "127.0.0.1"
    return real(host, *rest, **options)
socket.getaddrinfo = rebound
socket.getaddrinfo("rebound.example.com", 443)
order = given | {"url": f"https://rebound.example.com:{given['port']}/hook"}
follow = guarded._load("webhook")
guarded.guard(may_be_private=False)
print(json.dumps(follow(order) | {"asked": len(asked)}))
"""


def test_a_name_that_leads_elsewhere_by_the_time_of_the_connection_does_not_get_through(
    web_server: WebServer,
) -> None:
    given = {
        "method": "POST",
        "headers": {},
        "body": "{}",
        "may_be_private": False,
        "seconds": PATIENCE,
        "port": web_server.port,
    }
    answer = run(REBOUND, arguments=given)
    assert answer["asked"] == 2
    assert answer["outcome"] == "not_public"
    assert not web_server.requests


REDIRECTED = """
# There is no Internet in a test: one address of this machine stands for it.
guarded.is_public = lambda host: host == "127.0.0.1"
follow = guarded._load("apprise")
guarded.guard(may_be_private=False)
print(json.dumps(follow(given)))
"""


def test_a_redirect_passes_the_guard_as_any_other_connection(web_server: WebServer) -> None:
    web_server.redirect(web_server.url("/inside", host="127.0.0.2"), status=307)
    given = {
        "url": f"json://127.0.0.1:{web_server.port}/hook",
        "title": "",
        "text": "t",
        "is_problem": False,
    }
    answer = run(REDIRECTED, arguments=given)
    assert answer["outcome"] == "not_public"
    assert web_server.paths() == ["/hook"]
    web_server.redirect(web_server.url("/inside"), status=307)
    assert run(REDIRECTED, arguments=given)["outcome"] == "not_taken"
    assert set(web_server.paths()) == {"/hook", "/inside"}


ACTIONS = """
import ctypes, subprocess
guarded.guard(may_be_private=given["may_be_private"])
stream, datagram = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
local = socket.socket(socket.AF_UNIX)
there = "/tmp/never-written"
does = {
    "run": lambda: subprocess.run(["true"]),
    "system": lambda: os.system("true"),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "kill": lambda: os.kill(os.getpid(), 0),
    "library": lambda: ctypes.CDLL("libc.so.6"),
    "write": lambda: open(there, "w"),
    "append": lambda: open(there, "ab"),
    "create": lambda: os.open(there, os.O_CREAT | os.O_WRONLY),
    "remove": lambda: os.remove(there),
    "folder": lambda: os.mkdir(there),
    "rename": lambda: os.rename("/tmp", there),
    "read": lambda: open("/etc/passwd").read(),
    "settings": lambda: open(given["settings"]).read(),
    "around": lambda: open("/proc/self/environ").read(),
    "local": lambda: local.connect("/run/never.sock"),
    "name": lambda: stream.connect(("localhost", 1)),
    "try": lambda: stream.connect_ex(("127.0.0.1", 1)),
    "datagram": lambda: datagram.sendto(b"x", ("127.0.0.1", 514)),
    "message": lambda: datagram.sendmsg([b"x"], (), 0, ("127.0.0.1", 514)),
    "listen": lambda: stream.bind(("127.0.0.1", 0)),
    # As the hook sees it, for nothing is to leave the machine of a test.
    "public": lambda: sys.audit("socket.connect", stream, ("8.8.8.8", 443)),
    "own": lambda: open(json.__file__).read(),
    "null": lambda: open("/dev/null", "w").close(),
}
print(json.dumps({name: said(do) for name, do in does.items()}))
"""
MACHINE = [
    "run",
    "system",
    "fork",
    "exec",
    "spawn",
    "kill",
    "library",
    "write",
    "append",
    "create",
    "remove",
    "folder",
    "rename",
    "read",
    "settings",
    "around",
    "local",
    "listen",
]
NETWORK = ["name", "try", "datagram", "message"]
HARMLESS = ["public", "own", "null"]


def test_it_leaves_its_machine_alone_and_reaches_only_the_internet() -> None:
    settings_file = str(PROGRAM.parents[3] / "manage.py")
    said = run(ACTIONS, arguments={"may_be_private": False, "settings": settings_file})
    expected = (
        dict.fromkeys(MACHINE, "PermissionError forbidden")
        | dict.fromkeys(NETWORK, "PermissionError not_public")
        | dict.fromkeys(HARMLESS, "done")
    )
    assert said == expected


def test_it_leaves_its_machine_alone_also_where_private_addresses_are_allowed() -> None:
    settings_file = str(PROGRAM.parents[3] / "manage.py")
    said = run(ACTIONS, arguments={"may_be_private": True, "settings": settings_file})
    assert {name: said[name] for name in MACHINE} == dict.fromkeys(
        MACHINE, "PermissionError forbidden"
    )
    assert not any("Permission" in said[name] for name in [*NETWORK, *HARMLESS])


def test_it_loads_neither_django_nor_anything_of_ours() -> None:
    loaded = run("""
guarded._load("apprise"), guarded._load("webhook")
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
""")
    assert "apprise" in loaded
    assert not {"django", "scanner", "backupmonitor"} & set(loaded)


def test_without_anybody_left_to_end_it_it_ends_by_itself(web_server: WebServer) -> None:
    web_server.hang()
    # Apprise would wait for the answer for a minute.
    url = f"json://127.0.0.1:{web_server.port}/?rto=60"
    given = {"kind": "apprise", "url": url, "title": "", "text": "t", "is_problem": False}
    given |= {"seconds": 0.5, "may_be_private": True}
    with subprocess.Popen(
        [sys.executable, "-I", "-B", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(given).encode())
        process.stdin.close()
        assert process.wait(PATIENCE) == -signal.SIGALRM
