"""What browsers may do with our pages."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from backupmonitor.headers import ADMIN_POLICY, POLICY, security_headers


@pytest.mark.django_db
def test_pages_of_the_admin_allow_no_script_in_their_text(admin_client: Client) -> None:
    for url in ("/admin/", "/admin/login/"):
        policy = admin_client.get(url).headers["Content-Security-Policy"]
        assert policy == ADMIN_POLICY
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "'unsafe-inline'" not in policy.replace("style-src-attr 'unsafe-inline'", "")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


@pytest.mark.django_db
def test_other_pages_allow_no_evaluation_either(client: Client) -> None:
    policy = client.get("/nowhere/").headers["Content-Security-Policy"]
    assert policy == POLICY
    assert "unsafe" not in policy


def test_a_view_that_sets_its_own_policy_keeps_it() -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Content-Security-Policy": "sandbox"})

    response = security_headers(view)(RequestFactory().get("/"))
    assert response.headers["Content-Security-Policy"] == "sandbox"
    assert "camera=()" in response.headers["Permissions-Policy"]


@pytest.mark.django_db
def test_no_page_of_the_admin_holds_a_style_sheet_or_a_script(admin_client: Client) -> None:
    for url in ("/admin/", "/admin/auth/user/add/", "/admin/scanner/expectedbackupjob/add/"):
        page = admin_client.get(url).content.decode()
        assert "<style" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("site", "host", "seconds", "told"),
    [
        ("https://backups.example", "backups.example", 86400, "max-age=86400"),
        ("https://backups.example", "127.0.0.1:8000", 86400, None),
        ("https://backups.example", "backups.example", 0, None),
        ("http://backups.example", "backups.example", 86400, None),
    ],
)
def test_behind_a_proxy_browsers_are_told_to_insist_on_https(
    settings: Settings, site: str, host: str, seconds: int, told: str | None
) -> None:
    settings.SITE_URL, settings.SECURE_HSTS_SECONDS = site, seconds
    settings.ALLOWED_HOSTS = [host.partition(":")[0]]
    answer = Client().get("/admin/login/", HTTP_HOST=host)
    assert answer.status_code == 200
    assert answer.headers.get("Strict-Transport-Security") == told
