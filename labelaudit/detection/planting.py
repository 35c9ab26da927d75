"""Mistakes planted into a copy of the labels, to see how the recorded detections look around a mistake.

The detector never saw these copies, so what it drew is what it draws around a wrong label that it did not learn.
Nothing is planted into the labels that are audited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Objects
from labelaudit.detection.overlap import iou_of, overlapping

Array = npt.NDArray[Any]

GIVEN, CLASS, LOCATION, SPURIOUS = 0, 1, 2, 3
MOST = 20_000  # labels that a mistake of each kind is planted into
LEAST = 1_000  # planted mistakes of each kind, where that takes at most REPEATS copies of a label
REPEATS = 20
SHIFTED = (0.1, 0.7)  # IoU of a planted wrong box with the given one
EMPTY = 0.15  # largest IoU of a planted spurious box with any label


@dataclass(frozen=True)
class Anchors:
    """Boxes that evidence is gathered for, sorted by image: the given labels, and planted mistakes.

    Attributes:
        image, category, box: as in `Objects`.
        label: (a,) the given label that the anchor is, or replaces; -1 where it was added.
        kind: (a,) GIVEN, CLASS, LOCATION or SPURIOUS.
        given: (n,) position of each given label among the anchors.
    """

    image: Array
    category: Array
    box: Array
    label: Array
    kind: Array
    given: Array

    def __len__(self) -> int:
        return len(self.image)


def planted(objects: Objects, n_classes: int, sizes: Array, seed: int = 0) -> Anchors:
    """Return the labels together with planted mistakes of each kind.

    Args:
        objects: n given labels.
        n_classes: K.
        sizes: (images, 2) width and height of every image.
        seed: of the random choice.
    """
    rng = np.random.default_rng(seed)
    n = len(objects)
    rows = np.flatnonzero(~objects.crowd)
    repeats = min(max(-(-LEAST // max(len(rows), 1)), 1), REPEATS)
    chosen = np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:MOST]
    here = (objects.image, objects.category, objects.box, np.arange(n), np.zeros(n, np.int8))
    parts = [here, _wrong_class(objects, chosen, n_classes, rng), _moved(objects, chosen, sizes, rng)]
    parts.append(_added(objects, chosen, sizes, rng))
    image, category, box, label, kind = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(image, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Anchors(image[order], category[order], box[order], label[order], kind[order], place[:n])


Part = tuple[Array, Array, Array, Array, Array]


def _wrong_class(objects: Objects, rows: Array, n_classes: int, rng: np.random.Generator) -> Part:
    """Half of the wrong classes are drawn as often as they occur, half all alike."""
    if n_classes < 2:
        rows = rows[:0]
    often = np.bincount(objects.category, minlength=n_classes) / max(len(objects), 1)
    steps = np.cumsum(0.5 * often + 0.5 / n_classes)
    old = objects.category[rows]
    new = np.searchsorted(steps, rng.random(len(rows)) * steps[-1]).clip(0, n_classes - 1)
    new = np.where(new == old, (old + rng.integers(1, max(n_classes, 2), len(rows))) % n_classes, new)
    return objects.image[rows], new.astype(np.int32), objects.box[rows], rows, np.full(len(rows), CLASS, np.int8)


def _moved(objects: Objects, rows: Array, sizes: Array, rng: np.random.Generator) -> Part:
    """Shift and stretch boxes; keep, of some tries, the one whose IoU is nearest to a number drawn for it."""
    old = objects.box[rows]
    size, middle = old[:, 2:] - old[:, :2], (old[:, :2] + old[:, 2:]) / 2
    wanted = rng.uniform(*SHIFTED, len(rows))
    new, miss = old.copy(), np.full(len(rows), np.inf)
    limit = np.tile(sizes[objects.image[rows]], 2)
    for _ in range(40):
        centre = middle + rng.uniform(-0.7, 0.7, size.shape) * size
        half = size * rng.uniform(0.65, 1.5, size.shape) / 2
        tried = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, limit)
        off = np.abs(iou_of(tried, old) - wanted)
        better = off < miss
        new[better], miss[better] = tried[better], off[better]
    good = miss < 0.1
    rows = rows[good]
    return objects.image[rows], objects.category[rows], new[good], rows, np.full(len(rows), LOCATION, np.int8)


def _added(objects: Objects, rows: Array, sizes: Array, rng: np.random.Generator) -> Part:
    """Put boxes of the labels' sizes and classes where no label is, or least is."""
    image = rng.choice(objects.image, len(rows)) if len(rows) else objects.image[:0]
    order = np.argsort(image, kind="stable")
    image, rows = image[order], rows[order]
    size = (objects.box[rows, 2:] - objects.box[rows, :2]) * rng.uniform(0.8, 1.25, (len(rows), 2))
    size = np.minimum(size, sizes[image])
    box, least = np.zeros((len(rows), 4)), np.full(len(rows), np.inf)
    for _ in range(10):
        corner = rng.random(size.shape) * (sizes[image] - size)
        tried = np.concatenate([corner, corner + size], axis=1)
        pairs = overlapping(image, tried, objects.image, objects.box)
        most = np.zeros(len(rows))
        np.maximum.at(most, pairs.first, pairs.iou)
        better = (most < least) & (least > EMPTY)
        box[better], least[better] = tried[better], most[better]
    good = (least < EMPTY) & (size > 0).all(axis=1)
    label = np.full(int(good.sum()), -1)
    kind = np.full(int(good.sum()), SPURIOUS, np.int8)
    return image[good], objects.category[rows[good]], box[good], label, kind
