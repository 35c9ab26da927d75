"""A JSON file as spans of text: a changed value changes, every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from labelaudit.errors import LabelAuditError

_SPACE = re.compile(r"[ \t\r\n]*")
_LINE = re.compile(r"([^\r\n]+)(?:\r\n|\r|\n)?")  # no other line break is one in JSON
_DECODER = json.JSONDecoder()


class _Item(NamedTuple):
    """The place of an entry of a list or an object: of its name, where it has one, and of its value."""

    start: int
    name_end: int
    value_start: int
    end: int


class JsonText:
    """Records as a list or line by line, or one object {id: label}, with their places.

    Attributes:
        rows: the records; of an object one for each pair, with the names "id" and "label".
    """

    def __init__(self, data: bytes, *, lines: bool) -> None:
        self._text = data.decode()
        self._start = 1 if self._text.startswith("\ufeff") else 0
        self._lines: list[tuple[int, int]] | None = None  # (start, end) of each record's line, with its line break
        if lines:
            found = [line for line in _LINE.finditer(self._text, self._start) if line[1].strip()]
            self._lines = [line.span() for line in found]
            loaded: Any = [json.loads(line[1], object_pairs_hook=_once) for line in found]
        else:
            loaded = json.loads(self._text[self._start :], object_pairs_hook=_once)
        self._pairs = isinstance(loaded, dict)
        if self._pairs and not any(isinstance(value, (dict, list)) for value in loaded.values()):
            self.rows: list[dict[str, Any]] = [{"id": name, "label": value} for name, value in loaded.items()]
        elif isinstance(loaded, list) and loaded and all(isinstance(row, dict) for row in loaded):
            self.rows = loaded
        else:
            raise LabelAuditError("it is no list of records and no object of id: label pairs")

    def replaced(self, name: str, values: Mapping[int, Any], dropped: Collection[int] = ()) -> bytes:
        """Return the file with one name's values changed in some rows, and some rows left out."""
        items = self._items()
        ascii_only = self._text.isascii() and "\\u" in self._text
        edits = [
            (*self._place(items[row], name), json.dumps(value, ensure_ascii=ascii_only))
            for row, value in values.items()
        ]
        edits += [(start, end, "") for start, end in self._cuts(items, dropped)]
        parts, last = [], 0
        for start, end, new in sorted(edits):
            parts += [self._text[last:start], new]
            last = end
        return "".join([*parts, self._text[last:]]).encode()

    def _items(self) -> list[_Item]:
        if self._lines is None:
            return list(_items(self._text, _after_space(self._text, self._start)))
        starts = [_after_space(self._text, start) for start, _ in self._lines]
        return [_Item(start, start, start, _end_of_value(self._text, start)) for start in starts]

    def _place(self, item: _Item, name: str) -> tuple[int, int]:
        """Return where the value of a name stands in a row."""
        if self._pairs:
            return (item.start, item.name_end) if name == "id" else (item.value_start, item.end)
        for one in _items(self._text, item.value_start):
            if json.loads(self._text[one.start : one.name_end]) == name:
                return one.value_start, one.end
        raise LabelAuditError(f"a record lacks {name!r}, which is to be changed there")

    def _cuts(self, items: list[_Item], dropped: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield what goes with each row that is left out: its line, or the comma and the space beside it."""
        if self._lines is not None:
            yield from (self._lines[row] for row in dropped)
            return
        first_kept = next((row for row in range(len(items)) if row not in dropped), len(items))
        for row in dropped:
            if row > first_kept:
                yield items[row - 1].end, items[row].end
            elif row + 1 < len(items):
                yield items[row].start, items[row + 1].start
            else:
                yield items[row].start, items[row].end


def _items(text: str, place: int) -> Iterator[_Item]:
    """Yield the entries of the list or object that begins at a place, in text that is known to be JSON."""
    named = text[place] == "{"
    while True:
        start = _after_space(text, place + 1)
        if text[start] in "]}":  # empty
            return
        name_end = _end_of_value(text, start) if named else start
        value_start = _after_space(text, _after_space(text, name_end) + 1) if named else start
        end = _end_of_value(text, value_start)
        yield _Item(start, name_end, value_start, end)
        place = _after_space(text, end)
        if text[place] != ",":
            return


def _end_of_value(text: str, place: int) -> int:
    return _DECODER.raw_decode(text, place)[1]


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None  # the pattern also fits nothing
    return match.end()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object as a dictionary, refusing a name that it has twice: readers differ on which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise LabelAuditError(f"one object in it has the name {twice!r} twice; keep one of them")
    return found
