"""How commands talk to people: tables and a progress bar on a terminal, colours by status."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from scanner.pipeline.text import escaped
from scanner.scan import Progress as Watch

KIBI = 1024
# Wider than anything printed: away from a terminal nothing is wrapped.
UNBOUNDED = 1_000_000
COLOURS = {
    "SUCCESS": "green",
    "UNCHANGED": "cyan",
    "FAILED": "bold red",
    "CORRUPT": "bold magenta",
    "MISSING": "bold yellow",
    "UNKNOWN": "dim",
}


Stream = TextIO | OutputWrapper


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the exit code to `exits`, where rich would exit with 1."""
        raise BrokenPipeError


def console(stream: Stream) -> Console:
    """Give a console on a command's stream; away from a terminal lines are as long as they are."""
    width = None if stream.isatty() else UNBOUNDED
    return _Console(file=cast(TextIO, stream), width=width, emoji=False)


def coloured(status: str) -> Text:
    """Give a status in its colour."""
    return Text(status, style=COLOURS.get(status, ""))


def print_table(
    stream: Stream, columns: Iterable[str], rows: Iterable[Iterable[str | Text]]
) -> None:
    """Print a table; strings are shown as they are, whatever markup an agent put into them."""
    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(escaped(cell)) for cell in row))
    target, drawn = console(stream), io.StringIO()
    target.file = drawn
    target.print(shown)
    # The last column is filled up with spaces to its longest message.
    stream.write("".join(f"{line.rstrip(' ')}\n" for line in drawn.getvalue().split("\n")[:-1]))


def print_line(stream: Stream, text: str, style: str = "") -> None:
    """Print a line of words as they are, in a style on a terminal."""
    console(stream).print(Text(escaped(text), style=style))


def bytes_in_words(size: int | None) -> str:
    """Give a size in bytes as people read it, in powers of 1024."""
    if size is None:
        return ""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < KIBI or unit == "TiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= KIBI
    raise AssertionError("the last unit takes every size")


@contextmanager
def progress(stream: Stream) -> Iterator[Watch]:
    """Show how far a scan is, on a terminal only; give the function to tell it to."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = Progress(*columns, console=console(stream), transient=True, disable=not stream.isatty())
    with shown:
        task = shown.add_task("verifying", total=None)

        def tell(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        yield tell
