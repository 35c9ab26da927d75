"""Annotations as the bytes of COCO, YOLO and Pascal VOC files; each format is written in a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.detection import coco_writing, voc_writing, yolo_writing
from labelaudit.detection.folders import file_names
from labelaudit.detection.rows import rows_by_image
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
        return {"": coco_writing.rendered(frame, table, names, old)}
    if kind == "yolo":
        images = rows_by_image(frame, table)
        called = file_names(images, table, ".txt", old is not None, NOT_LABELS)
        return yolo_writing.rendered(images, table, names, called, old)
    if kind == "voc":
        images = rows_by_image(frame, table)
        return voc_writing.rendered(images, table, names, file_names(images, table, ".xml", old is not None), old)
    raise LabelAuditError(f"annotations of the format {kind!r} cannot be written; pass format= (coco, yolo or voc)")
