"""Slow, obvious versions of what labelaudit.embedding computes in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np


def distance_matrix(x: Any, metric: str) -> np.ndarray:
    """All distances, (n, n), from differences in double precision."""
    x = np.asarray(x, np.float64)
    if metric == "euclidean":
        return np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=-1))
    length = np.linalg.norm(x, axis=1)
    unit = x / np.where(length > 0, length, 1)[:, None]
    found = ((unit[:, None] - unit[None]) ** 2).sum(axis=-1) / 2
    found[(length == 0)[:, None] ^ (length == 0)] = 1
    return found


def nearest(x: Any, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other samples: positions and distances; ties by position."""
    d = distance_matrix(x, metric)
    n = len(d)
    k = min(k, n - 1)
    found = np.empty((n, k), np.int64)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        found[i] = sorted(others, key=lambda j: (d[i, j], j))[:k]
    return found, np.take_along_axis(d, found, axis=1)


def kept_apart(d: np.ndarray, threshold: float) -> np.ndarray:
    """FiftyOne's rule: in order, keep i, drop every later j at most a threshold away."""
    kept = np.ones(len(d), bool)
    for i in range(len(d)):
        if kept[i]:
            for j in range(i + 1, len(d)):
                if d[i, j] <= threshold:
                    kept[j] = False
    return kept


def close_pairs(d: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    """All pairs (i, j), i < j, at most a threshold apart."""
    n = len(d)
    return {(i, j) for i in range(n) for j in range(i + 1, n) if d[i, j] <= threshold}
