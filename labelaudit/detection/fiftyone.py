"""FiftyOne Brain's quantities for detections, from one set of detections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.matching import match
from labelaudit.detection.overlap import iou_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Snapshot:
    """FiftyOne's quantities; **high is suspicious**.

    Attributes:
        mistakenness: (n,) 0 to 1, of the class; NaN where no detection matches.
        mistakenness_loc: (n,) 0 to 1, of the place (above 1/2 for an IoU below 3/4); NaN where none matches.
        possible_spurious: (n,) bool: no detection matches.
        possible_missing: (m,) bool: a detection that matches nothing and is more confident than the threshold.
        matched: (m,) the ground-truth box of each detection, -1 for none.
    """

    mistakenness: Array
    mistakenness_loc: Array
    possible_spurious: Array
    possible_missing: Array
    matched: Array


def snapshot(
    objects: Objects,
    detections: Detections,
    *,
    iou_threshold: float = 0.5,
    missing_confidence: float = 0.95,
    class_blind: bool = False,
) -> Snapshot:
    """Compute FiftyOne's quantities of every ground-truth box.

    With c the confidence of the matched detection, s = -1 where its class is the given one and +1 elsewhere, and
    i = 2 (1 - IoU): mistakenness = (1 + s c) / 2, mistakenness_loc = (1 + c (2 i - 1)) / 2.

    Args:
        objects: n ground-truth boxes.
        detections: m boxes of one epoch.
        iou_threshold: smallest IoU of a match.
        missing_confidence: what an unmatched detection must exceed to be a possibly missing object.
        class_blind: match as FiftyOne does, without a look at the class.

    Source: compute_mistakenness of FiftyOne Brain (Voxel51).
    """
    matched = match(objects, detections, iou_threshold, class_blind=class_blind)
    hits = np.flatnonzero(matched >= 0)
    hits = hits[np.argsort(detections.score[hits], kind="stable")]  # of a crowd box the most confident one counts
    of = matched[hits]
    confidence = detections.score[hits]
    sign = np.where(detections.category[hits] == objects.category[of], -1.0, 1.0)
    far = 2 * (1 - iou_of(detections.box[hits], objects.box[of]))
    mistakenness, location = np.full(len(objects), np.nan), np.full(len(objects), np.nan)
    mistakenness[of] = (1 + sign * confidence) / 2
    location[of] = (1 + confidence * (2 * far - 1)) / 2
    spurious = np.ones(len(objects), bool)
    spurious[of] = False
    missing = (matched < 0) & (detections.score > missing_confidence)
    return Snapshot(mistakenness, location, spurious, missing, matched)
