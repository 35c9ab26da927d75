"""One epoch's predictions, opened: which samples, and their stored columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.history.frame import Frame, SummaryFrame, scores_frame
from labelaudit.history.samples import find, numbers

Array = npt.NDArray[Any]
Rows = slice | Array
SUMMARY = ("loss", "other_loss", "other", "entropy")


@dataclass
class EpochPart:
    """Predictions of one epoch, sorted by row of the samples table.

    Attributes:
        rows: (m,) ascending row numbers, or None when they are 0 to m - 1.
        columns: "scores" as a list of K arrays (m,), or the four summary columns, each (m,).
        n_classes: number of classes.
        shifted: whether every sample's largest logit is 0.
    """

    rows: Array | None
    columns: dict[str, Any]
    n_classes: int
    shifted: bool = True

    def __len__(self) -> int:
        return len(self.columns["scores"][0] if "scores" in self.columns else self.columns["loss"])

    @property
    def width(self) -> int:
        """Number of stored values per sample."""
        return len(self.columns["scores"]) if "scores" in self.columns else len(self.columns)

    def block(self, low: int, high: int, labels: Array) -> tuple[Rows, Frame] | None:
        """Return rows and frame of the samples in [low, high) seen in this epoch; None when there are none.

        Args:
            low: first row.
            high: end of the rows.
            labels: (n,) given labels of the whole samples table.
        """
        if self.rows is None:
            first, last = low, min(high, len(self))
        else:
            first, last = np.searchsorted(self.rows, (low, high)).tolist()
        if first >= last:
            return None
        rows: Rows = slice(first, last) if self.rows is None else self.rows[first:last]
        return rows, self._frame(slice(first, last), labels[rows])

    def pick(self, wanted: Array, labels: Array) -> tuple[Array, Frame]:
        """Return which of some samples this epoch saw, and their frame.

        Args:
            wanted: (m,) ascending rows of the samples table.
            labels: (n,) given labels of the whole samples table.

        Returns:
            Places in ``wanted``, and the frame of those samples.
        """
        if self.rows is None:
            found = np.flatnonzero(wanted < len(self))
            here = wanted[found]
        else:
            place = np.minimum(np.searchsorted(self.rows, wanted), len(self.rows) - 1)
            found = np.flatnonzero(self.rows[place] == wanted)
            here = place[found]
        return found, self._frame(here, labels[wanted[found]])

    def _frame(self, here: Rows, labels: Array) -> Frame:
        if "scores" in self.columns:
            scores = np.stack([of_class[here] for of_class in self.columns["scores"]])
            return scores_frame(scores, labels, shifted=self.shifted)
        loss, other_loss, other, entropy = (self.columns[name][here] for name in SUMMARY)
        return SummaryFrame(loss, other_loss, other, entropy, labels, self.n_classes)


def part_of_tables(tables: list[pa.Table], keys: Array, n_classes: int) -> EpochPart:
    """Return the part that an epoch's files make up; of a sample in several files the first counts.

    Args:
        tables: one per writer, in the writers' order.
        keys: (n,) keys of the samples table, in its order.
        n_classes: number of classes.

    Raises:
        KeyError: the samples table lacks a key.
    """
    of_files = [_keys_of(table) for table in tables]
    columns = [_stored_columns(table, n_classes) for table in tables]
    counting_up = bool(len(keys) and keys[0] == 0 and keys[-1] == len(keys) - 1 and np.all(np.diff(keys) == 1))
    if len(tables) == 1 and counting_up:
        rows = None if "sample" not in tables[0].column_names else of_files[0]
        if len(of_files[0]) and (of_files[0][0] < 0 or of_files[0][-1] >= len(keys)):
            raise KeyError(int(of_files[0][0 if of_files[0][0] < 0 else -1]))
        return EpochPart(rows, columns[0], n_classes)
    joined = np.concatenate(of_files)
    present, rows = find(keys, joined)
    if not present.all():
        raise KeyError(int(joined[~present][0]))
    rows, first = first_places(rows, len(keys))
    return EpochPart(rows, _gathered(columns, first), n_classes)


def first_places(rows: Array, n: int) -> tuple[Array, Array]:
    """Return the different rows, ascending, and the first place of each: `numpy.unique` without sorting.

    Args:
        rows: (m,) from 0 to n - 1, in any order.
        n: number of rows that there are.

    >>> first_places(np.array([4, 1, 4]), 5)
    (array([1, 4]), array([1, 0]))
    """
    first = np.full(n, -1)
    first[rows[::-1]] = np.arange(len(rows))[::-1]  # of a row that comes again, the last one assigned stays
    found = np.flatnonzero(first >= 0)
    return found, first[found]


def _keys_of(table: pa.Table) -> Array:
    if "sample" in table.column_names:
        return numbers(table["sample"])
    return np.arange(table.num_rows)


def _stored_columns(table: pa.Table, n_classes: int) -> dict[str, Any]:
    if "score_0" in table.column_names:
        return {"scores": [numbers(table[f"score_{k}"]) for k in range(n_classes)]}
    return {name: numbers(table[name]) for name in SUMMARY}


def _gathered(parts: list[dict[str, Any]], order: Array) -> dict[str, Any]:
    if "scores" in parts[0]:
        of_classes = zip(*(part["scores"] for part in parts), strict=True)
        return {"scores": [np.concatenate(of_class)[order] for of_class in of_classes]}
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
