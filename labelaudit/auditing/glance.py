"""A look at some samples before the pass over all: what every doubling of a run's epochs says of them.

Two numbers are followed at every doubling: the share that disagrees, and the share that the noise model
(`noise_model.fit`) calls wrong. They tell where memorising begins (`window.py`) and, with what each doubling says of
single samples (`doublings.py`), how probable a mistake is (`experience.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing import noise_model
from labelaudit.auditing.stages import Stages
from labelaudit.history import History

Array = npt.NDArray[Any]

SUBSET = 8000  # samples that are looked at
SUBSET_VALUES = 1 << 20  # and scores of theirs held at a time
SOFTEN = 1e-3  # log ratios of probabilities below a thousandth tell nothing more


@dataclass(frozen=True)
class Shares:
    """What a doubling block of epochs shows: shares of the samples."""

    wrong: float  # estimated errors
    open: float  # disagreements that the noise model does not call wrong
    disagreeing: float


@dataclass(frozen=True)
class Block:
    """A doubling block of epochs.

    Attributes:
        epochs: indices among the run's epochs.
        mean: (K, m) mean probabilities, NaN where no epoch saw the sample.
        wrong: (m,) the noise model's probability that the label is wrong; or NaN.
        shares: of the samples that disagree, and why.
    """

    epochs: range
    mean: Array
    wrong: Array
    shares: Shares


@dataclass(frozen=True)
class Glance:
    """What a run's doubling blocks show of m samples: ascending rows of the history's table, and their labels."""

    rows: Array
    labels: Array
    blocks: list[Block]
    stages: Stages


def glance(history: History, run: int, epochs: list[int], split: str | None, stages: Stages | None = None) -> Glance:
    """Look at a run.

    Args:
        history: the history.
        run: number of the run.
        epochs: recorded epochs of that run, ascending, at least one.
        split: which split.
        stages: of the run, each of its epochs by default.
    """
    stages = stages or Stages.by_epoch(len(epochs))
    table = history.table(split)
    rows = _subset(table.keys, min(SUBSET, max(SUBSET_VALUES // history.n_classes, 50)))
    labels = table.labels[rows]
    blocks = []
    for block in doubling_blocks(stages):
        mean = _mean(history, run, [epochs[i] for i in block], split, rows)
        blocks.append(_read(block, mean, labels))
    return Glance(rows, labels, blocks, stages)


def doubling_blocks(stages: Stages) -> Iterator[range]:
    """Yield the epochs' indices in blocks of the stages 0, 1, 2-3, 4-7, 8-15, ..."""
    start = 0
    while start < stages.n:
        stop = max(2 * start, 1)
        yield range(stages.first_epoch(start), stages.first_epoch(stop))
        start = stop


def doubling(index: int, stages: Stages) -> int:
    """Return the number of the block that an epoch's index is in."""
    return stages.at(index).bit_length()


def log_ratios(mean: Array, labels: Array) -> Array:
    """Return log(p(best other class) / p(given label)), softened, (m,); high is suspicious.

    Args:
        mean: (K, m) probabilities.
        labels: (m,) given labels.
    """
    rows = np.arange(len(labels))
    given = mean[labels, rows]
    others = mean.copy()
    others[labels, rows] = -1
    found: Array = np.log(others.max(axis=0) + SOFTEN) - np.log(given + SOFTEN)
    return found


def _subset(keys: Array, size: int) -> Array:
    """Return up to ``size`` ascending rows; which ones depends on the samples' keys, not on their order."""
    if len(keys) <= size:
        return np.arange(len(keys))
    from pandas.util import hash_array

    return np.sort(np.argpartition(hash_array(keys), size)[:size])


def _mean(history: History, run: int, epochs: list[int], split: str | None, rows: Array) -> Array:
    """Return the mean probabilities of some samples over some epochs, (K, m); NaN where none saw the sample."""
    total = np.zeros((history.n_classes, len(rows)))
    seen = np.zeros(len(rows))
    labels = history.table(split).labels
    for epoch in epochs:
        found, frame = history.open_epoch(epoch, split=split, run=run).pick(rows, labels)
        whole = ~np.isnan(frame.loss)
        total[:, found[whole]] += frame.probabilities[:, whole]
        seen[found[whole]] += 1
    with np.errstate(invalid="ignore"):
        mean: Array = total / seen
    return mean


def _read(epochs: range, mean: Array, labels: Array) -> Block:
    """Fit the noise model to a block's mean probabilities and ask it of every sample."""
    wrong = np.full(len(labels), np.nan)
    some = ~np.isnan(mean[0])
    if not some.any():
        return Block(epochs, mean, wrong, Shares(0.0, 0.0, 0.0))
    of_some, given = mean[:, some], labels[some]
    model = noise_model.fit(of_some, given, iterations=8)
    wrong[some] = noise_model.posterior(model, lambda here: of_some[:, here], given).wrong
    disagreeing = of_some.argmax(axis=0) != given
    left_open = disagreeing & (wrong[some] <= 0.5)
    shares = Shares(model.rate, float(left_open.mean()), float(disagreeing.mean()))
    return Block(epochs, mean, wrong, shares)
