"""The part of `checks` that proves what is an address: of the web, of mail, of a proxy."""

from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from scanner import checks, conf, visitor_address


@register(checks.TAG)
def check_addresses(**_: Any) -> list[CheckMessage]:
    """Prove that addresses of the web and of mail are such."""
    site, heartbeat = conf.site_url(), conf.heartbeat_url()
    found: list[CheckMessage] = []
    expected = "an address that begins with http:// or https://"
    if not _is_web_address(site):
        found.append(checks.wrong("E014", "SITE_URL", repr(site), expected))
    if heartbeat and not _is_web_address(heartbeat):
        found.append(checks.wrong("E015", "HEARTBEAT_URL", repr(heartbeat), expected))
    found += [
        checks.wrong("E016", "ADMIN_EMAIL_RECIPIENTS", repr(address), "an e-mail address")
        for address in conf.admin_email_recipients()
        if not _is_mail_address(address)
    ]
    if not _is_mail_address(parseaddr(sender := conf.default_from_email())[1]):
        found.append(checks.wrong("E017", "DEFAULT_FROM_EMAIL", repr(sender), "an e-mail address"))
    return found


@register(checks.TAG)
def check_proxies(**_: Any) -> list[CheckMessage]:
    """Prove that it can be told of each visitor whether it is a trusted proxy."""
    expected = (
        f"an address or a network, like 10.0.0.0/24, or {visitor_address.SOCKET} for a proxy that "
        "calls through a socket"
    )
    return [
        checks.wrong("E031", "TRUSTED_PROXIES", repr(proxy), expected)
        for proxy in conf.trusted_proxies()
        if proxy != visitor_address.SOCKET and visitor_address.network_of(proxy) is None
    ]


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _is_mail_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
