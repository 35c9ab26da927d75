"""Equal vectors, taken as one while neighbours are searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import PAIR_VALUES

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Twins:
    """Groups of equal vectors, in the order of their first members.

    Attributes:
        group: (n,) group of every sample.
        first: (g,) first member of every group.
        members: (n,) samples, group by group, ascending.
        starts: (g + 1,) where each group begins in ``members``.
    """

    group: Array
    first: Array
    members: Array
    starts: Array

    @classmethod
    def of(cls, vectors: Array) -> Twins:
        """Group the equal rows of an array, (n, d). -0.0 equals 0.0."""
        _, first, found, counts = np.unique(
            _hashes(vectors), return_index=True, return_inverse=True, return_counts=True
        )
        if not _all_equal(vectors, first[found]):  # two vectors share a hash
            _, first, found, counts = np.unique(
                vectors, axis=0, return_index=True, return_inverse=True, return_counts=True
            )
        rank = np.empty(len(first), np.int64)
        order = np.argsort(first)
        rank[order] = np.arange(len(first))
        group = rank[found.ravel()]  # NumPy 2.0.0 gives it another shape
        return cls(group, first[order], np.argsort(group, kind="stable"), np.append(0, counts[order].cumsum()))

    @property
    def n_unique(self) -> int:
        """Number of different vectors."""
        return len(self.first)

    @property
    def any(self) -> bool:
        """Whether two vectors are equal."""
        return len(self.first) < len(self.group)

    def expand(self, indices: Array, distances: Array, k: int) -> tuple[Array, Array]:
        """Turn the neighbours of the groups into the k neighbours of their members.

        Args:
            indices: (g, m) nearest other groups.
            distances: (g, m) their distances.
            k: neighbours wanted of every sample, less than n.

        Returns:
            indices and distances, (n, k) each; equal vectors come first, at distance 0.
        """
        g, m = indices.shape
        groups = np.concatenate([np.arange(g)[:, None], indices], axis=1).ravel()
        away = np.concatenate([np.zeros((g, 1)), distances], axis=1).ravel()
        sizes = np.minimum(np.diff(self.starts)[groups], k + 1)
        entry = np.repeat(np.arange(len(groups)), sizes)
        within = np.arange(len(entry)) - np.repeat(sizes.cumsum() - sizes, sizes)
        samples = self.members[self.starts[groups[entry]] + within]
        of, far = entry // (m + 1), away[entry]
        order = np.lexsort((samples, far, of))
        starts = np.searchsorted(of, np.arange(g))
        lists = order[starts[:, None] + np.arange(k + 1)]
        around, how_far = samples[lists][self.group], far[lists][self.group]
        own = around == np.arange(len(self.group))[:, None]
        own[~own.any(axis=1), -1] = True  # a sample with more than k equal ones before it leaves out the last
        keep = ~own
        return around[keep].reshape(-1, k), how_far[keep].reshape(-1, k)


def _hashes(vectors: Array) -> Array:
    """Return a 64-bit hash of every row, (n,); equal rows have equal ones."""
    rng = np.random.default_rng(0)
    factors = rng.integers(1 << 62, size=vectors.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    found = np.zeros(len(vectors), np.uint64)
    step = max(PAIR_VALUES // vectors.shape[1], 1)
    for low in range(0, len(vectors), step):
        block = vectors[low : low + step].astype(np.float64) + 0.0  # -0.0 + 0.0 is 0.0
        found[low : low + step] = block.view(np.uint64) @ factors
    return found ^ (found >> np.uint64(32))


def _all_equal(vectors: Array, first: Array) -> bool:
    """Say whether every row equals the first one of its group."""
    others = np.flatnonzero(first != np.arange(len(first)))
    step = max(PAIR_VALUES // vectors.shape[1], 1)
    return all(
        np.array_equal(vectors[others[low : low + step]], vectors[first[others[low : low + step]]])
        for low in range(0, len(others), step)
    )
