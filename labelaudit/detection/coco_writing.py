"""Annotations as the bytes of a COCO file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.detection.coco import load
from labelaudit.detection.coco_text import Annotation, edited
from labelaudit.detection.rows import Row, rows_of
from labelaudit.detection.table import BoxTable

if TYPE_CHECKING:
    import pandas as pd


def rendered(frame: pd.DataFrame, table: BoxTable, names: dict[Any, str], old: Path | None) -> bytes:
    """Return the content of the file.

    Args:
        frame: the boxes.
        table: what was read: images and their sizes.
        names: of the categories.
        old: the file that the boxes were read from: what is not corrected is kept as it is written there.
    """
    rows = rows_of(frame)
    if old is None:
        numbers = _numbers(names)
        images = [_image(of, table) for of in table.image_ids or []]
        kinds = [{"id": number, "name": names[of]} for of, number in numbers.items()]
        new = [_annotation(row, number, numbers[row["category"]]) for number, row in enumerate(rows, 1)]
        return json.dumps({"images": images, "categories": kinds, "annotations": new}).encode()
    data = load(old)
    before = data if isinstance(data, list) else data["annotations"]
    kept = {row["row"]: _changed(before[row["row"]], row) for row in rows if row["row"] >= 0}
    first = 1 + max([0, *(one["id"] for one in before if isinstance(one.get("id"), int))])
    as_text = bool(before) and isinstance(before[0]["category_id"], str)
    added = [row for row in rows if row["row"] < 0]
    new = [
        _annotation(row, number, str(row["category"]) if as_text else row["category"])
        for number, row in enumerate(added, first)
    ]
    annotations = [*kept.values(), *new]
    after = annotations if isinstance(data, list) else {**data, "annotations": annotations}
    content = old.read_bytes()
    encoding = json.detect_encoding(content)
    changed = edited(content.decode(encoding), before, kept, new)
    if not _same(json.loads(changed), after):  # members that an annotation has twice
        return json.dumps(after).encode()
    return changed.encode(encoding)


def _same(first: Any, second: Any) -> bool:
    """Return whether two files hold the same, NaN too."""
    return first == second or json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def _changed(annotation: Annotation, row: Row) -> Annotation:
    """Return an annotation as it is to be."""
    kept = dict(annotation)
    if row["change"] == "class":
        kept["category_id"] = str(row["category"]) if isinstance(kept["category_id"], str) else row["category"]
    elif row["change"] == "location":
        kept["bbox"] = _box(row)
        if "area" in kept:
            kept["area"] = row["w"] * row["h"]
        kept.pop("segmentation", None)  # it outlined the old box
    return kept


def _annotation(row: Row, number: int, category: Any) -> Annotation:
    return {
        "id": number,
        "image_id": row["image_id"],
        "category_id": category,
        "bbox": _box(row),
        "area": row["w"] * row["h"],
        "iscrowd": int(row.get("is_crowd", False)),
    }


def _box(row: Row) -> list[float]:
    return [row["x"], row["y"], row["w"], row["h"]]


def _image(image_id: Any, table: BoxTable) -> dict[str, Any]:
    found: dict[str, Any] = {"id": image_id, "file_name": table.pictures.get(image_id, str(image_id))}
    if image_id in table.image_sizes:
        found["width"], found["height"] = (round(side) for side in table.image_sizes[image_id])
    return found


def _numbers(names: dict[Any, str]) -> dict[Any, int]:
    """Return a number for every category value: itself where all are numbers, else one from 1 on."""
    if all(isinstance(value, int) for value in names):
        return {value: value for value in names}
    return {value: number for number, value in enumerate(names, 1)}
