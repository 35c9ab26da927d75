"""Annotations as the bytes of COCO, YOLO and Pascal VOC files; the latter two's are in modules of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.detection import voc_writing, yolo_writing
from labelaudit.detection.coco import load
from labelaudit.detection.folders import file_names
from labelaudit.detection.rows import rows_by_image, rows_of
from labelaudit.detection.table import BoxTable
from labelaudit.detection.yolo import NOT_LABELS
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("coco", "yolo", "voc")


def rendered(
    frame: pd.DataFrame, table: BoxTable, kind: str, names: dict[Any, str], old: Path | None
) -> dict[str, bytes]:
    """Return the content of every file by its name; "" for COCO's only one.

    Args:
        frame: the boxes: image_id, category, x, y, w, h, row, change.
        table: what was read: images and their sizes.
        kind: "coco", "yolo" or "voc".
        names: of the categories.
        old: files of this format that the boxes were read from: whatever else they hold is kept.
    """
    if kind == "coco":
        return {"": _coco(frame, table, names, old)}
    if kind == "yolo":
        images = rows_by_image(frame, table)
        called = file_names(images, table, ".txt", old is not None, NOT_LABELS)
        return yolo_writing.rendered(images, table, names, called, old)
    if kind == "voc":
        images = rows_by_image(frame, table)
        return voc_writing.rendered(images, table, names, file_names(images, table, ".xml", old is not None), old)
    raise LabelAuditError(f"annotations of the format {kind!r} cannot be written; pass format= (coco, yolo or voc)")


def _coco(frame: pd.DataFrame, table: BoxTable, names: dict[Any, str], old: Path | None) -> bytes:
    data = load(old) if old is not None else None
    before = data["annotations"] if isinstance(data, dict) else (data or [])
    numbers = _numbers(names)
    largest = max([0, *(one["id"] for one in before if isinstance(one.get("id"), int))])
    annotations = []
    for row in rows_of(frame):
        box = [row["x"], row["y"], row["w"], row["h"]]
        kept = dict(before[row["row"]]) if row["row"] >= 0 and before else None
        if kept is None or row["change"] == "missing":
            largest += 1
            facts = {"id": largest, "image_id": row["image_id"], "iscrowd": int(row.get("is_crowd", False))}
            annotations.append(
                {**facts, "category_id": numbers[row["category"]], "bbox": box, "area": row["w"] * row["h"]}
            )
            continue
        if row["change"] == "class":
            kept["category_id"] = numbers[row["category"]]
        elif row["change"] == "location":
            kept["bbox"], kept["area"] = box, row["w"] * row["h"]
            kept.pop("segmentation", None)  # it outlined the old box
        annotations.append(kept)
    if isinstance(data, list):
        return json.dumps(annotations).encode()
    if data is None:
        images = [_coco_image(of, table) for of in table.image_ids or []]
        data = {"images": images, "categories": [{"id": number, "name": names[of]} for of, number in numbers.items()]}
    return json.dumps({**data, "annotations": annotations}).encode()


def _coco_image(image_id: Any, table: BoxTable) -> dict[str, Any]:
    found: dict[str, Any] = {"id": image_id, "file_name": table.pictures.get(image_id, str(image_id))}
    if image_id in table.image_sizes:
        found["width"], found["height"] = (round(side) for side in table.image_sizes[image_id])
    return found


def _numbers(names: dict[Any, str]) -> dict[Any, int]:
    """Return a number for every category value: itself where all are numbers, else one from 1 on."""
    if all(isinstance(value, int) for value in names):
        return {value: value for value in names}
    return {value: number for number, value in enumerate(names, 1)}
