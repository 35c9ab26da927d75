"""How chosen samples, and whole groups, were predicted epoch by epoch: one streaming pass over a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.history import History
from labelaudit.report.source import rows_of

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

Array = npt.NDArray[Any]
MAX_POINTS = 60  # of a curve in a report; longer runs are averaged over neighbouring epochs


@dataclass
class Curves:
    """Probabilities over the epochs; several runs are averaged epoch by epoch.

    Attributes:
        epochs: (E,) their numbers.
        given: (m, E) probability of the given label of the chosen samples, NaN where an epoch did not see one.
        suggested: (m, E) the same of the suggested label, NaN where there is none.
        flagged_mean: (E,) mean probability of the given label over all flagged samples, NaN where there are none.
        clean_mean: (E,) the same over all other samples.
    """

    epochs: Array
    given: Array
    suggested: Array
    flagged_mean: Array
    clean_mean: Array


def curves_of_audit(audit: Audit, history: History, positions: Array) -> Curves:
    """Collect the curves of some rows of an audit's table, (m,), from its history."""
    split, rows = audit.info.get("split"), rows_of(audit, history)
    flagged = np.zeros(len(history.table(split)), bool)
    flagged[rows] = audit.samples["is_label_issue"].to_numpy(bool)
    return curves_of(history, rows[positions], audit.codes("suggested_label")[positions], flagged, split=split)


def curves_of(
    history: History, positions: Array, suggested: Array, flagged: Array, *, split: str | None = None
) -> Curves:
    """Collect the curves of some samples; memory grows with the samples chosen, not with the history.

    Args:
        history: a history of n samples.
        positions: (m,) rows of the samples table.
        suggested: (m,) class number of the suggested label, -1 for none.
        flagged: (n,) bool.
        split: which split; default "train".
    """
    order = np.argsort(positions, kind="stable")
    rows, classes = np.asarray(positions)[order], np.asarray(suggested)[order]
    chosen_split = history.splits[0] if split is None else split
    epochs = np.array(sorted({epoch for run in history.runs_read for epoch in run.epochs(chosen_split)}))
    at = {int(epoch): i for i, epoch in enumerate(epochs)}
    given = np.zeros((len(rows), len(epochs)), np.float32)
    other, seen = np.zeros_like(given), np.zeros(given.shape, np.uint16)
    sums, counts = np.zeros((2, len(epochs))), np.zeros((2, len(epochs)))
    for block in history.blocks(split):
        column = at[block.epoch]
        _add_means(sums[:, column], counts[:, column], block.frame.p_given, flagged[block.rows])
        low, high, inside = _places(block.rows, rows)
        if low == high:
            continue
        frame, here = block.frame.take(inside), np.arange(low, high)[_held(block.rows, rows[low:high])]
        wanted = classes[here]
        given[here, column] += frame.p_given
        other[here, column] += frame.probabilities[np.maximum(wanted, 0), np.arange(len(here))]
        seen[here, column] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        given /= seen
        other /= seen
        means = sums / counts
    other[classes < 0] = np.nan
    back = np.argsort(order, kind="stable")
    return Curves(epochs, given[back], other[back], means[1], means[0])


def _add_means(sums: Array, counts: Array, p_given: Array, flagged: Array) -> None:
    known = ~np.isnan(p_given)
    group = flagged[known].astype(np.intp)
    sums += np.bincount(group, p_given[known], 2)
    counts += np.bincount(group, minlength=2)


def _places(block_rows: slice | Array, rows: Array) -> tuple[int, int, Array]:
    """Return which of the (sorted) chosen rows lie in a block's range, and their columns in the block."""
    if isinstance(block_rows, slice):
        low, high = np.searchsorted(rows, (block_rows.start, block_rows.stop))
        return int(low), int(high), rows[low:high] - block_rows.start
    low, high = np.searchsorted(rows, (block_rows[0], block_rows[-1] + 1))
    held = _held(block_rows, rows[low:high])
    return int(low), int(high), np.searchsorted(block_rows, rows[low:high][held])


def _held(block_rows: slice | Array, rows: Array) -> Array:
    """Return which of the chosen rows a block really has, (m,) bool."""
    return np.ones(len(rows), bool) if isinstance(block_rows, slice) else np.isin(rows, block_rows)


def binned(values: Array, points: int = MAX_POINTS) -> Array:
    """Return (..., E) curves as (..., at most ``points``) means over neighbouring epochs; NaN is left out.

    >>> binned(np.array([0.0, 1.0, 2.0, 3.0]), 2).tolist()
    [0.5, 2.5]
    """
    n = values.shape[-1]
    if n <= points:
        return values
    starts = (np.arange(points) * n) // points
    known = ~np.isnan(values)
    total = np.add.reduceat(np.where(known, values, 0), starts, axis=-1)
    count = np.add.reduceat(known, starts, axis=-1, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        return total / count
