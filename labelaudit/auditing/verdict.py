"""Which labels are wrong: the ranking, the cut, the count and the suggestion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator
from labelaudit.history.blocks import Block

Array = npt.NDArray[Any]


@dataclass
class Verdict:
    """What the histories say of the labels.

    Attributes:
        quality: (n,) 0..1, low is suspicious.
        flagged: (n,) bool, past the cut.
        consensus: (n,) class predicted over the epochs.
        suggested: (n,) likely true class, -1 where none is likelier than the given one.
        suggestion_confidence: (n,) its probability, NaN where there is none.
        estimated_errors: number of wrong labels.
        interval: 95 % interval of that number.
        noise_matrix: (K, K) P(given | true), rows true.
        window: first and last epoch that the ranking reads.
        notes: doubts, one sentence each.
    """

    quality: Array
    flagged: Array
    consensus: Array
    suggested: Array
    suggestion_confidence: Array
    estimated_errors: int
    interval: tuple[int, int]
    noise_matrix: Array
    window: tuple[int, int]
    notes: list[str]


class Evidence(Accumulator):
    """Sum of the probabilities over the epochs; 4 K + 4 bytes a sample."""

    def start(self) -> None:
        """Make the arrays."""
        self.total = np.zeros((self.n_classes, self.n), np.float32)
        self.seen = np.zeros(self.n, np.int32)
        self.first, self.last = 2**31, -1

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        self.total[:, block.rows] += block.frame.probabilities
        self.seen[block.rows] += 1
        self.first, self.last = min(self.first, block.epoch), max(self.last, block.epoch)

    def verdict(self, labels: Array, *, expected_error_rate: float | None, threshold: float | None) -> Verdict:
        """Judge the labels, (n,)."""
        mean = self.total / np.maximum(self.seen, 1)
        columns = np.arange(self.n)
        consensus = mean.argmax(axis=0)
        given = mean[labels, columns]
        others = mean.copy()
        others[labels, columns] = -1
        other = others.argmax(axis=0)
        p_other = others[other, columns]
        quality = (given - p_other + 1) / 2
        flagged = quality < (0.5 if threshold is None else threshold)
        if expected_error_rate is not None:
            flagged = np.zeros(self.n, bool)
            flagged[np.argsort(quality, kind="stable")[: round(expected_error_rate * self.n)]] = True
        suggested = np.where(p_other > given, other, -1)
        joint = np.zeros((self.n_classes, self.n_classes))
        np.add.at(joint, (np.where(flagged, consensus, labels), labels), 1)
        rows = joint.sum(axis=1, keepdims=True)
        noise = np.where(rows > 0, joint / np.maximum(rows, 1), np.eye(self.n_classes))
        count = int(flagged.sum())
        half = round(1.96 * np.sqrt(count))
        return Verdict(
            quality,
            flagged,
            consensus,
            suggested,
            np.where(suggested >= 0, p_other, np.nan),
            count,
            (max(count - half, 0), min(count + half, self.n)),
            noise,
            (self.first, self.last),
            [],
        )
