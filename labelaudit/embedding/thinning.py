"""Keeping samples apart: of two that are close, the later one is dropped.

In the order of the data set, a sample is kept and every later one at most a threshold away is dropped; dropped samples
drop nothing. (The rule of FiftyOne Brain.) Distances are made block by block and never held all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding import close_pairs
from labelaudit.embedding.distance import Space
from labelaudit.embedding.neighbours import TILE, nearest_of
from labelaudit.embedding.twins import Twins

Array = npt.NDArray[Any]

HALVINGS = 60  # of the interval in which a threshold is sought
FIRST_REACH = 2  # times as many nearest pairs as samples to drop are looked at first
TRIED = 4096  # samples whose nearest distances say how close close pairs are
MOST_PAIRS = 4_000_000  # close pairs held while a threshold is sought


def keep(space: Space, rows: Array, threshold: float) -> Array:
    """Return which samples are kept, (m,) bool.

    Args:
        space: measures them.
        rows: (m,) the samples, in the order in which they are kept.
        threshold: largest distance at which a later sample is dropped.
    """
    pairs = close_pairs.within(space, rows, threshold, MOST_PAIRS)
    if pairs is not None:
        return _kept_by_pairs(len(rows), pairs.first, pairs.later)
    kept = keep_apart(space, rows, threshold)
    assert kept is not None  # only `most` makes it give up
    return kept


def near_earlier(space: Space, rows: Array, threshold: float) -> Array:
    """Return which samples are at most a threshold away from one that comes before them, dropped or not, (m,) bool.

    Args:
        space: measures them.
        rows: (m,) the samples in their order.
        threshold: largest distance.
    """
    near = np.zeros(len(rows), bool)
    pairs = close_pairs.within(space, rows, threshold, MOST_PAIRS)
    if pairs is not None:
        near[pairs.later] = True
        return near
    for top in range(0, len(rows), TILE):
        here = np.arange(top, min(top + TILE, len(rows)))
        near[here] |= np.triu(space.within(rows[here], rows[here], threshold), 1).any(axis=0)
        later = top + TILE + np.flatnonzero(~near[top + TILE :])
        for left in range(0, len(later), TILE):
            there = later[left : left + TILE]
            near[there] = space.within(rows[here], rows[there], threshold).any(axis=0)
    return near


def keep_apart(space: Space, rows: Array, threshold: float, most: int | None = None) -> Array | None:
    """Return which samples are kept, (m,) bool, without holding pairs: quicker than `keep` where most are dropped.

    Args:
        space: measures them.
        rows: (m,) the samples, in the order in which they are kept.
        threshold: largest distance at which a later sample is dropped.
        most: give up, and return None, when more than so many are kept.
    """
    kept = np.ones(len(rows), bool)
    n_kept = 0
    for top in range(0, len(rows), TILE):
        here = top + np.flatnonzero(kept[top : top + TILE])
        _among_themselves(space, rows, here, threshold, kept)
        here = here[kept[here]]
        n_kept += len(here)
        if most is not None and n_kept > most:
            return None
        later = top + TILE + np.flatnonzero(kept[top + TILE :])
        for left in range(0, len(later) if len(here) else 0, TILE):
            there = later[left : left + TILE]
            kept[there] = ~space.within(rows[here], rows[there], threshold).any(axis=0)
    return kept


def _among_themselves(space: Space, rows: Array, here: Array, threshold: float, kept: Array) -> None:
    """Drop within one block, one sample after the other."""
    close = np.triu(space.within(rows[here], rows[here], threshold), 1)
    alive = np.ones(len(here), bool)
    for number in np.flatnonzero(close.any(axis=1)).tolist():
        if alive[number]:
            alive &= ~close[number]
    kept[here] = alive


def keep_number(space: Space, rows: Array, number: int) -> tuple[Array, float]:
    """Return as near to ``number`` kept samples as a threshold can give, and that threshold.

    Args:
        space: measures them.
        rows: (m,) the samples.
        number: how many to keep, 1 to m - 1.

    Returns:
        (m,) bool, which samples are kept; and the threshold.
    """
    if 2 * number > len(rows):
        found = _by_close_pairs(space, rows, number)
        if found is not None:
            return found
    return _halving(lambda threshold: keep_apart(space, rows, threshold, most=number), number, _widest(space))


def _widest(space: Space) -> float:
    """Return a distance that no pair exceeds."""
    return 2.0 if space.metric == "cosine" else 2.1 * space.longest * space.unit


def _halving(kept_at: Callable[[float], Array | None], number: int, high: float) -> tuple[Array, float]:
    """Seek the threshold that keeps ``number``; ``kept_at`` returns None where it keeps more."""
    low, best, at = 0.0, None, high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = kept_at(middle)
        if found is None:
            low = middle
            continue
        if best is None or found.sum() > best.sum():
            best, at = found, middle
        if found.sum() == number:
            break
        high = middle
    if best is None:  # nothing but the widest threshold keeps so few
        best = kept_at(high)
        assert best is not None
    return best, at


def _by_close_pairs(space: Space, rows: Array, number: int) -> tuple[Array, float] | None:
    """Seek the threshold among the distances of the closest pairs; None where those are too many."""
    n, drop = len(rows), len(rows) - number
    near = _some_nearest_distances(space, rows)
    reach = FIRST_REACH * drop
    while True:
        limit = float(near[min(reach * len(near) // n, len(near) - 1)])
        pairs = close_pairs.within(space, rows, limit, most=MOST_PAIRS)
        if pairs is None:
            return None
        order = np.lexsort((pairs.later, pairs.first))
        first, later, distance = pairs.first[order], pairs.later[order], pairs.distance[order]
        if n - _kept_by_pairs(n, first, later).sum() >= drop:
            break
        if reach >= n:
            return None
        reach *= 2

    levels = np.unique(distance)
    low, high, best, at = 0, len(levels), np.ones(n, bool), 0.0
    while low < high:
        middle = (low + high) // 2
        here = distance <= levels[middle]
        kept = _kept_by_pairs(n, first[here], later[here])
        if abs(kept.sum() - number) < abs(best.sum() - number):
            best, at = kept, float(levels[middle : middle + 2].mean())  # between two distances: no rounding decides
        if kept.sum() == number:
            break
        low, high = (middle + 1, high) if kept.sum() > number else (low, middle)
    return best, at


def _some_nearest_distances(space: Space, rows: Array) -> Array:
    """Return the distances of some samples, of all up to TRIED, from the nearest other sample, ascending."""
    tried = np.sort(np.random.default_rng(0).choice(len(rows), min(len(rows), TRIED), replace=False))
    twins = Twins.of(space.vectors[rows])
    alone = np.diff(twins.starts)[twins.group[tried]] == 1
    found = np.zeros(len(tried))
    if alone.any() and twins.n_unique > 1:
        # each one's nearest is itself
        found[alone] = nearest_of(space, rows[tried[alone]], rows[twins.first], 2).distances[:, 1]
    return np.sort(found)


def _kept_by_pairs(n: int, first: Array, later: Array) -> Array:
    """Return which of n samples are kept, (n,) bool; the pairs are sorted by their first sample."""
    kept = np.ones(n, bool)
    if not len(first):
        return kept
    of, starts = np.unique(first, return_index=True)
    stops = np.append(starts[1:], len(first))
    for one, start, stop in zip(of.tolist(), starts.tolist(), stops.tolist(), strict=True):
        if kept[one]:
            kept[later[start:stop]] = False
    return kept
