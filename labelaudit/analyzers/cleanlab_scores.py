"""cleanlab's three quality scores under its names, on the probabilities averaged over a history's epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from labelaudit.analyzers.accumulator import series
from labelaudit.analyzers.consensus import Consensus
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd


def self_confidence(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return cleanlab's self-confidence: **low is suspicious**.

    Formula: p[y].
    Source: cleanlab (Northcutt et al., JAIR 2021), applied to p, the probabilities averaged over the epochs. On the
    mean of a history it equals `confidence`.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> self_confidence(worked_example()).round(6).tolist()
        [0.48]
    """
    return series(history, Consensus, "self_confidence", split=split, epochs=epochs, skip_nan=skip_nan)


def normalized_margin(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return cleanlab's normalized margin: **low is suspicious**.

    Formula: (p[y] - max_{k != y} p[k] + 1) / 2.
    Source: cleanlab (Northcutt et al., JAIR 2021), applied to p, the probabilities averaged over the epochs.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> normalized_margin(worked_example()).round(6).tolist()
        [0.54]
    """
    return series(history, Consensus, "normalized_margin", split=split, epochs=epochs, skip_nan=skip_nan)


def confidence_weighted_entropy(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return cleanlab's confidence-weighted entropy: **low is suspicious**.

    Formula: ln(1 + x) / x with x = H(p) / (ln K p[y]), and its limits 1 at x = 0 and 0 at p[y] = 0.
    Source: cleanlab (Northcutt et al., JAIR 2021), applied to p, the probabilities averaged over the epochs.
    cleanlab clips x and p[y] at 1e-6 instead, so that it gives 0, the worst score, to a certain prediction of the
    given label, and nearly 1, the best, to a certain prediction of another class.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> confidence_weighted_entropy(worked_example()).round(6).tolist()
        [0.56663]
    """
    return series(history, Consensus, "confidence_weighted_entropy", split=split, epochs=epochs, skip_nan=skip_nan)
