"""Annotations as the bytes of Pascal VOC files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from labelaudit.detection.rows import Row, untouched
from labelaudit.detection.table import BoxTable
from labelaudit.detection.voc import around, parse


def rendered(
    images: dict[Any, list[Row]], table: BoxTable, names: dict[Any, str], called: dict[Any, str], old: Path | None
) -> dict[str, bytes]:
    """Return the content of every file by its name.

    Args:
        images: the boxes of every image.
        table: what was read: the pictures' names and sizes.
        names: of the categories.
        called: the file of every image.
        old: the folder that the boxes were read from: files without a change are kept as they are, and of the others
            whatever did not change, comments too.
    """
    files, start = {}, 0
    for of, rows in images.items():
        path = old / called[of] if old is not None and of in table.files else None
        root = parse(path) if path is not None else _new_root(of, table)
        items = list(root.iter("object"))
        data = path.read_bytes() if path is not None else b""
        if path is None or not untouched(rows, len(items)):
            _change(root, items, rows, start, names)
            head, tail = around(data) if data else (b"", b"\n")
            data = head + ElementTree.tostring(root) + tail
        files[called[of]] = data
        start += len(items)
    return files


def _change(
    root: ElementTree.Element, items: list[ElementTree.Element], rows: list[Row], start: int, names: dict[Any, str]
) -> None:
    """Make the objects of a file those of the rows; the first of its old boxes is number ``start`` of all."""
    parents = {child: parent for parent in root.iter() for child in parent}
    kept = {row["row"] - start: row for row in rows if row["row"] >= 0} if items else {}
    for number, item in enumerate(items):
        if number not in kept:
            parents[item].remove(item)
        elif kept[number]["change"]:
            _set(item, kept[number], names)
    for row in rows:
        if row["row"] < 0 or not items:
            _set(ElementTree.SubElement(root, "object"), {**row, "change": "missing"}, names)
    ElementTree.indent(root)


def _new_root(image_id: Any, table: BoxTable) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    picture = PurePosixPath(table.pictures.get(image_id, str(image_id)))
    if picture.parent.name:
        ElementTree.SubElement(root, "folder").text = str(picture.parent)
    ElementTree.SubElement(root, "filename").text = picture.name
    if image_id in table.image_sizes:
        size = ElementTree.SubElement(root, "size")
        for name, side in zip(("width", "height"), table.image_sizes[image_id], strict=True):
            ElementTree.SubElement(size, name).text = str(round(side))
        ElementTree.SubElement(size, "depth").text = "3"
    return root


def _set(item: ElementTree.Element, row: dict[str, Any], names: dict[Any, str]) -> None:
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
