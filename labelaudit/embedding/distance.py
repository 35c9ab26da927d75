"""Distances between vectors: fast ones in blocks, with a bound of their error, and accurate ones of chosen pairs.

A matrix product gives all distances between two blocks quickly, but in single precision: near duplicates come out as
noise. So a block only chooses candidates, with a margin for its error, and the distances of the candidates are
computed again from the differences of the vectors in double precision. Equal vectors have distance exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from labelaudit.history.rows import one_of

Array = npt.NDArray[Any]
Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = get_args(Metric)
LARGE = 1e150  # beyond every distance in units; its square is finite
PLAIN = 1e100  # lengths up to it, and from its inverse on, have squares that are neither infinite nor lost
UNSURE = 8  # pairs for each row and column of a block that are decided one by one
PAIR_VALUES = 1 << 20  # numbers widened to double precision at a time
SURE = 8.0  # rounding errors of a sum of d products stay within this times sqrt(d) units, but for odds below 1e-13


class Space:
    """Vectors with a metric.

    Cosine distance is 1 - cos of the angle, 0 to 2. A vector of zeros has no direction: its distance is 0 to another
    one and 1 to everything else.

    Args:
        vectors: (n, d), finite.
        metric: "cosine" or "euclidean".
        dtype: of the fast distances.

    Example:
        >>> space = Space(np.array([[1.0, 0.0], [0.0, 2.0]]), "cosine")
        >>> space.pairs(np.array([0, 0]), np.array([0, 1])).tolist()
        [0.0, 1.0]
    """

    def __init__(self, vectors: Array, metric: str, dtype: type[np.floating[Any]] = np.float32) -> None:
        one_of("metric", metric, METRICS)
        self.vectors, self.metric, self.dtype = vectors, metric, dtype
        if metric == "cosine":
            self.fast = _cast(vectors, dtype, _unit_length)
        else:
            centre = mean_of(vectors)
            self.unit = _most(vectors, centre) or 1.0  # so that no square overflows
            self.fast = _cast(vectors, dtype, lambda block: (block - centre) / self.unit)
        self.squares = np.einsum("ij,ij->i", self.fast, self.fast)
        self.longest = float(np.sqrt(self.squares.max(initial=0)))  # of the fast vectors
        self._lost = self.squares == 0 if metric == "cosine" else np.zeros(0, bool)  # vectors without a direction
        self._some_lost = bool(self._lost.any())

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def slack(self) -> float:
        """Most that a fast value is wrong by, for vectors of length 1."""
        return SURE * float(np.sqrt(self.vectors.shape[1] + 4)) * float(np.finfo(self.dtype).eps)

    def block(self, rows: slice | Array, columns: slice | Array) -> Array:
        """Return the (m, w) fast values of a block: they order like distances, see `to_fast`."""
        found: Array = self.fast[rows] @ self.fast[columns].T
        if self.metric == "cosine":
            np.subtract(1, found, out=found)
            if self._some_lost:
                found[np.ix_(self._lost[rows], self._lost[columns])] = 0
        else:
            found *= -2
            found += self.squares[columns]
            found += self.squares[rows][:, None]
        return found

    def margin(self, rows: slice | Array, longest: float) -> Array:
        """Return how far the fast values of some rows may be off, (m,)."""
        if self.metric == "cosine":
            return np.full(len(self.squares[rows]), self.slack)
        lengths = np.sqrt(self.squares[rows].astype(np.float64))
        return self.slack * (lengths + longest) ** 2

    def to_fast(self, distance: Array | float) -> Any:
        """Return the fast values that belong to distances."""
        if self.metric == "cosine":
            return distance
        return np.square(np.minimum(distance / self.unit, LARGE))

    def reach(self, threshold: float) -> float:
        """Return a Euclidean distance that no two fast vectors exceed whose distance is at most a threshold."""
        if self.metric == "cosine":
            found = 2 * (threshold + 2 * self.slack)  # of vectors of length 1, the square is twice the distance
        else:
            found = float(self.to_fast(threshold)) + self.slack * (2 * self.longest) ** 2
        return min(float(np.sqrt(found)), 2.01 * self.longest)

    def within(self, rows: Array, columns: Array, threshold: float) -> Array:
        """Say which distances of a block are at most a threshold, (m, w) bool; none is decided by rounding."""
        values, reach = self.block(rows, columns), self.to_fast(threshold)
        margin = self.margin(rows, self.longest)[:, None]
        near = values <= reach + margin
        i, j = np.divmod(np.flatnonzero(near & (values > reach - margin)), near.shape[1])
        if len(i) > UNSURE * sum(near.shape) and self.dtype == np.float32:
            return self.in_double.within(rows, columns, threshold)
        near[i, j] = self.pairs(rows[i], columns[j]) <= threshold
        return near

    def close(self, rows: Array, columns: Array, threshold: float) -> tuple[Array, Array]:
        """Return the places in a block, as `within` has them, (p,) each; quicker where they are few."""
        values, reach = self.block(rows, columns), self.to_fast(threshold)
        margin = self.margin(rows, self.longest)
        most = np.minimum(reach + margin, np.finfo(values.dtype).max / 2)
        above = np.nextafter(most.astype(values.dtype), np.inf, dtype=values.dtype)  # casting may have rounded down
        i, j = np.divmod(np.flatnonzero(values <= above[:, None]), len(columns))
        unsure = np.flatnonzero(values[i, j] > (reach - margin)[i])
        if len(unsure) > UNSURE * sum(values.shape) and self.dtype == np.float32:
            return self.in_double.close(rows, columns, threshold)
        near = np.ones(len(i), bool)
        near[unsure] = self.pairs(rows[i[unsure]], columns[j[unsure]]) <= threshold
        return i[near], j[near]

    @cached_property
    def in_double(self) -> Space:
        """The same space with fast distances in double precision."""
        return Space(self.vectors, self.metric, np.float64)

    def pairs(self, left: Array, right: Array) -> Array:
        """Return the accurate distances of pairs of rows, (m,) double precision."""
        found = np.empty(len(left))
        step = max(PAIR_VALUES // self.vectors.shape[1], 1)
        for low in range(0, len(left), step):
            i, j = left[low : low + step], right[low : low + step]
            found[low : low + step] = distances(self.vectors[i], self.vectors[j], self.metric)
        return found

    def from_vector(self, vector: Array, rows: Array) -> Array:
        """Return the accurate distances of some rows, (m,), from a vector, (d,)."""
        found = np.empty(len(rows))
        step = max(PAIR_VALUES // self.vectors.shape[1], 1)
        for low in range(0, len(rows), step):
            block = self.vectors[rows[low : low + step]]
            found[low : low + step] = distances(np.broadcast_to(vector, block.shape), block, self.metric)
        return found


def distances(a: Array, b: Array, metric: str) -> Array:
    """Return the accurate distances between the rows of two arrays, (m,), from their differences in double precision.

    Example:
        >>> distances(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]), "euclidean").tolist()
        [5.0]
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    if metric == "euclidean":
        a -= b
        return lengths_of(a)
    lengths = [lengths_of(one) for one in (a, b)]
    for one, length in zip((a, b), lengths, strict=True):
        one /= np.where(length > 0, length, 1)[:, None]
    a -= b
    half: Array = np.einsum("ij,ij->i", a, a) / 2
    lost = (lengths[0] == 0) | (lengths[1] == 0)
    half[lost] = (lengths[0] != lengths[1])[lost]
    return half


