"""A CSV file as spans of text: a changed field changes, every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_ENCODING = ("utf-8", "surrogateescape")  # bytes that are no UTF-8 come out as they went in
_DELIMITERS = (",", ";", "\t", "|")


class CsvText:
    """The lines of a CSV file with their places. Quotes count at the start of a field only, as the format says.

    Attributes:
        lines: (start, end) of each line that is not empty, the header's included, without its line break.
    """

    def __init__(self, data: bytes) -> None:
        self.text = data.decode(*_ENCODING)
        start = 1 if self.text.startswith("\ufeff") else 0
        first = self.text[start:].lstrip("\r\n").split("\n", 1)[0]
        self.delimiter = max(_DELIMITERS, key=first.count)
        mark = re.escape(self.delimiter)
        field = rf'[ ]*"(?:[^"]|"")*"[^{mark}\r\n]*|[^{mark}\r\n]*'
        self._field = re.compile(field)
        self.lines = self._split(re.compile(f"(?:{field})(?:{mark}(?:{field}))*"), start)

    def _split(self, record: re.Pattern[str], place: int) -> list[tuple[int, int]]:
        text, size, lines = self.text, len(self.text), []
        while place < size:
            match = record.match(text, place)
            assert match is not None  # the pattern also fits an empty line
            end = match.end()
            if end > place:
                lines.append((place, end))
            place = end + (2 if text.startswith("\r\n", end) else 1)
        return lines

    def fields(self, row: int) -> list[tuple[int, int]]:
        """Return (start, end) of each field of a line."""
        place, last = self.lines[row]
        found = []
        while True:
            match = self._field.match(self.text, place)
            assert match is not None
            found.append(match.span())
            place = match.end() + 1
            if place > last:
                return found

    def values(self, row: int) -> list[str]:
        """Return a line's fields without their quotes."""
        line = self.text[slice(*self.lines[row])]
        if '"' not in line:
            return [one.strip(" ") for one in line.split(self.delimiter)]
        return [_unquoted(self.text[start:end].strip(" ")) for start, end in self.fields(row)]

    def replaced(self, column: int, values: Mapping[int, str], dropped: Collection[int] = ()) -> bytes:
        """Return the file with one column's values changed in some rows, and some rows left out."""
        parts, last = [], 0
        for row in sorted({*values, *dropped}):
            if row in dropped:
                start, end = self.lines[row]
                parts.append(self.text[last:start])
                end += 2 if self.text.startswith("\r\n", end) else 1
            else:
                start, end = self.fields(row)[column]
                parts += [self.text[last:start], self._written(values[row], self.text[start:end])]
            last = end
        return "".join([*parts, self.text[last:]]).encode(*_ENCODING)

    def _written(self, value: str, old: str) -> str:
        inner = old.strip(" ")
        quoted = inner.startswith('"') or any(mark in value for mark in (self.delimiter, '"', "\r", "\n"))
        before, after = old[: len(old) - len(old.lstrip(" "))], old[len(old.rstrip(" ")) :]
        return before + ('"' + value.replace('"', '""') + '"' if quoted else value) + (after if inner else "")


def _unquoted(raw: str) -> str:
    return raw[1:-1].replace('""', '"') if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw
