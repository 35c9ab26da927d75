"""Statistics of whether the given label was predicted: how often, and from which epoch on."""

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
NEVER = np.iinfo(np.int32).max  # no epoch yet


class Correctness(Accumulator):
    """Counts, per sample, from c_t: whether epoch t predicted the given label. 45 bytes a sample."""

    columns: ClassVar[tuple[str, ...]] = (
        "correctness",
        "wrong_events",
        "forgetting_events",
        "learning_events",
        "first_learned_epoch",
        "last_forgotten_epoch",
        "last_forgotten_as",
        "presentations_to_learn",
        "learned_for_good",
        "mean_correct_epoch",
        "never_learned",
        "unforgettable",
        "n_epochs",
    )
    conventions: ClassVar[dict[str, str]] = {
        "forgetting_events": "a sample never learned has 0 events; see never_learned",
        "first_learned_epoch": "epochs count from 0; missing: never learned; over several runs the earliest",
        "last_forgotten_epoch": "epochs count from 0; missing: never forgotten; over several runs the latest",
        "last_forgotten_as": "class predicted at the last forgetting; over several runs the last run's",
        "presentations_to_learn": "presentations up to and with the last wrong one; 0: never wrong; "
        "over several runs the largest",
        "learned_for_good": "presentations count from 1; one more than there were: not learned for good; "
        "over several runs the largest",
        "mean_correct_epoch": "epochs count from 0; missing: never learned",
        "never_learned": "false for a sample that no epoch saw",
        "unforgettable": "false for a sample never learned; over several runs forgotten in none of them",
    }
    missing_below_zero = frozenset(
        {"first_learned_epoch", "last_forgotten_epoch", "last_forgotten_as", "learned_for_good"}
    )

    def start(self) -> None:
        """Make the arrays."""
        self.seen = np.zeros(self.n, np.int32)
        self.seen_in_run = np.zeros(self.n, np.int32)
        self.right = np.zeros(self.n, np.int32)
        self.forgotten = np.zeros(self.n, np.int32)
        self.kept = np.zeros(self.n, np.int32)  # runs before this one that ended right
        self.first = np.full(self.n, NEVER, np.int32)
        self.last_forgotten = np.full(self.n, -1, np.int32)
        self.forgotten_as = np.full(self.n, -1, np.int32)
        self.last_wrong = np.zeros(self.n, np.int32)
        self.sum_of_epochs = np.zeros(self.n)
        self.was_right = np.zeros(self.n, bool)

    def begin_run(self) -> None:
        """A new run knows nothing: its first right answer is learning, its first wrong one no forgetting."""
        self.kept += self.was_right
        self.was_right[:] = False
        self.seen_in_run[:] = 0

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        rows, now, epoch = block.rows, block.frame.correct, np.int32(block.epoch)
        lost = self.was_right[rows] > now
        presentation = self.seen_in_run[rows] + 1
        right = now.astype(np.int32)
        self.seen[rows] += 1
        self.seen_in_run[rows] = presentation
        self.right[rows] += right
        self.sum_of_epochs[rows] += right * epoch
        self.was_right[rows] = now
        self.last_wrong[rows] = np.maximum(self.last_wrong[rows], presentation * (1 - right))
        earlier = now & (self.first[rows] > epoch)
        if earlier.any():
            self.first[rows] = np.where(earlier, epoch, self.first[rows])
        if lost.any():
            self.forgotten[rows] += lost
            self.last_forgotten[rows] = np.where(
                lost, np.maximum(self.last_forgotten[rows], epoch), self.last_forgotten[rows]
            )
            self.forgotten_as[rows] = np.where(lost, block.frame.other, self.forgotten_as[rows])

    def result(self) -> dict[str, Array]:
        """Return every column."""
        return {
            "correctness": mean_of(self.right, self.seen),
            "wrong_events": self.seen - self.right,
            "forgetting_events": self.forgotten,
            "learning_events": self.forgotten + self.kept + self.was_right,  # all but the last are undone
            "first_learned_epoch": np.where(self.first == NEVER, -1, self.first),
            "last_forgotten_epoch": self.last_forgotten,
            "last_forgotten_as": self.forgotten_as,
            "presentations_to_learn": self.last_wrong,
            "learned_for_good": np.where(self.seen > 0, self.last_wrong + 1, -1),
            "mean_correct_epoch": mean_of(self.sum_of_epochs, self.right),
            "never_learned": (self.right == 0) & (self.seen > 0),
            "unforgettable": (self.right > 0) & (self.forgotten == 0),
            "n_epochs": self.seen,
        }


def correctness(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Return the share of epochs that predicted the given label: **low is suspicious**.

    Formula: (1/E) sum_t c_t over the E epochs that saw the sample.
    Source: Swayamdipta et al., Dataset Cartography, EMNLP 2020.

    Returns:
        (n,) numbers from 0 to 1, indexed by sample_id; NaN where no epoch saw the sample.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> correctness(worked_example()).tolist()
        [0.6]
    """
    return series(history, Correctness, "correctness", split=split, epochs=epochs, skip_nan=skip_nan)


def wrong_events(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.Series[Any]:
    """Count the epochs that predicted another class than the given label: **high is suspicious**.

    Formula: sum_t (1 - c_t). Compare counts only between samples that equally many epochs saw; else use
    `correctness`.
    Source: the wrong events of iterative data optimisation (IDO, 2025).

    Returns:
        (n,) integers, indexed by sample_id.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> wrong_events(worked_example()).tolist()
        [2]
    """
    return series(history, Correctness, "wrong_events", split=split, epochs=epochs, skip_nan=skip_nan)
