"""All pairs of samples that are at most a threshold apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.cells import close_blocks
from labelaudit.embedding.distance import Space

Array = npt.NDArray[Any]


class Pairs(NamedTuple):
    """Pairs of samples, (m,) each.

    Attributes:
        first: number of the sample that comes first.
        later: number of the other.
        distance: between them, double precision.
    """

    first: Array
    later: Array
    distance: Array


def within(space: Space, rows: Array, threshold: float, most: int, groups: Array | None = None) -> Pairs | None:
    """Return every pair at most ``threshold`` apart, in dataset order; None if more than ``most``.

    Args:
        space: measures them.
        rows: (n,) the samples.
        threshold: largest distance.
        most: pairs to hold.
        groups: (n,) whole numbers; only pairs of different groups are wanted.

    Returns:
        Pairs of numbers of ``rows``.
    """
    first, later, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for left, right, mirrored in close_blocks(space, rows, threshold):
        i, j = space.close(rows[left], rows[right], threshold)
        i, j = left[i], right[j]
        wanted = np.ones(len(i), bool) if groups is None else groups[i] != groups[j]
        if mirrored:
            wanted &= i < j
        i, j = i[wanted], j[wanted]
        found += len(i)
        if found > most:
            return None
        first.append(np.minimum(i, j))
        later.append(np.maximum(i, j))
    of, others = np.concatenate(first), np.concatenate(later)
    order = np.lexsort((others, of))
    of, others = of[order], others[order]
    return Pairs(of, others, space.pairs(rows[of], rows[others]))
