"""The pages that say why something is not shown or not done."""

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from tests.admin.rows import staff
from tests.scanning import make_job

pytestmark = pytest.mark.django_db
PAUSE = "/admin/scanner/expectedbackupjob/{}/pause/"


def test_whoever_may_not_do_it_is_told_whom_to_ask(client: Client) -> None:
    client.force_login(staff("view_expectedbackupjob"))
    answer = client.get(PAUSE.format(make_job().pk))
    assert answer.status_code == 403
    assert "Ask an administrator" in answer.content.decode()


def test_what_is_not_there_is_said_in_words_to_anybody(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert "<style" not in answer.content.decode()


def test_outside_the_admin_it_is_said_without_what_the_policy_keeps_from_running(
    client: Client,
) -> None:
    page = client.get("/nowhere/").content.decode()
    assert "x-cloak" not in page
    assert "alpine" not in page


def test_a_form_that_is_too_old_says_that_nothing_was_changed(admin_user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    answer = strict.post(PAUSE.format(make_job().pk), {"reason": "why"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


@pytest.fixture
def unlucky(admin_user: User) -> Client:
    """Give a client that is shown the error's page, as a browser is."""
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    return client


def answer_of(client: Client, error: Exception) -> tuple[int, str]:
    """Give what the board answers when each statement fails so."""

    def fail(*_: object) -> None:
        raise error

    with connection.execute_wrapper(fail):
        answer = client.get("/admin/", HTTP_ACCEPT_LANGUAGE="fr")
    return answer.status_code, answer.content.decode()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_without_a_database_the_page_says_so_and_that_nothing_is_lost(
    unlucky: Client, error: type[Exception]
) -> None:
    status, page = answer_of(unlucky, error("the server closed the connection: host=db.example"))
    assert status == 503
    assert "La base de données ne répond pas" in page
    assert "est perdu" in page
    assert "db.example" not in page
    assert "<script>" not in page


def test_a_fault_says_in_words_what_to_do_and_nothing_of_itself(unlucky: Client) -> None:
    status, page = answer_of(unlucky, RuntimeError("a secret"))
    assert status == 500
    assert "pas pu être produite" in page
    assert "a secret" not in page
