"""A CSV file as spans of text: a changed field changes, every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_FIELD = {
    delimiter: re.compile(rf'[ ]*"(?:[^"]|"")*"[ ]*|[^{re.escape(delimiter)}\r\n]*')
    for delimiter in (",", ";", "\t", "|")
}
_ENCODING = ("utf-8", "surrogateescape")  # bytes that are no UTF-8 come out as they went in


class CsvText:
    """Fields of a CSV file with their places.

    Attributes:
        rows: one list of (start, end) per line that is not empty, the header's included.
        lines: (start, end) of each of those lines, with its line break.
    """

    def __init__(self, data: bytes) -> None:
        self.text = data.decode(*_ENCODING)
        self._first = 1 if self.text.startswith("\ufeff") else 0
        self.delimiter = self._guess_delimiter()
        self.rows: list[list[tuple[int, int]]] = []
        self.lines: list[tuple[int, int]] = []
        self._split()

    def _guess_delimiter(self) -> str:
        line = self.text[self._first :].splitlines()[0] if len(self.text) > self._first else ""
        return max(_FIELD, key=line.count)

    def _split(self) -> None:
        text, field, place, size = self.text, _FIELD[self.delimiter], self._first, len(self.text)
        while place < size:
            start, fields = place, []
            while True:
                match = field.match(text, place)
                assert match is not None  # the pattern also fits an empty field
                fields.append(match.span())
                place = match.end()
                if place < size and text[place] == self.delimiter:
                    place += 1
                    continue
                while place < size and text[place] not in "\r\n":  # text after a closing quote: part of the field
                    place += 1
                fields[-1] = (fields[-1][0], place)
                break
            place += 2 if text.startswith("\r\n", place) else 1
            if fields != [(start, start)]:
                self.rows.append(fields)
                self.lines.append((start, min(place, size)))

    def value(self, row: int, column: int) -> str:
        """Return a field without its quotes; empty where the row is shorter."""
        if column >= len(self.rows[row]):
            return ""
        raw = self.text[slice(*self.rows[row][column])].strip(" ")
        return raw[1:-1].replace('""', '"') if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw

    def replaced(self, column: int, values: Mapping[int, str], dropped: Collection[int] = ()) -> bytes:
        """Return the file with one column's values changed in some rows, and some rows left out."""
        parts, last = [], 0
        for row in sorted({*values, *dropped}):
            if row in dropped:
                start, end = self.lines[row]
                parts.append(self.text[last:start])
            else:
                start, end = self.rows[row][column]
                parts += [self.text[last:start], self._written(values[row], self.text[start:end])]
            last = end
        return "".join([*parts, self.text[last:]]).encode(*_ENCODING)

    def _written(self, value: str, old: str) -> str:
        quoted = old.strip(" ").startswith('"') or any(mark in value for mark in (self.delimiter, '"', "\r", "\n"))
        before = old[: len(old) - len(old.lstrip(" "))]
        return before + ('"' + value.replace('"', '""') + '"' if quoted else value)
