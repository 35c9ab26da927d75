"""How surely a detector drew some boxes, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections
from labelaudit.detection.findings.issues import Issues
from labelaudit.detection.store.history import DetectionHistory
from labelaudit.report.curves import Curves

Array = npt.NDArray[Any]


def curves_of_boxes(history: DetectionHistory, issues: Issues, positions: Array, split: str | None = None) -> Curves:
    """Collect the curves of some findings; one epoch of detections is in memory at a time.

    The value of a box with a class in an epoch is the largest score times IoU of that epoch's detections of the class
    on its image, 0 to 1: 1 where the detector is sure of exactly this box.

    Args:
        history: the audited history.
        issues: the findings.
        positions: (m,) which of them.
        split: which split was audited.
    """
    import pandas as pd

    wanted = np.asarray(positions, np.int64)
    numbers = pd.Index(history.ids(split)).get_indexer(pd.Index(issues.image[wanted]))
    labels = issues.audit.samples.iloc[wanted]
    class_of = {str(name): number for number, name in enumerate(history.class_names or history.category_ids)}
    lines = []
    for column, box in (("given_label", issues.given), ("suggested_label", issues.suggested)):
        anchor = np.where(np.isnan(box[wanted]), issues.given[wanted], box[wanted])
        corners = np.concatenate([anchor[:, :2], anchor[:, :2] + anchor[:, 2:]], axis=1)
        category = np.array([class_of.get(name, -1) for name in labels[column].tolist()])
        lines.append((corners, category))
    found: dict[int, list[Array]] = {}
    for epoch, drawn in history.iterate(split=split):
        found.setdefault(epoch, []).append(np.stack([_best(drawn, numbers, *line) for line in lines]))
    epochs = np.array(sorted(found))
    values = np.stack([np.mean(found[epoch], axis=0) for epoch in epochs.tolist()], axis=2)  # (2, m, E)
    for line, (_, category) in zip(values, lines, strict=True):
        line[category < 0] = np.nan
    nothing = np.full(len(epochs), np.nan)
    return Curves(epochs, values[0], values[1], nothing, nothing)


def _best(drawn: Detections, image: Array, corners: Array, category: Array) -> Array:
    """Return the largest score times IoU of the detections of a class on an image with a box, (m,)."""
    low, high = np.searchsorted(drawn.image, image), np.searchsorted(drawn.image, image, side="right")
    counts = high - low
    ours = np.repeat(np.arange(len(image)), counts)
    theirs = np.repeat(low - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    same = drawn.category[theirs] == category[ours]
    ours, theirs = ours[same], theirs[same]
    best = np.zeros(len(image))
    np.maximum.at(best, ours, drawn.score[theirs] * _iou(corners[ours], drawn.box[theirs]))
    return best


def _iou(one: Array, other: Array) -> Array:
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    inside = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = [np.prod(np.clip(box[:, 2:] - box[:, :2], 0, None), axis=1) for box in (one, other)]
    union = areas[0] + areas[1] - inside
    return np.divide(inside, union, out=np.zeros(len(inside)), where=union > 0)
