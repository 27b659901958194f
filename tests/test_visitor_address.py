"""From where a visitor came, whatever is said in the header that anybody may send."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from scanner.visitor_address import address_of

VISITOR, OTHER, PROXY, INNER = "203.0.113.9", "198.51.100.7", "10.0.0.1", "10.0.0.2"


def address(remote: str, forwarded: str | None = None) -> str:
    """Give the address of a request from `remote` with that header."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote))


def test_without_a_proxy_it_is_who_calls() -> None:
    assert address(VISITOR) == VISITOR
    assert address("2001:DB8::1") == "2001:db8::1"
    assert address("::ffff:203.0.113.9") == VISITOR
    assert address("fe80::1%eth0") == "fe80::1"


@pytest.mark.parametrize("trusted", [[], [PROXY]])
def test_a_visitor_is_not_believed(settings: Settings, trusted: list[str]) -> None:
    settings.TRUSTED_PROXIES = trusted
    assert address(VISITOR, OTHER) == VISITOR


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (VISITOR, VISITOR),
        (f"{OTHER}, {VISITOR}", VISITOR),  # the visitor said to be OTHER
        (f"{VISITOR}, {INNER}", VISITOR),
        (f"{OTHER}, {VISITOR}, {INNER},{INNER}", VISITOR),
        (f" {VISITOR}:51234 ", VISITOR),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        (f"::ffff:{VISITOR}", VISITOR),
        (f"{INNER}, {INNER}", INNER),  # one of our own programs
        ("", PROXY),
        ("unknown", PROXY),
        (f"{VISITOR}, nonsense, {INNER}", INNER),
        (f"{VISITOR},", PROXY),
        ("1" * 5000, PROXY),
        (f"fe80::1%{'x' * 5000}", PROXY),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_as_it_goes(
    settings: Settings, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    assert address(PROXY, forwarded) == expected


def test_whoever_writes_many_hops_gains_nothing(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    assert address(PROXY, ",".join([OTHER, *[INNER] * 5000])) == INNER


def test_a_proxy_that_calls_through_a_socket_is_trusted_where_the_settings_say_so(
    settings: Settings,
) -> None:
    assert address("", VISITOR) == ""
    settings.TRUSTED_PROXIES = ["unix"]
    assert address("", f"{OTHER}, {VISITOR}") == VISITOR
    assert address("", "") == ""
    settings.TRUSTED_PROXIES = ["unix", PROXY]
    assert address("", f"{OTHER}, {VISITOR}, {PROXY}") == VISITOR
