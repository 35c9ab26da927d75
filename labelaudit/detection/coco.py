"""COCO's JSON: annotation files and lists of results."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from labelaudit.detection.frames import read_frame
from labelaudit.detection.numbering import numbers_of
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError


def load(path: Path) -> Any:
    """Return what a JSON file holds."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError) as problem:
        raise LabelAuditError(f"{path} cannot be read as JSON: {problem}") from None


def read(path: Path) -> BoxTable:
    """Read an annotation file (images, annotations, categories) or a list of results (image_id, ..., score)."""
    data = load(path)
    if isinstance(data, dict) and isinstance(data.get("annotations"), list):
        return _annotations(data, path)
    if isinstance(data, list):
        return _boxes(data, path)
    raise LabelAuditError(
        f"{path} is not COCO: expected an object with images, annotations and categories, or a list of results"
    )


def _annotations(data: dict[str, Any], path: Path) -> BoxTable:
    try:
        kinds = [(int(kind["id"]), str(kind["name"])) for kind in data.get("categories", [])]
        images = data.get("images", [])
        ids = [image["id"] for image in images]
        sizes = {
            image["id"]: (float(image["width"]), float(image["height"]))
            for image in images
            if all(0 < float(image.get(side) or 0) < math.inf for side in ("width", "height"))
        }
        pictures = {image["id"]: str(image["file_name"]) for image in images if image.get("file_name")}
    except (KeyError, TypeError, ValueError) as problem:
        raise LabelAuditError(f"{path}: images or categories are not COCO's: {problem!r}") from None
    names = _names(kinds, path)
    found = _boxes(data["annotations"], path, names)
    strange = set(found.frame["image_id"].tolist()) - set(ids)
    if strange and ids:
        raise LabelAuditError(
            f"{path}: an annotation is of image {min(strange, key=str)!r}, which images does not list"
        )
    found.image_ids, found.image_sizes, found.category_names = ids or None, sizes, names or None
    found.pictures = pictures
    return found


def _names(kinds: list[tuple[int, str]], path: Path) -> dict[int, str]:
    """Return the name of every category's number."""
    names: dict[int, str] = {}
    for number, name in kinds:
        if names.setdefault(number, name) != name:
            raise LabelAuditError(
                f"{path}: the categories {names[number]!r} and {name!r} both have the id {number}; give one another id"
            )
    return names


def _boxes(rows: list[Any], path: Path, names: dict[int, str] | None = None) -> BoxTable:
    import pandas as pd

    wanted = ("image_id", "category_id", "bbox", "score", "iscrowd", "epoch")
    if not all(isinstance(row, dict) for row in rows):
        raise LabelAuditError(f"{path}: expected one object per box, with image_id, category_id and bbox")
    if not rows:
        columns = ["image_id", "category", "x", "y", "w", "h", "score"]
        return BoxTable(pd.DataFrame({name: pd.Series(dtype=float) for name in columns}), str(path), format="coco")
    bare = next((place for place, row in enumerate(rows) if not row.get("bbox")), None)
    if bare is not None:
        raise LabelAuditError(
            f"{path}: {_called(rows[bare], bare)} has no bbox; expected four numbers: x, y, width and height. "
            "Leave it out, or write the box around its outline"
        )
    frame = pd.DataFrame([{name: row[name] for name in wanted if name in row} for row in rows])
    if "iscrowd" in frame.columns:
        frame["iscrowd"] = frame["iscrowd"].fillna(0).astype(bool)
    found = read_frame(frame, str(path), "xywh")
    found.format = "coco"
    if names:
        found.frame = found.frame.assign(category=numbers_of(found.frame["category"], names))
    return found


def _called(row: dict[str, Any], place: int) -> str:
    return f"annotation {row['id']!r}" if "id" in row else f"box {place}"
