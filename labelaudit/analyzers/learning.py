"""Learning: in which epoch, and after how many presentations, a sample's label was predicted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from labelaudit.analyzers.accumulator import series
from labelaudit.analyzers.correctness import Correctness
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd


def first_learned_epoch(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the first epoch that predicted the given label: **high is suspicious**.

    Formula: min {t: c_t = 1}, epochs counted from 0; over several runs the earliest.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.

    Returns:
        (n,) Int64, indexed by sample_id; <NA> where the sample was never learned (the most suspicious of all).

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> first_learned_epoch(worked_example()).tolist()
        [1]
    """
    return series(history, Correctness, "first_learned_epoch", split=split, epochs=epochs, skip_nan=skip_nan)


def never_learned(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Say whether no epoch predicted the given label: **true is suspicious**.

    Formula: c_t = 0 for all t.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019. A sample that no epoch saw is not
    called never learned.

    Returns:
        (n,) bool, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> never_learned(worked_example()).tolist()
        [False]
    """
    return series(history, Correctness, "never_learned", split=split, epochs=epochs, skip_nan=skip_nan)


def unforgettable(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Say whether the given label was learned and never forgotten: **true is easy**, false is not wrong.

    Formula: c_t = 1 for some t, and no t >= 1 with c_{t-1} = 1 and c_t = 0. A sample never learned is none.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.

    Returns:
        (n,) bool, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> unforgettable(worked_example()).tolist(), unforgettable(worked_example(), epochs=[2, 3, 4]).tolist()
        ([False], [True])
    """
    return series(history, Correctness, "unforgettable", split=split, epochs=epochs, skip_nan=skip_nan)


def presentations_to_learn(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Count the presentations up to the last wrong one: **high is hard**.

    Formula: 1 + max {t: c_t = 0}, t counting the presentations of the sample from 0; 0 if it was never wrong. Over
    several runs the largest.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.

    Returns:
        (n,) integers, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> presentations_to_learn(worked_example()).tolist()
        [3]
    """
    return series(history, Correctness, "presentations_to_learn", split=split, epochs=epochs, skip_nan=skip_nan)


def learned_for_good(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the presentation from which on the label was always predicted: **high is suspicious**.

    Formula: first t with c_t = 1 to the end, counted from 1; E + 1 if the last presentation was wrong. Over several
    runs the largest.
    Source: first-split learning time of Maini et al., Characterizing Datapoints via Second-Split Forgetting,
    NeurIPS 2022.

    Returns:
        (n,) Int64, indexed by sample_id; <NA> where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> learned_for_good(worked_example()).tolist()
        [4]
    """
    return series(history, Correctness, "learned_for_good", split=split, epochs=epochs, skip_nan=skip_nan)


def mean_correct_epoch(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean number of the epochs that predicted the given label: **high is suspicious**.

    Formula: mean {t: c_t = 1}, epochs counted from 0.
    Source: the ranking of InterpretDL's ForgettingEventsInterpreter.

    Returns:
        (n,) numbers, indexed by sample_id; NaN where the sample was never learned (the most suspicious of all).

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mean_correct_epoch(worked_example()).round(6).tolist()
        [2.666667]
    """
    return series(history, Correctness, "mean_correct_epoch", split=split, epochs=epochs, skip_nan=skip_nan)
