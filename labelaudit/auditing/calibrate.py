"""Probabilities along a ranking."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BINS = 2000
TIE_BREAK = 1e-6  # so that a stretch of one probability keeps its order


def along_ranking(score: Array, probability: Array) -> Array:
    """Return probabilities that rise with a score: isotonic regression (pool adjacent violators) on equal-count bins.

    Args:
        score: (n,) ranking, high is suspicious; equal scores get equal probabilities.
        probability: (n,) probability of each sample by itself, 0 to 1.

    Source: Ayer et al., Annals of Mathematical Statistics, 1955.
    """
    n = len(score)
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    of_value = np.bincount(place, probability) / counts
    ends = counts.cumsum()
    bin_of = (ends - 1) * min(BINS, n) // n  # a bin holds whole values
    _, first = np.unique(bin_of, return_index=True)
    weights = np.add.reduceat(counts, first)
    means = np.add.reduceat(of_value * counts, first) / weights
    level, weight = _pooled(means, weights)
    smooth = _with_slopes(ends - counts / 2, level, weight)
    order = np.arange(len(values)) / len(values)
    return ((1 - TIE_BREAK) * smooth + TIE_BREAK * order)[place]


def _with_slopes(at: Array, level: Array, weight: Array) -> Array:
    """Return the levels at some places, (m,), the steps between them made slopes as wide as the narrower neighbour.

    So a broad level stays itself beside a narrow one, however high the step.
    """
    borders = weight.cumsum()[:-1]
    half = np.minimum(weight[:-1], weight[1:]) / 2
    corners = np.column_stack([borders - half, borders + half]).ravel()
    found: Array = np.interp(at, np.concatenate([[0], corners, [weight.sum()]]), np.repeat(level, 2))
    return found


def _pooled(means: Array, weights: Array) -> tuple[Array, Array]:
    """Pool adjacent violators: return the rising levels and their weights."""
    level: list[float] = []
    weight: list[float] = []
    for mean, count in zip(means.tolist(), weights.tolist(), strict=True):
        level.append(mean)
        weight.append(count)
        while len(level) > 1 and level[-2] >= level[-1]:
            last, last_weight = level.pop(), weight.pop()
            both = weight[-1] + last_weight
            level[-1] = (level[-1] * weight[-1] + last * last_weight) / both
            weight[-1] = both
    return np.array(level), np.array(weight)
