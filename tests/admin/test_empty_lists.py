"""An empty list says why it is empty, and what to do."""

import pytest
from django.contrib import admin
from django.test import Client
from django.utils.translation import override

from scanner.admin.page import Page
from scanner.models import BackupEntry, ExpectedBackupJob, Incident, ScanRun, VaultCopy
from tests.admin.rows import LIST, MODELS, staff, write

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ExpectedBackupJob, "No backup is expected yet. Add a job, import a file of jobs"),
        (BackupEntry, "No backup was judged yet."),
        (Incident, "No incident is open"),
        (ScanRun, "manage.py scan_now"),
        (VaultCopy, "The vault holds no copy yet."),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_an_empty_list_says_what_to_do_next(admin_client: Client, model: type, words: str) -> None:
    assert words in admin_client.get(LIST.format(model)).content.decode()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_search_that_finds_nothing_says_how_to_see_all_again(
    admin_client: Client, model: type
) -> None:
    write(2)
    page = admin_client.get(f"{LIST.format(model)}?q=nothing-is-called-so", follow=True)
    shown = page.content.decode()
    if not getattr(admin.site.get_model_admin(model), "search_fields", ()):
        return
    assert "Nothing matches" in shown
    assert '<a class="bm-empty-way" href="?">' in shown


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_list_that_can_be_empty_has_words_for_it(model: type) -> None:
    page: object = admin.site.get_model_admin(model)
    assert isinstance(page, Page)
    with override("en"):
        assert str(page.empty_words) or model.__name__ == "Channel"  # one channel is built in


def test_adding_is_offered_to_those_who_may(client: Client) -> None:
    jobs = LIST.format(ExpectedBackupJob)
    way = f'class="bm-empty-way" href="{jobs}add/"'
    user = staff("view_expectedbackupjob", "add_expectedbackupjob")
    client.force_login(user)
    assert way in client.get(jobs).content.decode()
    user.user_permissions.remove(user.user_permissions.get(codename="add_expectedbackupjob"))
    assert way not in client.get(jobs).content.decode()


def test_who_was_granted_no_company_is_told_so(client: Client) -> None:
    write(1)
    user = staff("view_expectedbackupjob")
    user.company_grants.all().delete()
    client.force_login(user)
    page = client.get(LIST.format(ExpectedBackupJob)).content.decode()
    assert "You were granted no company: ask an administrator for one." in page
