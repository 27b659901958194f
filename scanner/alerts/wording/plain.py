"""A message as plain text, in lines that a phone shows whole."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from scanner.alerts.wording.blocks import Block
from scanner.models.naming import named

WIDTH = 66


def as_text(full: Sequence[Block], briefly: Sequence[Block], closing: Iterable[str]) -> str:
    """Give the text: each incident with a blank line around it, then the others, a line each."""
    parts = ["\n".join(_lines(block)) for block in full]
    if briefly:
        parts.append("\n".join(_wrapped(f"[{block.tag}] {block.headline}") for block in briefly))
    parts += [_wrapped(words) for words in closing if words]
    return "\n\n".join(parts) + "\n"


def _lines(block: Block) -> Iterator[str]:
    yield _wrapped(f"[{block.tag}] {block.headline}")
    for name, words in block.facts:
        yield _wrapped(named(name, words), indent="  ")
    for name, words in block.members:
        yield _wrapped(f"- {named(name, words)}" if words else f"  {name}", indent="  ")
    if block.advice:
        yield ""
        yield _wrapped(named(_("What to try first"), block.advice))
    for name, url in block.links:
        yield named(name, url)


def _wrapped(words: str, indent: str = "") -> str:
    return textwrap.fill(
        words,
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
