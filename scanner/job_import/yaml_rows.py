"""A YAML file of jobs -> rows of text.

Its events are read one after another, and no more is built of them than rows: nothing is ever
evaluated, an alias repeats a text or a list of texts and nothing else, and what stands in itself
too deep is not followed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml
from django.utils.translation import gettext as _

from scanner.job_import.rows import Table

_DEEPEST: Final = 32
_LONGEST: Final = 1000
# libyaml's reader is many times as fast; only its events are used, of which it keeps no tree.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = "tag:yaml.org,2002:null"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_SCALARS = frozenset(
    ["!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp"))]
)
_LISTED = "notification_recipients"
_AROUND = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)
_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class _Beyond(Exception):
    """A list or mapping is longer or deeper than any file of jobs needs; it says so in words."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A text, or several in a list; None is what is neither."""

    text: str | None = None
    is_list: bool = False
    is_null: bool = False

    def of(self, column: str) -> str | None:
        """Give the text for a column, None when it takes no such value."""
        return None if self.is_list and column != _LISTED else self.text


def read_yaml(text: str, table: Table) -> None:
    """Add the jobs of a YAML file, a list or a mapping with the key `jobs`, to the table."""
    last = text.count("\n") + 1
    try:
        _Reader(yaml.parse(text, Loader=_LOADER), table).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        line = min(mark.line + 1, last) if mark else 0
        table.refuse_all(line, _("this is not YAML: %(what)s") % {"what": what})
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        table.refuse_all(line, _("this is not YAML: it has a character that no text has"))
    except _Beyond as error:
        table.refuse_all(0, str(error))


class _Reader:
    def __init__(self, events: Iterator[Any], table: Table) -> None:
        self._events = events
        self._table = table
        self._anchors: dict[str, _Value] = {}

    def read(self) -> None:
        has_begun = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if has_begun:
                    raise _not_yaml(_("expected a single document in the stream"), event)
                has_begun = True
            elif not isinstance(event, _AROUND):
                self._root(event)
            if self._table.is_closed:
                return

    def _children(self) -> Iterator[Any]:
        """Give the events that children of the list or mapping just begun start with."""
        for event in self._events:
            if isinstance(event, _ENDS):
                return
            yield event

    def _some_children(self) -> Iterator[Any]:
        """Give the same of what is no list of jobs, and so not long."""
        for count, event in enumerate(self._children()):
            if count == _LONGEST:
                raise _Beyond(_("a list or mapping is too long for a file of jobs"))
            yield event

    def _root(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.MappingStartEvent):
            self._items(event)
            return
        keys: set[str | None] = set()
        for child in self._some_children():
            key = self._value(child).text
            if key == "jobs" and not keys:
                self._items(next(self._events))
            else:
                self._value(next(self._events))
                key = None
            keys.add(key)
            if self._table.is_closed:
                return
        if keys != {"jobs"}:
            self._table.refuse(line, _("expected a list, or a mapping with the key jobs"))

    def _items(self, event: Any) -> None:
        if isinstance(event, yaml.SequenceStartEvent):
            self._keep(event, _Value())
            for child in self._children():
                self._item(child)
                if self._table.is_closed:
                    return
        elif not self._value(event).is_null:
            self._table.refuse(event.start_mark.line + 1, _("expected a list of jobs"))

    def _item(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.MappingStartEvent):
            self._value(event)
            self._table.refuse(line, _("expected a mapping of columns to values"))
            return
        self._keep(event, _Value())
        names: list[str] = []
        values: list[_Value] = []
        for child in self._some_children():
            names.append((self._value(child).text or "").lower())
            values.append(self._value(next(self._events)))
        if not self._table.check_names(line, names):
            return
        cells = {}
        for name, value in zip(names, values, strict=True):
            text = value.of(name)
            if text is None:
                words = _("expected text, found a list, a mapping or a tag")
                self._table.refuse(line, words, name)
                return
            cells[name] = text
        self._table.add(line, cells)

    def _value(self, event: Any) -> _Value:
        """Read what begins with an event to its end; give what it is."""
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _not_yaml(_("found an alias of nothing"), event)
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list()
        else:
            self._skip()
            value = _Value()
        self._keep(event, value)
        return value

    def _list(self) -> _Value:
        """Read a list; give its texts as one, None when it holds anything else."""
        texts: list[str | None] = []
        for child in self._some_children():
            if isinstance(child, _STARTS):
                self._keep(child, _Value())
                self._skip()
                texts.append(None)
            else:
                value = self._value(child)
                texts.append(None if value.is_list else value.text)
        text = None if None in texts else ", ".join(filter(None, texts))
        return _Value(text, is_list=True)

    def _skip(self) -> None:
        """Read the list or mapping just begun to its end."""
        depth = 1
        for count, event in enumerate(self._events):
            depth += isinstance(event, _STARTS) - isinstance(event, _ENDS)
            if depth > _DEEPEST or count > _LONGEST:
                words = _("lists or mappings stand in each other too deep for a file of jobs")
                raise _Beyond(words)
            if depth == 0:
                return
            if not isinstance(event, yaml.AliasEvent):
                self._keep(event, _Value())

    def _keep(self, event: Any, value: _Value) -> None:
        if getattr(event, "anchor", None):
            self._anchors[event.anchor] = value


def _scalar(event: yaml.ScalarEvent) -> _Value:
    """Give a scalar as it is written in the file, null as ""."""
    is_plain = event.implicit[0]
    if event.tag == _NULL or (event.tag is None and is_plain and event.value in _NULLS):
        return _Value("", is_null=True)
    if event.tag is not None and event.tag not in _SCALARS:
        return _Value()
    return _Value(str(event.value).strip())


def _not_yaml(words: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=words, problem_mark=event.start_mark)
