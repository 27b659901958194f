"""How a job stands, in sentences: pure, from facts, in the language and zone that are active.

What is most worth knowing comes first: that nobody expects anything, that something is wrong, that
all is well. Then the last good copy and what is known of it, then what comes next.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner.admin import when
from scanner.admin.job_facts import Copy, Facts
from scanner.admin.unfolded import Words
from scanner.alerts.wording.units import length
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES


class Tone(StrEnum):
    """How good the news is: one of the kinds of label."""

    GOOD = "success"
    WARNING = "warning"
    PROBLEM = "danger"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Told:
    """The words: the one sentence that matters most, and the others."""

    tone: Tone
    headline: str
    more: tuple[str, ...]


_TROUBLES: Mapping[str, Words] = {
    "backup_failed": gettext_lazy(
        "Failing since %(since)s: the agent could not dump the database."
    ),
    "compress_failed": gettext_lazy(
        "Failing since %(since)s: the agent could not compress the dump."
    ),
    "transfer_failed": gettext_lazy(
        "Failing since %(since)s: the agent could not send the backup."
    ),
    "operation_failed": gettext_lazy(
        "Failing since %(since)s: the whole operation of the agent failed."
    ),
    "unsafe_file": gettext_lazy("Corrupt since %(since)s: what was sent is no regular file."),
    "size_mismatch": gettext_lazy(
        "Corrupt since %(since)s: the file is not as large as the agent says."
    ),
    "hash_mismatch": gettext_lazy(
        "Corrupt since %(since)s: the file is not the one that the agent made."
    ),
    "unreadable_archive": gettext_lazy("Corrupt since %(since)s: the archive cannot be read."),
    "empty_dump": gettext_lazy("Corrupt since %(since)s: the dump is empty."),
    "content_mismatch": gettext_lazy(
        "Corrupt since %(since)s: the dump inside is not the one that was made."
    ),
    "truncated_dump": gettext_lazy("Corrupt since %(since)s: the dump is cut off."),
    "too_small": gettext_lazy("Corrupt since %(since)s: the backup is far too small."),
    "no_report": gettext_lazy("Missing since %(since)s: nothing came."),
    "file_absent": gettext_lazy("Missing since %(since)s: the report came, its file did not."),
}
"""Each reason of a problem, with the day since when the job is in its status."""


def tell(facts: Facts, now: datetime) -> Told:
    """Say how a job stands."""
    tone, headline = _headline(facts, now)
    return Told(tone, headline, tuple(_more(facts, now)))


def _headline(facts: Facts, now: datetime) -> tuple[Tone, str]:
    if facts.retired_at is not None:
        words = _("Retired since %(since)s: no backup of it is expected any more.")
        return Tone.NEUTRAL, words % {"since": when.since(facts.retired_at, now)}
    if facts.awaits_adoption and not _is_in_trouble(facts):
        return Tone.WARNING, _to_adopt()
    return _watched(facts, now) if facts.is_active else (Tone.NEUTRAL, _paused(facts, now))


def _is_in_trouble(facts: Facts) -> bool:
    """Tell whether the job counts as a problem, wherever jobs are counted; see `totals`."""
    return facts.is_active and facts.retired_at is None and facts.status in PROBLEM_STATUSES


def _to_adopt() -> str:
    return _(
        "To adopt: reports mention this database, and nobody has said yet when its backups are due."
    )


def _watched(facts: Facts, now: datetime) -> tuple[Tone, str]:
    tone = Tone.NEUTRAL
    if facts.status in PROBLEM_STATUSES:
        tone, words = Tone.PROBLEM, _trouble(facts, now)
    elif not facts.is_judged:
        words = _("Never judged yet: no backup has come, and none is overdue.")
    elif facts.status == Status.UNKNOWN.value:
        words = _("It cannot be told how the last backup went.")
    elif facts.is_late and len(facts.warnings) == 1:
        tone, words = Tone.WARNING, _("The last backup is good, but it came late.")
    elif facts.warnings:
        tone, words = Tone.WARNING, _("The last backup is good, with warnings: %(warnings)s.")
        words %= {"warnings": ", ".join(facts.warnings)}
    else:
        tone, words = Tone.GOOD, _fine(facts, now)
    return tone, words


def _paused(facts: Facts, now: datetime) -> str:
    if facts.paused_at is None:
        return _("Paused: it is not watched.")
    words = {"since": when.since(facts.paused_at, now), "who": facts.paused_by}
    if facts.paused_by:
        return _("Paused by %(who)s since %(since)s: it is not watched.") % words
    return _("Paused since %(since)s: it is not watched.") % words


def _trouble(facts: Facts, now: datetime) -> str:
    words = {"since": when.since(facts.since or now, now), "count": facts.problem_cycles}
    if facts.reason == "no_report" and facts.problem_cycles > 1:
        return (
            ngettext(
                "Missing since %(since)s: no good backup for %(count)d cycle.",
                "Missing since %(since)s: no good backup for %(count)d cycles.",
                facts.problem_cycles,
            )
            % words
        )
    known = _TROUBLES.get(facts.reason)
    if known is None:
        return _("In trouble since %(since)s: %(reason)s.") % (words | {"reason": facts.reason})
    return str(known) % words


def _fine(facts: Facts, now: datetime) -> str:
    is_overdue = facts.deadline_at is not None and facts.deadline_at < now
    if facts.fine_since is None or facts.is_one_fine or is_overdue:
        if facts.is_scheduled:
            return _("The last backup came on time and is good.")
        return _("The last backup is good.")
    if facts.fine_count is not None:
        if facts.is_scheduled:
            words = _("The last %(count)d backups all came on time and are good.")
        else:
            words = _("The last %(count)d backups are all good.")
    elif not facts.is_scheduled:
        words = _("Every backup has been good since %(since)s.")
    elif facts.is_daily:
        words = _("On time every day since %(since)s.")
    else:
        words = _("On time in every cycle since %(since)s.")
    return words % {"since": when.since(facts.fine_since, now), "count": facts.fine_count}


def _more(facts: Facts, now: datetime) -> Iterator[str]:
    is_watched = facts.is_active and not facts.awaits_adoption and facts.retired_at is None
    if facts.awaits_adoption and _is_in_trouble(facts):
        yield from _of_verdict(facts, now)
        yield _to_adopt()
    elif not is_watched:
        yield from _of_pause(facts, now)
    elif facts.is_judged:
        yield from _of_verdict(facts, now)
    yield from _of_copy(facts, now)
    if is_watched:
        yield _of_next(facts, now)


def _of_pause(facts: Facts, now: datetime) -> Iterator[str]:
    if facts.awaits_adoption or facts.retired_at is not None:
        return
    if facts.pause_reason:
        yield _("The reason given: “%(reason)s”") % {"reason": facts.pause_reason}
    if facts.paused_until is None:
        yield _("It stays so until somebody resumes it.")
    else:
        until = when.moment(facts.paused_until, now)
        yield _("It is resumed by itself on %(moment)s.") % {"moment": until}


def _of_verdict(facts: Facts, now: datetime) -> Iterator[str]:
    if facts.status in PROBLEM_STATUSES:
        count = facts.problem_cycles
        if count > 1 and facts.reason != "no_report":
            words = ngettext(
                "That is %(count)d cycle in a row without a good backup.",
                "That is %(count)d cycles in a row without a good backup.",
                count,
            )
            yield words % {"count": count}
    elif facts.warnings and not facts.is_late and facts.fine_since is not None:
        yield _fine(facts, now)


def _of_copy(facts: Facts, now: datetime) -> Iterator[str]:
    """Tell the last good copy, its proof, and for how long its content has been the same."""
    if facts.last_good_at is None:
        yield _("There is no good copy yet.")
        return
    words = {"age": length(now - facts.last_good_at)}
    if facts.last_copy is Copy.ABSENT:
        yield _("The last good backup is %(age)s old; it is not in the vault.") % words
    elif facts.last_copy is Copy.DELETED:
        yield _("The last good backup is %(age)s old; its copy was deleted.") % words
    elif facts.restored_at is not None and facts.is_last_restored:
        words["day"] = _day(facts.restored_at, now)
        yield _("The last good copy is %(age)s old, proven restorable on %(day)s.") % words
    else:
        yield _("The last good copy is %(age)s old.") % words
    if facts.restored_at is None:
        yield _("No copy of it was ever restored for a proof.")
    elif not facts.is_last_restored and facts.restored_backup is not None:
        proof = {
            "made": _day(facts.restored_backup, now),
            "day": _day(facts.restored_at, now),
        }
        yield _("The backup of %(made)s was proven restorable on %(day)s.") % proof
    if facts.unchanged_cycles:
        yield (
            ngettext(
                "Its content was the same %(count)d time in a row.",
                "Its content was the same %(count)d times in a row.",
                facts.unchanged_cycles,
            )
            % {"count": facts.unchanged_cycles}
        )


def _of_next(facts: Facts, now: datetime) -> str:
    if facts.due_at is None or facts.deadline_at is None:
        if facts.is_scheduled:
            return _("Its schedule brings no further backup.")
        return _("It has no schedule: a backup comes whenever it comes, and is never missing.")
    if now < facts.due_at:
        words = {
            "time": length(facts.due_at - now),
            "grace": length(facts.deadline_at - facts.due_at),
        }
        if facts.deadline_at == facts.due_at:
            return _("The next one is due in %(time)s.") % words
        return _("The next one is due in %(time)s, and may take %(grace)s more.") % words
    past = {"past": length(now - facts.due_at)}
    if now <= facts.deadline_at:
        past["left"] = length(facts.deadline_at - now)
        return _("One has been due for %(past)s; it may come for another %(left)s.") % past
    return _("One has been due for %(past)s; its deadline has passed, the next scan says so.") % (
        past
    )


def _day(at: datetime, now: datetime) -> str:
    return when.near_day(when.local_day(at), when.local_day(now))
