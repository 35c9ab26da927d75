"""Ground-truth boxes and the boxes that a detector drew, as arrays grouped by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Objects:
    """The ground truth: n boxes, sorted by image.

    Attributes:
        image: (n,) int32 image numbers, ascending.
        category: (n,) int32 class numbers from 0.
        box: (n, 4) float64 corners x1, y1, x2, y2 in pixels.
        crowd: (n,) bool: the box holds many objects; a detection in it is never missing from the labels.
        row: (n,) int64 position of each box in the user's input.
    """

    image: Array
    category: Array
    box: Array
    crowd: Array
    row: Array

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def of(cls, image: Any, category: Any, box: Any, crowd: Any = None) -> Objects:
        """Sort boxes in any order by image; ``row`` keeps where each one stood."""
        image = np.asarray(image, np.int32)
        order = np.argsort(image, kind="stable")
        marked = np.zeros(len(image), bool) if crowd is None else np.asarray(crowd, bool)
        corners = np.asarray(box, np.float64).reshape(-1, 4)
        return cls(image[order], np.asarray(category, np.int32)[order], corners[order], marked[order], order)

    def take(self, rows: Array) -> Objects:
        """Return some of the boxes: ``rows`` is a mask, or ascending positions."""
        return Objects(self.image[rows], self.category[rows], self.box[rows], self.crowd[rows], self.row[rows])


@dataclass(frozen=True)
class Detections:
    """What a detector drew in one epoch: m boxes, sorted by image.

    Attributes:
        image: (m,) int32 image numbers, ascending.
        category: (m,) int32 class numbers from 0.
        box: (m, 4) float64 corners x1, y1, x2, y2 in pixels.
        score: (m,) float64 confidence, 0 to 1.
        probabilities: (m, K) of every class, or None where the detector gave only its best class.
    """

    image: Array
    category: Array
    box: Array
    score: Array
    probabilities: Array | None = None

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def of(cls, image: Any, category: Any, box: Any, score: Any, probabilities: Any = None) -> Detections:
        """Sort boxes in any order by image."""
        image = np.asarray(image, np.int32)
        order = np.argsort(image, kind="stable")
        corners = np.asarray(box, np.float64).reshape(-1, 4)
        every = None if probabilities is None else np.asarray(probabilities, np.float64)[order]
        return cls(
            image[order], np.asarray(category, np.int32)[order], corners[order], np.asarray(score, float)[order], every
        )

    def take(self, rows: Array) -> Detections:
        """Return some of the boxes: ``rows`` is a mask, or ascending positions."""
        every = None if self.probabilities is None else self.probabilities[rows]
        return Detections(self.image[rows], self.category[rows], self.box[rows], self.score[rows], every)


def area(box: Array) -> Array:
    """Return the areas, (n,), of (n, 4) corners; 0 where a box is turned inside out."""
    return np.clip(box[:, 2] - box[:, 0], 0, None) * np.clip(box[:, 3] - box[:, 1], 0, None)
