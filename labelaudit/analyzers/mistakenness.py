"""FiftyOne's quantities, from histories: mistakenness of the label and hardness of the sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, mean_of, series
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class Mistakenness(Accumulator):
    """Sums of both kinds of mistakenness and of the entropy. 44 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = (
        "mistakenness",
        "mistakenness_logits",
        "last_mistakenness",
        "hardness",
        "mean_entropy",
        "last_entropy",
        "signed_entropy",
    )
    conventions: ClassVar[dict[str, str]] = {
        "mistakenness": "FiftyOne's default, from the probability of the predicted class; mean over epochs",
        "mistakenness_logits": "FiftyOne's use_logits, from the entropy; mean over epochs",
        "last_mistakenness": "as mistakenness, of the last epoch that saw the sample, of the last run",
        "hardness": "FiftyOne's, the entropy of the prediction in nats; mean over epochs, so equal to mean_entropy",
        "signed_entropy": "nats; mean over epochs (not their sum)",
    }

    def start(self) -> None:
        """Make the arrays."""
        self.seen = np.zeros(self.n, np.int32)
        self.of_confidence = np.zeros(self.n)
        self.of_entropy = np.zeros(self.n)
        self.entropy = np.zeros(self.n)
        self.signed = np.zeros(self.n)
        self.last = np.full(self.n, np.nan, np.float32)
        self.last_entropy = np.full(self.n, np.nan, np.float32)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, frame = block.rows, block.frame
        entropy = frame.entropy
        sign = np.where(frame.correct, entropy.dtype.type(-1), entropy.dtype.type(1))
        mistakenness = _from_confidence(sign * frame.p_predicted)
        signed = sign * entropy
        self.seen[rows] += 1
        self.of_confidence[rows] += mistakenness
        self.of_entropy[rows] += _from_confidence(sign * np.exp(-entropy))
        self.entropy[rows] += entropy
        self.signed[rows] -= signed
        self.last[rows] = mistakenness
        self.last_entropy[rows] = entropy

    def result(self) -> dict[str, Array]:
        """Return every column."""
        entropy = mean_of(self.entropy, self.seen)
        return {
            "mistakenness": mean_of(self.of_confidence, self.seen),
            "mistakenness_logits": mean_of(self.of_entropy, self.seen),
            "last_mistakenness": self.last,
            "hardness": entropy,
            "mean_entropy": entropy.copy(),
            "last_entropy": self.last_entropy,
            "signed_entropy": mean_of(self.signed, self.seen),
        }


def _from_confidence(signed: Array) -> Array:
    """Return (1 + s c) / 2 of s c, in its place."""
    signed += 1
    signed /= 2
    return signed


def mistakenness(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return FiftyOne's mistakenness: **high is suspicious**.

    Formula: (1/E) sum_t (1 + s_t max_k p_t[k]) / 2, s_t = -1 where epoch t predicted the given label, else +1.
    Source: FiftyOne Brain, compute_mistakenness; for one epoch the values are its own.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mistakenness(worked_example()).round(6).tolist()
        [0.44]
    """
    return series(history, Mistakenness, "mistakenness", split=split, epochs=epochs, skip_nan=skip_nan)


def mistakenness_logits(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return FiftyOne's mistakenness from logits: **high is suspicious**.

    Formula: (1/E) sum_t (1 + s_t exp(-H_t)) / 2, s_t = -1 where epoch t predicted the given label, else +1, H_t the
    entropy of the prediction in nats.
    Source: FiftyOne Brain, compute_mistakenness; for one epoch the values are its own.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mistakenness_logits(worked_example()).round(6).tolist()
        [0.456358]
    """
    return series(history, Mistakenness, "mistakenness_logits", split=split, epochs=epochs, skip_nan=skip_nan)


def last_mistakenness(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return FiftyOne's mistakenness of the last epoch: **high is suspicious**.

    Formula: (1 + s_t max_k p_t[k]) / 2 for the last epoch t that saw the sample; see `mistakenness`.
    Source: FiftyOne Brain, compute_mistakenness; for one epoch the values are its own.

    Returns:
        (n,) numbers from 0 to 1, single precision, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> last_mistakenness(worked_example()).astype(float).round(6).tolist()
        [0.1]
    """
    return series(history, Mistakenness, "last_mistakenness", split=split, epochs=epochs, skip_nan=skip_nan)
