"""What every doubling of a run's epochs says of every sample: how far its label was learned by then."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.mean_scores import AllClasses, LikeliestClasses, chunks
from labelaudit.auditing.glance import log_ratios
from labelaudit.history.blocks import Block

Array = npt.NDArray[Any]

FOLLOWED = 6  # doublings: stages 0, 1, 2-3, 4-7, 8-15, 16-31; of a shorter run the last one stands for those after it


class Doublings:
    """Log ratios of n samples in each doubling, the mean over the runs: 4 K + 48 bytes a sample.

    Args:
        n_samples: n.
        n_classes: K.
        kind: how probabilities are averaged over the epochs of a doubling.
    """

    def __init__(self, n_samples: int, n_classes: int, kind: type[AllClasses] | type[LikeliestClasses]) -> None:
        self._n_classes = n_classes
        self._total = np.zeros((FOLLOWED, n_samples), np.float32)
        self._runs = np.zeros((FOLLOWED, n_samples), np.uint16)
        self._open = kind(n_samples, n_classes)
        self._at = np.full(n_samples, -1, np.int32)  # FOLLOWED * run + doubling that is open for a sample

    def add(self, block: Block, number: int) -> None:
        """Add a block of an epoch of the doubling with that number; a sample's come in their order, run by run."""
        if number >= FOLLOWED:
            return
        at = FOLLOWED * block.run + number
        before = self._at[block.rows]
        if (before != at).any():
            for ended in _values(before[before != at]):
                self._close(_part(block.rows, before == ended), ended, run_ended=ended // FOLLOWED != block.run)
            self._at[block.rows] = at
        self._open.add(block)

    def log_ratios(self) -> Array:
        """Return (FOLLOWED, n), high is suspicious; NaN where no run saw the sample in that doubling."""
        self._close_all()
        with np.errstate(invalid="ignore"):
            found: Array = self._total / self._runs
        return found

    def extend(self, others: list[Doublings]) -> None:
        """Add the samples of others after one's own."""
        for one in (self, *others):
            one._close_all()
        self._open.extend([one._open for one in others])  # type: ignore[misc]  # of one kind
        for name in ("_total", "_runs", "_at"):
            setattr(self, name, np.concatenate([getattr(one, name) for one in (self, *others)], axis=-1))

    def keep(self, rows: Array) -> None:
        """Keep only some of the samples, numbered anew."""
        self._open.keep(rows)
        for name in ("_total", "_runs", "_at"):
            setattr(self, name, getattr(self, name)[..., rows])

    def _close_all(self) -> None:
        for here in chunks(len(self._at), self._n_classes):
            before = self._at[here]
            for at in _values(before):
                self._close(_part(here, before == at), at, run_ended=True)
        self._at[:] = -1

    def _close(self, rows: slice | Array, at: int, *, run_ended: bool) -> None:
        """Add the log ratios of a doubling of some samples; where the run ended, for its later doublings too."""
        number = at % FOLLOWED
        last = FOLLOWED if run_ended else number + 1
        self._total[number:last, rows] += log_ratios(self._open.of(rows), self._open.labels[rows]).astype(np.float32)
        self._runs[number:last, rows] += 1
        self._open.forget(rows)


def _values(numbers: Array) -> list[int]:
    """Return the different numbers of some, without -1."""
    found: list[int] = np.flatnonzero(np.bincount(numbers + 1)[1:]).tolist()
    return found


def _part(rows: slice | Array, chosen: Array) -> slice | Array:
    """Return some of the rows."""
    if chosen.all():
        return rows
    return (np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows)[chosen]
