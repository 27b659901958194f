"""Whether somebody says to know of an incident: one rule, asked of a row and of the database."""

from datetime import timedelta
from typing import Any

import pytest

from scanner.models import Incident
from scanner.models.alert import known_at
from tests.alerts.rows import make_incident
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("fields", "is_known"),
    [
        ({}, False),
        ({"acknowledged_at": NOW}, True),
        ({"acknowledged_at": NOW, "acknowledged_until": NOW + HOUR}, True),
        ({"acknowledged_at": NOW - HOUR, "acknowledged_until": NOW}, False),
        ({"acknowledged_until": NOW + HOUR}, False),
    ],
)
def test_it_is_known_for_as_long_as_the_acknowledgement_counts(
    fields: dict[str, Any], is_known: bool
) -> None:
    incident = make_incident([make_job()], **fields)
    assert incident.is_known(NOW) is is_known
    assert Incident.objects.filter(known_at(NOW)).exists() is is_known
