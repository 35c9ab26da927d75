"""Votes: which class each epoch predicted, and how much the epochs agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, mean_of, series
from labelaudit.history.blocks import Block
from labelaudit.history.encode import smallest_int
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
SLOTS = 8  # classes counted per sample


class Votes(Accumulator):
    """Counts of predicted classes, in 8 slots a sample. 52 bytes a sample up to 128 classes, 60 above.

    As long as a sample was predicted as at most 8 different classes, as always with 8 classes or fewer, the
    counts are exact. A ninth class takes over the slot with the lowest count and that count (the space-saving
    algorithm of Metwally et al., ICDT 2005): a class with more than an eighth of the votes is never lost, no
    class is counted too low, and none too high by more than an eighth of the votes.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "vote",
        "vote_share",
        "disagreement",
        "plurality_other",
        "prediction_entropy",
        "prediction_flips",
    )
    conventions: ClassVar[dict[str, str]] = {
        "vote": "of equally frequent classes the lower",
        "disagreement": "1 - vote_share",
        "plurality_other": "0 where the most frequent prediction is the given label",
        "prediction_entropy": "of the votes, divided by ln K: 0 to 1",
        "prediction_flips": "counted inside a run, never between two",
    }
    missing_below_zero = frozenset({"vote"})

    def start(self) -> None:
        """Make the arrays; slots are (SLOTS, n)."""
        slots = min(SLOTS, self.n_classes)
        self.classes = np.full((slots, self.n), -1, smallest_int(self.n_classes))
        self.counts = np.zeros((slots, self.n), np.int32)
        self.last = np.full(self.n, -1, np.int32)
        self.flips = np.zeros(self.n, np.int32)
        self.given = np.full(self.n, -1, np.int32)

    def begin_run(self) -> None:
        """The first prediction of a run is no flip."""
        self.last[:] = -1

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, now = block.rows, block.frame.prediction
        last = self.last[rows]
        self.flips[rows] += (last >= 0) & (last != now)
        self.last[rows] = now
        self.given[rows] = block.frame.labels
        hit = self.classes[:, rows] == now
        self.counts[:, rows] += hit
        here = np.flatnonzero(~hit.any(axis=0))
        into = here + rows.start if isinstance(rows, slice) else rows[here]
        slot_of = self.counts[:, into].argmin(axis=0)
        self.classes[slot_of, into] = now[here]
        self.counts[slot_of, into] += 1

    def result(self) -> dict[str, Array]:
        """Return every column."""
        votes, best = self.counts.sum(axis=0), self.counts.max(axis=0)
        tied = np.where(self.counts == best, self.classes, np.iinfo(self.classes.dtype).max)
        vote = np.where(votes > 0, tied.min(axis=0), -1).astype(np.int32)
        entropy = np.zeros(self.n)
        for of_slot in self.counts:
            share = mean_of(of_slot, votes)
            entropy -= share * np.log(np.where(of_slot > 0, share, 1))
        share = mean_of(best, votes)
        return {
            "vote": vote,
            "vote_share": share,
            "disagreement": 1 - share,
            "plurality_other": np.where(vote == self.given, np.where(votes > 0, 0.0, np.nan), share),
            "prediction_entropy": np.abs(entropy) / np.log(self.n_classes),
            "prediction_flips": self.flips,
        }


def vote(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the class that most epochs predicted.

    Formula: argmax_k of the number of epochs that predicted k; of equally frequent classes the lower. Exact while a
    sample was predicted as at most 8 different classes, see `Votes`.
    Source: the vote of the auto-correct-labels project, there over repeated splits.

    Returns:
        (n,) Int64 class numbers, indexed by sample_id; <NA> where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> vote(worked_example()).tolist()
        [0]
    """
    return series(history, Votes, "vote", split=split, epochs=epochs, skip_nan=skip_nan)


def disagreement(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the share of epochs that did not predict the most frequent class: **high is hard**.

    Formula: 1 - max_k q_k, q_k the share of the epochs that predicted k. Exact while a sample was predicted as at
    most 8 different classes, see `Votes`.
    Source: the variation ratio; Freeman, Elementary Applied Statistics, 1965.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> disagreement(worked_example()).round(6).tolist()
        [0.4]
    """
    return series(history, Votes, "disagreement", split=split, epochs=epochs, skip_nan=skip_nan)


def plurality_other(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the share of epochs that agree on one other class: **high is suspicious**.

    Formula: max_k q_k, q_k the share of the epochs that predicted k, if that class is not the given label, else 0.
    Exact while a sample was predicted as at most 8 different classes, see `Votes`.
    Source: the vote of the auto-correct-labels project, there over repeated splits.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> plurality_other(worked_example()).round(6).tolist()
        [0.0]
    """
    return series(history, Votes, "plurality_other", split=split, epochs=epochs, skip_nan=skip_nan)


def prediction_entropy(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the entropy of the predicted classes: **high is hard**.

    Formula: -sum_k q_k ln q_k / ln K, q_k the share of the epochs that predicted k. Exact while a sample was
    predicted as at most 8 different classes, see `Votes`.
    Source: Song et al., SELFIE, ICML 2019.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> prediction_entropy(worked_example()).round(6).tolist()
        [0.612602]
    """
    return series(history, Votes, "prediction_entropy", split=split, epochs=epochs, skip_nan=skip_nan)


def prediction_flips(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Count how often the predicted class changed from one epoch to the next: **high is hard**.

    Formula: number of t >= 1 with prediction t other than prediction t - 1, counted inside a run, never between
    two.
    Source: Toneva et al., ICLR 2019, and Maini et al., NeurIPS 2022, in passing.

    Returns:
        (n,) integers, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> prediction_flips(worked_example()).tolist()
        [3]
    """
    return series(history, Votes, "prediction_flips", split=split, epochs=epochs, skip_nan=skip_nan)
