"""From ground-truth boxes and the detections of one or more epochs to an audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from labelaudit.auditing.result import Audit
from labelaudit.detection.boxes import Detections, Objects


def audit_epochs(
    objects: Objects,
    epochs: Iterable[tuple[int, Detections]],
    *,
    image_ids: Sequence[Any],
    category_names: Sequence[Any],
    image_sizes: Any = None,
    **thresholds: Any,
) -> Audit:
    """Find the likely errors of ground-truth boxes; one epoch of detections is in memory at a time.

    Args:
        objects: n ground-truth boxes.
        epochs: (number of the epoch, its detections), in the order of training.
        image_ids: (images,) the user's id of every image number; images without boxes are listed as well.
        category_names: (K,) the user's name (or number) of every class number.
        image_sizes: (images, 2) width and height in pixels, NaN where unknown, or None.
        thresholds: the options of `audit_detections`.
    """
    raise NotImplementedError("follows within the hour; the signature is final")
