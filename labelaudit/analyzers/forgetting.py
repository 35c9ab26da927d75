"""Forgetting and learning events: when a sample's prediction turned from right to wrong and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from labelaudit.analyzers.accumulator import series
from labelaudit.analyzers.correctness import Correctness
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd


def forgetting_events(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Count how often a sample went from predicted right to predicted wrong: **high is hard**.

    Formula: number of t >= 1 with c_{t-1} = 1 and c_t = 0, where c_t says that epoch t predicted the given label. A
    sample never learned has 0 events, so look at `never_learned` as well. Events are counted inside a run, never
    between two.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.

    Returns:
        (n,) integers, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> forgetting_events(worked_example()).tolist()
        [1]
    """
    return series(history, Correctness, "forgetting_events", split=split, epochs=epochs, skip_nan=skip_nan)


def learning_events(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Count how often a sample went from predicted wrong to predicted right: **high is hard**.

    Formula: number of t with c_t = 1 and c_{t-1} = 0, where c_{-1} = 0.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.

    Returns:
        (n,) integers, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> learning_events(worked_example()).tolist()
        [2]
    """
    return series(history, Correctness, "learning_events", split=split, epochs=epochs, skip_nan=skip_nan)


def last_forgotten_epoch(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the epoch of the last forgetting event: **high is hard**.

    Formula: max {t: c_{t-1} = 1, c_t = 0}, epochs counted from 0; over several runs the latest.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.

    Returns:
        (n,) Int64, indexed by sample_id; <NA> where the sample was never forgotten.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> last_forgotten_epoch(worked_example()).tolist()
        [2]
    """
    return series(history, Correctness, "last_forgotten_epoch", split=split, epochs=epochs, skip_nan=skip_nan)


def last_forgotten_as(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the class predicted at the last forgetting event: a hint at the true label.

    Formula: the prediction of the epoch named by `last_forgotten_epoch` (over several runs, of the last run that
    forgot the sample).
    Source: InterpretDL's ForgettingEventsInterpreter, which lists the classes of all events; see `forgetting_log`.

    Returns:
        (n,) Int64 class numbers, indexed by sample_id; <NA> where the sample was never forgotten.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> last_forgotten_as(worked_example()).tolist()
        [1]
    """
    return series(history, Correctness, "last_forgotten_as", split=split, epochs=epochs, skip_nan=skip_nan)
