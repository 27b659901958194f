"""Makes one message of all that one recipient is to be told."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from scanner import conf
from scanner.alerts.message import Message
from scanner.alerts.wording import blocks, items, units
from scanner.alerts.wording.blocks import Block
from scanner.alerts.wording.items import IN_FULL, Item, Items
from scanner.alerts.wording.plain import as_text
from scanner.board import moment
from scanner.models import Channel, Delivery
from scanner.pipeline.text import clean

LONGEST_SUBJECT = 150
LONGEST_MESSAGE = 1000
VERSION = 1


def compose(
    channel: Channel, recipient: str, deliveries: Sequence[Delivery], *, now: datetime
) -> Message:
    """Give the message that tells a recipient of all these events, in his language.

    Its size is bounded, and so is the number of statements, up to batches.
    """
    found = items.read(deliveries)
    with units.speaking_to(channel, recipient):
        subject = _subject(found, now)
        first = [item for item in found.shown[:IN_FULL] if not item.is_folded]
        full = [blocks.block(item, now) for item in first]
        briefly = [blocks.brief(item, now) for item in found.shown[len(first) :]]
        more = found.total - len(found.shown)
        hint = ""
        if any(not item.is_over and not item.incident.is_known(now) for item in found.shown):
            hint = _("Say that you know: acknowledge it on its page, and reminders stop.")
        text, html = render(subject, full, briefly, more=more, hint=hint)
    number = hashlib.sha256(
        ",".join(str(one.pk) for one in sorted(deliveries, key=lambda one: one.pk)).encode()
    ).hexdigest()[:32]
    data = {
        "version": VERSION,
        "id": number,
        "at": moment(now),
        "incidents": [_data(item, now) for item in found.shown],
        "more": more,
    }
    return Message(subject, text, html, data, is_problem=found.is_urgent)


def test_message(channel: Channel, recipient: str, *, now: datetime) -> Message:
    """Give a message that only shows that a channel works."""
    with units.speaking_to(channel, recipient):
        subject = _("[TEST] backupmonitor can reach you")
        words = _(
            "This is a test of the channel “%(name)s”, sent %(moment)s. Nothing is wrong: you "
            "would be told here of what is."
        ) % {"name": channel.name, "moment": units.moment(now)}
        block = Block(_("TEST"), "good", words, links=(blocks.link_to_all(),))
        text, html = render(subject, [block], [])
    number = hashlib.sha256(f"test {channel.pk} {recipient} {now}".encode()).hexdigest()[:32]
    data = {"version": VERSION, "id": number, "at": moment(now), "incidents": [], "more": 0}
    return Message(subject, text, html, {**data, "test": True})


test_message.__test__ = False  # type: ignore[attr-defined]  # its name is a word of the domain


def render(
    subject: str, full: Sequence[Block], briefly: Sequence[Block], *, more: int = 0, hint: str = ""
) -> tuple[str, str]:
    """Give the text and the HTML of a message, in the language that is active."""
    rest = ""
    if more:
        rest = ngettext("And %(count)d more.", "And %(count)d more.", more) % {"count": more}
    site = conf.site_url()
    context = {
        "subject": subject,
        "language": get_language(),
        "full": full,
        "briefly": briefly,
        "rest": rest,
        "hint": hint,
        "site": site,
        "zone": timezone.get_current_timezone_name(),
    }
    html = render_to_string("scanner/mail/message.html", context)
    return as_text(full, briefly, [rest, hint, f"backupmonitor, {site}"]), html


def _subject(found: Items, now: datetime) -> str:
    """Begin with the worst thing and its place; count what there is besides."""
    if not found.shown:
        return "backupmonitor"
    first: Item = found.shown[0]
    words = f"[{blocks.tag(first)}] {blocks.line(first, now)}"
    is_over = first.kind == items.Kind.RECOVERED.value
    is_counted = not is_over and not first.is_folded
    problems = found.problems - (is_counted and first.is_problem)
    warnings = found.warnings - (is_counted and not first.is_problem)
    recovered = found.recovered - is_over
    others = []
    if problems:
        others.append(
            ngettext("%(count)d more problem", "%(count)d more problems", problems)
            % {"count": problems}
        )
    if warnings:
        others.append(
            ngettext("%(count)d warning", "%(count)d warnings", warnings) % {"count": warnings}
        )
    if recovered:
        others.append(
            ngettext("%(count)d recovered", "%(count)d recovered", recovered) % {"count": recovered}
        )
    rest = f" (+ {', '.join(others)})" if others else ""
    return f"{Truncator(words).chars(LONGEST_SUBJECT - len(rest))}{rest}"


def _data(item: Item, now: datetime) -> dict[str, Any]:
    """Give an incident as programs see it: in the machine's words."""
    incident, told = item.incident, item.event.facts
    job = incident.job
    is_known = incident.is_known(now)
    return {
        "id": incident.pk,
        "event": item.kind,
        "kind": incident.kind,
        "level": told.get("level", incident.level),
        "status": told.get("status", ""),
        "reason": told.get("reason", ""),
        "warnings": told.get("warnings", []),
        "company": incident.company,
        "city": incident.city,
        "neighborhood": incident.neighborhood,
        "agent": incident.agent_id,
        "name": incident.name,
        "since": moment(incident.since),
        "opened_at": moment(incident.opened_at),
        "ended_at": moment(incident.ended_at),
        "count": told.get("count"),
        "of": told.get("of"),
        "acknowledged_by": incident.acknowledged_by if is_known else None,
        "last_good_at": moment(job.last_good_at) if job else None,
        "message": _message(item),
        "url": blocks.url_of(incident),
    }


def _message(item: Item) -> str:
    if entry := item.event.entry or (item.incident.job and item.incident.job.last_entry):
        return clean(entry.message, LONGEST_MESSAGE)
    return clean(str(item.incident.facts.get("error", "")), LONGEST_MESSAGE)
