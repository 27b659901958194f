"""The environment as values; a failure names the variable, what was found and what was expected.

`settings.py` is its only caller. A variable that is blank counts as not set, so that the lines of
`.env.example` may be filled in one by one. A range or a meaning is not proven here but by
`scanner/checks.py`: here a text becomes a value or is refused.
"""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from environs import Env

T = TypeVar("T")


class Environment:
    """Typed readers over the process's environment and, below it, one file of variables."""

    def __init__(self, default_file: Path) -> None:
        """Read the file that ENV_FILE names, else `default_file` if it exists.

        A variable of the process beats one of the file. Raises ImproperlyConfigured when the file
        cannot be read, or when ENV_FILE names one that does not exist.
        """
        self._env = Env()
        named = os.environ.get("ENV_FILE", "").strip()
        path = Path(named) if named else default_file
        try:
            found = self._env.read_env(path, recurse=False)
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(
                f"ENV_FILE: {path} cannot be read ({error}); expected lines like NAME=value."
            ) from error
        if named and not found:
            raise ImproperlyConfigured(
                f"ENV_FILE: there is no file {named!r}; create it or unset ENV_FILE."
            )

    def text(self, name: str, default: str = "") -> str:
        """Give the text as it is, without the spaces around it."""
        return self._read(name, str, default, "a text")

    def integer(self, name: str, default: int) -> int:
        """Give a whole number."""
        return self._read(name, int, default, "a whole number, like 15")

    def boolean(self, name: str, *, default: bool) -> bool:
        """Give true or false, in any spelling that environs knows."""
        return self._read(name, lambda _: self._env.bool(name), default, "true or false")

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """Give one of `choices`, letter case aside."""
        spelled = {choice.lower(): choice for choice in choices}
        return self._read(
            name, lambda raw: spelled[raw.lower()], default, f"one of {', '.join(choices)}"
        )

    def items(self, name: str, default: Collection[str] = ()) -> list[str]:
        """Give the items of a comma-separated list, without blank ones."""

        def split(raw: str) -> list[str]:
            return [item.strip() for item in raw.split(",") if item.strip()]

        return self._read(name, split, list(default), "a comma-separated list")

    def path(self, name: str, default: Path, base: Path) -> Path:
        """Give an absolute path: `~` is the home directory, a relative path starts at `base`."""
        return self._read(
            name, lambda raw: base / Path(raw).expanduser(), default, "the path of a directory"
        )

    def time_zone(self, name: str, default: str) -> str:
        """Give the name of a time zone that the zone database knows."""
        return self._read(
            name, lambda raw: ZoneInfo(raw).key, default, "a time zone, like Africa/Douala"
        )

    def database(self, name: str) -> dict[str, Any] | None:
        """Give the entry of DATABASES that a database URL describes, or None without a URL."""
        return self._read(
            name,
            lambda _: dict(self._env.dj_db_url(name)),
            None,
            "a database URL, like postgresql://user@host/name",
            secret=True,
        )

    def mail(self, name: str) -> dict[str, Any] | None:
        """Give the EMAIL_* settings that an e-mail URL describes, or None when there is no URL."""

        def parse(_: str) -> dict[str, Any]:
            settings = dict(self._env.dj_email_url(name))
            if "EMAIL_BACKEND" not in settings:
                raise ValueError(name)
            return settings

        return self._read(
            name,
            parse,
            None,
            "an e-mail URL, like smtp://user:password@host:587/?tls=true",
            secret=True,
        )

    def _read(
        self,
        name: str,
        parse: Callable[[str], T],
        default: T,
        expected: str,
        *,
        secret: bool = False,
    ) -> T:
        raw = self._env.str(name, "").strip()
        if not raw:
            return default
        try:
            return parse(raw)
        # ZoneInfo alone raises KeyError, ValueError or OSError; RuntimeError is expanduser's. None
        # of their messages names the variable.
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            # A URL may hold a password, and this message goes to logs.
            found = "a value that is not shown, as it may hold a password" if secret else repr(raw)
            raise ImproperlyConfigured(f"{name}: found {found}; expected {expected}.") from error
