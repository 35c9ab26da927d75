"""Places where a detector keeps drawing a box, followed over the epochs, whether or not a label is there."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.evidence import BOXES, nan_median
from labelaudit.detection.matching import match, turns
from labelaudit.detection.overlap import overlapping
from labelaudit.detection.votes import Votes

Array = npt.NDArray[Any]

SAME = 0.5  # a box with this IoU or more with a track continues it
TWICE = 0.55  # of two boxes of an epoch with this IoU or more, whatever their classes, only the surer one counts
PER_LABEL = 4  # detections of an epoch that are followed, the surest first, for every label there is
ROOM = 12  # tracks kept for every label


class Tracks:
    """Tracks of all images, sorted in no order.

    Attributes:
        image: (t,) image numbers.
        strength: (t,) sum over the epochs of weight x confidence.
        presence: (t,) sum of the weights of the epochs in which the track was found.
        epochs: (t,) number of them.
        weight: sum of all weights.
    """

    def __init__(self, n_labels: int, n_images: int, n_classes: int) -> None:
        self.most = max(n_labels, n_images, 100)
        self.n_classes, self.weight, self.n_epochs = n_classes, 0.0, 0
        self.image = np.zeros(0, np.int32)
        self.box = np.zeros((0, 4))
        self.strength, self.presence = np.zeros(0), np.zeros(0)
        self.epochs = np.zeros(0, np.int64)
        self.votes = Votes(n_classes)
        self.boxes: list[tuple[float, Array]] = []

    def __len__(self) -> int:
        return len(self.image)

    def add(self, detections: Detections, weight: float) -> None:
        """Take in one epoch."""
        self.weight += weight
        self.n_epochs += 1
        if len(detections) > PER_LABEL * self.most:
            rows = np.argpartition(-detections.score, PER_LABEL * self.most)[: PER_LABEL * self.most]
            detections = detections.take(np.sort(rows))
        order = np.argsort(self.image, kind="stable")
        known = Objects.of(self.image[order], np.zeros(len(order)), self.box[order])
        found = match(known, detections, SAME, class_blind=True)
        at = np.where(found >= 0, order[found] if len(order) else -1, -1)
        rest = np.flatnonzero(at < 0)
        near = overlapping(detections.image[rest], detections.box[rest], known.image, known.box, SAME)
        seen = np.zeros(len(order), bool)
        seen[found[found >= 0]] = True
        taken = near.first[seen[near.second]]
        twice = np.zeros(len(rest), bool)
        twice[taken] = True
        at[rest[taken]] = order[near.second[seen[near.second]]]
        fresh = rest[~twice]
        kept = fresh[surest(detections.take(fresh), TWICE)]
        at[kept] = len(self) + np.arange(len(kept))
        first = np.concatenate([np.flatnonzero(found >= 0), kept])
        self._grow(detections, kept)
        self._update(detections, first, at, weight)
        self._votes(detections, at, weight)
        if len(self) > ROOM * self.most:
            self._prune()

    def _grow(self, detections: Detections, rows: Array) -> None:
        more = len(rows)
        self.image = np.concatenate([self.image, detections.image[rows]])
        self.box = np.concatenate([self.box, detections.box[rows]])
        self.strength, self.presence = (np.concatenate([x, np.zeros(more)]) for x in (self.strength, self.presence))
        self.epochs = np.concatenate([self.epochs, np.zeros(more, np.int64)])

    def _update(self, detections: Detections, rows: Array, at: Array, weight: float) -> None:
        where = at[rows]
        gain = weight * detections.score[rows]
        part = np.divide(gain, self.strength[where] + gain, out=np.ones(len(rows)), where=gain > 0)
        self.box[where] += part[:, None] * (detections.box[rows] - self.box[where])
        self.strength[where] += gain
        self.presence[where] += weight
        self.epochs[where] += 1
        drawn = np.full((len(self), 4), np.nan, np.float32)
        drawn[where] = detections.box[rows]
        self.boxes.append((weight, drawn))
        if len(self.boxes) > BOXES:
            del self.boxes[min(range(len(self.boxes)), key=lambda i: self.boxes[i][0])]

    def _votes(self, detections: Detections, at: Array, weight: float) -> None:
        rows = np.flatnonzero(at >= 0)
        self.votes.add(at[rows], detections.category[rows], weight * detections.score[rows])

    def _prune(self) -> None:
        """Forget the weakest half of the tracks."""
        kept = np.sort(np.argpartition(-self.strength, len(self) // 2)[: len(self) // 2])
        total = len(self)
        self.boxes = [(weight, self._padded(drawn, total)[kept]) for weight, drawn in self.boxes]
        for name in ("image", "box", "strength", "presence", "epochs"):
            setattr(self, name, getattr(self, name)[kept])
        self.votes.take(kept, total)

    def _padded(self, drawn: Array, length: int) -> Array:
        rest = np.full((length - len(drawn), 4), np.nan, np.float32)
        return np.concatenate([drawn, rest])

    def median_box(self) -> Array:
        """Return the median, (t, 4), of each track's boxes over the epochs of most weight."""
        if not self.boxes:
            return self.box
        stack = np.stack([self._padded(drawn, len(self)) for _, drawn in self.boxes]).astype(np.float64)
        middle = nan_median(stack)
        return np.where(np.isnan(middle), self.box, middle)


def surest(detections: Detections, iou_threshold: float) -> Array:
    """Return the positions of the boxes that overlap no surer box that is kept itself: greedy suppression."""
    pairs = overlapping(detections.image, detections.box, detections.image, detections.box, iou_threshold)
    turn = turns(detections)
    later = turn[pairs.first] < turn[pairs.second]
    high, low = pairs.first[later], pairs.second[later]
    order = np.argsort(turn[high], kind="stable")
    high, low = high[order], low[order]
    starts = [*np.flatnonzero(np.diff(turn[high], prepend=-1)).tolist(), len(high)]
    kept = np.ones(len(detections), bool)
    for begin, end in itertools.pairwise(starts):
        kept[low[begin:end][kept[high[begin:end]]]] = False
    return np.flatnonzero(kept)
