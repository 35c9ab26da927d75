"""Which boxes of the same image overlap, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import area

Array = npt.NDArray[Any]

BLOCK = 1 << 18  # pairs looked at together: some 30 MB


class Pairs(NamedTuple):
    """Overlapping boxes.

    Attributes:
        first: (p,) positions in the first set, ascending.
        second: (p,) positions in the second set, ascending for every box of the first.
        iou: (p,) intersection over union, 0 to 1.
    """

    first: Array
    second: Array
    iou: Array


def iou_of(first: Array, second: Array) -> Array:
    """Return the intersection over union, (n,), of two (n, 4) arrays of corners, row by row.

    >>> iou_of(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2]])).round(4).tolist()
    [0.3333]
    """
    wide = np.minimum(first[:, 2], second[:, 2]) - np.maximum(first[:, 0], second[:, 0])
    high = np.minimum(first[:, 3], second[:, 3]) - np.maximum(first[:, 1], second[:, 1])
    shared = np.clip(wide, 0, None) * np.clip(high, 0, None)
    union = area(first) + area(second) - shared
    return np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)


def overlapping(
    first_image: Array,
    first_box: Array,
    second_image: Array,
    second_box: Array,
    at_least: float = 0.0,
    crowd: Array | None = None,
) -> Pairs:
    """Return the pairs of boxes of one image whose IoU is above 0 and at least ``at_least``.

    Both sets are sorted by image. Memory is bounded by the pairs that are returned, not by those looked at.
    Where the second box is marked in ``crowd``, what counts is the share of the first box that lies in it, as in
    COCO's evaluation.
    """
    found = list(_blocks(first_image, first_box, second_image, second_box, at_least, crowd))
    if not found:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _blocks(
    first_image: Array,
    first_box: Array,
    second_image: Array,
    second_box: Array,
    at_least: float,
    crowd: Array | None,
) -> Iterator[Pairs]:
    start = np.searchsorted(second_image, first_image, "left")
    count = np.searchsorted(second_image, first_image, "right") - start
    ends = count.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    bounds = np.unique(np.searchsorted(ends, np.arange(0, total + BLOCK, BLOCK), "left").clip(0, len(ends)))
    bounds = np.unique([0, *bounds.tolist(), len(ends)])
    columns = [np.ascontiguousarray(column) for column in (*first_box.T, *second_box.T)]
    areas = area(first_box), area(second_box)
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        here = count[low:high]
        i = np.repeat(np.arange(low, high), here)
        j = np.arange(len(i)) - np.repeat(here.cumsum() - here, here) + start[i]
        yield _pairs(i, j, columns, areas, at_least, crowd)


def _pairs(
    i: Array, j: Array, columns: list[Array], areas: tuple[Array, Array], at_least: float, crowd: Array | None
) -> Pairs:
    left, top, right, bottom, left2, top2, right2, bottom2 = columns
    wide = np.minimum(right[i], right2[j]) - np.maximum(left[i], left2[j])
    near = np.flatnonzero(wide > 0)
    i, j, wide = i[near], j[near], wide[near]
    high = np.minimum(bottom[i], bottom2[j]) - np.maximum(top[i], top2[j])
    near = np.flatnonzero(high > 0)
    i, j = i[near], j[near]
    shared = wide[near] * high[near]
    whole = areas[0][i] + areas[1][j] - shared
    if crowd is not None:
        whole = np.where(crowd[j], areas[0][i], whole)
    iou = shared / whole
    near = np.flatnonzero(iou >= at_least)
    return Pairs(i[near], j[near], iou[near])
