"""All pairs of samples that are at most a threshold apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space
from labelaudit.embedding.neighbours import tiles

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
    for here, there in tiles(len(rows)):
        close = space.within(rows[here], rows[there], threshold)
        if groups is not None:
            close &= groups[here][:, None] != groups[there]
        if here == there:
            close = np.triu(close, 1)
        i, j = np.nonzero(close)
        found += len(i)
        if found > most:
            return None
        first.append(i + here.start)
        later.append(j + there.start)
    of, others = np.concatenate(first), np.concatenate(later)
    order = np.lexsort((others, of))
    of, others = of[order], others[order]
    return Pairs(of, others, space.pairs(rows[of], rows[others]))
