"""Uniqueness: how far a sample is from its nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

WEIGHTS = (0.6, 0.3, 0.1)
NEIGHBOURS = len(WEIGHTS)


def uniqueness(distances: Array) -> Array:
    """Return how far each sample is from its nearest neighbours, (n,) in [0, 1]: **high is unique**.

    Formula: 0.6 d1 + 0.3 d2 + 0.1 d3, divided by its largest value; d1 to d3 are the distances of the nearest three
    other samples. Where there are fewer, their weights are scaled to sum to 1. A sample alone is unique (1); where all
    are duplicates, none is (0).
    Source: FiftyOne Brain's formula and weights. Since November 2024 it counts from the second neighbour on, so that
    a pair of exact duplicates ranks among the unique samples; here the nearest counts.

    Args:
        distances: (n, up to 3) distances of the nearest other samples, ascending.

    Example:
        >>> uniqueness(np.array([[0.0, 0.5, 1.0], [0.0, 0.5, 1.0], [1.0, 1.0, 1.0]])).tolist()
        [0.25, 0.25, 1.0]
    """
    found = distances[:, :NEIGHBOURS]
    if not found.shape[1]:
        return np.ones(len(found))
    weights = np.array(WEIGHTS[: found.shape[1]])
    mean = found @ (weights / weights.sum())
    most = float(mean.max(initial=0))
    return mean / most if most > 0 else np.zeros(len(mean))
