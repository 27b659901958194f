"""The key that signs sessions, made at the first start when the operator gave none."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def persistent_secret_key(path: Path) -> str:
    """Give the key kept in `path`, making it, readable by its owner alone, if there is none.

    Processes that start together get the same key. Raises ImproperlyConfigured when the key can
    neither be read nor kept.
    """
    try:
        if not path.exists():
            _create(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set, and no key can be kept in {path} ({error}); "
            "set SECRET_KEY or make that file accessible."
        ) from error
    if not key:
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set and {path} is empty; delete that file or set SECRET_KEY."
        )
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(get_random_secret_key() + "\n")
        # A link is made whole or not at all: a rival that starts now never reads half a key.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
