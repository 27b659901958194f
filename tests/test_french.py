"""The French words: complete, of this state of the sources, and as French is written."""

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import unfold
from django.utils import translation

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / "scanner/locale/fr/LC_MESSAGES/django.po"
OF_UNFOLD = ROOT / "backupmonitor/locale/fr/LC_MESSAGES/django.po"
# As `make messages` does.
MAKEMESSAGES = ("makemessages", "-l", "fr", "--no-location", "--no-wrap", "--no-obsolete")
WORDS = re.compile(
    r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) ((?:"(?:[^"\\]|\\.)*"\n?)+)', re.MULTILINE
)
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[-+0-9.#]*[a-zA-Z%]|\{\w*\}")
NO_BREAK, NARROW_NO_BREAK = "\u00a0", "\u202f"
# Of unfold, the parts that are installed: see INSTALLED_APPS.
UNFOLD_PARTS = ("templates", "contrib/filters", "contrib/inlines", "*.py")
UNFOLD_WORDS = re.compile(r"""(?:{%\s*trans(?:late)?\s+|\b_\()(?:"([^"]+)"|'([^']+)')""")
SAME_IN_FRENCH = {"Action", "Code", "Date", "%(class_name)s %(instance)s"}

catalogues = pytest.mark.parametrize("catalogue", [OURS, OF_UNFOLD], ids=["ours", "of unfold"])


@dataclass(frozen=True, slots=True)
class Entry:
    """One string of a catalogue, with what is written for it."""

    comments: str
    context: str
    msgid: str
    plural: str
    written: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it another string than the others."""
        return self.context, self.msgid, self.plural


def entries(catalogue: Path) -> list[Entry]:
    """Give each string of a catalogue but its header."""
    found = []
    for paragraph in catalogue.read_text().split("\n\n")[1:]:
        words = {
            name: ast.literal_eval("(" + quoted + ")") for name, quoted in WORDS.findall(paragraph)
        }
        written = tuple(text for name, text in words.items() if name.startswith("msgstr"))
        named = (words.get("msgctxt", ""), words["msgid"], words.get("msgid_plural", ""))
        found.append(Entry(paragraph, *named, written))
    return found


def is_a_date_format(entry: Entry) -> bool:
    """Tell whether a string is no words but a form that Django fills in."""
    return "date format" in entry.comments or entry.msgid == "H:i" or "first day" in entry.context


def of_the_sources(where: Path) -> set[tuple[str, str, str]]:
    """Give each string that the sources mark, as the tools of gettext find them."""
    if not shutil.which("xgettext"):
        pytest.skip("the tools of gettext are not installed")
    copy = where / "scanner"
    shutil.copytree(
        ROOT / "scanner", copy, ignore=shutil.ignore_patterns("__pycache__", "locale", "static")
    )
    (copy / "locale").mkdir()
    environment = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    subprocess.run(
        [sys.executable, "-m", "django", *MAKEMESSAGES], cwd=copy, env=environment, check=True
    )
    return {one.key for one in entries(copy / OURS.relative_to(ROOT / "scanner"))}


def test_the_catalogue_has_each_string_of_the_sources_and_no_other(tmp_path: Path) -> None:
    marked, known = of_the_sources(tmp_path), {one.key for one in entries(OURS)}
    assert len(marked) > 800
    assert marked - known == set()
    assert known - marked == set()


def test_the_catalogue_is_made_anew_as_it_is_tested() -> None:
    assert " ".join(MAKEMESSAGES) in (ROOT / "Makefile").read_text()


@catalogues
def test_each_string_is_translated_and_none_is_fuzzy(catalogue: Path) -> None:
    assert len(entries(catalogue)) > 50
    for one in entries(catalogue):
        assert "fuzzy" not in one.comments, one.msgid
        assert all(one.written), one.msgid
        assert len(one.written) == (2 if one.plural else 1), one.msgid


@catalogues
def test_each_translation_has_the_placeholders_of_its_string(catalogue: Path) -> None:
    for one in entries(catalogue):
        if is_a_date_format(one):
            continue
        for text, original in zip(one.written, (one.msgid, one.plural), strict=False):
            placeholders = sorted(PLACEHOLDER.findall(text))
            # French says “one” with a number, where English may leave it out.
            allowed = [original, one.plural or original]
            assert placeholders in [sorted(PLACEHOLDER.findall(words)) for words in allowed], text


@catalogues
def test_the_tags_of_a_translation_are_those_of_its_string(catalogue: Path) -> None:
    for one in entries(catalogue):
        for text in one.written:
            assert re.findall(r"<[^>]*>", text) == re.findall(r"<[^>]*>", one.msgid), text


@catalogues
def test_the_compiled_catalogue_is_of_this_one(catalogue: Path) -> None:
    with catalogue.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for one in entries(catalogue):
        if one.plural and one.context:
            numbers = (1, 2)
            found: tuple[str, ...] = tuple(
                compiled.npgettext(one.context, one.msgid, one.plural, count) for count in numbers
            )
        elif one.plural:
            found = tuple(compiled.ngettext(one.msgid, one.plural, count) for count in (1, 2))
        elif one.context:
            found = (compiled.pgettext(one.context, one.msgid),)
        else:
            found = (compiled.gettext(one.msgid),)
        assert found == one.written, one.msgid


@catalogues
def test_french_counts_nothing_as_one(catalogue: Path) -> None:
    assert "plural=(n > 1)" in catalogue.read_text().split("\n\n")[0]


@catalogues
def test_what_stands_before_a_colon_or_a_question_mark_does_not_break(catalogue: Path) -> None:
    for one in entries(catalogue):
        if is_a_date_format(one):
            continue
        for text in one.written:
            bare = re.sub(r"https?://\S*|\w+://…?|<[^>]*>", "", text)
            assert not re.search(r"[ \t][:;?!»%](?:\s|$)|« ", bare), text
            assert not re.search(rf"[^\s{NARROW_NO_BREAK}][;?!](?:\s|$)", bare), text
            assert not re.search(rf"[^\s{NO_BREAK}]:(?:\s|$)", bare), text
            assert not re.search(r"«(?!\u00a0)|(?<!\u00a0)»", bare), text


@catalogues
def test_apostrophes_and_quotation_marks_are_those_of_french(catalogue: Path) -> None:
    for one in entries(catalogue):
        for text in one.written:
            assert not re.search(r"['“”]|\.\.\.", re.sub(r"<[^>]*>", "", text)), text


def test_our_words_are_those_that_people_see() -> None:
    with translation.override("fr"):
        for one in entries(OURS):
            if one.plural:
                continue
            seen = (
                translation.pgettext(one.context, one.msgid)
                if one.context
                else translation.gettext(one.msgid)
            )
            assert seen == one.written[0]


def test_each_word_of_unfold_has_its_french() -> None:
    home = Path(unfold.__file__).parent
    files = [file for part in UNFOLD_PARTS for file in home.glob(part)]
    files += [file for folder in files if folder.is_dir() for file in folder.rglob("*.*")]
    texts = [file.read_text() for file in files if file.suffix in {".html", ".py"}]
    marked = {one or other for text in texts for one, other in UNFOLD_WORDS.findall(text)}
    assert len(marked) > 100
    with translation.override("fr"):
        same = {words for words in marked if translation.gettext(words) == words}
    assert same <= SAME_IN_FRENCH


# --- What is said to people is marked for translation ---------------------------------------------

# Which argument of a call people read.
SAID = {
    "HttpResponseBadRequest": 0,
    "HttpResponseForbidden": 0,
    "HttpResponseNotFound": 0,
    "ValidationError": 0,
    "add_error": 1,
    "add_message": 2,
    "do": 2,
    "go_back": 2,
    "log_change": 2,
    "message_user": 1,
    "tell_count": 1,
    **{f"messages.{level}": 1 for level in ("error", "info", "success", "warning")},
}
FACES = ("admin", "models", "web")


def bare_words(words: ast.expr, named: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Give each text in what people read that is no argument of gettext: it stays English.

    Names are followed to what the same function or file gives them, and no further.
    """
    match words:
        case ast.Constant(value=str(text)) if re.search(r"[A-Za-z]", text):
            yield text
        case ast.JoinedStr():
            yield ast.unparse(words)
        case ast.BinOp(left=left, op=ast.Mod()):
            yield from bare_words(left, named)
        case ast.BinOp(left=left, right=right):
            yield from bare_words(left, named)
            yield from bare_words(right, named)
        case ast.IfExp(body=body, orelse=other):
            yield from bare_words(body, named)
            yield from bare_words(other, named)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as text, attr="format")):
            yield from bare_words(text, named)
        case ast.Name(id=name):
            others = {key: values for key, values in named.items() if key != name}
            for value in named.get(name, []):
                yield from bare_words(value, others)


