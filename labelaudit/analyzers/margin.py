"""Margins: by how much the given label beats every other class, averaged over the epochs."""

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


class Margin(Accumulator):
    """Sums of the margins of the given label. 20 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = ("aum", "margin_probability", "data_error_potential")
    conventions: ClassVar[dict[str, str]] = {
        "aum": "margin of logits, mean over epochs (not their sum); of recorded probabilities, of their logarithms",
        "margin_probability": "margin of probabilities in each epoch, mean over epochs",
        "data_error_potential": "(1 - margin_probability) / 2",
    }

    def start(self) -> None:
        """Make the arrays."""
        self.seen = np.zeros(self.n, np.int32)
        self.of_logits = np.zeros(self.n)
        self.of_probabilities = np.zeros(self.n)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, frame = block.rows, block.frame
        self.seen[rows] += 1
        self.of_logits[rows] += frame.margin
        self.of_probabilities[rows] += frame.p_given - frame.p_other

    def result(self) -> dict[str, Array]:
        """Return every column."""
        margin = mean_of(self.of_probabilities, self.seen)
        return {
            "aum": mean_of(self.of_logits, self.seen),
            "margin_probability": margin,
            "data_error_potential": (1 - margin) / 2,
        }


def aum(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the area under the margin: **low is suspicious**.

    Formula: (1/E) sum_t (z_t[y] - max_{k != y} z_t[k]) with the logits z_t of the E epochs that saw the sample and
    its given label y. Of recorded probabilities the logarithms stand for the logits, which gives the same margin
    (floored at ln 1e-12).
    Source: Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin Ranking, NeurIPS 2020.

    Returns:
        (n,) numbers without bounds, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> aum(worked_example()).round(6).tolist()
        [0.267501]
    """
    return series(history, Margin, "aum", split=split, epochs=epochs, skip_nan=skip_nan)


def margin_probability(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the mean margin of the probabilities: **low is suspicious**.

    Formula: (1/E) sum_t (p_t[y] - max_{k != y} p_t[k]). The margin of the mean probabilities is another quantity:
    `mean_probability_margin`.
    Source: Zheng et al., Coverage-centric Coreset Selection, ICLR 2023 (AUM on probabilities).

    Returns:
        (n,) numbers from -1 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> margin_probability(worked_example()).round(6).tolist()
        [0.08]
    """
    return series(history, Margin, "margin_probability", split=split, epochs=epochs, skip_nan=skip_nan)


def data_error_potential(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return Galileo's data error potential (DEP): **high is suspicious**.

    Formula: (1/E) sum_t (1 - (p_t[y] - max_{k != y} p_t[k])) / 2.
    Source: Galileo's dataquality client.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> data_error_potential(worked_example()).round(6).tolist()
        [0.46]
    """
    return series(history, Margin, "data_error_potential", split=split, epochs=epochs, skip_nan=skip_nan)
