"""How commands print: whole lines for programs, whatever strangers put into a name."""

import io

from rich.text import Text

from scanner.management import output

LONG = "word " * 500 + "end"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_a_row_is_a_line() -> None:
    stream = io.StringIO()
    output.print_table(stream, ("Name", "Message"), [("first", "short"), ("second", LONG)])
    assert stream.getvalue().splitlines() == [
        "Name    Message",
        "first   short",
        f"second  {LONG}",
    ]


def test_away_from_a_terminal_a_sentence_is_a_line() -> None:
    stream = io.StringIO()
    output.print_line(stream, LONG, "yellow")
    assert stream.getvalue() == f"{LONG}\n"


def test_on_a_terminal_lines_are_as_wide_as_it_is() -> None:
    stream = Terminal()
    output.print_table(stream, ("Name", "Message"), [("second", LONG)])
    lines = [Text.from_ansi(line).plain for line in stream.getvalue().splitlines()]
    assert len(lines) > 5
    assert max(map(len, lines)) <= output.console(stream).width < len(LONG)


def test_what_looks_like_markup_or_a_command_is_shown_as_it_is() -> None:
    stream = io.StringIO()
    hostile = "[red]:bomb:[/red]\x1b[31m\r\u2028"
    output.print_table(stream, ("Name",), [(hostile,)])
    output.print_line(stream, hostile)
    assert stream.getvalue() == "Name\n" + "[red]:bomb:[/red]\\x1b[31m\\r\\u2028\n" * 2
