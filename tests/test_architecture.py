"""What holds for the tree as a whole; the layers are import-linter's, in pyproject.toml."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 300
# Directories that hold no file of the repository.
_MADE = re.compile(r"\.git|\.venv.*|\..*_cache|\.hypothesis|__pycache__|var|build|dist|htmlcov")


def modules() -> list[Path]:
    """Give each module of the two packages, migrations apart."""
    return [
        path
        for package in ("scanner", "backupmonitor")
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def kept_files() -> Iterator[Path]:
    """Give each file of the repository: what git tracks or would; without git, what is not made."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        for folder, names, files in os.walk(ROOT):
            names[:] = [name for name in names if not _MADE.fullmatch(name)]
            yield from (Path(folder) / name for name in files)
    else:
        yield from (path for name in done.stdout.split("\0") if (path := ROOT / name).is_file())


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in modules()}
    assert len(lines) > 10
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_the_pipeline_works_where_there_is_no_django() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in [
            ROOT / "scanner/errors.py",
            ROOT / "scanner/cycle.py",
            *(ROOT / "scanner/pipeline").rglob("*.py"),
        ]
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name.removesuffix('.__init__'))\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'django', 'apscheduler', 'django_apscheduler'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_only_conf_reads_djangos_settings() -> None:
    readers = {
        str(path.relative_to(ROOT / "scanner"))
        for path in (ROOT / "scanner").rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module == "django.conf"
        and any(name.name == "settings" for name in node.names)
    }
    assert readers == {"conf.py"}


def test_the_repository_names_no_machine_and_no_registry() -> None:
    # What the machine that runs the tests is called here is what a slip would have left behind.
    machine = {f"{path}/" for path in (Path.home(), ROOT) if path != Path("/")}
    registry = re.compile(r"(?:files\.python" + r"hosted|py" + r"pi)\.org|--(?:extra-)?index-url")
    slips = set()
    for path in kept_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = str(path.relative_to(ROOT))
        slips |= {
            (name, word) for word in machine if re.search(rf"(?<![\w.]){re.escape(word)}", text)
        }
        slips |= {(name, match[0]) for match in registry.finditer(text)}
    assert slips == set()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_a_digest_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.findall(r"^[a-z].*$", text, re.MULTILINE)
    assert len(packages) > 10
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert "://" not in text
