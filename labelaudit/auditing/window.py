"""Which epochs say what the model learned, before it learned the mistakes by heart.

Disagreement between model and labels falls while the model learns the classes, stays while nothing more can be
learned from other samples, and falls again when single samples, the wrong labels among them, are memorised. Two
numbers are followed at every doubling of the epochs, on a subset of the samples: the share that disagrees, and the
share that the noise model (`noise_model.fit`) calls wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import epochs_of_runs
from labelaudit.auditing import noise_model
from labelaudit.auditing.evidence import EpochUse, held_out_uses, log_time_weight
from labelaudit.history import History
from labelaudit.history.runs import HeldOutRun

Array = npt.NDArray[Any]

SUBSET = 3000  # samples that the rule looks at
SUBSET_VALUES = 1 << 20  # and scores of theirs held at a time
PLATEAU = 0.9  # learning is over when twice the epochs lower the disagreement by less than a tenth
COLLAPSE = 0.6  # memorising has begun when twice the epochs lose four tenths of the estimated errors ...
MATERIAL = 0.2  # ... unless those were few beside what the model leaves open
EARLY_FALL = 0.67  # in epochs 3 and 4 a fall of the disagreement by a third or more is learning still
EARLY_MATERIAL = 0.5
BY_HEART = 0.25  # a run whose disagreement falls to a quarter of that of epochs 3 and 4, and that never stood still ...
NOTHING = 2e-3  # ... before less than this share of estimated errors was left, ...
FIRST = 3  # ... learned the labels by heart too fast to see where: its first three epochs are what there is, or fewer
STAY_WRONG = 2 / 3  # if so many of those that they call wrong are the last to be learned ...
FEW = 10  # ... and if they are not fewer than that


@dataclass(frozen=True)
class _Block:
    """A doubling block of epochs: mean probabilities (K, m) of the subset, which of it the noise model calls wrong."""

    mean: Array
    called: npt.NDArray[np.bool_]
    reading: _Reading


@dataclass(frozen=True)
class _Reading:
    """What a doubling block of epochs shows: shares of the subset."""

    wrong: float  # estimated errors
    open: float  # disagreements that the noise model does not call wrong
    disagreeing: float


def epoch_uses(
    history: History, split: str | None = None, wanted: set[int] | None = None
) -> dict[tuple[int, int], EpochUse]:
    """Return how the verdict uses each (run, epoch): its weight, and whether it precedes memorising."""
    uses: dict[tuple[int, int], EpochUse] = {}
    for run, recorded in enumerate(epochs_of_runs(history, split)):
        chosen = [epoch for epoch in recorded if wanted is None or epoch in wanted]
        if isinstance(history.runs_read[run], HeldOutRun):
            uses |= {(run, epoch): use for epoch, use in zip(chosen, held_out_uses(len(chosen)), strict=True)}
            continue
        early = set(early_epochs(history, run, chosen, split))
        for index, epoch in enumerate(chosen):
            uses[run, epoch] = EpochUse(log_time_weight(index), epoch in early)
    return uses


def early_epochs(history: History, run: int, epochs: list[int], split: str | None) -> list[int]:
    """Return the first epochs of a run, up to where memorising begins.

    Args:
        history: the history.
        run: number of the run.
        epochs: recorded epochs of that run, ascending.
        split: which split.
    """
    table = history.table(split)
    rows = _subset(table.keys, min(SUBSET, max(SUBSET_VALUES // history.n_classes, 50)))
    labels = table.labels[rows]
    blocks: list[_Block] = []
    used = 0
    for number, block in enumerate(doubling_blocks(len(epochs))):
        blocks.append(_read(history, run, [epochs[i] for i in block], split, rows, labels))
        if number > 1:
            before, now = blocks[-2].reading, blocks[-1].reading
            if _memorising(number, before, now):
                return epochs[:used]
            if _stands_still(before, now):
                if now.wrong >= NOTHING or not _by_heart(blocks):
                    return epochs[:used]
                break
        used = block.stop
    return epochs[: _first(blocks, labels)] if _by_heart(blocks) else epochs


def doubling_blocks(n_epochs: int) -> Iterator[range]:
    """Yield the epochs' indices in blocks 0, 1, 2-3, 4-7, 8-15, ..."""
    start = 0
    while start < n_epochs:
        stop = min(max(2 * start, 1), n_epochs)
        yield range(start, stop)
        start = stop


