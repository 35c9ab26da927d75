"""Exact nearest neighbours in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space
from labelaudit.embedding.pool import Pool
from labelaudit.embedding.twins import Twins

Array = npt.NDArray[Any]

TILE = 2048  # rows and columns of the blocks: 16 MiB of distances


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbours of n samples, nearest first, of equally near ones the first in the data set.

    Attributes:
        indices: (n, k) positions of the neighbours.
        distances: (n, k) double precision.
        recall: share of the true nearest neighbours found, measured on some of the samples; 1 where search was exact.
    """

    indices: Array
    distances: Array
    recall: float = 1.0

    def first(self, k: int) -> Neighbours:
        """Return the nearest k of them."""
        return Neighbours(self.indices[:, :k], self.distances[:, :k], self.recall)


def nearest(vectors: Array, k: int, metric: str = "cosine") -> Neighbours:
    """Return the exact k nearest neighbours of every sample among the others.

    Memory beside the result: the vectors in single precision, some 20 k bytes a sample and a few blocks of 16 MiB.

    Args:
        vectors: (n, d), finite.
        k: number of neighbours; where there are fewer other samples, all of them.
        metric: "cosine" (1 - cos, 0 to 2) or "euclidean".

    Example:
        >>> nearest(np.array([[0.0], [1.0], [3.0]]), 1, "euclidean").indices.tolist()
        [[1], [0], [1]]
    """
    return without_twins(vectors, k, metric, among_different)


def without_twins(vectors: Array, k: int, metric: str, search: Callable[[Space, int], Neighbours]) -> Neighbours:
    """Search among the different vectors, and tell equal ones that they are each other's neighbours.

    Args:
        vectors: (n, d).
        k: number of neighbours; where there are fewer other samples, all of them.
        metric: "cosine" or "euclidean".
        search: finds neighbours among vectors no two of which are equal.
    """
    k = max(min(k, len(vectors) - 1), 0)
    if k == 0:
        return Neighbours(np.empty((len(vectors), 0), np.int64), np.empty((len(vectors), 0)))
    twins = Twins.of(vectors)
    different = vectors[twins.first] if twins.any else vectors
    found = search(Space(different, metric), min(k, twins.n_unique - 1))
    if not twins.any:
        return found
    return Neighbours(*twins.expand(found.indices, found.distances, k), found.recall)


def among_different(space: Space, k: int) -> Neighbours:
    """Return the k nearest neighbours of every vector, where no two are equal."""
    n = len(space)
    everything = np.arange(n)
    if k == 0:
        return Neighbours(np.empty((n, 0), np.int64), np.empty((n, 0)))
    pool = Pool(n, min(_candidates(k), n - 1), without_self=True)
    for rows, columns in tiles(n):
        values = space.block(rows, columns)
        if rows == columns:
            np.fill_diagonal(values, np.inf)
        else:
            pool.offer(columns, rows, values.T)
        pool.offer(rows, columns, values)
    return _settled(space, k, pool, everything, everything)


def nearest_of(space: Space, rows: Array, columns: Array, k: int) -> Neighbours:
    """Return the k nearest of some samples for each of some others; no sample is in both.

    Args:
        space: measures them.
        rows: (m,) samples whose neighbours are wanted.
        columns: (c,) samples among which they are searched, k or more, no two of them equal.
        k: number of neighbours.

    Returns:
        indices into ``columns`` and distances, (m, k) each.
    """
    pool = Pool(len(rows), min(_candidates(k), len(columns)), without_self=False)
    for top in range(0, len(rows), TILE):
        for left in range(0, len(columns), TILE):
            here, there = slice(top, min(top + TILE, len(rows))), slice(left, min(left + TILE, len(columns)))
            pool.offer(here, there, space.block(rows[here], columns[there]))
    return _settled(space, k, pool, rows, columns)


def tiles(n: int, size: int | None = None) -> Iterator[tuple[slice, slice]]:
    """Yield the blocks on and above the diagonal of an n x n matrix, a row of blocks at a time."""
    size = size or TILE
    for top in range(0, n, size):
        for left in range(top, n, size):
            yield slice(top, min(top + size, n)), slice(left, min(left + size, n))


def _candidates(k: int) -> int:
    return k + max(8, k // 2)


def _settled(space: Space, k: int, pool: Pool, rows: Array, columns: Array) -> Neighbours:
    """Choose among a pool's candidates; what single precision cannot tell apart is searched again in double."""
    indices, distances, sure = pool.best(space, k, rows, columns)
    unsure = np.flatnonzero(~sure)
    step = max(TILE * TILE // (2 * len(columns)), 1)
    for low in range(0, len(unsure), step):
        at = unsure[low : low + step]
        indices[at], distances[at] = _in_double(space, k, rows[at], columns, without_self=pool.without_self)
    return Neighbours(indices, distances)


def _in_double(space: Space, k: int, rows: Array, columns: Array, *, without_self: bool) -> tuple[Array, Array]:
    exact_space = space.in_double
    values = exact_space.block(rows, columns)
    if without_self:  # all samples are columns then
        values[np.arange(len(rows)), rows] = np.inf
    reach = np.partition(values, k - 1, axis=1)[:, k - 1] + 2 * exact_space.margin(rows, exact_space.longest)
    of, others = np.nonzero(values <= reach[:, None])
    exact = space.pairs(rows[of], columns[others])
    order = np.lexsort((others, exact, of))
    chosen = order[np.searchsorted(of, np.arange(len(rows)))[:, None] + np.arange(k)]
    return others[chosen], exact[chosen]
