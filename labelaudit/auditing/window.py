"""Which epochs say what the model learned, before it learned the mistakes by heart.

Disagreement between model and labels falls while the model learns the classes, stays while nothing more can be
learned from other samples, and falls again when single samples, the wrong labels among them, are memorised. A glance
at the doublings of the epochs (`glance.py`) shows how many disagree and how many the noise model calls wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import epochs_of_runs
from labelaudit.auditing.evidence import EpochUse, held_out_uses, log_time_weight
from labelaudit.auditing.glance import Block, Glance, Shares, doubling, glance, log_ratios
from labelaudit.auditing.stages import STAGES, Stages
from labelaudit.history import History
from labelaudit.history.runs import HeldOutRun

Array = npt.NDArray[Any]

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
class Plan:
    """What a glance at every run found.

    Attributes:
        uses: how the verdict uses each (run, epoch): its weight, and whether it precedes memorising.
        glances: of each run that trained on its samples, in order (where there is none, of those that did not).
        early: of each of those, how many of its first epochs are used so.
    """

    uses: dict[tuple[int, int], EpochUse]
    glances: list[Glance]
    early: list[int]


def plan(history: History, split: str | None = None, wanted: set[int] | None = None) -> Plan:
    """Look at every run of a history; ``wanted``: the epochs to use, default all."""
    found = Plan({}, [], [])
    for run, recorded in enumerate(epochs_of_runs(history, split)):
        chosen = [epoch for epoch in recorded if wanted is None or epoch in wanted]
        if not chosen:
            continue
        if isinstance(history.runs_read[run], HeldOutRun):
            uses = held_out_uses(len(chosen))
        else:
            seen = _glance(history, run, chosen, split)
            early = n_early(seen)
            found.glances.append(seen)
            found.early.append(early)
            stages = seen.stages
            uses = [
                EpochUse(log_time_weight(i, stages), i < early, doubling(i, stages)) for i in range(stages.n_epochs)
            ]
        found.uses.update({(run, epoch): use for epoch, use in zip(chosen, uses, strict=True)})
    return found if found.glances else _of_held_out(history, split, found)


def _glance(history: History, run: int, epochs: list[int], split: str | None) -> Glance:
    """Look at a run that trained on its samples; in stages if it is long and has not learned the labels by heart."""
    seen = glance(history, run, epochs, split)
    if len(epochs) <= STAGES or _by_heart(seen.blocks):
        return seen
    return glance(history, run, epochs, split, Stages.of_long(len(epochs)))


def _of_held_out(history: History, split: str | None, found: Plan) -> Plan:
    """Look at runs that trained on none of the samples that they are read for."""
    for run in sorted({run for run, _ in found.uses}):
        epochs = [epoch for of_run, epoch in found.uses if of_run == run]
        found.glances.append(seen := glance(history, run, epochs, split))
        found.early.append(len(epochs))
        for i, epoch in enumerate(epochs):
            found.uses[run, epoch] = replace(found.uses[run, epoch], doubling=doubling(i, seen.stages))
    return found


def n_early(seen: Glance) -> int:
    """Return how many of a run's first epochs precede memorising."""
    blocks = seen.blocks
    for number in range(2, len(blocks)):
        before, now = blocks[number - 1].shares, blocks[number].shares
        if _memorising(number, before, now):
            return blocks[number].epochs.start
        if _stands_still(before, now):
            if now.wrong >= NOTHING or not _by_heart(blocks[: number + 1]):
                return blocks[number].epochs.start
            blocks = blocks[: number + 1]
            break
    return seen.stages.first_epoch(_first(blocks, seen.labels)) if _by_heart(blocks) else seen.stages.n_epochs


def _stands_still(before: Shares, now: Shares) -> bool:
    """Say whether nothing more was learned after the block before."""
    return now.disagreeing > PLATEAU * before.disagreeing


def _memorising(number: int, before: Shares, now: Shares) -> bool:
    """Say whether the wrong labels are being learned by heart since the block before."""
    if number == 2 and not (
        now.disagreeing > EARLY_FALL * before.disagreeing and before.wrong > EARLY_MATERIAL * before.open
    ):
        return False
    return now.wrong < COLLAPSE * before.wrong and before.wrong > MATERIAL * before.open


def _by_heart(blocks: list[Block]) -> bool:
    """Say whether next to nothing disagrees any more of what disagreed in epochs 3 and 4."""
    return len(blocks) > 3 and blocks[-1].shares.disagreeing < BY_HEART * blocks[2].shares.disagreeing


def _first(blocks: list[Block], labels: Array) -> int:
    """Return how many stages to read of a run that learned its labels by heart too fast to see where.

    Where those that the first epoch calls wrong are also the last to be learned, it was right about them, and the
    next one has begun to forget; else the second, else the third.
    """
    for number in range(FIRST - 1):
        called = blocks[number].wrong > 0.5
        later = np.mean([block.mean for block in blocks[number + 1 :]], axis=0)
        last = _last_learned(later, labels, int(called.sum()))
        if called.sum() >= FEW and (called & last).sum() > STAY_WRONG * called.sum():
            return number + 1
    return FIRST


def _last_learned(mean: Array, labels: Array, n: int) -> npt.NDArray[np.bool_]:
    """Return which n samples give their label the lowest log ratio in these probabilities, (m,) bool."""
    against = np.nan_to_num(log_ratios(mean, labels), nan=-np.inf)
    found = np.zeros(len(labels), bool)
    found[np.argsort(-against, kind="stable")[:n]] = True
    return found
