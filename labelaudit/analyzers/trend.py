"""The trend of the given label's probability over the epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, series
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
LEVELS = 16  # of the probability, for Mann and Kendall's comparisons


class Trend(Accumulator):
    """Counts of the levels seen so far, comparisons with them, and sums for a line. 92 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = ("mann_kendall", "confidence_slope")
    conventions: ClassVar[dict[str, str]] = {
        "mann_kendall": "Z, of probabilities rounded down to sixteenths; over several runs from the sum of their S",
        "confidence_slope": "per epoch; over several runs one line through all of their epochs",
    }

    def start(self) -> None:
        """Make the arrays; the counts are (LEVELS, n)."""
        self.before = np.zeros((LEVELS, self.n), np.int16)
        self.rises = np.zeros(self.n)
        self.variance = np.zeros(self.n)
        self.seen_in_run = np.zeros(self.n, np.int32)
        self.sums = np.zeros((5, self.n))  # 1, t, p, t p, t t

    def begin_run(self) -> None:
        """No comparison across runs."""
        self.before[:] = 0
        self.seen_in_run[:] = 0

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, p = block.rows, block.frame.p_given
        level = np.minimum((p * LEVELS).astype(np.int16), LEVELS - 1)
        rises = np.zeros(len(p), np.int32)
        for k in range(LEVELS):
            rises += self.before[k, rows] * np.sign(level - np.int16(k))
            self.before[k, rows] += level == k
        self.rises[rows] += rises
        seen = self.seen_in_run[rows].astype(float)
        self.variance[rows] += _variance(seen + 1) - _variance(seen)
        self.seen_in_run[rows] += 1
        t = float(block.epoch)
        wide = p.astype(np.float64)
        self.sums[:, rows] += np.stack(
            [np.ones_like(wide), np.full_like(wide, t), wide, t * wide, np.full_like(wide, t * t)]
        )

    def result(self) -> dict[str, Array]:
        """Return every column."""
        n, t, p, tp, tt = self.sums
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (self.rises - np.sign(self.rises)) / np.sqrt(self.variance)
            slope = (n * tp - t * p) / (n * tt - t * t)
        return {
            "mann_kendall": np.where(self.variance > 0, z, np.nan),
            "confidence_slope": np.where(n * tt > t * t, slope, np.nan),
        }


def _variance(n: Array) -> Array:
    """Return the variance of Mann and Kendall's S for n values without a trend."""
    return n * (n - 1) * (2 * n + 5) / 18


def mann_kendall(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return Mann and Kendall's Z of the given label's probability: **low is suspicious**.

    Formula: S = sum over epochs s < t of sign(p_t[y] - p_s[y]), Z = (S - sign(S)) / sqrt(E (E - 1) (2 E + 5) / 18). To
    stream, the probabilities are rounded down to sixteenths: differences within one sixteenth count as ties, which
    keep Z near 0.
    Source: confidence tracking, arXiv:2504.17474, which also asks for p_t[y] - p_t[k] for every other class k; that
    needs K such counts a sample and is left out.

    Returns:
        (n,) numbers, about standard normal without a trend, indexed by sample_id; NaN for fewer than two epochs.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mann_kendall(worked_example()).round(6).tolist()
        [1.714643]
    """
    return series(history, Trend, "mann_kendall", split=split, epochs=epochs, skip_nan=skip_nan)


def confidence_slope(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the slope of the given label's probability over the epochs: **low is suspicious**.

    Formula: cov(t, p_t[y]) / var(t), the line of least squares, per epoch. A label right from the start has a slope
    of 0, too, so read it beside `confidence`.
    Source: no paper of its own; the line of least squares beside the rank test of `mann_kendall`.

    Returns:
        (n,) numbers, indexed by sample_id; NaN for fewer than two epochs.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> confidence_slope(worked_example()).round(6).tolist()
        [0.13]
    """
    return series(history, Trend, "confidence_slope", split=split, epochs=epochs, skip_nan=skip_nan)
