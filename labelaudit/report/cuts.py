"""What every place of the cut would cost: how many are flagged, how many of those are likely wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from labelaudit.auditing.planted import Measured

Array = npt.NDArray[Any]
PLACES = 160


def error_probabilities(quality: Array, expected_errors: float) -> Array:
    """Return each sample's probability of a wrong label, so that they add up to the estimated number of errors.

    Formula: sigmoid(logit(1 - label_quality) + b), b the same for all. Where label_quality is the posterior
    probability that the given label is right and the estimate is its sum, b is 0.

    Args:
        quality: (n,) label_quality, 0 to 1, low is suspicious.
        expected_errors: estimated number of wrong labels, 0 to n.

    Example:
        >>> error_probabilities(np.array([0.1, 0.9]), 1.0).round(3).tolist()
        [0.9, 0.1]
    """
    n = len(quality)
    if not 0 < expected_errors < n:
        return np.full(n, float(expected_errors > 0))
    suspicion = np.clip(1 - np.asarray(quality, np.float64), 1e-6, 1 - 1e-6)
    logit = np.log(suspicion / (1 - suspicion))
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        if _sigmoid(logit + middle).sum() < expected_errors:
            low = middle
        else:
            high = middle
    return _sigmoid(logit + (low + high) / 2)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def cut_table(
    quality: Array, n_flagged: int, expected_errors: float, measured: Measured | None = None
) -> dict[str, Any]:
    """Return places of the cut, from nothing flagged to everything: parallel lists, and which is the automatic one.

    ``n`` flagged (``quality`` lies between theirs and the next), ``precision``: the estimated share of them that is
    wrong, ``recall``: the estimated share of all wrong labels that they hold; on planted mistakes both as measured.
    """
    ordered = np.sort(quality, kind="stable")
    size = len(ordered)
    wanted = np.geomspace(1, size, PLACES).round().astype(np.int64)
    grid = np.searchsorted(ordered, np.linspace(0.01, 1, 100))
    by_number = np.unique(np.concatenate([[0], wanted, grid]))
    untied = np.searchsorted(ordered, ordered[np.minimum(by_number, size - 1)])  # equal qualities stay together
    n = np.unique(np.append(untied, [n_flagged, size]))
    between = (np.append(0.0, ordered)[n] + np.append(ordered, 1.0)[n]) / 2
    found = np.append(0, np.cumsum(np.sort(error_probabilities(quality, expected_errors))[::-1]))[n]
    table: dict[str, Any] = {
        "n": n.tolist(),
        "quality": between.round(5).tolist(),
        "precision": (found / np.maximum(n, 1)).round(4).tolist(),
        "recall": (found / max(expected_errors, 1e-9)).clip(0, 1).round(4).tolist(),
        "automatic": int(np.searchsorted(n, n_flagged)),
        "measured_precision": None,
        "measured_recall": None,
    }
    if measured is not None and measured.n_planted:
        for name in ("precision", "recall"):
            at = measured.curve[name].to_numpy()[np.maximum(n, 1) - 1]
            table[f"measured_{name}"] = np.where(n > 0, at, 0).round(4).tolist()
    return table
