"""A file with ids and labels: CSV, Parquet, JSON or JSON lines, read as text columns and written back."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.csv_text import CsvText
from labelaudit.relabeling.json_text import JsonText
from labelaudit.relabeling.whole_numbers import digits

Column = list[str] | None
TEXT_KINDS = (".csv", ".tsv", ".txt")
KINDS = (*TEXT_KINDS, ".parquet", ".json", ".jsonl")


class LabelFile(Protocol):
    """A table of which one column's values can be changed.

    Attributes:
        names: of the columns.
        n_rows: without a header.
        guessed: whether it is only likely that the first line has the names.
    """

    names: list[str]
    n_rows: int
    guessed: bool

    def column(self, number: int) -> Column:
        """A column's values as text, row by row; None where it can hold neither ids nor labels."""

    def replaced(self, column: int, values: Mapping[int, str], dropped: Collection[int]) -> bytes:
        """The file's bytes with values changed and rows left out; all else as it was."""


def open_label_file(path: Path, header: bool | None = None) -> LabelFile:
    """Read a label file.

    Args:
        path: the file; its ending says what it is (``.csv``, ``.tsv``, ``.txt``, ``.parquet``, ``.json``, ``.jsonl``).
        header: whether a CSV file's first line names the columns; None: it does unless it has a number in it.

    Raises:
        LabelAuditError: it is empty, of another kind, or damaged.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise LabelAuditError(f"{path} is of no known kind; expected a folder or a file ending in {', '.join(KINDS)}")
    data = path.read_bytes()
    try:
        if kind == ".parquet":
            return _Parquet(data)
        if kind in (".json", ".jsonl"):
            return _Json(JsonText(data, lines=kind == ".jsonl"))
        return _Csv(CsvText(data), header)
    except (ValueError, OSError) as problem:
        raise LabelAuditError(f"{path} cannot be read: {problem}") from None


class _Csv:
    def __init__(self, text: CsvText, header: bool | None) -> None:
        if "\0" in text.text:
            raise LabelAuditError("it has bytes of 0, as UTF-16 has; save it as UTF-8")
        if not text.lines:
            raise LabelAuditError("the file is empty")
        self._text = text
        first = text.values(0)
        named = not any(_is_number(value) for value in first) if header is None else header
        self._skipped, self.guessed = int(named), named and header is None
        self.names = first if named else [str(k) for k in range(len(first))]
        self.n_rows = len(text.lines) - self._skipped
        self._columns = self._read()

    def _read(self) -> list[list[str]]:
        width = len(self.names)
        columns: list[list[str]] = [[] for _ in self.names]
        for row in range(self._skipped, len(self._text.lines)):
            values = self._text.values(row)
            values += [""] * (width - len(values))
            for column, value in zip(columns, values, strict=False):  # what a line has too many is in no column
                column.append(value)
        return columns

    def column(self, number: int) -> Column:
        return self._columns[number]

    def replaced(self, column: int, values: Mapping[int, str], dropped: Collection[int]) -> bytes:
        moved = {row + self._skipped: value for row, value in values.items()}
        return self._text.replaced(column, moved, {row + self._skipped for row in dropped})


class _Parquet:
    guessed = False

    def __init__(self, data: bytes) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(io.BytesIO(data))
        self._table: pa.Table = file.read()
        first = file.metadata.row_group(0) if file.num_row_groups else None
        self._compression = first.column(0).compression if first is not None and first.num_columns else "SNAPPY"
        self._rows_in_group = (first.num_rows or None) if first is not None else None
        self.names, self.n_rows = self._table.column_names, self._table.num_rows

    def column(self, number: int) -> Column:
        import pyarrow.types as kinds

        kind = self._table.schema.field(number).type
        inner = kind.value_type if kinds.is_dictionary(kind) else kind
        texts = kinds.is_string(inner) or kinds.is_large_string(inner)
        if not (texts or kinds.is_integer(inner) or kinds.is_floating(inner) or kinds.is_boolean(inner)):
            return None
        return [_text(value) for value in self._table.column(number).to_pylist()]

    def replaced(self, column: int, values: Mapping[int, str], dropped: Collection[int]) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        field = self._table.schema.field(column)
        old = self._table.column(column).to_pylist()
        for row, value in values.items():
            old[row] = _like(value, old[row])
        try:
            table = self._table.set_column(column, field, pa.array(old, type=field.type))
        except (pa.ArrowInvalid, OverflowError):
            longest = max(values.values(), key=len)
            raise LabelAuditError(
                f"column {field.name!r} is of {field.type}, which cannot hold a new label such as {longest!r}"
            ) from None
        if dropped:
            table = table.take(pa.array([row for row in range(self.n_rows) if row not in dropped]))
        sink = io.BytesIO()
        pq.write_table(table, sink, compression=self._compression, row_group_size=self._rows_in_group)
        return sink.getvalue()


class _Json:
    guessed = False

    def __init__(self, text: JsonText) -> None:
        self._text = text
        self.names = list(dict.fromkeys(name for row in text.rows for name in row))
        self.n_rows = len(text.rows)

    def column(self, number: int) -> Column:
        values = [row.get(self.names[number]) for row in self._text.rows]
        truth = {isinstance(value, bool) for value in values if value is not None}
        if len(truth) > 1 or any(isinstance(value, (dict, list)) for value in values):
            return None
        return [_text(value) for value in values]

    def replaced(self, column: int, values: Mapping[int, str], dropped: Collection[int]) -> bytes:
        name = self.names[column]
        new = {row: _like(value, self._text.rows[row].get(name)) for row, value in values.items()}
        return self._text.replaced(name, new, dropped)


def _text(value: Any) -> str:
    """Return a value as text; a truth value as the class number that it is recorded as."""
    return "" if value is None else str(int(value) if isinstance(value, bool) else value)


def _like(text: str, old: Any) -> Any:
    """Return a new label as a value of the old one's type."""
    if not isinstance(old, (int, float)):
        return text
    if isinstance(old, bool):
        if text in ("0", "1"):
            return text == "1"
        raise LabelAuditError(
            f"the labels to change are truth values (false is class 0, true is class 1), and the new label {text!r} is "
            "none; decide for one of the two, or change a file of names or numbers"
        )
    if not _is_number(text) or not math.isfinite(float(text)) or (isinstance(old, int) and digits(text) != text):
        raise LabelAuditError(
            f"the labels to change are numbers such as {old}, and the new label {text!r} is none of that kind; decide "
            "for a class that has a number, or change a file of names"
        )
    return type(old)(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
