"""Batches of detections and ground truth, as detectors give them, checked and made into flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.store.ragged import Ragged
from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]
CROWD_NAMES = ("crowd", "iscrowd")
PROBABILITIES = "probabilities"  # of every class, where a detector gives them


def checked_ids(image_ids: Any) -> Array:
    """Return (n,) integers, or an array of Python strings.

    Raises:
        LabelAuditError: an image comes twice, or an id is neither an integer nor a string.
    """
    ids = np.asarray(image_ids)
    if ids.ndim == 2 and ids.shape[1] == 1:
        ids = ids[:, 0]
    if ids.ndim != 1 or ids.dtype.kind not in "iuUOT":
        raise LabelAuditError(
            f"image_ids have shape {ids.shape} and type {ids.dtype}; expected (n,) integers or strings"
        )
    values, counts = np.unique(ids.astype(str), return_counts=True)
    if len(values) != len(ids):
        raise LabelAuditError(
            f"image {values[counts > 1][0]} comes {counts.max()} times in one batch; every image needs its own id"
        )
    return ids


def checked_sizes(sizes: Any, n: int) -> Array:
    """Return the width and height of n images, (n, 2); NaN where unknown."""
    if sizes is None:
        return np.full((n, 2), np.nan)
    try:
        found = np.asarray(sizes, np.float64)
    except (TypeError, ValueError):
        found = None
    if found is None or found.shape != (n, 2):
        what = "no array of numbers" if found is None else f"of shape {found.shape}"
        raise LabelAuditError(
            f"sizes are {what}; expected ({n}, 2): width and height of each image in pixels, NaN where unknown"
        )
    return found


def flat(
    batch: Any,
    n: int,
    keys: Sequence[str],
    what: str,
    *,
    array: Callable[[Any], Any] = np.asarray,
    join: Callable[[list[Any]], Any] = np.concatenate,
) -> Ragged:
    """Return per-image dicts of arrays as flat arrays; only shapes are looked at.

    Args:
        batch: (n,) mappings, each with arrays (boxes (m, 4), the others (m,)).
        n: number of images.
        keys: names to read, "boxes" first; "crowd" may be missing and is also read from "iscrowd". Detections may hold
            "probabilities" as well, (m, classes).
        what: "detections" or "targets", for errors.
        array: makes an array of a value.
        join: makes one array of many.
    """
    if isinstance(batch, Mapping) or not isinstance(batch, Sequence) or len(batch) != n:
        found = "one dict" if isinstance(batch, Mapping) else _described(batch)
        raise LabelAuditError(
            f"{what} are {found}; expected a list of {n} dicts, one per image, with {', '.join(keys)}"
        )
    if what == "detections" and all(isinstance(image, Mapping) and PROBABILITIES in image for image in batch) and n:
        keys = (*keys, PROBABILITIES)
    columns: dict[str, list[Any]] = {key: [] for key in keys}
    counts = np.zeros(n, np.int64)
    for row, image in enumerate(batch):
        if not isinstance(image, Mapping):
            raise LabelAuditError(f"{what}[{row}] is {_described(image)}; expected a dict with {', '.join(keys)}")
        boxes = array(_value(image, "boxes", row, what))
        if 0 in boxes.shape:
            boxes = boxes.reshape(-1, 4)
        if len(boxes.shape) != 2 or boxes.shape[1] != 4:
            raise LabelAuditError(f"{what}[{row}]['boxes'] has shape {tuple(boxes.shape)}; expected (n, 4)")
        counts[row] = boxes.shape[0]
        columns["boxes"].append(boxes)
        for key in keys[1:]:
            value = _crowd(image, len(boxes)) if key == "crowd" else _value(image, key, row, what)
            values = array(value)
            values = values.reshape(len(boxes), -1) if key == PROBABILITIES and len(boxes) else values.reshape(-1)
            if len(values) != len(boxes):
                raise LabelAuditError(f"{what}[{row}] has {len(boxes)} boxes and {len(values)} {key}")
            if key != PROBABILITIES or len(boxes):  # without boxes the number of classes cannot be seen
                columns[key].append(values)
    if not columns.get(PROBABILITIES, True):
        del columns[PROBABILITIES]
    return Ragged(counts, {key: join(parts) for key, parts in columns.items()})


def _value(image: Mapping[str, Any], key: str, row: int, what: str) -> Any:
    if key not in image:
        raise LabelAuditError(f"{what}[{row}] has {', '.join(map(str, image)) or 'nothing'}, but no {key!r}")
    return image[key]


def _crowd(image: Mapping[str, Any], n: int) -> Any:
    found = [image[name] for name in CROWD_NAMES if name in image]
    return found[0] if found else np.zeros(n, bool)


def refuse_other_types(table: Ragged, what: str) -> None:
    """Refuse columns that are no numbers."""
    for key, column in table.columns.items():
        if column.dtype.kind not in "fiub":
            raise LabelAuditError(f"{what} have {key} of type {column.dtype}; expected numbers")


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"an array of shape {tuple(shape)}"
    return f"{len(value)} of them" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"


def corners(boxes: Array, box_format: str) -> Array:
    """Return (n, 4) boxes as x1, y1, x2, y2.

    >>> corners(np.array([[10.0, 10.0, 4.0, 6.0]]), "cxcywh").tolist()
    [[8.0, 7.0, 12.0, 13.0]]
    """
    boxes = boxes.astype(np.float64).reshape(-1, 4)
    if box_format == "xyxy":
        return boxes
    low, size = boxes[:, :2], boxes[:, 2:]
    if box_format == "cxcywh":
        low = low - size / 2
    return np.concatenate([low, low + size], axis=1)


def refuse_bad_truth(truth: Ragged, ids: Array, box_format: str) -> None:
    """Refuse ground-truth boxes that are NaN, or that show that they are in another format."""
    boxes = truth.columns["boxes"]
    broken = ~np.isfinite(boxes).all(axis=1)
    if broken.any():
        one = int(broken.argmax())
        raise LabelAuditError(f"image {ids[truth.row_of[one]]} has a ground-truth box with NaN: {boxes[one].tolist()}")
    turned = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if turned.any():
        one = int(turned.argmax())
        hint = (
            "If these are x, y, width, height pass box_format='xywh'" if box_format == "xyxy" else "A size is negative"
        )
        raise LabelAuditError(
            f"{int(turned.sum()):,} of {len(boxes):,} ground-truth boxes end before they begin (first: image "
            f"{ids[truth.row_of[one]]}, {boxes[one].tolist()}, read as x1, y1, x2, y2). {hint}"
        )
