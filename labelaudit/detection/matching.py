"""One-to-one matching of detections with ground-truth boxes, for all images at once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.overlap import Pairs, overlapping

Array = npt.NDArray[Any]

CLOSE = 1e-10  # an IoU of the threshold itself counts, whatever the last digit


def match(
    objects: Objects,
    detections: Detections,
    iou_threshold: float = 0.5,
    *,
    class_blind: bool = False,
    pairs: Pairs | None = None,
) -> Array:
    """Match each detection with at most one ground-truth box, the most confident detection of an image first.

    By default a detection goes to the free box of its own class that it overlaps most. Where all such boxes are
    taken it is a duplicate and stays unmatched. Where there is none, it goes to the free box of another class
    that it overlaps most: a possible class error. A crowd box takes any number of detections of its class, after the
    others.

    Args:
        objects: n ground-truth boxes.
        detections: m boxes of one epoch.
        iou_threshold: smallest IoU of a match.
        class_blind: the free box that is overlapped most, whatever its class: FiftyOne's rule.
        pairs: overlapping pairs of (detections, objects), where they are known.

    Returns:
        (m,) position in ``objects`` of each detection's match, -1 for none.
    """
    floor = min(iou_threshold, 1 - CLOSE)
    if pairs is None:
        pairs = overlapping(detections.image, detections.box, objects.image, objects.box, floor, objects.crowd)
    enough = np.flatnonzero(pairs.iou >= floor)
    det, obj, iou = pairs.first[enough], pairs.second[enough], pairs.iou[enough]
    same = detections.category[det] == objects.category[obj]
    has_own = np.zeros(len(detections), bool)
    has_own[det[same]] = not class_blind
    usable = same | ~(has_own[det] | objects.crowd[obj])
    det, obj, iou = det[usable], obj[usable], iou[usable]
    order = np.lexsort((obj, -iou, objects.crowd[obj], det))
    det, obj = det[order], obj[order]
    turn = turns(detections)[det]
    order = np.argsort(turn, kind="stable")
    det, obj, turn = det[order], obj[order], turn[order]
    found = np.full(len(detections), -1, np.int64)
    free = np.ones(len(objects), bool)
    starts = [*np.flatnonzero(np.diff(turn, prepend=-1)).tolist(), len(turn)]
    for low, high in itertools.pairwise(starts):
        open_pairs = free[obj[low:high]]
        here, there = det[low:high][open_pairs], obj[low:high][open_pairs]
        first = np.flatnonzero(np.diff(here, prepend=-1))
        found[here[first]] = there[first]
        free[there[first]] = objects.crowd[there[first]]
    return found


def turns(detections: Detections) -> Array:
    """Return each detection's rank by score within its image, (m,), from 0; equal scores keep their order."""
    order = np.lexsort((-detections.score, detections.image))
    image = detections.image[order]
    first = np.flatnonzero(np.diff(image, prepend=-1))
    rank = np.arange(len(image)) - np.repeat(first, np.diff([*first.tolist(), len(image)]))
    turns = np.empty(len(image), np.int64)
    turns[order] = rank
    return turns
