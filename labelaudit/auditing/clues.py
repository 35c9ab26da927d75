"""What is known of every sample, as plain numbers: what the trees and networks of `experience.py` are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.mean_scores import chunks
from labelaudit.auditing.class_pairs import OF_PAIRS, class_pairs
from labelaudit.auditing.doublings import FOLLOWED
from labelaudit.auditing.glance import Block, Glance, log_ratios
from labelaudit.auditing.reading import Reading

Array = npt.NDArray[Any]

NEARBY = 0.02  # of the samples, on either side in the ranking, whose mean posterior says what is usual there
LEAST_NEARBY = 10
QUANTILES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995)

OF_SAMPLES = (
    "log_ratio",
    "log_ratio_by_clarity",
    "rank",
    "by_matrix",
    "early_log_ratio",
    *(f"log_ratio_{j}" for j in range(FOLLOWED)),
    "nearby",
    *OF_PAIRS,
)
OF_SET = (
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
COLUMNS = (*OF_SAMPLES, *OF_SET)


@dataclass(frozen=True)
class Clues:
    """What is known of n samples, and of the data set.

    Attributes:
        log_ratio: (n,) log of the best other class's probability over the given label's, high is suspicious.
        early: (n,) the same in the early epochs.
        by_matrix: (n,) log odds that the label is wrong, by the noise model of the early epochs.
        log_ratios: (FOLLOWED, n) log ratio in each doubling of the epochs.
        pairs: (len(OF_PAIRS), n) how common the confusion of its two classes is.
        shares: (3, 5) logs of the shares that doublings 0 to 3 and the last show: wrong, open, disagreeing.
        seen: (5,) what the data set looks like from outside: rate, open, structure, clear_agreeing, clear_open.
        given: (n,) given classes.
        other: (n,) best class beside the given one.
    """

    log_ratio: Array
    early: Array
    by_matrix: Array
    log_ratios: Array
    pairs: Array
    shares: Array
    seen: Array
    given: Array
    other: Array

    @property
    def clear_agreeing(self) -> float:
        """Median log ratio in favour of the given label, where it is predicted."""
        return float(self.seen[3])

    @classmethod
    def of(cls, read: Reading, of_doublings: Array, glances: Sequence[Glance]) -> Clues:
        """Gather what is known. Of several runs, the mean.

        Args:
            read: what the averages say of all samples.
            of_doublings: (FOLLOWED, n) log ratios, NaN where no run saw the sample.
            glances: of each run.
        """
        seen = read.seen
        shares = [
            [[np.log(getattr(block.shares, name) + 0.002) for block in _shown(glance)] for glance in glances]
            for name in ("wrong", "open", "disagreeing")
        ]
        return cls(
            read.log_ratio,
            _early(read),
            log_odds(read.posterior.wrong),
            np.where(np.isnan(of_doublings), read.log_ratio.astype(np.float32), of_doublings),
            class_pairs(read),
            np.mean(shares, axis=1),
            np.array([seen.rate, seen.open, seen.structure, seen.clear_agreeing, seen.clear_open]),
            read.labels,
            read.other,
        )

    def of_samples(self) -> list[Array]:
        """Return the columns OF_SAMPLES, (n,) each.

        The log ratio over the whole training, early, and in each doubling; what the noise model says, of the sample and
        on average of its neighbours in the ranking; its place in the ranking; the pair of its classes.
        """
        s = self.log_ratio
        order = np.argsort(-s, kind="stable")
        _, first, counts = np.unique(-s[order], return_index=True, return_counts=True)
        rank, nearby = np.empty((2, len(s)))
        rank[order] = np.repeat((first + counts / 2) / len(s), counts)
        nearby[order] = np.repeat(_nearby(self.by_matrix[order], first, first + counts), counts)
        mine = [s, s / self.clear_agreeing, np.log(rank + 1e-4), self.by_matrix, self.early, *self.log_ratios]
        return [*mine, log_odds(nearby), *self.pairs]

    def of_set(self) -> list[float]:
        """Return OF_SET: what the data set looks like from outside, shares by doublings, quantiles of log ratios."""
        s = self.log_ratio
        rate, left_open, structure, clear_agreeing, clear_open = self.seen
        quantiles = [np.quantile(one, QUANTILES) for one in (s, self.early, self.log_ratios[0], self.log_ratios[-1])]
        outside = [np.log(rate + 0.003), np.log(left_open + 0.005), structure, np.log(clear_agreeing)]
        disagreeing = np.log((s > 0).mean() + 0.003)
        return [*outside, np.log(clear_open + 0.1), disagreeing, *self.shares.ravel(), *np.ravel(quantiles)]


def log_odds(probability: Array) -> Array:
    """Return log(p / (1 - p)), bounded."""
    bounded = np.clip(probability, 1e-4, 1 - 1e-4)
    found: Array = np.log(bounded / (1 - bounded))
    return found


def _early(read: Reading) -> Array:
    """Return the log ratios of the early epochs, (n,), in chunks of samples."""
    n = len(read.labels)
    here = chunks(n, len(read.model.matrix))
    return np.concatenate([log_ratios(read.early(rows), read.labels[rows]) for rows in here])


def _shown(glance: Glance) -> list[Block]:
    """Return doublings 0 to 3, and the last; of a shorter run the last one for those after it."""
    return [*(glance.blocks[min(j, len(glance.blocks) - 1)] for j in range(4)), glance.blocks[-1]]


def _nearby(odds: Array, first: Array, end: Array) -> Array:
    """Return the mean probability of the samples around groups of equal rank, (groups,).

    Args:
        odds: (n,) log odds along the ranking.
        first: (groups,) place of each group's first sample.
        end: (groups,) place after its last one.
    """
    n = len(odds)
    total = np.concatenate([[0], np.cumsum(1 / (1 + np.exp(-odds)))])
    reach = max(int(n * NEARBY), LEAST_NEARBY)
    low, high = np.maximum(first - reach, 0), np.minimum(end + reach, n)
    found: Array = (total[high] - total[low]) / (high - low)
    return found
