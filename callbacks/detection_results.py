"""Adapters: what detectors of other libraries give, as torchvision-style dicts of boxes, scores and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labelaudit.callbacks.found_boxes import described, find_targets, image_ids, on_host
from labelaudit.errors import LabelAuditError

__all__ = ["coco_results", "ultralytics_results"]


def ultralytics_results(outputs: Any, batch: Any = None) -> list[dict[str, Any]]:
    """Adapt Ultralytics' results, one per image, each with ``.boxes.xyxy``, ``.boxes.conf`` and ``.boxes.cls``.

    For ``DetectionRecorder(..., adapter=ultralytics_results)``; anything with these attributes will do.

    Raises:
        LabelAuditError: a result has no boxes.
    """
    found = []
    for row, result in enumerate(outputs if isinstance(outputs, (list, tuple)) else [outputs]):
        boxes: Any = getattr(result, "boxes", None)
        if not all(hasattr(boxes, name) for name in ("xyxy", "conf", "cls")):
            raise LabelAuditError(
                f"result {row} is {described(result)} without .boxes.xyxy, .conf and .cls, so it is no result of an "
                "Ultralytics detector"
            )
        found.append({"boxes": boxes.xyxy, "scores": boxes.conf, "labels": boxes.cls})
    return found


def coco_results(outputs: Any, batch: Any = None) -> list[dict[str, Any]]:
    """Adapt COCO's results: dicts with bbox (x, y, width, height), score and category_id.

    Args:
        outputs: one list of such dicts per image; or one list for the whole batch, whose dicts hold image_id as well.
        batch: needed for the second: its targets hold the image_id of each image, in order.

    Raises:
        LabelAuditError: a result lacks a key, or is of an image that is not in the batch.
    """
    if outputs and isinstance(outputs[0], Mapping):
        ids = on_host(image_ids(find_targets(None, batch, None), "image_id"))
        if ids is None:
            raise LabelAuditError("the targets of the batch hold no image_id, so results cannot be told apart")
        rows: dict[Any, list[Any]] = {one: [] for one in ids.tolist()}
        for result in outputs:
            if _plain(result.get("image_id")) not in rows:
                raise LabelAuditError(f"a result is of image {result.get('image_id')}, which is not in the batch")
            rows[_plain(result["image_id"])].append(result)
        outputs = list(rows.values())
    return [_dict_of(results) for results in outputs]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _dict_of(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    for name in ("bbox", "score", "category_id"):
        if any(name not in result for result in results):
            raise LabelAuditError(f"a result of COCO has no {name!r}; expected bbox, score and category_id")
    boxes = np.array([result["bbox"] for result in results], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return {
        "boxes": boxes,
        "scores": np.array([result["score"] for result in results], np.float64),
        "labels": np.array([result["category_id"] for result in results], np.int64),
    }
