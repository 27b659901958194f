"""What people read is true: words, commands and the map of the layers."""

import configparser
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import translation

from scanner.cycle import Cycle
from scanner.models.choices import Status
from scanner.pipeline import verdict
from scanner.pipeline.report import Claim
from scanner.scheduler_board import Health, SchedulerState, state_as_data

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
LISEZMOI = (ROOT / "LISEZMOI.md").read_text()
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


def commands_of(text: str) -> list[str]:
    """Give each line that can be pasted, without its comment."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]


def test_the_french_first_page_is_linked_and_has_the_same_commands() -> None:
    assert "(LISEZMOI.md)" in README.split("##", maxsplit=1)[0]
    assert "(README.md)" in LISEZMOI.split("##", maxsplit=1)[0]
    first_page = README[: README.index("## For real")]
    assert commands_of(LISEZMOI) == commands_of(first_page)
    pasted = re.compile(r"`((?:cp |\.venv/bin/)[^`]*)`")
    assert sorted(pasted.findall(LISEZMOI)) == sorted(pasted.findall(first_page))


@pytest.mark.parametrize("status", verdict.Status)
def test_the_french_first_page_says_what_each_status_means(status: verdict.Status) -> None:
    with translation.override("fr"):
        label = str(Status(status.value).label)
    assert re.search(rf"^\| {status.value} \| {label} \| \w.*\|$", LISEZMOI, re.MULTILINE)


@pytest.mark.parametrize("words", [*verdict.Reason, *verdict.Warning])
def test_the_french_first_page_names_the_reasons_and_warnings_of_the_english_one(
    words: verdict.Reason | verdict.Warning,
) -> None:
    assert (f"`{words.value}`" in LISEZMOI) is (f"`{words.value}`" in README)


def test_the_unit_in_the_readme_starts_the_scheduler_again_however_often_it_ends() -> None:
    found = re.search(r"^```ini\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(found[1])
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Service"]["RestartSec"]) > 0
    assert unit["Service"]["ExecStart"].endswith("manage.py runapscheduler")


@pytest.mark.parametrize(
    "name", ["KEEP_EXECUTIONS_DAYS", "KEEP_RUNS_DAYS", "KEEP_ARCHIVED_REPORTS_DAYS"]
)
def test_before_anything_is_deleted_people_are_told_how_to_keep_it(name: str) -> None:
    default = getattr(django_settings, name)
    for told in (README, (ROOT / "CHANGELOG.md").read_text()):
        assert f"`{name}=0`" in told
        assert re.search(rf"older\s+than\s+{default}\s+days", told)


def test_the_readme_tells_monitors_what_scheduler_status_gives() -> None:
    told = README[README.index("Let your monitoring call") :]
    state = state_as_data(SchedulerState(AT, Health(None, None, ()), (), ()))
    for key in state:
        assert f"`{key}`" in told
    assert all(f"{code} when" in told for code in (0, 1, 2))


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
