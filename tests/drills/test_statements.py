"""Where the statements of an SQLite script end."""

import itertools
import sqlite3

import pytest

from scanner.drills import statements as module
from scanner.drills.outcome import CannotRestore, CannotTry
from scanner.drills.statements import statements

TRIGGER = "CREATE TRIGGER x AFTER INSERT ON t BEGIN\n  SELECT 1;\n  SELECT ';\n';\nEND;\n"


def cut(text: str, size: int = 1000) -> list[str]:
    whole = text.encode()
    return list(statements(whole[start : start + size] for start in range(0, len(whole), size)))


class _GaveUp(Exception):
    """Somebody does not wait any longer."""


def test_whoever_waits_may_give_up_at_any_line_of_a_statement() -> None:
    lines = 0

    def give_up() -> None:
        nonlocal lines
        lines += 1
        if lines > 5:
            raise _GaveUp

    endless = itertools.chain((TRIGGER.removesuffix("END;\n").encode(),), itertools.repeat(b"x;\n"))
    with pytest.raises(_GaveUp):
        next(statements(endless, give_up))


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "whole",
    [
        ["BEGIN;\n", "COMMIT;\n"],
        ["SELECT 1; SELECT 2;\n"],
        ["SELECT 'a;\nb''c;\n';\n", "SELECT 1;\n"],
        ['CREATE TABLE "a;\n" (`b;\n`, [c;\n]);\n', "SELECT 1;\n"],
        ["-- it's;\n/* it's;\n */ SELECT 1;\n", "SELECT 2;\n"],
        ["ROLLBACK; -- due to errors\n"],
        [TRIGGER, "SELECT 1;\n"],
        ["SELECT 'é😀';\n"],
        ["SELECT 1;"],
    ],
)
def test_each_statement_comes_whole(whole: list[str], size: int) -> None:
    assert cut("".join(whole), size) == whole


def test_blank_lines_and_comments_may_follow_the_last() -> None:
    assert cut("SELECT 1;\n\n-- done\n  \n-- really") == ["SELECT 1;\n"]


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 'a;\n", TRIGGER[:-6], "SELECT 1;\nSEL"])
def test_a_statement_that_breaks_off_is_told(text: str) -> None:
    with pytest.raises(CannotRestore, match="middle of a statement"):
        cut(text)


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    assert list(statements([b"SELECT '\xff';\n"])) == ["SELECT '\ufffd';\n"]


def test_a_nul_is_no_part_of_a_statement() -> None:
    with pytest.raises(CannotRestore, match="holds a NUL"):
        cut("SELECT '\0';\n")


@pytest.mark.parametrize("text", ["SELECT '" + "a" * 200, "SELECT '" + "a\n" * 200])
def test_a_statement_that_does_not_end_is_not_waited_for(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 100)
    with pytest.raises(CannotTry, match="longer than 100 bytes"):
        cut(text, 10)


def test_it_takes_time_that_grows_with_the_script_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    complete = sqlite3.complete_statement

    def ask(text: str) -> bool:
        asked.append(text)
        return complete(text)

    monkeypatch.setattr(sqlite3, "complete_statement", ask)
    cut("INSERT INTO t VALUES ('" + "a;\n" * 10_000 + "');\n")
    assert len(asked) == 1
