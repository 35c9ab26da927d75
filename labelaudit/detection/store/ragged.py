"""Rows of different lengths, such as the boxes of each image, as flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """n rows, each with some entries; every entry has one value in every column.

    Attributes:
        counts: (n,) int64 entries of each row.
        columns: flat columns, (total,) or (total, width), the first row's entries first.

    Example:
        >>> boxes = Ragged(np.array([2, 0, 1]), {"score": np.array([0.9, 0.8, 0.7])})
        >>> boxes.take(np.array([2, 1, 0])).columns["score"].tolist()
        [0.7, 0.9, 0.8]
    """

    counts: Array
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def total(self) -> int:
        """Entries of all rows together."""
        return int(self.counts.sum())

    @property
    def row_of(self) -> Array:
        """(total,) row of each entry, ascending."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def take(self, rows: Array) -> Ragged:
        """Return some rows, in the order asked for."""
        counts = self.counts[rows]
        starts = (np.cumsum(self.counts) - self.counts)[rows]
        entries = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        return Ragged(counts, {name: column[entries] for name, column in self.columns.items()})

    def keep(self, entries: Array) -> Ragged:
        """Return the same rows with only some entries; ``entries`` is a mask, (total,)."""
        counts = np.bincount(self.row_of[entries], minlength=len(self.counts)).astype(np.int64)
        return Ragged(counts, {name: column[entries] for name, column in self.columns.items()})

    def arrow(self) -> dict[str, pa.Array]:
        """Return one list column for each column; (total, width) become lists of lists of a fixed size."""
        offsets = pa.array(np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int32))
        return {name: pa.ListArray.from_arrays(offsets, _values(column)) for name, column in self.columns.items()}


def _values(column: Array) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(column).ravel())
    return flat if column.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, column.shape[1])


def joined(parts: Sequence[Ragged]) -> Ragged:
    """Return the rows of several tables, one after the other; one without entries may lack columns."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([part.counts for part in parts])
    parts = [part for part in parts if part.total] or list(parts[:1])
    names = parts[0].columns
    return Ragged(
        counts,
        {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
    )


def from_table(table: pa.Table, names: Sequence[str]) -> Ragged:
    """Return list columns of a table; columns that it does not have are left out."""
    columns, counts = {}, np.zeros(table.num_rows, np.int64)
    for name in names:
        if name in table.column_names:
            lists = table[name].combine_chunks()
            lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
            offsets = np.asarray(lists.offsets.to_numpy(zero_copy_only=False), np.int64)
            counts = np.diff(offsets)
            columns[name] = _numbers(lists.values.slice(offsets[0], offsets[-1] - offsets[0]))
    return Ragged(counts, columns)


def _numbers(values: pa.Array) -> Array:
    if not pa.types.is_fixed_size_list(values.type):
        return values.to_numpy(zero_copy_only=False)
    return values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), values.type.list_size)
