"""Which failed logins lock whom out; django-axes keeps the count, in the database.

A name is locked at the address at which it failed too often, and an address for every name when so
many failed from it that somebody must be trying one password on many names.
"""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.db.models import Sum
from django.http import HttpRequest

from scanner import conf
from scanner.visitor_address import address_of

NAMES = 10
"""An address is locked when as many logins failed from it as lock so many names."""
NOWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it
"""Stands in the count for the address of whoever has none."""
_OF_ONE_HOUSEHOLD = 64  # bits of an address of IPv6: who has one has all that begin alike


def counted_address_of(request: HttpRequest) -> str:
    """Give the address under which failed logins count.

    It is the network where the address is one of IPv6, which nobody has only one of; and one for
    all of whom nobody knows it: else none of theirs would be found again, nobody of them be locked.
    """
    text = address_of(request)
    if not text:
        return NOWHERE
    address = ip_address(text)
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return str(ip_network(f"{address}/{_OF_ONE_HOUSEHOLD}", strict=False).network_address)
    return text


def locks_address(address: str, failures: int) -> bool:
    """Tell whether so many failed logins, under whatever names, lock an address for every name."""
    return _is_somebodys(address) and failures >= NAMES * conf.login_failures()


class LoginGuard(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """What django-axes does, with a second limit; named in the settings (AXES_HANDLER)."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Give the failures of the name where it comes from; at least the limit if that is locked.

        `request` is one that axes has prepared: it bears the address that counts.
        """
        failures = int(super().get_failures(request, credentials))
        address = request.axes_ip_address  # type: ignore[attr-defined]  # set by axes
        if failures >= conf.login_failures() or not _is_somebodys(address):
            return failures
        recent = AccessAttempt.objects.filter(
            ip_address=address, attempt_time__gte=get_cool_off_threshold(request)
        )
        of_all = recent.aggregate(Sum("failures_since_start"))["failures_since_start__sum"] or 0
        return conf.login_failures() if locks_address(address, of_all) else failures

    def user_login_failed(
        self,
        sender: Any,
        credentials: dict[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a failure in the one row of its name and address, whatever program it came from."""
        if request is not None:
            request.axes_user_agent = ""  # type: ignore[attr-defined]  # set by axes
        super().user_login_failed(sender, credentials, request, **kwargs)


def _is_somebodys(address: str) -> bool:
    """Tell whether an address is that of somebody, and not of a proxy that nobody named."""
    return address != NOWHERE and not ip_address(address).is_loopback
