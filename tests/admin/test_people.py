"""What the groups may do, and that nobody gives themselves more."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner import access, groups
from scanner.models import EVERY_COMPANY, CompanyGrant
from tests.admin.rows import LIST, staff, write

pytestmark = pytest.mark.django_db

USERS = LIST.format(User)


def member(group: str, *companies: str) -> User:
    user = staff(companies=companies, name=group)
    user.groups.add(Group.objects.get(name=group))
    return user


def user_form(user: User, **fields: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": "2026-03-02",
        "date_joined_1": "12:00:00",
        "company_grants-TOTAL_FORMS": "0",
        "company_grants-INITIAL_FORMS": "0",
        **fields,
    }


@pytest.mark.parametrize("name", groups.GROUPS)
def test_the_migration_made_each_group_as_the_command_would(name: str) -> None:
    group = Group.objects.get(name=name)
    assert set(group.permissions.all()) == groups.permissions_named(groups.GROUPS[name])


def test_the_command_brings_back_what_is_missing_and_takes_nothing() -> None:
    Group.objects.get(name=groups.VIEWER).delete()
    operators = Group.objects.get(name=groups.OPERATOR)
    operators.permissions.clear()
    own = Permission.objects.get(codename="download_backup")
    operators.permissions.add(own)
    out = StringIO()
    call_command("make_groups", stdout=out)
    assert "administrator: 0 permissions added" in out.getvalue()
    assert operators.permissions.contains(own)
    assert operators.permissions.count() == len(groups.GROUPS[groups.OPERATOR]) + 1
    assert Group.objects.get(name=groups.VIEWER).permissions.count()


def test_an_unknown_permission_is_named() -> None:
    with pytest.raises(LookupError, match=r"scanner\.fly"):
        groups.permissions_named(("scanner.fly",))


def test_administrators_see_every_company_and_others_what_they_are_granted() -> None:
    assert access.companies_of(member("administrator")) is access.EVERY
    assert access.companies_of(member("operator", "A")) == frozenset({"A"})
    assert access.companies_of(member("viewer")) == access.NONE


@pytest.mark.parametrize("group", groups.GROUPS)
def test_backups_are_downloaded_by_administrators_alone(group: str) -> None:
    user = member(group, EVERY_COMPANY)
    may = user.has_perm("scanner.download_backup")
    assert may is (group == groups.ADMINISTRATOR)


def test_whoever_is_no_superuser_makes_no_superuser(client: Client) -> None:
    administrator = member("administrator")
    client.force_login(administrator)
    page = f"{USERS}{administrator.pk}/change/"
    every = [str(key) for key in Permission.objects.values_list("pk", flat=True)]
    form = user_form(administrator, is_superuser="on", user_permissions=every)
    response = client.post(page, form)
    assert response.status_code == 302, response.context["errors"]
    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert not administrator.user_permissions.exists()


def test_whoever_is_no_superuser_cannot_reach_one(client: Client, admin_user: User) -> None:
    client.force_login(member("administrator"))
    assert "admin@example" not in client.get(USERS).content.decode()
    for what in ("change", "password", "delete", "history"):
        url = f"{USERS}{admin_user.pk}/{what}/"
        for response in (client.get(url), client.post(url, {"post": "yes"})):
            assert response.status_code in (302, 403, 404), url
            assert response.get("Location", "/admin/") == "/admin/", url
    admin_user.refresh_from_db()
    assert admin_user.check_password("password")


def test_companies_are_granted_on_the_page_of_a_user_and_of_a_group(
    admin_client: Client,
) -> None:
    write(2)
    user = staff(companies=(), name="new")
    page = f"{USERS}{user.pk}/change/"
    assert "Company 1 x" in admin_client.get(page).content.decode()
    grants = {
        "company_grants-TOTAL_FORMS": "1",
        "company_grants-0-user": user.pk,
        "company_grants-0-company": "Company 1 x",
    }
    response = admin_client.post(page, user_form(user, **grants))
    assert response.status_code == 302, response.context["errors"]
    assert access.companies_of(User.objects.get(pk=user.pk)) == frozenset({"Company 1 x"})

    group = Group.objects.create(name="ops")
    grants = {
        "name": "ops",
        "company_grants-TOTAL_FORMS": "1",
        "company_grants-INITIAL_FORMS": "0",
        "company_grants-0-group": str(group.pk),
        "company_grants-0-company": EVERY_COMPANY,
    }
    response = admin_client.post(f"{LIST.format(Group)}{group.pk}/change/", grants)
    assert response.status_code == 302, response.context["errors"]
    assert CompanyGrant.objects.get(group=group).company == EVERY_COMPANY


def test_a_company_that_there_is_not_is_not_granted(admin_client: Client) -> None:
    user = staff(companies=(), name="new")
    grants = {
        "company_grants-TOTAL_FORMS": "1",
        "company_grants-0-user": user.pk,
        "company_grants-0-company": "made up",
    }
    response = admin_client.post(f"{USERS}{user.pk}/change/", user_form(user, **grants))
    assert response.status_code == 200
    assert not CompanyGrant.objects.filter(user=user).exists()


def test_the_page_of_a_user_costs_the_same_for_many_grants(admin_client: Client) -> None:
    def cost(user: User) -> int:
        url = f"{USERS}{user.pk}/change/"
        admin_client.get(url)
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(url)
        return len(captured)

    few = staff(companies=[f"C{number}" for number in range(2)], name="few")
    many = staff(companies=[f"C{number}" for number in range(60)], name="many")
    assert cost(few) == cost(many)
