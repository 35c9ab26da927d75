"""EL2N: the length of the error vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, mean_of, series
from labelaudit.history.blocks import Block
from labelaudit.history.frame import Frame
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class ErrorNorm(Accumulator):
    """Sum of the error vectors' lengths. 12 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = ("el2n",)
    conventions: ClassVar[dict[str, str]] = {"el2n": "the length, not its square; mean over the epochs read"}

    def start(self) -> None:
        """Make the arrays."""
        self.seen = np.zeros(self.n, np.int32)
        self.total = np.zeros(self.n)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        self.seen[block.rows] += 1
        self.total[block.rows] += error_norm(block.frame)

    def result(self) -> dict[str, Array]:
        """Return the column."""
        return {"el2n": mean_of(self.total, self.seen)}


def error_norm(frame: Frame) -> Array:
    """Return the length of p - e_y for each sample of a block, (n,), from 0 to sqrt(2).

    The squares of the other classes' probabilities are what the given label's leaves of the sum of squares. Near a
    certain prediction that difference is rounding; then the bounds p_other^2 and p_other (1 - p[y]) hold it.
    """
    rest = -np.expm1(-frame.loss)
    others = frame.sum_of_squares - frame.p_given**2
    return np.sqrt(rest**2 + np.clip(others, frame.p_other**2, np.maximum(frame.p_other * rest, frame.p_other**2)))


def el2n(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean length of the error vector: **high is suspicious**.

    Formula: (1/E) sum_t ||p_t - e_y||, the Euclidean norm, e_y the vector of the given label y. The authors average
    over runs, at one early epoch: pass several runs and name the epoch with ``epochs``. In a summary history the
    probability beside the given and the likeliest other class is taken as spread evenly.
    Source: Paul et al., Deep Learning on a Data Diet, NeurIPS 2021.

    Returns:
        (n,) numbers from 0 to sqrt(2), indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> el2n(worked_example()).round(6).tolist()
        [0.673272]
    """
    return series(history, ErrorNorm, "el2n", split=split, epochs=epochs, skip_nan=skip_nan)
