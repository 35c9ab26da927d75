"""What cannot be right in boxes: errors where nothing sensible can be done, notes where something was."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.overlap import overlapping
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]

SAMPLE = 5_000  # ground-truth boxes that the class numbers are compared on
ENOUGH = 20  # boxes from which a convention can be told
AGREE = 0.5  # shifted class numbers agree with at least this share ...
APART = 0.2  # ... where those given agree with less than this


def check_corners(table: BoxTable, sizes: dict[Any, tuple[float, float]]) -> None:
    """Refuse corners that were given as x, y, w, h.

    A second corner lies right of and below the first, so every w exceeds x and every h exceeds y; and x + w runs out
    of the picture.
    """
    box = table.frame[["x", "y", "w", "h"]].to_numpy()
    if len(box) < ENOUGH or not ((box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])).all():
        return
    ids = table.frame["image_id"].tolist()
    limits = np.array([sizes.get(of, (np.nan, np.nan)) for of in ids], float)
    known = ~np.isnan(limits[:, 0])
    if known.any():
        end = box[known, :2] + box[known, 2:]
        outside = float((end > 1.02 * limits[known]).any(axis=1).mean())
        suspicious = outside > 0.2
    else:  # the second corner moves with the first one, a size does not
        spread = box.std(axis=0)
        moves = [np.corrcoef(box[:, i], box[:, i + 2])[0, 1] if spread[i] and spread[i + 2] else 0.0 for i in (0, 1)]
        suspicious = min(moves) > 0.5
    if suspicious:
        raise LabelAuditError(
            f"{table.source}: x, y, w, h look like two corners (every w is larger than x and every h than y, and "
            f"x + w runs out of the picture), e.g. {box[0].tolist()}. If they are x1, y1, x2, y2, pass "
            'box_format="xyxy" (detections_box_format="xyxy" for the detections alone)'
        )


def check_units(truth: BoxTable, drawn: BoxTable) -> None:
    """Refuse shares of the picture's size on one side and pixels on the other."""
    if not len(truth.frame) or not len(drawn.frame):
        return
    extents = [float(np.abs(table.frame[["x", "y", "w", "h"]].to_numpy()).max(initial=0)) for table in (truth, drawn)]
    if min(extents) <= 1.5 and max(extents) > 10:
        small = truth.source if extents[0] < extents[1] else drawn.source
        raise LabelAuditError(
            f"{small} has coordinates up to {min(extents):.3g}, the other boxes up to {max(extents):.5g}: shares of "
            "the picture beside pixels. Multiply x, w by the pictures' width and y, h by their height"
        )


def check_scores(table: BoxTable) -> Array:
    """Return the scores of detections, (m,), or say what is wrong with them."""
    if "score" not in table.frame.columns:
        raise LabelAuditError(
            f"{table.source} has no column 'score'; detections need the detector's confidence, 0 to 1"
        )
    try:
        score = table.frame["score"].to_numpy(np.float64)
    except (TypeError, ValueError) as problem:
        raise LabelAuditError(f"{table.source}: a score is not a number: {problem}") from None
    bad = ~((score >= 0) & (score <= 1))
    if bad.any():
        row = int(bad.argmax())
        hint = " They look like percentages: divide by 100" if 1 < np.nanmax(score) <= 100 else ""
        raise LabelAuditError(
            f"{table.source}: {int(bad.sum()):,} of {len(bad):,} scores lie outside 0 to 1, first in row "
            f"{table.frame.index[row]}: "
            f"{score[row]}.{hint}"
        )
    return score


def check_class_numbers(objects: Objects, drawn: Detections, names: list[Any], source: str) -> None:
    """Refuse class numbers that count from 0 on one side and from 1 on the other."""
    if not all(isinstance(name, int | np.integer) for name in names):
        return
    some = objects if len(objects) <= SAMPLE else objects.take(objects.image <= objects.image[SAMPLE])
    pairs = overlapping(some.image, some.box, drawn.image, drawn.box, 0.5)
    if len(pairs.first) < ENOUGH:
        return
    values = np.array(names, np.int64)
    given, seen = values[some.category[pairs.first]], values[drawn.category[pairs.second]]
    agree = {shift: float((seen + shift == given).mean()) for shift in (-1, 0, 1)}
    best = max(agree, key=lambda shift: agree[shift])
    if best and agree[best] > AGREE and agree[0] < APART:
        raise LabelAuditError(
            f"{source}: its class numbers are {abs(best)} {'below' if best > 0 else 'above'} those of the ground "
            f"truth ({agree[best]:.0%} of overlapping boxes agree when shifted, {agree[0]:.0%} as they are): one "
            f"counts from 0, the other from 1. Add {best} to the detections' categories"
        )


def useful(box: Array) -> Array:
    """Return which boxes of a detector, (m, 4) as x, y, w, h, have an area, (m,) bool."""
    return (box[:, 2] > 0) & (box[:, 3] > 0)


def counted(number: int, what: str, verb: tuple[str, str] = ("is", "are")) -> str:
    """Return "1 box is" or "2 boxes are"."""
    return f"{number:,} {what} {verb[0]}" if number == 1 else f"{number:,} {what}es {verb[1]}"
