"""From where a visitor came, as far as it can be believed.

Anybody may send the header X-Forwarded-For. It counts only as far as proxies of ours
(TRUSTED_PROXIES) wrote it: each of them adds, at its end, the address that it was called from.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from scanner import conf

SOCKET = "unix"
"""Stands among the trusted proxies for whoever calls through a socket, which has no address."""
_MOST_HOPS = 16
_LONGEST = 64

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def address_of(request: HttpRequest) -> str:
    """Give the address of whoever sent a request; empty where nobody knows it.

    1. Begin with who called this server.
    2. While that is a trusted proxy, go on to whom it says that it was called by.
    3. What is no address is said by nobody of ours: stay with the proxy that passed it on.
    """
    trusted = conf.trusted_proxies()
    networks = [network for one in trusted if (network := network_of(one)) is not None]
    at = _address(request.META.get("REMOTE_ADDR", ""))
    if at is None and SOCKET not in trusted:
        return ""
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", _MOST_HOPS)
    for hop in reversed(hops[-_MOST_HOPS:]):
        if at is not None and not any(at in network for network in networks):
            break
        before = _address(hop)
        if before is None:
            break
        at = before
    return "" if at is None else str(at)


def network_of(text: str) -> Network | None:
    """Give the addresses that a trusted proxy may have; None for what names none."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def _address(text: str) -> Address | None:
    """Read an address, which may have a port behind it; one of IPv4 in the clothes of IPv6 too."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
