from typing import Any

import pytest
from apprise.manager_plugins import NotificationManager
from pytest_django import Settings

from scanner.alerts.channels import apprise, guarded
from scanner.alerts.message import Message
from scanner.errors import ChannelError
from tests.alerts.servers import (  # noqa: F401 - `web_server`
    WebServer,
    refusing_port,
    web_server_fixture,
)
from tests.process import PATIENCE

MESSAGE = Message("MISSING sdmc_2023 é", "Nothing arrived.", is_problem=True)


@pytest.fixture
def private(settings: Settings) -> None:
    settings.ALERT_ALLOW_PRIVATE = True


def refusal(url: str) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        apprise.send(url, MESSAGE, seconds=PATIENCE)
    return caught.value


@pytest.mark.parametrize(("is_problem", "kind"), [(True, "failure"), (False, "info")])
def test_a_message_reaches_the_service_with_its_urgency(
    web_server: WebServer, private: None, is_problem: bool, kind: str
) -> None:
    message = Message(MESSAGE.subject, MESSAGE.text, is_problem=is_problem)
    apprise.send(f"json://127.0.0.1:{web_server.port}/a/b", message, seconds=PATIENCE)
    (request,) = web_server.requests
    assert request.path == "/a/b"
    assert request.data["title"] == MESSAGE.subject
    assert request.data["message"] == MESSAGE.text
    assert request.data["type"] == kind


@pytest.mark.parametrize("scheme", ["json", "jsons"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433"])
def test_a_service_that_is_not_on_the_internet_is_refused(
    web_server: WebServer, scheme: str, host: str
) -> None:
    error = refusal(f"{scheme}://{host}:{web_server.port}/a")
    assert "not a public one" in str(error)
    assert error.is_down
    assert not web_server.requests


@pytest.mark.parametrize(
    "url",
    [
        "mailto://user:s3cret@localhost:{port}?to=ops@example.com&from=b@example.com",
        "rsyslog://127.0.0.1:{port}",
        "irc://127.0.0.1:{port}/%23channel",
        "ntfy://127.0.0.1:{port}/topic",
        "form://127.0.0.1:{port}/",
    ],
)
def test_no_way_of_speaking_gets_around_the_guard(web_server: WebServer, url: str) -> None:
    assert "not a public one" in str(refusal(url.format(port=web_server.port)))
    assert not web_server.requests


def test_a_service_that_does_not_take_it_is_told_and_is_not_down(
    web_server: WebServer, private: None
) -> None:
    web_server.answer(500)
    error = refusal(f"json://127.0.0.1:{web_server.port}/a")
    assert not error.is_down
    assert "did not take the message" in str(error)
    assert "500" in str(error)


def test_a_service_that_cannot_be_reached_is_down(private: None) -> None:
    with refusing_port() as port:
        assert refusal(f"json://127.0.0.1:{port}/a").is_down


def test_several_addresses_are_not_one_channel(web_server: WebServer, private: None) -> None:
    first = f"json://127.0.0.1:{web_server.port}/a"
    apprise.send(f"{first}, {first}", MESSAGE, seconds=PATIENCE)
    assert len(web_server.requests) == 1


@pytest.mark.parametrize(
    ("query", "count"), [("", 1), ("?overflow=split", 3)], ids=["by default", "as the URL says"]
)
def test_a_text_that_is_too_long_for_the_service_is_cut(
    web_server: WebServer, private: None, query: str, count: int
) -> None:
    url = f"mmost://127.0.0.1:{web_server.port}/3ccdd113474722377935511fc85d3dd4{query}"
    apprise.send(url, Message("Many", "line\n" * 2000), seconds=PATIENCE)
    assert len(web_server.requests) == count
    assert all(len(request.data["text"]) <= 4000 for request in web_server.requests)


def test_no_part_of_the_address_is_in_an_error(web_server: WebServer, private: None) -> None:
    host = f"user-one:p4ssw0rd@127.0.0.1:{web_server.port}"
    web_server.answer(401)
    for url in (
        f"json://{host}/T0K3N?+X-Key=va1ue",
        f"jsons://{host}/T0K3N?+X-Key=va1ue",
        "slack://T0K3N/p4ssw0rd/va1ue/%23user-one",
        "nothing://T0K3N/p4ssw0rd/va1ue/user-one",
    ):
        error = refusal(url)
        for part in ("user-one", "p4ssw0rd", "T0K3N", "va1ue"):
            assert part not in f"{error} {error!r}"


@pytest.mark.parametrize(
    "url",
    [
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js/?template={file}",
        "workflows://host.example.com/WORKFLOW/SIGNATURE/?template={file}",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template={file}",
    ],
)
def test_no_file_of_the_server_is_sent(private: None, url: str) -> None:
    assert "server itself" in str(refusal(url.format(file=__file__)))


@pytest.mark.parametrize("scheme", sorted(guarded.LOCAL_SCHEMES))
def test_what_acts_on_this_machine_is_refused(scheme: str) -> None:
    for url in (f"{scheme}://", f" {scheme.upper()}://x "):
        assert "server itself" in apprise.problems_of(url, seconds=PATIENCE)["address"]
    assert "server itself" in str(refusal(f"{scheme}://"))


def names(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value or ())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what some plugins import
def test_each_plugin_that_acts_on_this_machine_is_known_as_that() -> None:
    local: set[str] = set()
    manager: Any = NotificationManager
    for plugin in manager().plugins():
        if any(template.startswith("{schema}://{") for template in plugin.templates[:1]):
            continue
        local |= names(plugin.protocol) | names(plugin.secure_protocol)
    assert local == guarded.LOCAL_SCHEMES


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "tgram://123456789:AAGQkF2Bd8_Wd2Sd3Kd1Wd9Cd8Gd7Ed4Qd5/12315544/",
        " ntfy://topic\n",
        "mailtos://user:password@mail.example.com?to=ops@example.com",
    ],
)
def test_nothing_is_wrong_with_an_address_that_apprise_understands(url: str) -> None:
    assert apprise.problems_of(url, seconds=PATIENCE) == {}


@pytest.mark.parametrize("url", ["", "ops@example.com", "nothing://a/b", "slack://", "://"])
def test_an_address_that_it_does_not_understand_is_named(url: str) -> None:
    words = apprise.problems_of(url, seconds=PATIENCE)
    assert "does not understand" in words["address"]


def test_looking_at_an_address_sends_nothing(web_server: WebServer, private: None) -> None:
    assert not apprise.problems_of(f"json://127.0.0.1:{web_server.port}/", seconds=PATIENCE)
    assert not web_server.requests
