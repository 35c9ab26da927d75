"""The history's consensus: statistics of the probabilities averaged over the epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, mean_of, series
from labelaudit.analyzers.mean_scores import AllClasses, LikeliestClasses, MeanScores
from labelaudit.history.blocks import Block
from labelaudit.history.encode import KEEP_SCORES_UP_TO
from labelaudit.history.frame import SummaryFrame
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class Consensus(Accumulator):
    """Mean probabilities and mean entropy. 4 K + 16 bytes a sample; 72 for summaries of more than 32 classes.

    Attributes:
        means: the mean probabilities, as `mean_scores.AllClasses` or, for those summaries, `LikeliestClasses`.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "consensus",
        "runner_up",
        "p_runner_up",
        "self_confidence",
        "mean_probability_margin",
        "normalized_margin",
        "confidence_weighted_entropy",
        "bald",
    )
    conventions: ClassVar[dict[str, str]] = {
        "consensus": "class of the largest mean probability; of equal ones the lower",
        "runner_up": "class of the largest mean probability beside the given label",
        "mean_probability_margin": "margin of the mean probabilities; margin_probability is the mean of the margins",
        "self_confidence": "cleanlab's score, on the mean probabilities of the epochs",
        "normalized_margin": "cleanlab's score, on the mean probabilities of the epochs",
        "confidence_weighted_entropy": "cleanlab's score, on the mean probabilities of the epochs; not clipped",
        "bald": "entropy of the mean less mean of the entropies, over epochs, in nats",
    }
    missing_below_zero = frozenset({"consensus", "runner_up"})

    def start(self) -> None:
        """Make the arrays; those of the mean wait for the first block, which tells scores from summaries."""
        self._means: MeanScores | None = None
        self.entropy = np.zeros(self.n)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        if self._means is None:
            few = self.n_classes <= KEEP_SCORES_UP_TO or not isinstance(block.frame, SummaryFrame)
            self._means = (AllClasses if few else LikeliestClasses)(self.n, self.n_classes)
        self._means.add(block)
        self.entropy[block.rows] += block.frame.entropy

    @property
    def means(self) -> MeanScores:
        """The mean probabilities; of no epoch at all before the first block."""
        return LikeliestClasses(self.n, self.n_classes) if self._means is None else self._means

    def result(self) -> dict[str, Array]:
        """Return every column."""
        mean = self.means
        given, other, p_other, entropy = mean.summary()
        margin = given - p_other
        right = (margin > 0) | ((margin == 0) & (mean.labels < other))
        seen = mean.seen > 0
        return {
            "consensus": np.where(seen, np.where(right, mean.labels, other), -1),
            "runner_up": np.where(seen, other, -1),
            "p_runner_up": p_other,
            "self_confidence": given,
            "mean_probability_margin": margin,
            "normalized_margin": (margin + 1) / 2,
            "confidence_weighted_entropy": _weighted(entropy / np.log(self.n_classes), given),
            "bald": np.maximum(entropy - mean_of(self.entropy, mean.seen), 0),
        }


def _weighted(entropy: Array, given: Array) -> Array:
    """Return ln(1 + x) / x with x = entropy / given; its limits are 1 at x = 0 and 0 at infinity."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        x = np.where(given == 0, np.inf, entropy / given)
        score = np.where(x < 1e-12, 1.0, np.where(np.isinf(x), 0.0, np.log1p(x) / x))
    return np.where(np.isnan(given), np.nan, score)


def consensus(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the class that the epochs together predict.

    Formula: argmax_k of the mean over epochs of p_t[k]; of equally likely classes the lower.
    Source: predictions averaged over epochs; Laine and Aila, Temporal Ensembling, ICLR 2017.

    Returns:
        (n,) Int64 class numbers, indexed by sample_id; <NA> where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> consensus(worked_example()).tolist()
        [0]
    """
    return series(history, Consensus, "consensus", split=split, epochs=epochs, skip_nan=skip_nan)


def runner_up(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the likeliest class beside the given label: the label to suggest where the given one is wrong.

    Formula: argmax over k != y of the mean over epochs of p_t[k]; of equally likely classes the lower.
    Source: as of `consensus`.

    Returns:
        (n,) Int64 class numbers, indexed by sample_id; <NA> where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> runner_up(worked_example()).tolist()
        [1]
    """
    return series(history, Consensus, "runner_up", split=split, epochs=epochs, skip_nan=skip_nan)


def mean_probability_margin(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the margin of the mean probabilities: **low is suspicious**.

    Formula: p[y] - max_{k != y} p[k] with p the mean over epochs of p_t. The mean of the margins is another
    quantity: `margin_probability`.
    Source: Pickler et al., arXiv:2510.16211.

    Returns:
        (n,) numbers from -1 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mean_probability_margin(worked_example()).round(6).tolist()
        [0.08]
    """
    return series(history, Consensus, "mean_probability_margin", split=split, epochs=epochs, skip_nan=skip_nan)


def bald(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mutual information of prediction and epoch (BALD): **high is ambiguous**.

    Formula: H(mean over epochs of p_t) - mean over epochs of H(p_t), H the entropy in nats.
    Source: Houlsby et al., arXiv:1112.5745; here the epochs stand for the models.

    Returns:
        (n,) numbers from 0 to ln K, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> bald(worked_example()).round(6).tolist()
        [0.119974]
    """
    return series(history, Consensus, "bald", split=split, epochs=epochs, skip_nan=skip_nan)
