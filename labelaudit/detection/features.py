"""Evidence as numbers that a straight line can separate, relative to what the detector usually does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Objects
from labelaudit.detection.overlap import iou_of, overlapping
from labelaudit.detection.planting import CLASS, LOCATION, SPURIOUS, Anchors

Array = npt.NDArray[Any]

SOFTEN = 0.02  # confidences below a fiftieth tell nothing more
FIT_LABELS = 20_000  # labels that the usual evidence is learned from
ENOUGH = 50  # and the fewest: below, the mean is what is usual

# What each kind of mistake does to a feature: 1 raises it, -1 lowers it. A weight of the other sign is not allowed.
SIGNS: dict[int, dict[str, int]] = {
    CLASS: {
        "other": 1, "log_other": 1, "near_other": 1, "log_near_other": 1, "class_gap": 1, "class_ratio": 1,
        "own": -1, "log_own": -1, "usual_own": -1, "all_own": -1, "log_all_own": -1, "usual_all_own": -1, "iou_any": 1,
        "all_other": 1, "log_all_other": 1,
    },
    LOCATION: {
        "near_own": 1, "log_near_own": 1, "usual_near_own": 1, "place_gap": 1, "place_ratio": 1, "own": -1,
        "log_own": -1, "usual_own": -1, "iou_own": -1, "usual_iou_own": -1, "iou_median": -1, "usual_iou_median": -1,
        "other": -1, "log_other": -1, "all_own": -1, "log_all_own": -1,
    },
    SPURIOUS: {
        "near": -1, "log_near": -1, "on": -1, "log_on": -1, "own": -1, "log_own": -1, "usual_own": -1, "all_own": -1,
        "log_all_own": -1, "usual_all_own": -1, "below_expected": -1, "minus_expected": -1, "near_own": -1,
        "log_near_own": -1, "usual_near_own": -1, "iou_any": -1, "expected": 1,
    },
}  # fmt: skip


def features(
    means: Mapping[str, Array], median_box: Array, anchors: Anchors, labels: Objects, n_classes: int, sizes: Array
) -> dict[str, Array]:
    """Return the features of all anchors by name, (a,) each.

    Args:
        means: what `Evidence.means` returns.
        median_box: (a, 4) median of the boxes drawn near, NaN where none.
        anchors: the given labels and planted mistakes.
        labels: the given labels.
        n_classes: K.
        sizes: (images, 2) width and height.
    """
    found = dict(means)
    found["on"] = np.maximum(means["own"], means["other"])
    found["near"] = np.maximum(means["near_own"], means["near_other"])
    found["iou_median"] = iou_of(np.nan_to_num(median_box), anchors.box)
    expected = _expected(means["all_own"], anchors, labels, n_classes, sizes)
    found["expected"] = expected
    found["minus_expected"] = means["all_own"] - expected
    found["below_expected"] = _log(means["all_own"]) - _log(expected)
    for name in ("own", "other", "near_own", "near_other", "on", "near", "all_own", "all_other"):
        found[f"log_{name}"] = _log(found[name])
    for name in ("own", "near_own", "all_own", "iou_own", "iou_median"):
        found[f"usual_{name}"] = _log(found[name]) - _log(_usual(found[name], anchors, n_classes))
    found["class_gap"] = means["other"] - means["own"]
    found["class_ratio"] = found["log_other"] - found["log_own"]
    found["place_gap"] = means["near_own"] - means["own"] - means["other"]
    found["place_ratio"] = found["log_near_own"] - found["log_own"]
    return found


def _log(value: Array) -> Array:
    return np.log(value + SOFTEN)


def _usual(value: Array, anchors: Anchors, n_classes: int) -> Array:
    """Return the median of the given labels of each anchor's class, zeros left out."""
    rows = anchors.given[value[anchors.given] > 0]
    medians = np.full(n_classes, np.nan)
    if len(rows):
        order = np.lexsort((value[rows], anchors.category[rows]))
        kinds, start, count = np.unique(anchors.category[rows][order], return_index=True, return_counts=True)
        ordered = value[rows][order]
        medians[kinds] = (ordered[start + (count - 1) // 2] + ordered[start + count // 2]) / 2
        medians[np.isnan(medians)] = np.median(ordered)
    return np.nan_to_num(medians)[anchors.category]


def _expected(value: Array, anchors: Anchors, labels: Objects, n_classes: int, sizes: Array) -> Array:
    """Return the evidence that labels of this class, size, shape and surroundings usually have."""
    given = anchors.given
    if len(given) < ENOUGH:
        return np.full(len(anchors), float(value[given].mean()) if len(given) else 0.0)
    from sklearn.ensemble import HistGradientBoostingRegressor

    table = _surroundings(anchors, labels, sizes)
    table[:, 0] = _usual(value, anchors, n_classes)
    rows = given if len(given) <= FIT_LABELS else given[:: -(-len(given) // FIT_LABELS)]
    model = HistGradientBoostingRegressor(
        max_iter=40, learning_rate=0.15, max_leaf_nodes=8, min_samples_leaf=20, early_stopping=False, random_state=0
    )
    predicted = model.fit(table[rows], value[rows]).predict(table)
    return np.clip(predicted, 0, 1)


def _surroundings(anchors: Anchors, labels: Objects, sizes: Array) -> Array:
    """Return (a, 6): room for a column, log area, log shape, way to the picture's edge, overlaps with other labels."""
    side = np.maximum(anchors.box[:, 2:] - anchors.box[:, :2], 1e-9)
    room = np.minimum(anchors.box[:, :2], sizes[anchors.image] - anchors.box[:, 2:]).min(axis=1)
    scale = np.sqrt(side[:, 0] * side[:, 1])
    pairs = overlapping(anchors.image, anchors.box, labels.image, labels.box)
    others = pairs.second != anchors.label[pairs.first]
    at, iou = pairs.first[others], pairs.iou[others]
    most = np.zeros(len(anchors))
    np.maximum.at(most, at, iou)
    everything = np.bincount(at, iou, len(anchors))
    edge = np.clip(room / scale, 0, 0.5)
    return np.stack(
        [np.zeros(len(anchors)), 2 * np.log(scale), np.log(side[:, 0] / side[:, 1]), edge, most, everything], axis=1
    )


def matrix(found: Mapping[str, Array], kind: int) -> tuple[Array, Array]:
    """Return the features of one kind of mistake, (a, f), and their signs, (f,)."""
    signs = SIGNS[kind]
    return np.stack([found[name] for name in signs], axis=1), np.array(list(signs.values()), float)