def names(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """Give what each name is given in some statements."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found


def unmarked(source: str) -> list[str]:
    """Give each text of a file that people read and that is not marked for translation."""
    tree = ast.parse(source)
    found: list[str] = []
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        inside = list(ast.walk(function))
        named = names(tree.body) | names(inside)
        for call in (node for node in inside if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            place = SAID.get(called, SAID.get(called.rpartition(".")[2]))
            if place is None:
                continue
            said = call.args[place : place + 1]
            said += [one.value for one in call.keywords if one.arg in {"message", "words"}]
            found += [text for words in said for text in bare_words(words, named)]
    return sorted(set(found))


def test_what_pages_say_is_marked_for_translation() -> None:
    files = [path for face in FACES for path in (ROOT / "scanner" / face).rglob("*.py")]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in files}
    assert sum(text.count("message_user(") for text in texts.values()) > 20
    assert {name: found for name, text in texts.items() if (found := unmarked(text))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('HttpResponseBadRequest("Wrong.")', ["Wrong."]),
        ('HttpResponseBadRequest(f"{name}: wrong")', ["f'{name}: wrong'"]),
        ('self.log_change(request, row, "Done.")', ["Done."]),
        ('self.do(request, rows, "Done.", act)', ["Done."]),
        ('self.message_user(request, "%d done" % count, level)', ["%d done"]),
        ('self.message_user(request, message="{} done".format(count))', ["{} done"]),
        ('messages.error(request, "Wrong." if wrong else _("Fine."))', ["Wrong."]),
        ("raise ValidationError(WORDS)", ["Of the file."]),
        ('words = "Wrong."; words = words + more; ValidationError(words)', ["Wrong."]),
        ('HttpResponseBadRequest(_("Wrong."))', []),
        ('words = ngettext("one", "more", n); page.message_user(request, words % told, level)', []),
        ("self.log_change(request, row, Deed.DONE.value)", []),
        ('logger.info("words for the log, %s", "in English")', []),
        ('HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})', []),
    ],
)
def test_words_that_are_not_marked_are_found(source: str, found: list[str]) -> None:
    file = f'WORDS = "Of the file."\ndef function():\n    {source}\ndef other():\n    words = "x"\n'
    assert unmarked(file) == found
