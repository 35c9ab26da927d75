"""The nearest candidates of every sample, while the blocks of distances go by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space

Array = npt.NDArray[Any]


class Pool:
    """The nearest candidates of n samples by fast distances; 8 bytes a candidate.

    Args:
        n: number of samples.
        size: candidates kept of each.
        without_self: whether the samples are among the others, and are not their own neighbours.
    """

    def __init__(self, n: int, size: int, *, without_self: bool) -> None:
        self.size, self.without_self = size, without_self
        self.values = np.full((n, size), np.inf, np.float32)
        self.others = np.full((n, size), -1, np.int32)
        self.worst = np.full(n, np.inf, np.float32)  # of the candidates kept

    def offer(self, rows: slice, columns: slice, values: Array) -> None:
        """Take what is nearer than the worst candidate kept.

        Args:
            rows: the samples.
            columns: the others.
            values: (m, w) fast distances between them.
        """
        worst = self.worst[rows]
        if np.isinf(worst).any() and values.shape[1] > self.size:
            found = np.argpartition(values, self.size - 1, axis=1)[:, : self.size]
            of = np.repeat(np.arange(len(worst)), self.size)
            other = found.ravel()
        elif values.flags.c_contiguous:
            of, other = np.divmod(np.flatnonzero(values < worst[:, None]), values.shape[1])
        else:  # a block seen from its columns
            other, of = np.divmod(np.flatnonzero(worst > values.T), values.shape[0])
            order = np.argsort(of, kind="stable")
            of, other = of[order], other[order]
        if len(of):
            self._merge(rows.start, of, other + columns.start, values[of, other])

    def _merge(self, start: int, of: Array, others: Array, values: Array) -> None:
        """Merge candidates, (m,) each and sorted by sample, into those kept."""
        changed, first, counts = np.unique(of, return_index=True, return_counts=True)
        place = np.repeat(np.arange(len(changed)), counts)
        column = self.size + np.arange(len(of)) - np.repeat(first, counts)
        width = self.size + int(counts.max())
        both = np.full((len(changed), width), np.inf, np.float32)
        names = np.full((len(changed), width), -1, np.int32)
        rows = changed + start
        both[:, : self.size], names[:, : self.size] = self.values[rows], self.others[rows]
        both[place, column], names[place, column] = values, others
        keep = np.argpartition(both, self.size - 1, axis=1)[:, : self.size]
        self.values[rows] = np.take_along_axis(both, keep, axis=1)
        self.others[rows] = np.take_along_axis(names, keep, axis=1)
        self.worst[rows] = self.values[rows].max(axis=1)

    def best(self, space: Space, k: int, rows: Array, columns: Array) -> tuple[Array, Array, Array]:
        """Return the k nearest candidates by accurate distances.

        Args:
            space: measures them.
            k: at most the size of the pool.
            rows: (n,) rows of the space that the samples are.
            columns: rows of the space that the others are.

        Returns:
            (n, k) numbers of the others in ``columns``, (n, k) distances, and (n,) whether no other outside the pool
            can be as near as the last one.
        """
        n, size = self.others.shape
        exact = space.pairs(np.repeat(rows, size), columns[self.others.ravel()]).reshape(n, size)
        order = np.lexsort((self.others, exact), axis=1)[:, :k]
        distances = np.take_along_axis(exact, order, axis=1)
        reach = space.to_fast(distances[:, -1]) + space.margin(rows, space.longest)
        sure = reach < self.worst if size < len(columns) - self.without_self else np.ones(n, bool)
        return np.take_along_axis(self.others, order, axis=1).astype(np.int64), distances, sure
