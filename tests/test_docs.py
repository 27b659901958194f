"""What people read is true: words, commands and the map of the layers."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scanner.cycle import Cycle
from scanner.pipeline import verdict
from scanner.pipeline.report import Claim

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MAP = (ROOT / "docs/architecture.md").read_text()
AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def given_reasons() -> set[str | None]:
    """Give each reason that some rule gives."""
    by_hand = (
        verdict.no_report(Cycle(AT, AT)),
        verdict.operation_failed("", late=False, clock_skew=False),
        verdict.superseded(Claim("ACME_2025")),
    )
    return {rule.reason for rule in verdict.RULES} | {one.reason for one in by_hand}


def layers(lines: list[str]) -> list[set[str]]:
    """Give the names on each line; those in parentheses may still be missing, and are left out."""
    return [set(line.split(" | ")) for line in (re.sub(r" \| \(\w+\)", "", line) for line in lines)]


@pytest.mark.parametrize("status", verdict.Status)
def test_the_readme_says_what_each_status_means(status: verdict.Status) -> None:
    assert re.search(rf"^\| {status.value} \| \w.*\|$", README, re.MULTILINE)


@pytest.mark.parametrize("reason", verdict.Reason)
def test_the_readme_names_each_reason_that_is_given_and_no_other(reason: verdict.Reason) -> None:
    assert (f"`{reason.value}`" in README) is (reason in given_reasons())


@pytest.mark.parametrize("warning", verdict.Warning)
def test_the_readme_names_each_warning(warning: verdict.Warning) -> None:
    assert f"`{warning.value}`" in README


@pytest.mark.parametrize(
    "command",
    sorted(
        path.stem
        for path in (ROOT / "scanner/management/commands").glob("*.py")
        if path.stem != "__init__"
    ),
)
def test_each_command_is_told_of(command: str) -> None:
    told = "\n".join([README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))])
    assert re.search(rf"(manage\.py|make) {command}\b|`{command}\b", told)


def test_commands_in_the_readme_can_be_pasted() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    first = {line.split()[0] for block in blocks for line in block.splitlines() if line}
    assert first == {"make", "test", ".venv/bin/python", ".venv/bin/gunicorn"}
    assert not re.search(r"(?<!\.venv/bin/)(?<!/python )\bmanage\.py \w", README)


def test_the_map_shows_the_layers_that_are_kept() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {
        container: contract["layers"]
        for contract in pyproject["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
        for container in contract["containers"]
    }
    found = re.search(r"^Layers, top to bottom.*?```\n(.*?)^```", MAP, re.MULTILINE | re.DOTALL)
    assert found
    lines = re.sub(r"\n\s+", " ", found[1]).splitlines()
    rooms = {name: rest for name, _, rest in (line.partition("  ") for line in lines) if rest}
    assert layers([line.partition("  ")[0] for line in lines]) == layers(contracts["scanner"])
    kept = [line for line in contracts["scanner.pipeline"] if not re.fullmatch(r"\(\w+\)", line)]
    assert list(rooms) == ["pipeline"]
    assert layers(rooms["pipeline"].strip().split(" > ")) == layers(kept)
