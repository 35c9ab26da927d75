"""What the audit's verdict reads of a history: two averages of the predicted probabilities, and its doublings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator
from labelaudit.analyzers.mean_scores import AllClasses, LikeliestClasses
from labelaudit.auditing.doublings import Doublings
from labelaudit.auditing.stages import Stages
from labelaudit.history.blocks import Block
from labelaudit.history.encode import KEEP_SCORES_UP_TO
from labelaudit.history.frame import SummaryFrame

Array = npt.NDArray[Any]

LATE = 16  # stages from here on are mostly memory: half the weight


@dataclass(frozen=True)
class EpochUse:
    """How the verdict uses one epoch.

    Attributes:
        weight: in the average over the whole training.
        early: whether it belongs to the average over the epochs before memorising.
        doubling: number of the doubling of its run's epochs that it belongs to, None if that is not followed.
    """

    weight: float
    early: bool
    doubling: int | None = None


def log_time_weight(index: int, stages: Stages) -> float:
    """Return the weight of a run's i-th recorded epoch: 1 / (i + 1), so that each doubling counts once.

    No length of training is special then, and a long memorised tail cannot drown the early epochs. The first epoch,
    whose model knows next to nothing, and those from the 17th on, which mostly remember, count half. Where a stage is
    of several epochs they share its weight.
    """
    at = stages.at(index)
    share = stages.first_epoch(at + 1) - stages.first_epoch(at)
    return (0.5 if at == 0 or at >= LATE else 1.0) / (at + 1) / share


def held_out_uses(n_epochs: int) -> list[EpochUse]:
    """Return how epochs are used in which a model predicted samples that it never trained on.

    Nothing of these is memorised, and the model is at its best late: the second half of the epochs counts, evenly. In
    all, a model has the same weight whether it trained on a sample or not.
    """
    late = range(n_epochs // 2, n_epochs)
    stages = Stages.by_epoch(n_epochs)
    each = sum(log_time_weight(i, stages) for i in range(n_epochs)) / max(len(late), 1)
    return [EpochUse(each, True) if index in late else EpochUse(0.0, False) for index in range(n_epochs)]


class Evidence(Accumulator):
    """The log-time average, the early one, and the doublings: 12 K + 64 bytes a sample (232 for summaries).

    Args:
        n_samples: number of samples.
        n_classes: number of classes.
        uses: how each (run, epoch) is used.
    """

    def __init__(self, n_samples: int, n_classes: int, uses: Mapping[tuple[int, int], EpochUse]) -> None:
        self.uses = uses
        super().__init__(n_samples, n_classes)

    def start(self) -> None:
        """The averages wait for the first block, which tells scores from summaries."""
        self.whole: AllClasses | LikeliestClasses | None = None
        self.early: AllClasses | LikeliestClasses | None = None
        self.doublings: Doublings | None = None

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        if self.whole is None or self.early is None:
            few = self.n_classes <= KEEP_SCORES_UP_TO or not isinstance(block.frame, SummaryFrame)
            self._prepare(AllClasses if few else LikeliestClasses)
        assert self.whole is not None
        assert self.early is not None
        assert self.doublings is not None
        use = self.uses[block.run, block.epoch]
        self.whole.add(block, use.weight)
        if use.early:
            self.early.add(block)
        if use.doubling is not None:
            self.doublings.add(block, use.doubling)

    def _prepare(self, kind: type[AllClasses] | type[LikeliestClasses]) -> None:
        self.whole, self.early = kind(self.n, self.n_classes), kind(self.n, self.n_classes)
        self.doublings = Doublings(self.n, self.n_classes, kind)

    @classmethod
    def joined(cls, parts: list[Evidence]) -> Evidence:
        """Return the evidence of several ranges of samples, in their order."""
        kind = next((type(part.whole) for part in parts if part.whole is not None), AllClasses)
        for part in parts:
            if part.whole is None:
                part._prepare(kind)
        found = cls(0, parts[0].n_classes, parts[0].uses)
        found._prepare(kind)
        found.n = sum(part.n for part in parts)
        for name in ("whole", "early", "doublings"):
            getattr(found, name).extend([getattr(part, name) for part in parts])
        return found

    def seen(self) -> Array:
        """Return the rows of the samples that an epoch which counts predicted, ascending."""
        return np.flatnonzero(self.whole.seen) if self.whole is not None else np.empty(0, np.intp)

    def keep(self, rows: Array) -> None:
        """Keep only some of the samples, numbered anew."""
        self.n = len(rows)
        for one in (self.whole, self.early, self.doublings):
            assert one is not None
            one.keep(rows)

    def averages(self) -> tuple[AllClasses | LikeliestClasses, AllClasses | LikeliestClasses]:
        """Return the log-time average over the whole training, and the average over the early epochs."""
        assert self.whole is not None
        assert self.early is not None
        return self.whole, self.early

    def log_ratios(self) -> Array:
        """Return the log ratio of every sample in every doubling, (FOLLOWED, n); NaN where none saw it."""
        assert self.doublings is not None
        return self.doublings.log_ratios()

    def result(self) -> dict[str, Array]:
        """Nothing for the table: the verdict reads the averages."""
        return {}
