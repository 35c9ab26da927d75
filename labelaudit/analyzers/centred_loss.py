"""The loss compared with that of the same epoch's other samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, accumulate, known_epochs, mean_of, series
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class EpochLoss(Accumulator):
    """Sum of the losses of every epoch. Nothing per sample."""

    def start(self) -> None:
        """Begin with no epoch."""
        self._sums: dict[tuple[int, int], tuple[int, float]] = {}

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        count, total = self._sums.get((block.run, block.epoch), (0, 0.0))
        loss = block.frame.loss
        self._sums[block.run, block.epoch] = (count + len(loss), total + float(loss.sum(dtype=np.float64)))

    def result(self) -> dict[str, Array]:
        """No column: see `means`."""
        return {}

    def means(self) -> dict[tuple[int, int], float]:
        """Return the mean loss by run and epoch."""
        return {key: total / count for key, (count, total) in self._sums.items() if count}


class CentredLoss(Accumulator):
    """Sum of the losses less their epochs' means. 12 bytes a sample.

    Args:
        n_samples: number of samples.
        n_classes: number of classes.
        means: the mean loss by run and epoch.
    """

    columns: ClassVar[tuple[str, ...]] = ("centred_loss",)

    def __init__(self, n_samples: int, n_classes: int, *, means: Mapping[tuple[int, int], float]) -> None:
        self.means = means
        super().__init__(n_samples, n_classes)

    def start(self) -> None:
        """Make the arrays."""
        self.seen = np.zeros(self.n, np.int32)
        self.total = np.zeros(self.n)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        if len(block.frame.loss):
            self.seen[block.rows] += 1
            self.total[block.rows] += block.frame.loss - self.means[block.run, block.epoch]

    def result(self) -> dict[str, Array]:
        """Return the column."""
        return {"centred_loss": mean_of(self.total, self.seen)}


def centred_loss(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean loss above the average of the same epochs: **high is suspicious**.

    Formula: (1/E) sum_t (l_t - mean of l_t over the samples that epoch t saw), in nats, over the E epochs that saw
    the sample. Unlike `mean_loss` it compares samples that were seen in different epochs. Reads the history twice.
    Source: Huang et al., O2U-Net, ICCV 2019.

    Returns:
        (n,) numbers, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> history = history_from_arrays([[[0.9, 0.1], [0.4, 0.6]], [[0.9, 0.1], [0.8, 0.2]]], [0, 0])
        >>> centred_loss(history).round(6).tolist()
        [-0.232178, 0.232178]
    """
    read = None if epochs is None else known_epochs(history, split, epochs)
    (first_pass,) = accumulate(history, [EpochLoss], split=split, epochs=read, skip_nan=skip_nan)
    assert isinstance(first_pass, EpochLoss)
    kind = partial(CentredLoss, means=first_pass.means())
    return series(history, kind, "centred_loss", split=split, epochs=read, skip_nan=skip_nan)
