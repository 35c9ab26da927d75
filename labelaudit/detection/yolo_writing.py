"""Annotations as the bytes of YOLO files."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from labelaudit.detection.folders import files_in, place_in
from labelaudit.detection.rows import Row, untouched
from labelaudit.detection.table import BoxTable
from labelaudit.detection.yolo import NOT_LABELS, is_outline, text
from labelaudit.errors import LabelAuditError


def rendered(
    images: dict[Any, list[Row]], table: BoxTable, names: dict[Any, str], called: dict[Any, str], old: Path | None
) -> dict[str, bytes]:
    """Return the content of every file by its name.

    Classes are numbered from 0 and named in ``classes.txt``; those that are numbers without names stay as they are.

    Args:
        images: the boxes of every image.
        table: what was read: the pictures' sizes, and the format.
        names: of the categories.
        called: the file of every image.
        old: the folder that the boxes were read from: lines and files without a change are kept as they are.
    """
    nameless = not table.category_names and all(isinstance(value, int) for value in names)
    kept = table.format == "yolo" or nameless
    numbers = {value: value if kept else number for number, value in enumerate(names)}
    files, start = {}, 0
    for of, rows in images.items():
        path = old / called[of] if old is not None and of in table.files else None
        lines = text(path).splitlines(keepends=True) if path is not None else []
        places = [place for place, line in enumerate(lines) if line.strip()]
        data = path.read_bytes() if path is not None else b""
        if not untouched(rows, len(places)) or path is None:
            mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
            data = mark + _changed(lines, places, rows, start, numbers, table).encode()
        files[called[of]] = data
        start += len(places)
    if not kept:
        files["classes.txt"] = "".join(f"{name}\n" for name in names.values()).encode()
    if old is not None:
        files |= {
            place_in(old, path): path.read_bytes()
            for path in files_in(old, (".txt", ".names"))
            if path.name in NOT_LABELS
        }
    return files


def _changed(
    lines: list[str], places: list[int], rows: list[Row], start: int, numbers: dict[Any, int], table: BoxTable
) -> str:
    """Return a file's text with its boxes those of the rows; empty lines, spaces and line ends stay.

    Args:
        lines: of the file, with their ends.
        places: which of them are boxes.
        rows: the boxes.
        start: number of the file's first old box among all.
        numbers: of the categories.
        table: what was read.
    """
    of_place = {places[row["row"] - start]: row for row in rows if places and row["row"] >= 0}
    boxes = set(places)
    kept = [
        _line(of_place[place], line, numbers, table) if place in of_place else line
        for place, line in enumerate(lines)
        if place in of_place or place not in boxes
    ]
    new = [row for row in rows if row["row"] < 0 or not places]
    outline = any(map(is_outline, lines))
    rest = " 1" if table.format == "yolo" and "score" in table.frame else ""  # a label is sure
    end = "\r\n" if any(line.endswith("\r\n") for line in lines) else "\n"
    if new and kept and not kept[-1].endswith(("\n", "\r")):
        kept[-1] += end
    return "".join([*kept, *(_box(row, numbers, table, outline=outline) + rest + end for row in new)])


def _line(row: Row, before: str, numbers: dict[Any, int], table: BoxTable) -> str:
    """Return a box's line: of the line before whatever did not change, with the space around it."""
    if not row["change"]:
        return before
    bare = before.strip()
    parts = bare.split(maxsplit=5)
    if row["change"] == "class":
        return before.replace(bare, str(numbers[row["category"]]) + bare[len(parts[0]) :], 1)
    outline = is_outline(before)
    rest = [] if outline else parts[5:]
    return before.replace(bare, " ".join([_box(row, numbers, table, outline=outline), *rest]), 1)


def _box(row: Row, numbers: dict[Any, int], table: BoxTable, *, outline: bool) -> str:
    """Return a box as text, or its four corners: of a file with outlines tools take every line for one."""
    if row["image_id"] not in table.image_sizes:
        raise LabelAuditError(
            f"the size of picture {row['image_id']!r} is unknown, and YOLO's numbers are shares of it. Pass "
            "image_sizes={image id: (width, height)}"
        )
    width, height = table.image_sizes[row["image_id"]]
    left, top, wide, high = row["x"] / width, row["y"] / height, row["w"] / width, row["h"] / height
    values = [left + wide / 2, top + high / 2, wide, high]
    if outline:
        left, right, top, bottom = (min(max(one, 0.0), 1.0) for one in (left, left + wide, top, top + high))
        values = [left, top, right, top, right, bottom, left, bottom]
    return " ".join([str(numbers[row["category"]]), *(f"{value:.6f}" for value in values)])
