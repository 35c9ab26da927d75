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

    def without(self, left_out: npt.NDArray[np.bool_]) -> Block:
        """Return the block less some of its samples, (m,)."""
        every = np.arange(self.rows.start, self.rows.stop) if isinstance(self.rows, slice) else self.rows
        return Block(self.run, self.epoch, every[~left_out], self.frame.take(~left_out))


class _Opener(Protocol):
    def open_epoch(self, split: str, epoch: int) -> EpochPart: ...


def iterate_blocks(
    run: int, epochs: list[int], split: str, opener: _Opener, labels: npt.NDArray[Any]
) -> Iterator[Block]:
    """Yield every block of a run; for a given sample the epochs come in ascending order."""
    for start in range(0, len(epochs), OPEN_EPOCHS):
        group = epochs[start : start + OPEN_EPOCHS]
        parts = [(epoch, opener.open_epoch(split, epoch)) for epoch in group]
        size = int(np.clip(BLOCK_VALUES // parts[0][1].width, 256, 8192))
        for low in range(0, len(labels), size):
            for epoch, part in parts:
                found = part.block(low, low + size, labels)
                if found is not None:
                    yield Block(run, epoch, *found)
