"""Entropy of the predictions over the epochs: how unsure the model was, whatever the given label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from labelaudit.analyzers.accumulator import series
from labelaudit.analyzers.mistakenness import Mistakenness
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd


def hardness(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return FiftyOne's hardness: **high is hard**, whatever the label.

    Formula: (1/E) sum_t H_t, H_t = -sum_k p_t[k] ln p_t[k] in nats.
    Source: FiftyOne Brain, compute_hardness; for one epoch the values are its own.

    Returns:
        (n,) numbers from 0 to ln K, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> hardness(worked_example()).round(6).tolist()
        [0.853279]
    """
    return series(history, Mistakenness, "hardness", split=split, epochs=epochs, skip_nan=skip_nan)


def mean_entropy(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean entropy of the predictions: **high is hard**, whatever the label.

    Formula: (1/E) sum_t -sum_k p_t[k] ln p_t[k], in nats: the same numbers as `hardness`.
    Source: FiftyOne Brain, compute_hardness, averaged over the epochs.

    Returns:
        (n,) numbers from 0 to ln K, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mean_entropy(worked_example()).round(6).tolist()
        [0.853279]
    """
    return series(history, Mistakenness, "mean_entropy", split=split, epochs=epochs, skip_nan=skip_nan)


def last_entropy(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the entropy of the last prediction: **high is hard**, whatever the label.

    Formula: -sum_k p_t[k] ln p_t[k] of the last epoch t that saw the sample, in nats.
    Source: FiftyOne Brain, compute_hardness, of the last epoch.

    Returns:
        (n,) numbers from 0 to ln K, single precision, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> last_entropy(worked_example()).astype(float).round(6).tolist()
        [0.639032]
    """
    return series(history, Mistakenness, "last_entropy", split=split, epochs=epochs, skip_nan=skip_nan)


def signed_entropy(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the signed entropy: **low is suspicious**.

    Formula: (1/E) sum_t s_t H_t, s_t = +1 where epoch t predicted the given label, else -1, H_t the entropy in
    nats.
    Source: the signed entropy integral of arXiv:2605.31090, divided by the number of epochs.

    Returns:
        (n,) numbers from -ln K to ln K, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> signed_entropy(worked_example()).round(6).tolist()
        [0.173373]
    """
    return series(history, Mistakenness, "signed_entropy", split=split, epochs=epochs, skip_nan=skip_nan)
