"""Annotations as the bytes of Pascal VOC files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from labelaudit.detection.rows import Row, untouched
from labelaudit.detection.table import BoxTable
from labelaudit.detection.voc import around, objects_of, parse, parse_bytes
from labelaudit.detection.voc_text import SIDES, OddLayoutError, edited, texts_of


def rendered(
    images: dict[Any, list[Row]], table: BoxTable, names: dict[Any, str], called: dict[Any, str], old: Path | None
) -> dict[str, bytes]:
    """Return the content of every file by its name.

    Args:
        images: the boxes of every image.
        table: what was read: the pictures' names and sizes.
        names: of the categories.
        called: the file of every image.
        old: the folder that the boxes were read from: files without a change are kept as they are, and in the others
            only the corrected names, numbers and objects change.
    """
    files, start = {}, 0
    for of, rows in images.items():
        path = old / called[of] if old is not None and of in table.files else None
        root = parse(path) if path is not None else _new_root(of, table)
        items = list(root.iter("object"))
        data = path.read_bytes() if path is not None else b""
        if path is None or not untouched(rows, len(items)):
            changed = _edited(data, rows, start, names, path) if path is not None else None
            data = _rewritten(data, root, items, rows, start, names) if changed is None else changed
        files[called[of]] = data
        start += len(items)
    return files


def _edited(data: bytes, rows: list[Row], start: int, names: dict[Any, str], path: Path) -> bytes | None:
    """Return the file with nothing changed but its corrections; None where its layout does not allow that."""
    try:
        data = edited(data, rows, start, names)
    except OddLayoutError:
        return None
    found = objects_of(parse_bytes(data, path), path)
    wanted = [texts_of(row, names) for row in rows]
    same = len(found) == len(wanted) and all(
        one[0] == texts["name"].strip() and np.allclose(one[1:], [float(texts[side]) for side in SIDES], rtol=1e-8)
        for one, texts in zip(found, wanted, strict=True)
    )
    return data if same else None


def _rewritten(
    data: bytes,
    root: ElementTree.Element,
    items: list[ElementTree.Element],
    rows: list[Row],
    start: int,
    names: dict[Any, str],
) -> bytes:
    """Return the file written anew, indented, with whatever did not change."""
    _change(root, items, rows, start, names)
    head, tail = around(data) if data else (b"", b"\n")
    return head + ElementTree.tostring(root) + tail


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
    picture = PurePosixPath(table.pictures.get(image_id, str(image_id)).replace("\\", "/"))
    if picture.parent.name:
        ElementTree.SubElement(root, "folder").text = str(picture.parent)
    ElementTree.SubElement(root, "filename").text = picture.name
    if image_id in table.image_sizes:
        size = ElementTree.SubElement(root, "size")
        for name, side in zip(("width", "height"), table.image_sizes[image_id], strict=True):
            ElementTree.SubElement(size, name).text = str(round(side))
        ElementTree.SubElement(size, "depth").text = "3"
    return root


def _set(item: ElementTree.Element, row: Row, names: dict[Any, str]) -> None:
    """Write what changed into an object."""
    texts = texts_of(row, names)
    if row["change"] in ("class", "missing"):
        _child(item, "name").text = texts["name"]
    if row["change"] in ("location", "missing"):
        box = _child(item, "bndbox")
        for name in SIDES:
            _child(box, name).text = texts[name]


def _child(item: ElementTree.Element, name: str) -> ElementTree.Element:
    found = item.find(name)
    return ElementTree.SubElement(item, name) if found is None else found
