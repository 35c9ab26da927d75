"""Annotations as the bytes of COCO, YOLO and Pascal VOC files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from labelaudit.detection.coco import load
from labelaudit.detection.table import BoxTable
from labelaudit.detection.voc import parse
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
        return _yolo(frame, table, names, old)
    if kind == "voc":
        return _voc(frame, table, names, old)
    raise LabelAuditError(f"annotations of the format {kind!r} cannot be written; pass format= (coco, yolo or voc)")


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [
        name for name in ("image_id", "category", "x", "y", "w", "h", "is_crowd", "row", "change") if name in frame
    ]
    return [
        dict(zip(columns, row, strict=True)) for row in zip(*(frame[name].tolist() for name in columns), strict=True)
    ]


def _coco(frame: pd.DataFrame, table: BoxTable, names: dict[Any, str], old: Path | None) -> bytes:
    data = load(old) if old is not None else None
    before = data["annotations"] if isinstance(data, dict) else (data or [])
    numbers = _numbers(names)
    largest = max([0, *(one["id"] for one in before if isinstance(one.get("id"), int))])
    annotations = []
    for row in _rows(frame):
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
    found: dict[str, Any] = {"id": image_id, "file_name": str(image_id)}
    if image_id in table.image_sizes:
        found["width"], found["height"] = (round(side) for side in table.image_sizes[image_id])
    return found


def _numbers(names: dict[Any, str]) -> dict[Any, int]:
    """Return a number for every category value: itself where all are numbers, else one from 1 on."""
    if all(isinstance(value, int) for value in names):
        return {value: value for value in names}
    return {value: number for number, value in enumerate(names, 1)}


def _size(image_id: Any, table: BoxTable, why: str) -> tuple[float, float]:
    if image_id not in table.image_sizes:
        raise LabelAuditError(f"the size of picture {image_id!r} is unknown, and {why}. Pass image_sizes=")
    return table.image_sizes[image_id]


def _yolo(frame: pd.DataFrame, table: BoxTable, names: dict[Any, str], old: Path | None) -> dict[str, bytes]:
    lines: dict[Any, list[str]] = {of: [] for of in table.image_ids or []}
    before = _yolo_lines(table, old) if old is not None else []
    numbered = table.format == "yolo" or all(isinstance(value, int) for value in names)
    numbers = {value: value if numbered else number for number, value in enumerate(names)}
    for row in _rows(frame):
        if before and not row["change"]:
            lines[row["image_id"]].append(before[row["row"]])
            continue
        width, height = _size(row["image_id"], table, "YOLO's numbers are shares of it")
        middle = ((row["x"] + row["w"] / 2) / width, (row["y"] + row["h"] / 2) / height)
        values = (*middle, row["w"] / width, row["h"] / height)
        text = " ".join(f"{value:.6f}" for value in values)
        lines.setdefault(row["image_id"], []).append(f"{numbers[row['category']]} {text}")
    files = {f"{Path(str(of)).stem}.txt": "".join(f"{line}\n" for line in some).encode() for of, some in lines.items()}
    if not numbered:
        files["classes.txt"] = "".join(f"{name}\n" for name in names.values()).encode()
    return files


def _yolo_lines(table: BoxTable, folder: Path) -> list[str]:
    """Return the line of every box that was read, in order."""
    texts = (folder / f"{of}.txt" for of in table.image_ids or [] if (folder / f"{of}.txt").exists())
    return [line for path in texts for line in path.read_text().splitlines() if line.strip()]


def _voc(frame: pd.DataFrame, table: BoxTable, names: dict[Any, str], old: Path | None) -> dict[str, bytes]:
    by_image: dict[Any, list[dict[str, Any]]] = {of: [] for of in table.image_ids or []}
    for row in _rows(frame):
        by_image.setdefault(row["image_id"], []).append(row)
    files, start = {}, 0
    for of, rows in by_image.items():
        path = old / f"{of}.xml" if old is not None else None
        root = parse(path) if path is not None and path.exists() else _voc_root(of, table)
        items = list(root.iter("object"))
        kept = {row["row"] - start: row for row in rows if row["row"] >= 0} if items else {}
        for number, item in enumerate(items):
            if number not in kept:
                root.remove(item)
            elif kept[number]["change"]:
                _voc_set(item, kept[number], names)
        for row in rows:
            if row["row"] < 0 or not items:
                item = ElementTree.SubElement(root, "object")
                _voc_set(item, {**row, "change": "missing"}, names)
        start += len(items)
        ElementTree.indent(root)
        files[f"{Path(str(of)).stem}.xml"] = ElementTree.tostring(root) + b"\n"
    return files


def _voc_root(image_id: Any, table: BoxTable) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = str(image_id)
    if image_id in table.image_sizes:
        size = ElementTree.SubElement(root, "size")
        for name, side in zip(("width", "height"), table.image_sizes[image_id], strict=True):
            ElementTree.SubElement(size, name).text = str(round(side))
        ElementTree.SubElement(size, "depth").text = "3"
    return root


def _voc_set(item: ElementTree.Element, row: dict[str, Any], names: dict[Any, str]) -> None:
    """Write what changed into an object: corners count from 1, and both lie in the box."""
    if row["change"] in ("class", "missing"):
        _child(item, "name").text = str(names.get(row["category"], row["category"]))
    if row["change"] in ("location", "missing"):
        box = _child(item, "bndbox")
        corners = (row["x"] + 1, row["y"] + 1, row["x"] + row["w"], row["y"] + row["h"])
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
            _child(box, name).text = f"{value:.10g}"


def _child(item: ElementTree.Element, name: str) -> ElementTree.Element:
    found = item.find(name)
    return ElementTree.SubElement(item, name) if found is None else found
