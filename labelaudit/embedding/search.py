"""Exact search up to 100,000 samples, approximate search beyond."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from labelaudit.embedding.neighbours import Neighbours, nearest

Array = npt.NDArray[Any]

EXACT_UP_TO = 100_000  # samples


def search(vectors: Array, k: int, metric: str) -> Neighbours:
    """Return the k nearest neighbours of every sample among the others.

    Args:
        vectors: (n, d), finite.
        k: number of neighbours.
        metric: "cosine" or "euclidean".
    """
    if len(vectors) <= EXACT_UP_TO:
        return nearest(vectors, k, metric)
    from labelaudit.embedding.approximate import nearly_nearest

    return nearly_nearest(vectors, k, metric)