def _subset(keys: Array, size: int) -> Array:
    """Return up to ``size`` ascending rows; which ones depends on the samples' keys, not on their order."""
    if len(keys) <= size:
        return np.arange(len(keys))
    from pandas.util import hash_array

    return np.sort(np.argpartition(hash_array(keys), size)[:size])


def _read(history: History, run: int, epochs: list[int], split: str | None, rows: Array, labels: Array) -> _Block:
    """Average a block of epochs over the subset and fit the noise model to it."""
    total = np.zeros((history.n_classes, len(rows)))
    seen = np.zeros(len(rows))
    table_labels = history.table(split).labels
    for epoch in epochs:
        found, frame = history.open_epoch(epoch, split=split, run=run).pick(rows, table_labels)
        whole = ~np.isnan(frame.loss)
        total[:, found[whole]] += frame.probabilities[:, whole]
        seen[found[whole]] += 1
    with np.errstate(invalid="ignore"):
        mean = total / seen
    some = seen > 0
    if not some.any():
        return _Block(mean, np.zeros(len(rows), bool), _Reading(0.0, 0.0, 0.0))
    given = labels[some]
    model = noise_model.fit(mean[:, some], given, iterations=8)
    wrong = noise_model.posterior(model, lambda here: mean[:, some][:, here], given).wrong > 0.5
    disagreeing = mean[:, some].argmax(axis=0) != given
    called = np.zeros(len(rows), bool)
    called[some] = wrong
    return _Block(mean, called, _Reading(model.rate, float((disagreeing & ~wrong).mean()), float(disagreeing.mean())))


def _stands_still(before: _Reading, now: _Reading) -> bool:
    """Say whether nothing more was learned after the block before."""
    return now.disagreeing > PLATEAU * before.disagreeing


def _memorising(number: int, before: _Reading, now: _Reading) -> bool:
    """Say whether the wrong labels are being learned by heart since the block before."""
    if number == 2 and not (
        now.disagreeing > EARLY_FALL * before.disagreeing and before.wrong > EARLY_MATERIAL * before.open
    ):
        return False
    return now.wrong < COLLAPSE * before.wrong and before.wrong > MATERIAL * before.open


def _by_heart(blocks: list[_Block]) -> bool:
    """Say whether next to nothing disagrees any more of what disagreed in epochs 3 and 4."""
    return len(blocks) > 3 and blocks[-1].reading.disagreeing < BY_HEART * blocks[2].reading.disagreeing


def _first(blocks: list[_Block], labels: Array) -> int:
    """Return how many epochs to read of a run that learned its labels by heart too fast to see where.

    Where those that the first epoch calls wrong are also the last to be learned, it was right about them, and the
    next one has begun to forget; else the second, else the third.
    """
    for number in range(FIRST - 1):
        called = blocks[number].called
        later = np.mean([block.mean for block in blocks[number + 1 :]], axis=0)
        last = _last_learned(later, labels, int(called.sum()))
        if called.sum() >= FEW and (called & last).sum() > STAY_WRONG * called.sum():
            return number + 1
    return FIRST


def _last_learned(mean: Array, labels: Array, n: int) -> npt.NDArray[np.bool_]:
    """Return which n samples give their label the lowest log ratio in these probabilities, (m,) bool."""
    rows = np.arange(len(labels))
    given = mean[labels, rows]
    others = mean.copy()
    others[labels, rows] = -1
    against = np.nan_to_num(np.log(others.max(axis=0) + 1e-3) - np.log(given + 1e-3), nan=-np.inf)
    found = np.zeros(len(labels), bool)
    found[np.argsort(-against, kind="stable")[:n]] = True
    return found
