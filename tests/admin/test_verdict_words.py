"""A verdict's message is kept in English; other languages say first what it comes down to."""

import pytest
from django.utils.translation import override

from scanner.admin.verdict_words import said
from scanner.models import BackupEntry


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("SUCCESS", "", "arrivée intacte"),
        ("UNCHANGED", "", "arrivée intacte, au contenu inchangé depuis la dernière bonne"),
        ("CORRUPT", "truncated_dump", "le dump est tronqué"),
    ],
)
def test_in_french_the_verdict_comes_before_the_message(
    status: str, reason: str, words: str
) -> None:
    entry = BackupEntry(status=status, reason=reason, message="the <end> is missing")
    with override("fr"):
        shown = said(entry)
    assert shown.startswith(words)
    assert 'lang="en"' in shown
    assert "the &lt;end&gt; is missing" in shown


def test_in_english_the_message_says_it_all() -> None:
    entry = BackupEntry(status="CORRUPT", reason="truncated_dump", message="cut off")
    with override("en"):
        assert said(entry) == '<span class="bm-prose">cut off</span>'


def test_without_a_message_the_verdict_is_said_alone() -> None:
    with override("fr"):
        assert said(BackupEntry(status="SUCCESS")) == "arrivée intacte"
