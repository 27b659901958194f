"""The pages that say why something is not shown or not done."""

import pytest
from django.contrib.auth.models import User
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
