"""Which blocks of vectors can hold pairs that are at most a threshold apart: the others are never looked at.

The vectors are shared out among centres, each to the nearest. Between two centres lies a plane; a vector on one side is
at least as far from every vector on the other side as it is from the plane. So a vector is compared with those of
another cell only where the plane between the two is within the threshold. That leaves out no pair, whatever the centres
are; good ones leave out more of the rest. With a threshold that is small beside the distances between samples, the work
grows with n times the square root of n; with one as wide as the data, nothing can be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space
from labelaudit.embedding.neighbours import TILE, tiles

Array = npt.NDArray[Any]

CELLS_FROM = 4096  # samples; fewer are all compared with each other
CELLS = 1.0  # times the square root of the number of samples
MOST_CELLS = 4096
TRAINED_ON = 32  # samples a cell
ROUNDS = 3  # of moving the centres to the means of their samples
VALUES = TILE * TILE  # distances held at a time


class Block(NamedTuple):
    """Samples to compare with others.

    Attributes:
        left: (m,) numbers of samples.
        right: (w,) numbers of the others.
        mirrored: whether each pair comes from both sides, and a sample with itself.
    """

    left: Array
    right: Array
    mirrored: bool


class Cells(NamedTuple):
    """Samples shared out among centres.

    Attributes:
        centres: (c, d) in the space's fast vectors.
        order: (n,) numbers of the samples, cell by cell.
        starts: (c + 1,) where each cell begins in ``order``.
    """

    centres: Array
    order: Array
    starts: Array


def close_blocks(space: Space, rows: Array, threshold: float) -> Iterator[Block]:
    """Yield blocks that hold every pair of samples at most ``threshold`` apart.

    Args:
        space: measures them.
        rows: (n,) the samples.
        threshold: largest distance.
    """
    if len(rows) < CELLS_FROM:
        everything = np.arange(len(rows))
        for top, left in tiles(len(rows)):
            yield Block(everything[top], everything[left], top == left)
        return
    cells = shared_out(space, rows)
    of = np.repeat(np.arange(len(cells.centres)), np.diff(cells.starts))
    room = _room(space, cells.centres, threshold)
    step = _step(cells.centres)
    for low in range(0, len(rows), step):
        here, own = cells.order[low : low + step], of[low : low + step]
        away = _away(cells.centres, space.fast[rows[here]])
        away -= away[own, np.arange(len(here))]
        reached = (away <= room[:, own]) & (np.arange(len(room))[:, None] >= own)
        for cell in np.flatnonzero(reached.any(axis=1)).tolist():
            there = cells.order[cells.starts[cell] : cells.starts[cell + 1]]
            inside = own == cell
            yield from _pieces(here[inside], there, mirrored=True)
            yield from _pieces(here[reached[cell] & ~inside], there, mirrored=False)


def _pieces(left: Array, right: Array, *, mirrored: bool) -> Iterator[Block]:
    """Yield a block in pieces of bounded size."""
    for start in range(0, len(right) if len(left) else 0, TILE):
        there = right[start : start + TILE]
        step = max(VALUES // len(there), 1)
        for top in range(0, len(left), step):
            yield Block(left[top : top + step], there, mirrored)


def shared_out(space: Space, rows: Array) -> Cells:
    """Share samples out among centres: some samples, moved a few times to the means of those nearest to them."""
    n = len(rows)
    count = min(max(round(CELLS * n**0.5), 1), MOST_CELLS, n)
    rng = np.random.default_rng(0)
    tried = space.fast[rows[np.sort(rng.choice(n, min(n, TRAINED_ON * count), replace=False))]]
    centres = tried[np.sort(rng.choice(len(tried), count, replace=False))]
    for _ in range(ROUNDS):
        found = _nearest_centres(centres, tried)
        some, starts, sizes = np.unique(np.sort(found), return_index=True, return_counts=True)
        sums = np.add.reduceat(tried[np.argsort(found, kind="stable")], starts, axis=0)
        centres[some] = sums / sizes[:, None].astype(sums.dtype)
    step = _step(centres)
    found = np.concatenate([_nearest_centres(centres, space.fast[rows[low : low + step]]) for low in range(0, n, step)])
    starts = np.append(0, np.bincount(found, minlength=count).cumsum())
    return Cells(centres, np.argsort(found, kind="stable"), starts)


def _step(centres: Array) -> int:
    """Return of how many samples the distances to all centres are held at a time."""
    return max(VALUES // len(centres), 1)


def _nearest_centres(centres: Array, vectors: Array) -> Array:
    step = _step(centres)
    return np.concatenate(
        [_away(centres, vectors[low : low + step]).argmin(axis=0) for low in range(0, len(vectors), step)]
    )


def _away(centres: Array, vectors: Array) -> Array:
    """Return squared distances of vectors from centres, (c, m), less the squared length of each vector."""
    found: Array = centres @ vectors.T
    found *= -2
    found += np.einsum("ij,ij->i", centres, centres)[:, None]
    return found


def _room(space: Space, centres: Array, threshold: float) -> Array:
    """Return how much farther from another centre than from its own a vector may be to matter there, (c, c).

    In squared distances: a vector at the threshold from the plane between two centres is farther from one of them by
    twice the threshold times the distance of the centres. Room for rounding is added.
    """
    wide = centres.astype(np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    apart = np.sqrt(np.maximum(squares + squares[:, None] - 2 * wide @ wide.T, 0))
    rounding = 4 * space.slack * (space.longest + float(np.sqrt(squares.max()))) ** 2
    return (2 * space.reach(threshold) * apart + rounding).astype(space.dtype)
