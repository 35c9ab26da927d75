"""What the neighbours' labels say of a sample's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.neighbours import Neighbours

Array = npt.NDArray[Any]

VOTERS = 20  # neighbours that vote
NEARER = 0.3  # the nearest of them count up to (1 + 0.3) / 0.3 times as much as the farthest
PRIOR = 1.0  # votes of the nearest kind, spread as the labels of the whole data set


@dataclass(frozen=True, eq=False)
class LabelVotes:
    """The labels of every sample's nearest neighbours, each with a weight.

    The sample's own label has no vote. Exact duplicates have none either: a copy carries its label along, right or
    wrong, and is no second opinion. (Copies with different labels are a finding of their own: `conflict`.)

    Attributes:
        labels: (n, k) class numbers, -1 where missing.
        weights: (n, k) 0 to 1.
        conflict: (n,) position of the nearest neighbour if its label differs from the sample's own, else -1; of
            several equally near ones, the first that differs.
        nearest: (n,) distance of the nearest neighbour, NaN where there is none.
        shares: (K,) share of each class in the data set.
    """

    labels: Array
    weights: Array
    conflict: Array
    nearest: Array
    shares: Array

    @classmethod
    def of(cls, neighbours: Neighbours, labels: Array, n_classes: int) -> LabelVotes:
        """Collect votes.

        Args:
            neighbours: of n samples.
            labels: (n,) class numbers, -1 where missing.
            n_classes: K.
        """
        others, far = neighbours.indices, neighbours.distances
        n = len(others)
        voted = labels[others]
        counts = np.bincount(labels[labels >= 0], minlength=n_classes)
        shares = (counts + 1e-3) / (counts + 1e-3).sum()
        if not others.shape[1]:
            empty = np.full(n, -1, np.int64)
            return cls(voted, far, empty, np.full(n, np.nan), shares)
        known = (far > 0) & (voted >= 0)
        reach = np.where(far[:, -1:] > 0, far[:, -1:], 1.0)
        weights = np.where(known, 1 / (far / reach + NEARER), 0.0)
        weights /= np.maximum(weights.max(axis=1, keepdims=True), 1e-12)
        differs = (far == far[:, :1]) & (voted != labels[:, None]) & (voted >= 0) & (labels >= 0)[:, None]
        first = differs.argmax(axis=1)
        conflict = np.where(differs.any(axis=1), others[np.arange(n), first], -1)
        return cls(voted, weights, conflict, far[:, 0], shares)

    def share(self, classes: Array) -> Array:
        """Return the share of the votes, (n,), for one class of each sample, (n,): 0 to 1, NaN without votes."""
        total = self.weights.sum(axis=1)
        votes = (self.weights * (self.labels == classes[:, None])).sum(axis=1)
        return np.divide(votes, total, out=np.full(len(total), np.nan), where=total > 0)

    def log_ratio(self, given: Array, other: Array) -> Array:
        """Return log of the probability of another class over that of the given one, (n,): **high is suspicious**.

        0 where there are no votes.
        """
        total = self.weights.sum(axis=1)
        odds = [
            (self.weights * (self.labels == classes[:, None])).sum(axis=1) + PRIOR * self.shares[classes]
            for classes in (other, given)
        ]
        return np.where(total > 0, np.log(odds[0]) - np.log(odds[1]), 0.0)

    def probabilities(self) -> Array:
        """Return p(label | neighbours), (n, K): votes and prior; rows sum to 1."""
        n, k = self.labels.shape
        found = np.tile(PRIOR * self.shares, (n, 1))
        rows = np.repeat(np.arange(n), k)
        known = self.labels.ravel() >= 0
        np.add.at(found, (rows[known], self.labels.ravel()[known]), self.weights.ravel()[known])
        return found / found.sum(axis=1, keepdims=True)
