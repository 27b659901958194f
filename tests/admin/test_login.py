"""Logging in: who fails too often waits, at the address that they came from."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from tests.admin.rows import LIST, staff

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


def log_in(client: Client, password: str, address: str = "192.0.2.1", name: str = "staff") -> Any:
    data = {"username": name, "password": password, "next": "/admin/"}
    return client.post(LOGIN, data, REMOTE_ADDR=address)


def fail(client: Client, times: int, address: str = "192.0.2.1") -> Any:
    for _ in range(times):
        response = log_in(client, "wrong", address)
    return response


def spray(client: Client, times: int, address: str = "192.0.2.1") -> Any:
    """Try one password on as many names."""
    for number in range(times):
        response = log_in(client, "Winter2026!!", address, name=f"name-{number}")
    return response


def test_after_five_failures_even_the_right_password_has_to_wait(client: Client) -> None:
    staff()
    assert fail(client, 4).status_code == 200
    response = fail(client, 1)
    assert response.status_code == 429
    assert response["Retry-After"] == "900"
    assert "Too many logins failed from where you are" in response.content.decode()
    assert log_in(client, "secret").status_code == 429


def test_others_and_those_elsewhere_are_not_locked(client: Client) -> None:
    staff()
    staff(name="other")
    fail(client, 6)
    assert log_in(client, "secret", "192.0.2.2").status_code == 302
    assert log_in(Client(), "secret", name="other").status_code == 302


def test_who_has_no_address_is_locked_too(client: Client) -> None:
    staff()
    for _ in range(5):
        response = log_in(client, "wrong", "")
    assert response.status_code == 429
    assert log_in(client, "secret", "").status_code == 429
    assert log_in(client, "secret").status_code == 302


def test_one_password_on_many_names_locks_the_address(client: Client, admin_client: Client) -> None:
    staff()
    assert spray(client, 49).status_code == 200
    assert spray(client, 50).status_code == 429
    assert log_in(client, "secret").status_code == 429
    assert log_in(client, "secret", "192.0.2.2").status_code == 302
    assert "address locked" in admin_client.get(LIST.format(AccessAttempt)).content.decode()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", ""])
def test_a_proxy_that_nobody_named_is_not_locked_for_everybody(
    client: Client, address: str
) -> None:
    staff()
    assert spray(client, 60, address).status_code == 200
    assert log_in(client, "secret", address).status_code == 302


def test_the_failures_of_an_address_are_over_with_the_lock(client: Client) -> None:
    staff()
    spray(client, 50)
    long_ago = timezone.now() - timedelta(minutes=16)
    AccessAttempt.objects.update(attempt_time=long_ago)
    assert log_in(client, "secret").status_code == 302


def test_who_has_a_network_of_ipv6_is_no_other_at_each_of_its_addresses(client: Client) -> None:
    staff()
    for number in range(1, 5):
        assert log_in(client, "wrong", f"2001:db8:0:1::{number}").status_code == 200
    assert log_in(client, "wrong", "2001:db8:0:1:ffff::5").status_code == 429
    assert log_in(client, "secret", "2001:db8:0:1::6").status_code == 429
    assert log_in(client, "secret", "2001:db8:0:2::1").status_code == 302
    assert AccessAttempt.objects.get().ip_address == "2001:db8:0:1::"


def test_failures_of_many_programs_are_one_row_that_ends_the_lock(
    client: Client, admin_client: Client
) -> None:
    staff()
    for number in range(5):
        wrong = {"username": "staff", "password": "wrong"}
        response = client.post(
            LOGIN, wrong, REMOTE_ADDR="192.0.2.1", HTTP_USER_AGENT=f"program {number}"
        )
    assert response.status_code == 429
    attempt = AccessAttempt.objects.get()
    assert "locked" in admin_client.get(LIST.format(AccessAttempt)).content.decode()
    data = {"action": "delete_selected", "_selected_action": [attempt.pk], "post": "yes"}
    admin_client.post(LIST.format(AccessAttempt), data)
    assert log_in(client, "secret").status_code == 302


def test_a_lock_that_is_over_is_shown_as_none(client: Client, admin_client: Client) -> None:
    staff()
    fail(client, 5)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert ">locked<" not in admin_client.get(LIST.format(AccessAttempt)).content.decode()


def test_a_login_that_succeeds_forgets_the_failures_before_it(client: Client) -> None:
    staff()
    fail(client, 4)
    assert log_in(client, "secret").status_code == 302
    assert not AccessAttempt.objects.exists()


def test_an_administrator_sees_the_failures_and_ends_a_lock(
    client: Client, admin_client: Client
) -> None:
    staff()
    fail(client, 5)
    attempt = AccessAttempt.objects.get()
    page = admin_client.get(LIST.format(AccessAttempt)).content.decode()
    assert "192.0.2.1" in page
    assert "locked" in page
    data = {"action": "delete_selected", "_selected_action": [attempt.pk], "post": "yes"}
    admin_client.post(LIST.format(AccessAttempt), data)
    assert log_in(client, "secret").status_code == 302


def test_no_password_that_was_tried_is_kept(client: Client) -> None:
    staff()
    log_in(client, "nearly my password")
    attempt = AccessAttempt.objects.get()
    assert "nearly" not in f"{attempt.get_data}{attempt.post_data}{attempt.http_accept}"


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short-1x", "at least 12 characters"),
        ("password1234", "too common"),
        ("123456789012345", "entirely numeric"),
        ("doualaadmin1", "too similar"),
    ],
)
def test_a_weak_password_is_refused_in_words(password: str, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_password(password, User(username="doualaadmin"))
    assert any(words in message for message in refused.value.messages), refused.value.messages
