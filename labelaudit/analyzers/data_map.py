"""The data map: mean and spread over the epochs of the probability of the given label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, series
from labelaudit.analyzers.moments import Moments
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
REGIONS = ("easy", "ambiguous", "hard")


class DataMap(Accumulator):
    """Mean and variance of p_t(given). 20 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = (
        "confidence",
        "variability",
        "variability_upper",
        "aleatoric",
        "threshold_closeness",
        "region",
    )
    conventions: ClassVar[dict[str, str]] = {
        "confidence": "mean over the epochs that saw the sample",
        "variability": "population standard deviation over the epochs; 0 for one epoch",
        "aleatoric": "mean over epochs of p (1 - p)",
        "region": "easy: confidence - variability > 0.5; hard: confidence + variability < 0.5; else ambiguous",
    }
    categories: ClassVar[dict[str, tuple[str, ...]]] = {"region": REGIONS}

    def start(self) -> None:
        """Make the arrays."""
        self.p_given = Moments(self.n)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        self.p_given.add(block.rows, block.frame.p_given)

    def result(self) -> dict[str, Array]:
        """Return every column; region as a code, -1 where no epoch saw the sample."""
        confidence, variance = self.p_given.means(), self.p_given.variances()
        variability = np.sqrt(variance)
        closeness = confidence * (1 - confidence)
        with np.errstate(invalid="ignore", divide="ignore"):
            upper = np.sqrt(variance + variance**2 / (self.p_given.count - 1))
        place = np.int8(1) + (confidence + variability < 0.5) - (confidence - variability > 0.5).astype(np.int8)
        return {
            "confidence": confidence,
            "variability": variability,
            "variability_upper": np.where(self.p_given.count > 1, upper, np.nan),
            "aleatoric": closeness - variance,
            "threshold_closeness": closeness,
            "region": np.where(self.p_given.count > 0, place, np.int8(-1)),
        }


def confidence(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean probability of the given label: **low is suspicious**.

    Formula: (1/E) sum_t p_t[y] over the E epochs that saw the sample.
    Source: Swayamdipta et al., Dataset Cartography, EMNLP 2020.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> confidence(worked_example()).round(6).tolist()
        [0.48]
    """
    return series(history, DataMap, "confidence", split=split, epochs=epochs, skip_nan=skip_nan)


def variability(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the spread of the probability of the given label: **high is ambiguous**, not wrong.

    Formula: sqrt((1/E) sum_t (p_t[y] - confidence)^2), the population standard deviation over the epochs; over
    several runs, over all of their epochs. 0 for one epoch. Labels never learned and labels learned at once both
    have low values.
    Source: Swayamdipta et al., Dataset Cartography, EMNLP 2020.

    Returns:
        (n,) numbers from 0 to 0.5, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> variability(worked_example()).round(6).tolist()
        [0.213542]
    """
    return series(history, DataMap, "variability", split=split, epochs=epochs, skip_nan=skip_nan)


def variability_upper(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the variability with its sampling error: **high is ambiguous**.

    Formula: sqrt(v + v^2 / (E - 1)), where v = variability^2.
    Source: Chang et al., Active Bias, NeurIPS 2017.

    Returns:
        (n,) numbers, indexed by sample_id; NaN where fewer than two epochs saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> variability_upper(worked_example()).round(6).tolist()
        [0.214755]
    """
    return series(history, DataMap, "variability_upper", split=split, epochs=epochs, skip_nan=skip_nan)


def aleatoric(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return Data-IQ's aleatoric uncertainty: **high is ambiguous**.

    Formula: (1/E) sum_t p_t[y] (1 - p_t[y]) = threshold_closeness - variability^2.
    Source: Seedat et al., Data-IQ, NeurIPS 2022.

    Returns:
        (n,) numbers from 0 to 0.25, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> aleatoric(worked_example()).round(6).tolist()
        [0.204]
    """
    return series(history, DataMap, "aleatoric", split=split, epochs=epochs, skip_nan=skip_nan)


def threshold_closeness(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return how close the mean probability of the given label is to 0.5: **high is ambiguous**.

    Formula: confidence (1 - confidence).
    Source: Chang et al., Active Bias, NeurIPS 2017.

    Returns:
        (n,) numbers from 0 to 0.25, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> threshold_closeness(worked_example()).round(6).tolist()
        [0.2496]
    """
    return series(history, DataMap, "threshold_closeness", split=split, epochs=epochs, skip_nan=skip_nan)


def region(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Name the sample's region of the data map: **hard is suspicious**.

    Formula: easy where confidence - variability > 0.5, hard where confidence + variability < 0.5, ambiguous
    otherwise. The bounds are absolute, so a set without hard samples has none: thirds would call a third of any set
    hard. Between the two, the label was likelier than not in some epochs and not in others.
    Source: Swayamdipta et al., Dataset Cartography, EMNLP 2020, which takes thirds of the data set instead.

    Returns:
        (n,) ordered categorical of easy, ambiguous, hard, indexed by sample_id; missing where no epoch saw the
        sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> region(worked_example()).tolist()
        ['ambiguous']
    """
    return series(history, DataMap, "region", split=split, epochs=epochs, skip_nan=skip_nan)
