"""Forgetting in a part of the training: its second half, or its second stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, epochs_of_runs, known_epochs, series
from labelaudit.analyzers.correctness import NEVER
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class SecondHalfForgetting(Accumulator):
    """Forgetting events in the second half of each run. 5 bytes a sample.

    Args:
        n_samples: number of samples.
        n_classes: number of classes.
        from_epochs: per run, the first epoch of its second half.
    """

    columns: ClassVar[tuple[str, ...]] = ("second_half_forgetting",)
    conventions: ClassVar[dict[str, str]] = {
        "second_half_forgetting": "events in the last E // 2 of a run's E epochs; over several runs their sum"
    }

    def __init__(self, n_samples: int, n_classes: int, *, from_epochs: Sequence[int]) -> None:
        self.from_epochs = from_epochs
        super().__init__(n_samples, n_classes)

    def start(self) -> None:
        """Make the arrays."""
        self.forgotten = np.zeros(self.n, np.int32)
        self.was_right = np.zeros(self.n, bool)

    def begin_run(self) -> None:
        """A new run knows nothing."""
        self.was_right[:] = False

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, now = block.rows, block.frame.correct
        if block.epoch >= self.from_epochs[block.run]:
            self.forgotten[rows] += self.was_right[rows] & ~now
        self.was_right[rows] = now

    def result(self) -> dict[str, Array]:
        """Return the column."""
        return {"second_half_forgetting": self.forgotten}


def second_half_forgetting(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Count the forgetting events of the second half of training: **high is hard**.

    Formula: number of forgetting events (see `forgetting_events`) whose wrong prediction is in one of the last
    E // 2 of the E epochs read, when what can be learned has been. Over several runs the sum.
    Source: Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019 (forgetting over the course of training).

    Returns:
        (n,) integers, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> second_half_forgetting(worked_example()).tolist()
        [0]
    """
    wanted = None if epochs is None else known_epochs(history, split, epochs)
    halves = []
    for of_run in epochs_of_runs(history, split):
        read = [epoch for epoch in of_run if wanted is None or epoch in wanted]
        halves.append(read[len(read) - len(read) // 2] if len(read) > 1 else NEVER)
    kind = partial(SecondHalfForgetting, from_epochs=halves)
    return series(history, kind, "second_half_forgetting", split=split, epochs=wanted, skip_nan=skip_nan)


class SecondSplit(Accumulator):
    """The last presentation that was predicted right. 8 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = ("forgotten_for_good",)
    conventions: ClassVar[dict[str, str]] = {
        "forgotten_for_good": "presentations count from 1; one more than there were: not forgotten for good; "
        "over several runs the latest"
    }
    missing_below_zero = frozenset({"forgotten_for_good"})

    def start(self) -> None:
        """Make the arrays."""
        self.seen_in_run = np.zeros(self.n, np.int32)
        self.last_right = np.full(self.n, -2, np.int32)  # no epoch saw it

    def begin_run(self) -> None:
        """Presentations count from 1 in every run."""
        self.seen_in_run[:] = 0

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows = block.rows
        presentation = self.seen_in_run[rows] + 1
        self.seen_in_run[rows] = presentation
        self.last_right[rows] = np.maximum(self.last_right[rows], np.where(block.frame.correct, presentation, 0))

    def result(self) -> dict[str, Array]:
        """Return the column."""
        return {"forgotten_for_good": self.last_right + 1}


def forgotten_for_good(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the presentation from which on the label was never predicted again: **low is suspicious**.

    Meant for the epochs of a second stage of training, on other data: name them with ``epochs``.

    Formula: first t with c_t = 0 to the end, counted from 1; E + 1 if the last presentation was right. Over several
    runs the latest.
    Source: Maini et al., Characterizing Datapoints via Second-Split Forgetting, NeurIPS 2022.

    Returns:
        (n,) Int64, indexed by sample_id; <NA> where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> forgotten_for_good(worked_example()).tolist(), forgotten_for_good(worked_example(), epochs=[1, 2]).tolist()
        ([6], [2])
    """
    return series(history, SecondSplit, "forgotten_for_good", split=split, epochs=epochs, skip_nan=skip_nan)
