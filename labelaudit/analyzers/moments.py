"""Mean and variance of a value per sample, one epoch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.history.part import Rows

Array = npt.NDArray[Any]


class Moments:
    """Count, mean and sum of squared deviations by Welford's update, in double precision: 20 bytes a sample.

    Equal values have variance exactly 0, and a large mean does not swallow a small variance.

    Source: Welford, Technometrics 1962.

    Args:
        n: number of samples.

    Example:
        >>> moments = Moments(1)
        >>> for value in (1.0, 2.0, 6.0):
        ...     moments.add(slice(0, 1), np.array([value]))
        >>> moments.means().item(), round(moments.variances().item(), 6)
        (3.0, 4.666667)
    """

    def __init__(self, n: int) -> None:
        self.count = np.zeros(n, np.int32)
        self._mean = np.zeros(n)
        self._squares = np.zeros(n)

    def add(self, rows: Rows, values: Array) -> None:
        """Add one value, (m,), to each of the samples in ``rows``."""
        count, mean = self.count[rows] + 1, self._mean[rows]
        step = values - mean
        moved = mean + step / count
        self._squares[rows] += step * (values - moved)
        self.count[rows], self._mean[rows] = count, moved

    def means(self) -> Array:
        """Return the means, (n,); NaN without a value."""
        return np.where(self.count > 0, self._mean, np.nan)

    def variances(self) -> Array:
        """Return the population variances, (n,); NaN without a value."""
        with np.errstate(invalid="ignore"):
            return self._squares / self.count
