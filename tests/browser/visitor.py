"""Somebody who looks at the site through a browser, and notes what the browser complains about."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect

WIDE, NARROW, HUGE = 1400, 360, 2560
HEIGHT = 900
REFUSAL, SERVER_ERROR = 400, 500
# A machine that runs other tests at the same time is slow, and not broken.
expect.set_options(timeout=20_000)
_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`against the policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


class Visitor:
    """A profile of a browser with one page; logged in as `user`, if one is given."""

    def __init__(
        self,
        browser: Browser,
        site: str,
        user: User | None = None,
        *,
        width: int = WIDE,
        scheme: Any = "light",
        language: str = "en",
    ) -> None:
        self.site = site
        self.complaints: list[str] = []
        self._context = browser.new_context(
            base_url=site,
            viewport={"width": width, "height": HEIGHT},
            color_scheme=scheme,
            reduced_motion="reduce",
            locale={"en": "en-GB", "fr": "fr-FR"}[language],
            timezone_id="Europe/Paris",
        )
        self._context.add_init_script(_TELL_VIOLATIONS)
        self._context.on("page", self._watch)
        if user is not None:
            self._log_in(user)
        self.page: Page = self._context.new_page()

    def visit(self, name: str, *arguments: object, query: str = "") -> Page:
        """Open the page of a URL's name, which must be there for this visitor."""
        path = reverse(name, args=arguments)
        response = self.page.goto(path + query)
        assert response is not None
        assert response.status == 200, f"{path}: {response.status}"
        assert urlsplit(self.page.url).path == path, f"{path} led to {self.page.url}"
        return self.page

    def open(self, path: str, status: int = 200) -> None:
        """Open an address that answers so, and wait until it shows what it has."""
        response = self.page.goto(path)
        # None where the address differs from the one before in its fragment alone.
        assert response is None or response.status == status, f"{path}: {response.status}"
        expect(self.page.locator("html[x-cloak]")).to_have_count(0)
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def show_in(self, scheme: Any) -> None:
        """Have what is opened from now on be light or dark."""
        self.page.emulate_media(color_scheme=scheme)

    def status_of(self, name: str, *arguments: object) -> int:
        """Give how the server answers this visitor, without showing it."""
        return self.page.request.get(reverse(name, args=arguments), max_redirects=0).status

    def leave(self) -> None:
        """Close the browser's profile."""
        self._context.close()

    def _log_in(self, user: User) -> None:
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": self.site}
        self._context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict's keys

    def _watch(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("request", self._follow)
        page.on("response", self._read)

    def _hear(self, message: ConsoleMessage) -> None:
        # How a page answers is for `_read`: a form that is refused has its own status.
        is_of_response = "the server responded with a status of" in message.text
        if message.type in ("error", "warning") and not is_of_response:
            where = message.location.get("url", "")
            self.complaints.append(f"{message.page and message.page.url}: {message.text} ({where})")

    def _follow(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and not request.url.startswith(f"{self.site}/"):
            self.complaints.append(f"asked another host: {request.url}")

    def _read(self, response: Response) -> None:
        limit = SERVER_ERROR if response.request.is_navigation_request() else REFUSAL
        if response.status >= limit:
            self.complaints.append(f"{response.url}: {response.status}")


Come = Callable[..., Visitor]
"""Has somebody come to the site: as a user, or as nobody, with a Visitor's options."""
