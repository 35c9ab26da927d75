"""Annotations as the bytes of YOLO files."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from labelaudit.detection.rows import Row, untouched
from labelaudit.detection.table import BoxTable
from labelaudit.detection.yolo import NOT_LABELS, text
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
        before = [line for line in text(path).splitlines() if line.strip()] if path is not None else []
        data = path.read_bytes() if path is not None else b""
        if not untouched(rows, len(before)) or path is None:
            lines = [
                _line(row, before[row["row"] - start] if before and row["row"] >= 0 else "", numbers, table)
                for row in rows
            ]
            data = _encoded(lines, data)
        files[called[of]] = data
        start += len(before)
    if not kept:
        files["classes.txt"] = "".join(f"{name}\n" for name in names.values()).encode()
    if old is not None:
        files |= {name: (old / name).read_bytes() for name in NOT_LABELS if (old / name).is_file()}
    return files


def _line(row: Row, before: str, numbers: dict[Any, int], table: BoxTable) -> str:
    """Return a box's line; of the line before, whatever did not change."""
    if before and not row["change"]:
        return before
    if before and row["change"] == "class":
        return f"{numbers[row['category']]} {before.split(maxsplit=1)[1]}"
    if row["image_id"] not in table.image_sizes:
        raise LabelAuditError(
            f"the size of picture {row['image_id']!r} is unknown, and YOLO's numbers are shares of it. Pass "
            "image_sizes={image id: (width, height)}"
        )
    width, height = table.image_sizes[row["image_id"]]
    middle = ((row["x"] + row["w"] / 2) / width, (row["y"] + row["h"] / 2) / height)
    values = (*middle, row["w"] / width, row["h"] / height)
    return " ".join([str(numbers[row["category"]]), *(f"{value:.6f}" for value in values)])


def _encoded(lines: list[str], before: bytes) -> bytes:
    """Return lines with the ends, and the byte order mark, of the file before."""
    end = "\r\n" if b"\r\n" in before else "\n"
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    return mark + "".join(f"{line}{end}" for line in lines).encode()
