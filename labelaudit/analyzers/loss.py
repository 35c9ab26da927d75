"""The loss of the given label over the epochs: mean, last, largest, variance, moving average."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, series
from labelaudit.analyzers.moments import Moments
from labelaudit.errors import LabelAuditError
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class Loss(Accumulator):
    """Mean, variance, largest and last loss. 28 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = ("mean_loss", "last_loss", "max_loss", "loss_variance")
    conventions: ClassVar[dict[str, str]] = {
        "mean_loss": "nats; mean over the epochs that saw the sample",
        "last_loss": "nats; of the last epoch that saw the sample, of the last run",
        "loss_variance": "population variance over the epochs, in squared nats; 0 for one epoch",
    }

    def start(self) -> None:
        """Make the arrays."""
        self.moments = Moments(self.n)
        self.last = np.full(self.n, np.nan, np.float32)
        self.largest = np.full(self.n, -np.inf, np.float32)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, loss = block.rows, block.frame.loss
        self.moments.add(rows, loss)
        self.last[rows] = loss
        self.largest[rows] = np.maximum(self.largest[rows], loss)

    def result(self) -> dict[str, Array]:
        """Return every column."""
        return {
            "mean_loss": self.moments.means(),
            "last_loss": self.last,
            "max_loss": np.where(self.moments.count > 0, self.largest, np.float32(np.nan)),
            "loss_variance": self.moments.variances(),
        }


class MovingLoss(Accumulator):
    """Exponential moving average of the loss. 8 bytes a sample.

    Args:
        n_samples: number of samples.
        n_classes: number of classes.
        alpha: weight of the newest epoch, above 0, at most 1.
    """

    columns: ClassVar[tuple[str, ...]] = ("ema_loss",)
    conventions: ClassVar[dict[str, str]] = {
        "ema_loss": "starts at 0, so samples seen less often score lower: compare only equally often seen samples"
    }

    def __init__(self, n_samples: int, n_classes: int, *, alpha: float = 0.001) -> None:
        if not isinstance(alpha, (int, float, np.integer, np.floating)) or not 0 < alpha <= 1:
            raise LabelAuditError(f"alpha={alpha!r} is no weight; expected a number above 0, at most 1, such as 0.001")
        self.alpha = alpha
        super().__init__(n_samples, n_classes)

    def start(self) -> None:
        """Make the array."""
        self.average = np.full(self.n, np.nan)  # no epoch saw it

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        before = self.average[block.rows]
        before = np.where(np.isnan(before), 0, before)
        self.average[block.rows] = before + self.alpha * (block.frame.loss - before)

    def result(self) -> dict[str, Array]:
        """Return the column."""
        return {"ema_loss": self.average}


def mean_loss(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean loss of the given label: **high is suspicious**.

    Formula: (1/E) sum_t -ln p_t[y] over the E epochs that saw the sample, in nats. Losses fall during training, so
    a sample that only late epochs saw has a low mean: compare samples that the same epochs saw, or use
    `centred_loss`.
    Source: the small-loss criterion; O2U-Net, ICCV 2019.

    Returns:
        (n,) numbers >= 0, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> mean_loss(worked_example()).round(6).tolist()
        [0.848105]
    """
    return series(history, Loss, "mean_loss", split=split, epochs=epochs, skip_nan=skip_nan)


def last_loss(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the loss of the given label in the last epoch: **high is suspicious**.

    Formula: -ln p_t[y] of the last epoch t that saw the sample, in nats.
    Source: the small-loss criterion; Han et al., Co-teaching, NeurIPS 2018, of whom here the last epoch's is read.

    Returns:
        (n,) numbers >= 0, single precision, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> last_loss(worked_example()).astype(float).round(6).tolist()
        [0.223144]
    """
    return series(history, Loss, "last_loss", split=split, epochs=epochs, skip_nan=skip_nan)


def max_loss(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the largest loss of the given label: **high is suspicious**.

    Formula: max_t -ln p_t[y], in nats.
    Source: no paper of its own; the highest point of the loss curve.

    Returns:
        (n,) numbers >= 0, single precision, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> max_loss(worked_example()).astype(float).round(6).tolist()
        [1.609438]
    """
    return series(history, Loss, "max_loss", split=split, epochs=epochs, skip_nan=skip_nan)


def loss_variance(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the variance of the loss over the epochs: **high is ambiguous**.

    Formula: (1/E) sum_t (l_t - mean_loss)^2, the population variance, in squared nats; 0 for one epoch.
    Source: Xia et al., Sample Selection with Uncertainty of Losses, ICLR 2022, who bound the mean loss with it.

    Returns:
        (n,) numbers >= 0, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> loss_variance(worked_example()).round(6).tolist()
        [0.246923]
    """
    return series(history, Loss, "loss_variance", split=split, epochs=epochs, skip_nan=skip_nan)


def ema_loss(
    history: History,
    *,
    alpha: float = 0.001,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
) -> pd.Series[Any]:
    """Return the exponential moving average of the loss: **high is suspicious**.

    Formula: e_t = (1 - alpha) e_{t-1} + alpha l_t with e_{-1} = 0 and the loss l_t in nats; over several runs it goes
    on from one to the next. As it starts at 0, samples that fewer epochs saw score lower: compare only samples that
    equally many epochs saw.
    Source: OpenVINO Training Extensions and Datumaro (NoisyLabelDetection), after Zhou et al., ICLR 2021.

    Args:
        history: a history of n samples.
        alpha: weight of the newest epoch, above 0, at most 1.
        split: which split; default "train".
        epochs: numbers of the epochs to count; default all.
        skip_nan: leave out predictions whose scores are NaN.

    Returns:
        (n,) numbers >= 0, indexed by sample_id; NaN where no epoch saw the sample.

    Raises:
        LabelAuditError: alpha is out of range.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> ema_loss(worked_example(), alpha=0.1).round(6).tolist()
        [0.321936]
    """
    return series(history, partial(MovingLoss, alpha=alpha), "ema_loss", split=split, epochs=epochs, skip_nan=skip_nan)
