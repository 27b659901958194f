"""Each kind of trouble is worded, and says what to try first."""

import pytest

from scanner.alerts.standing import ONLY_COPY_IS_STAGED, TOLD
from scanner.alerts.wording import advice, compose
from scanner.alerts.wording.headlines import OF_REASON, headline
from scanner.models import VaultFinding
from scanner.pipeline.verdict import Reason
from tests.alerts.rows import builtin, make_delivery, make_event, make_incident
from tests.scanning import NOW

VAULT = [*(one.value for one in VaultFinding.Kind), "room"]
SERVER = [
    *(("scan", reason) for reason in ("failed", "interrupted", "incomplete", "deposit_root")),
    *(("task", reason) for reason in ("failed", "interrupted")),
    ("scheduler", "nobody_led"),
    ("channel", "failing"),
]
VERDICTS = [*(one.value for one in Reason), *TOLD, ONLY_COPY_IS_STAGED]


@pytest.mark.parametrize("reason", VERDICTS)
def test_each_reason_and_warning_is_worded_and_says_what_to_try(reason: str) -> None:
    assert OF_REASON[reason]
    assert advice.for_reason(reason)


def test_nothing_is_advised_of_what_is_never_told() -> None:
    told = {*VERDICTS, *VAULT, *(reason for _, reason in SERVER)}
    assert set(advice.OF_REASON) == told
    assert set(OF_REASON) == set(VERDICTS)


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", VAULT)
def test_each_trouble_of_the_vault_is_worded(kind: str, count: int) -> None:
    facts = {"count": count, "days": count + 0.5}
    incident = make_incident(kind="vault", key=f"vault:{kind}", reason=kind, facts=facts)
    words = headline(incident, {})
    assert words.startswith("Vault: ")
    assert str(count) in words
    assert ("copies" in words or "files" in words or "days" in words) is (count > 1)


@pytest.mark.django_db
def test_a_vault_that_is_full_within_a_day_is_not_full_in_zero_days() -> None:
    incident = make_incident(kind="vault", key="vault:room", reason="room", facts={"days": 0.4})
    assert headline(incident, {}) == "Vault: full within a day at this pace"


@pytest.mark.django_db
def test_damaged_copies_are_told_with_their_places_and_which_is_the_last_good_one() -> None:
    facts = {
        "count": 9,
        "places": [["ACME", "DOUALA", f"N{number}"] for number in range(7)],
        "samples": [
            {"path": "ACME/a.gz", "job": "ACME_2025", "message": "It rotted.", "is_last_good": True}
        ],
    }
    incident = make_incident(kind="vault", key="vault:damaged", reason="damaged", facts=facts)
    text = compose(
        builtin(), "ops@example.com", [make_delivery(make_event(incident))], now=NOW
    ).text.replace("\n  ", " ")
    assert "Where: ACME / DOUALA / N0; " in text
    assert "ACME / DOUALA / N4; and 2 more" in text
    assert "ACME/a.gz: It rotted. It is the last good copy of ACME_2025." in text


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "reason"), SERVER)
def test_each_trouble_of_the_server_is_worded(kind: str, reason: str) -> None:
    incident = make_incident(kind=kind, key=kind, reason=reason, name="prune", facts={"error": "e"})
    delivery = make_delivery(make_event(incident))
    message = compose(builtin(), "ops@example.com", [delivery], now=NOW)
    assert message.subject.startswith("[PROBLEM] ")
    assert "What was found: e" in message.text
    assert "What to try first" in message.text