def lengths_of(rows: Array) -> Array:
    """Return the Euclidean lengths of rows, (m,), also where their squares are infinite or lost.

    Example:
        >>> lengths_of(np.array([[3.0, 4.0], [0.0, 1e200], [0.0, 0.0]])).tolist()
        [5.0, 1e+200, 0.0]
    """
    found: Array = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    odd = np.flatnonzero(~((found > 1 / PLAIN) & (found < PLAIN)))
    if len(odd):
        most = np.abs(rows[odd]).max(axis=1)
        unit = np.where(most > 0, most, 1)
        scaled = rows[odd] / unit[:, None]
        found[odd] = unit * np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    return found


def mean_of(vectors: Array) -> Array:
    """Return the mean vector, (d,) double precision; zeros where there are none."""
    return vectors.mean(axis=0, dtype=np.float64) if len(vectors) else np.zeros(vectors.shape[1])


def _unit_length(block: Array) -> Array:
    length = lengths_of(block)
    return block / np.where(length > 0, length, 1)[:, None]


def _most(vectors: Array, centre: Array) -> float:
    """Return the largest deviation of a number from the centre."""
    return max((float(np.abs(vectors[rows] - centre).max(initial=0)) for rows in _steps(vectors)), default=0.0)


def _cast(vectors: Array, dtype: type[np.floating[Any]], change: Callable[[Array], Array]) -> Array:
    """Return a changed copy, computed in double precision, in blocks."""
    found = np.empty(vectors.shape, dtype)
    for rows in _steps(vectors):
        found[rows] = change(vectors[rows].astype(np.float64))
    return found


def _steps(vectors: Array) -> list[slice]:
    step = max(PAIR_VALUES // vectors.shape[1], 1)
    return [slice(low, min(low + step, len(vectors))) for low in range(0, len(vectors), step)]
