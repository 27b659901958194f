"""What a scan run tells of the room in the vault."""

import re
from typing import Any

import pytest
from django.test import Client

from scanner.admin import shown
from tests.admin.fields import told
from tests.admin.test_history import html, make_run, page_of

GIB = 2**30


@pytest.mark.parametrize(
    ("free", "days", "words", "colour"),
    [
        (None, None, "—", None),
        (None, 3.0, "—", None),
        (GIB, None, "does not grow", None),
        (0, 0.0, "less than a day", "red"),
        (GIB, 0.9, "less than a day", "red"),
        (GIB, 1.0, "1 day", "red"),
        (GIB, 6.9, "6 days", "red"),
        (GIB, 7.0, "7 days", "orange"),
        (GIB, 29.9, "29 days", "orange"),
        (GIB, 30.0, "30 days", None),
        (GIB, 59.9, "59 days", None),
        (GIB, 60.0, "about 2 months", None),
        (GIB, 729.0, "about 24 months", None),
        (GIB, 730.0, "about 2 years", None),
        (GIB, 36_500.0, "about 100 years", None),
        (GIB, 1e9, "more than 100 years", None),
        (GIB, 1e300, "more than 100 years", None),
    ],
)
def test_the_time_until_the_vault_is_full_is_told_as_people_tell_it(
    free: int | None, days: float | None, words: str, colour: str | None
) -> None:
    told = shown.time_left(free, days)
    assert " ".join(re.sub(r"<[^>]*>", "", told).split()) == words
    assert re.findall(r"\btext-(red|orange)-", told)[:1] == ([colour] if colour else [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "free", "left"),
    [
        ({"vault_free_bytes": 5 * GIB, "vault_days_left": 12.4}, "5.0 GB", "12 days"),
        ({"vault_free_bytes": 5 * GIB}, "5.0 GB", "does not grow"),
        ({}, "—", "—"),
    ],
)
def test_a_run_tells_the_room_in_the_vault(
    admin_client: Client, fields: dict[str, Any], free: str, left: str
) -> None:
    page = html(admin_client, page_of(make_run(**fields)))
    assert told(page, "Free in the vault") == free
    assert told(page, "Time until the vault is full") == left
