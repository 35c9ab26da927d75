"""Corrected boxes as rows, all and by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelaudit.detection.table import BoxTable

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
COLUMNS = ("image_id", "category", "x", "y", "w", "h", "is_crowd", "row", "change")


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return each box as {column: value}, values as Python's own."""
    columns = [name for name in COLUMNS if name in frame]
    return [
        dict(zip(columns, row, strict=True)) for row in zip(*(frame[name].tolist() for name in columns), strict=True)
    ]


def rows_by_image(frame: pd.DataFrame, table: BoxTable) -> dict[Any, list[Row]]:
    """Return the boxes of every image: those that were read, in their order, then images that get their first box."""
    found: dict[Any, list[Row]] = {of: [] for of in table.image_ids or []}
    for row in rows_of(frame):
        found.setdefault(row["image_id"], []).append(row)
    return found


def untouched(rows: list[Row], n_before: int) -> bool:
    """Return whether these are an image's ``n_before`` old boxes, all of them and as they were."""
    return len(rows) == n_before and not any(row["change"] for row in rows)
