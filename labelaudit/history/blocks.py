"""The order in which predictions are read: blocks of samples that fit the cache, epochs inside.

Some epoch files are open at a time; for each block of samples all of those epochs pass before the next
block, so that an analyzer's state for the block stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from labelaudit.history.frame import Frame
from labelaudit.history.part import EpochPart, Rows

OPEN_EPOCHS = 32  # files held open together
BLOCK_VALUES = 1 << 18  # scores in a block: 1 MiB of single precision
MOST_ROWS = 8192  # in a block; all sizes are powers of two, so blocks begin at every multiple of this


@dataclass(frozen=True)
class Block:
    """A block of samples in one epoch.

    Attributes:
        run: number of the run.
        epoch: number of the epoch.
        rows: which rows of the samples table; a slice, or (m,) ascending row numbers.
        frame: what the model said of them.
    """

    run: int
    epoch: int
    rows: Rows
    frame: Frame

    def moved(self, by: int) -> Block:
        """Return the block with other row numbers."""
        rows = slice(self.rows.start + by, self.rows.stop + by) if isinstance(self.rows, slice) else self.rows + by
        return Block(self.run, self.epoch, rows, self.frame)

    def without(self, left_out: npt.NDArray[np.bool_]) -> Block:
        """Return the block less some of its samples, (m,)."""
        every = np.arange(self.rows.start, self.rows.stop) if isinstance(self.rows, slice) else self.rows
        return Block(self.run, self.epoch, every[~left_out], self.frame.take(~left_out))


class _Opener(Protocol):
    def open_epoch(self, split: str, epoch: int) -> EpochPart: ...


def iterate_blocks(
    run: int,
    epochs: list[int],
    split: str,
    opener: _Opener,
    labels: npt.NDArray[Any],
    within: tuple[int, int] | None = None,
) -> Iterator[Block]:
    """Yield every block of a run; for a given sample the epochs come in ascending order.

    Args:
        run: number of the run.
        epochs: numbers of the epochs to read.
        split: which split.
        opener: the run.
        labels: (n,) given labels.
        within: rows [low, high) to read, low a multiple of MOST_ROWS; default all.
    """
    begin, end = (0, len(labels)) if within is None else within
    for start in range(0, len(epochs), OPEN_EPOCHS):
        group = epochs[start : start + OPEN_EPOCHS]
        parts = [(epoch, opener.open_epoch(split, epoch)) for epoch in group]
        fitting = max(BLOCK_VALUES // parts[0][1].width, 1)
        size = int(np.clip(1 << fitting.bit_length() - 1, 256, MOST_ROWS))
        for low in range(begin, end, size):
            for epoch, part in parts:
                found = part.block(low, min(low + size, end), labels)
                if found is not None:
                    yield Block(run, epoch, *found)
