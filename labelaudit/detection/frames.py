"""Data frames of boxes: their columns, under the names that are in use."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

ALIASES = {
    "image_id": ("image_id", "image", "filename", "file_name"),
    "category": ("category", "category_id", "label", "class", "class_name", "name"),
    "score": ("score", "confidence"),
    "epoch": ("epoch",),
    "is_crowd": ("is_crowd", "iscrowd", "crowd"),
    "probabilities": ("probabilities",),
    "logits": ("logits",),
}
SIDES = ("x", "y", "w", "h")
CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))
FORMATS = ("xywh", "xyxy")


def read_frame(frame: pd.DataFrame, source: str, box_format: str) -> BoxTable:
    """Return a user's frame under our column names; boxes as upper left corner and size.

    Args:
        frame: image_id, category and x, y, w, h (or x1, y1, x2, y2; or bbox, a list of four numbers).
        source: what to call it in an error.
        box_format: what x, y, w, h or bbox hold: "xywh" or "xyxy".
    """
    import pandas as pd

    if box_format not in FORMATS:
        raise LabelAuditError(f"box_format={box_format!r} is unknown; expected one of {', '.join(FORMATS)}")
    found: dict[str, Any] = {}
    for name, aliases in ALIASES.items():
        present = [alias for alias in aliases if alias in frame.columns]
        if present:
            found[name] = frame[present[0]].to_numpy()
    for name in ("image_id", "category"):
        if name not in found:
            raise _absent(name, frame, source)
    box = _boxes(frame, source, box_format)
    for name, values in zip(SIDES, box.T, strict=True):
        found[name] = values
    for name in ("image_id", "category"):
        if pd.isna(found[name]).any():
            raise LabelAuditError(f"{source}: row {int(pd.isna(found[name]).argmax())} has no {name}")
        values = found[name] if found[name].dtype == object else ()
        odd = [row for row, value in enumerate(values) if not isinstance(value, Hashable)]
        if odd:
            raise LabelAuditError(
                f"{source}: {name} of row {odd[0]} is {found[name][odd[0]]!r}; expected a number or a text"
            )
    for name in ("probabilities", "logits"):
        if name in found:
            found["probabilities"] = _probabilities(found.pop(name), name == "logits", source)
    return BoxTable(pd.DataFrame(found), source)


def _absent(name: str, frame: pd.DataFrame, source: str) -> LabelAuditError:
    return LabelAuditError(
        f"{source} has no column {name!r}; it has {', '.join(map(str, frame.columns))}. Expected image_id, category, "
        "x, y, w, h (and score for detections)"
    )


def _boxes(frame: pd.DataFrame, source: str, box_format: str) -> Array:
    if all(name in frame.columns for name in SIDES):
        box = frame[list(SIDES)].to_numpy()
    elif "bbox" in frame.columns:
        rows = [np.asarray(value, dtype=object).reshape(-1) for value in frame["bbox"]]
        wrong = [i for i, row in enumerate(rows) if len(row) != 4]
        if wrong:
            raise LabelAuditError(f"{source}: bbox of row {wrong[0]} has {len(rows[wrong[0]])} numbers; expected four")
        box = np.array(rows, dtype=object).reshape(-1, 4)
    else:
        corners = next((names for names in CORNERS if all(name in frame.columns for name in names)), None)
        if corners is None:
            missing = next(name for name in SIDES if name not in frame.columns)
            raise _absent(missing, frame, source)
        box, box_format = frame[list(corners)].to_numpy(), "xyxy"
    try:
        numbers = box.astype(np.float64)
    except (TypeError, ValueError) as problem:
        raise LabelAuditError(f"{source}: a box is not made of numbers: {problem}") from None
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise LabelAuditError(
            f"{source}: {int(bad.sum()):,} of {len(bad):,} boxes hold NaN or infinity, first in row {row}: "
            f"{numbers[row].tolist()}. Leave these rows out"
        )
    if box_format == "xyxy":
        numbers[:, 2:] -= numbers[:, :2]
    return numbers


def _probabilities(values: Array, are_logits: bool, source: str) -> list[Array]:
    """Return one (K,) array of probabilities for every row."""
    rows = [np.asarray(value, np.float64).reshape(-1) for value in values]
    if len({len(row) for row in rows}) > 1 or any(not np.isfinite(row).all() for row in rows):
        raise LabelAuditError(f"{source}: probabilities or logits have different lengths or hold NaN")
    if are_logits:
        rows = [np.exp(row - row.max()) for row in rows]
        rows = [row / row.sum() for row in rows]
    return rows
