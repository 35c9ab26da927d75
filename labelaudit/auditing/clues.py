"""What is known of the samples glanced at, as plain numbers: what the trees of `experience.py` are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.glance import Block, Glance, log_ratios
from labelaudit.auditing.reading import Reading

Array = npt.NDArray[Any]

BLOCKS = 6  # doublings followed sample by sample; of a shorter run the last one stands for those that follow
NEARBY = 0.02  # of the samples, on either side in the ranking, whose mean posterior says what is usual there
LEAST_NEARBY = 10
QUANTILES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995)

COLUMNS = (
    "log_ratio",
    "log_ratio_by_clarity",
    "rank",
    "by_matrix",
    "early_log_ratio",
    *(f"log_ratio_{j}" for j in range(BLOCKS)),
    *(f"by_matrix_{j}" for j in range(BLOCKS)),
    "nearby",
    "nearby_0",
    "nearby_1",
    "rate",
    "open",
    "structure",
    "clear_agreeing",
    "clear_open",
    "disagreeing",
    *(f"{share}_{j}" for share in ("wrong", "open", "disagreeing") for j in (0, 1, 2, 3, "last")),
    *(f"quantile_{q:g}" for q in QUANTILES),
    *(f"early_quantile_{q:g}" for q in QUANTILES),
    *(f"first_quantile_{q:g}" for q in QUANTILES),
    *(f"last_quantile_{q:g}" for q in QUANTILES),
)


@dataclass(frozen=True)
class Clues:
    """What is known of m samples, and of the data set.

    Attributes:
        log_ratio: (m,) log of the best other class's probability over the given label's, high is suspicious.
        early: (m,) the same in the early epochs.
        by_matrix: (m,) log odds that the label is wrong, by the noise model of the early epochs.
        log_ratios: (BLOCKS, m) log ratio in each doubling of the epochs.
        by_matrices: (BLOCKS, m) log odds by the noise model of each.
        shares: (3, 5) logs of the shares that doublings 0 to 3 and the last show: wrong, open, disagreeing.
        seen: (5,) what the data set looks like from outside: rate, open, structure, clear_agreeing, clear_open.
    """

    log_ratio: Array
    early: Array
    by_matrix: Array
    log_ratios: Array
    by_matrices: Array
    shares: Array
    seen: Array

    @classmethod
    def of(cls, read: Reading, glances: Sequence[Glance]) -> Clues:
        """Gather what is known. Of several runs, the mean.

        Args:
            read: what the averages say of all samples.
            glances: what the doublings of each run show of m of them, the same for every run.
        """
        rows, seen = glances[0].rows, read.seen
        log_ratio, by_matrix = read.log_ratio[rows], log_odds(read.posterior.wrong[rows])
        shares = [
            [[np.log(getattr(block.shares, name) + 0.002) for block in _followed(glance)] for glance in glances]
            for name in ("wrong", "open", "disagreeing")
        ]
        return cls(
            log_ratio,
            log_ratios(read.early(rows), read.labels[rows]),
            by_matrix,
            np.stack([_over_runs([_block(one, j).log_ratio for one in glances], log_ratio) for j in range(BLOCKS)]),
            np.stack(
                [_over_runs([log_odds(_block(one, j).wrong) for one in glances], by_matrix) for j in range(BLOCKS)]
            ),
            np.mean(shares, axis=1),
            np.array([seen.rate, seen.open, seen.structure, seen.clear_agreeing, seen.clear_open]),
        )

    def columns(self) -> Array:
        """Return what the trees of `experience.py` are asked about, (m, len(COLUMNS)).

        Of each sample: its log ratio over the whole training, early, and in each doubling; what the noise models say,
        of itself and on average of its neighbours in the ranking; its place in the ranking. Of the data set: what it
        looks like from outside, the shares that the doublings show, and quantiles of the log ratios.
        """
        s, m = self.log_ratio, len(self.log_ratio)
        values = np.sort(s)
        rank = 1 - (np.searchsorted(values, s, "left") + np.searchsorted(values, s, "right")) / (2 * m)
        rate, left_open, structure, clear_agreeing, clear_open = self.seen
        of_samples = [
            s,
            s / clear_agreeing,
            np.log(rank + 1e-4),
            self.by_matrix,
            self.early,
            *self.log_ratios,
            *self.by_matrices,
            *(_nearby(s, found) for found in (self.by_matrix, self.by_matrices[0], self.by_matrices[1])),
        ]
        of_set = [
            np.log(rate + 0.003),
            np.log(left_open + 0.005),
            structure,
            np.log(clear_agreeing),
            np.log(clear_open + 0.1),
            np.log((s > 0).mean() + 0.003),
            *self.shares.ravel(),
            *np.quantile([s, self.early, self.log_ratios[0], self.log_ratios[-1]], QUANTILES, axis=1).T.ravel(),
        ]
        return np.column_stack([*of_samples, np.tile(of_set, (m, 1))])


def log_odds(probability: Array) -> Array:
    """Return log(p / (1 - p)), bounded."""
    bounded = np.clip(probability, 1e-4, 1 - 1e-4)
    found: Array = np.log(bounded / (1 - bounded))
    return found


def _block(glance: Glance, j: int) -> Block:
    return glance.blocks[min(j, len(glance.blocks) - 1)]


def _followed(glance: Glance) -> list[Block]:
    """Return doublings 0 to 3, and the last."""
    return [*(_block(glance, j) for j in range(4)), glance.blocks[-1]]


def _over_runs(of_runs: list[Array], otherwise: Array) -> Array:
    """Return the mean over the runs that saw a sample, (m,); of those that none saw, ``otherwise``."""
    values = np.stack(of_runs)
    seen = ~np.isnan(values)
    n = seen.sum(axis=0)
    return np.where(n > 0, np.where(seen, values, 0).sum(axis=0) / np.maximum(n, 1), otherwise)


def _nearby(ranking: Array, odds: Array) -> Array:
    """Return log odds of the mean probability of a sample's neighbours in the ranking, (m,); ties count alike."""
    m = len(ranking)
    order = np.argsort(-ranking, kind="stable")
    total = np.concatenate([[0], np.cumsum(1 / (1 + np.exp(-odds[order])))])
    _, first, place = np.unique(-ranking[order], return_index=True, return_inverse=True)
    reach = max(int(m * NEARBY), LEAST_NEARBY)
    low = np.maximum(first - reach, 0)
    high = np.minimum(np.append(first[1:], m) + reach, m)
    found = np.empty(m)
    found[order] = ((total[high] - total[low]) / (high - low))[place]
    return log_odds(found)
