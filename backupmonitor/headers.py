"""What a browser may do with our pages: a content security policy, no sensors, https where it is.

Everything comes from this server; nothing runs, nor looks, from within a page's text. `unsafe-eval`
is what the admin's Alpine.js needs to read its attributes, and is given to the admin alone; style
*attributes* are set by its widgets. A view that has set a header of its own keeps it.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_ADMIN = _POLICY | {"script-src": "'self' 'unsafe-eval'"}
_ELSEWHERE = {name: value for name, value in _POLICY.items() if name != "style-src-attr"}


def _written(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())


ADMIN_POLICY = _written(_ADMIN)
POLICY = _written(_ELSEWHERE)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def is_admin(request: HttpRequest) -> bool:
    """Tell whether a page is the admin's."""
    return request.path_info.startswith("/admin/")


def is_public(request: HttpRequest) -> bool:
    """Tell whether somebody came by the public address over https, whoever unwraps that."""
    site = urlsplit(settings.SITE_URL)
    return site.scheme == "https" and request.META.get("HTTP_HOST") == site.netloc


def security_headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give the middleware."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        policy = ADMIN_POLICY if is_admin(request) else POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        # Django says so only where it knows of the https: not behind every proxy.
        if settings.SECURE_HSTS_SECONDS and is_public(request):
            seconds = f"max-age={settings.SECURE_HSTS_SECONDS}"
            response.headers.setdefault("Strict-Transport-Security", seconds)
        return response

    return respond
