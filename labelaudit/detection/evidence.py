"""What the detections of all epochs say of a box with a class: weighted sums, one epoch in memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.overlap import Pairs, overlapping
from labelaudit.detection.planting import CLASS, SPURIOUS, Anchors
from labelaudit.detection.votes import Votes

Array = npt.NDArray[Any]

TOUCH = 0.02  # pairs of a smaller IoU tell nothing
EXPLAINED = 0.5  # a detection with this IoU or more belongs to the label that it overlaps most
ON = (0.3, 0.7)  # from no to full weight: a detection that is on the box
NEAR = (0.03, 0.13)  # and one that is near it
BLOCK = 50_000  # anchors looked at together
TRUSTED = (0.1, 0.4)  # from no to full trust: how well a detector tells given classes from planted ones
AMONG_FEW = 0.6  # and this well is well enough, however few the labels are
BOXES = 9  # epochs whose boxes are kept for the median
AGREES = 0.002  # added to the share of disagreements, so that a detector that agrees with all labels still counts
SUMS = ("own", "other", "near_own", "near_other", "all_own", "all_other", "iou_own", "iou_any")


class Evidence:
    """Weighted means over the epochs, for every anchor.

    A detection that lies on another label (IoU of EXPLAINED or more, and more than with the anchor) is that label's.
    Of what is left, s is the confidence, in [0, 1] (in that class, where there are probabilities of all):

    - own, other: largest s of the anchor's class, and of another one, on the box (weight ON of the IoU);
    - near_own, near_other: the same for detections near the box (weight NEAR);
    - all_own, all_other: as own and other, with the detections that are other labels';
    - iou_own, iou_any: IoU of the detection that near_own, or either, comes from.

    An epoch's weight is (g^2 d)^2. g tells how well the epoch tells given classes from planted ones (2 AUC - 1), d is
    the share of the labels that it disagrees with: an untrained detector knows nothing, and one that knows every
    label by heart has no opinion of its own.
    """

    def __init__(self, labels: Objects, anchors: Anchors, n_classes: int) -> None:
        self.labels, self.anchors, self.n_classes = labels, anchors, n_classes
        self.sums = {name: np.zeros(len(anchors), np.float32) for name in SUMS}
        self.votes = Votes(n_classes)
        self.boxes: list[tuple[float, Array]] = []
        self.weights: list[float] = []
        self.separation: list[float] = []
        self.blocks = _blocks(anchors.image)

    def add(self, detections: Detections) -> float:
        """Take in one epoch; return its weight."""
        n = len(self.anchors)
        found = {name: np.zeros(n, np.float32) for name in SUMS}
        box = np.full((n, 4), np.nan, np.float32)
        votes = []
        for low, high in self.blocks:
            votes.append(self._block(detections, low, high, found, box))
        weight = self._weight(found)
        for name in SUMS:
            self.sums[name] += weight * found[name]
        for label, category, strength in votes:
            self.votes.add(label, category, weight * strength)
        self.weights.append(weight)
        self.boxes.append((weight, box))
        if len(self.boxes) > BOXES:
            del self.boxes[min(range(len(self.boxes)), key=lambda i: self.boxes[i][0])]
        return weight

    @property
    def trust(self) -> float:
        """How far the detections can be believed, 0 (no epoch tells given classes from planted ones) to 1.

        Luck is not trusted: the standard error of 2 AUC - 1 of n labels without information is 1 / sqrt(3 n), and the
        luckiest of E epochs lies some sqrt(2 log E) of them above 0. Of a handful of labels that would ask for more
        than a good detector can show, so no more than 0.6 is asked for.
        """
        if not len(self.labels):
            return 1.0
        least, enough = TRUSTED
        luck = (2 + np.sqrt(2 * np.log(len(self.separation)))) / np.sqrt(3 * len(self.labels))
        least = min(max(least, float(luck)), AMONG_FEW)
        found = max(self.separation)
        return 0.0 if found < least else min((found - least) / max(enough - least, 1e-9), 1.0)

    def means(self) -> dict[str, Array]:
        """Return the weighted means, (a,) each."""
        total = max(sum(self.weights), 1e-300)
        return {name: values.astype(np.float64) / total for name, values in self.sums.items()}

    def median_box(self, rows: Array) -> Array:
        """Return the median, (r, 4), of the boxes near some anchors over the epochs of most weight; NaN where none."""
        kept = np.stack([box[rows] for weight, box in self.boxes]).astype(np.float64)
        return nan_median(kept)

    def _block(self, detections: Detections, low: int, high: int, found: dict[str, Array], box: Array) -> Any:
        anchors = self.anchors
        first, last = anchors.image[low], anchors.image[high - 1]
        inside = slice(*np.searchsorted(detections.image, [first, last + 1]).tolist())
        labelled = slice(*np.searchsorted(self.labels.image, [first, last + 1]).tolist())
        image, corners = detections.image[inside], detections.box[inside]
        on_labels = overlapping(image, corners, self.labels.image[labelled], self.labels.box[labelled], TOUCH)
        best, second, at = _two_best(on_labels, len(image))
        pairs = overlapping(anchors.image[low:high], anchors.box[low:high], image, corners, TOUCH)
        a, d, iou = pairs
        category = detections.category[inside][d]
        s, s_own, s_other = _strengths(detections, inside, d, anchors.category[low:high][a])
        own = category == anchors.category[low:high][a]
        on, near = _ramp(iou, ON), _ramp(iou, NEAR)
        here = {name: values[low:high] for name, values in found.items()}
        _most(here["all_own"], a, s_own * on)
        _most(here["all_other"], a, s_other * on)
        replaced = at[d] == anchors.label[low:high][a] - labelled.start
        elsewhere = np.where(replaced, second[d], best[d])
        free = ~((elsewhere >= EXPLAINED) & (elsewhere > iou + 1e-9))
        a, d, iou, s, own, on, near, category = (x[free] for x in (a, d, iou, s, own, on, near, category))
        s_own, s_other = s_own[free], s_other[free]
        _most(here["own"], a, s_own * on)
        _most(here["other"], a, s_other * on)
        _most(here["near_own"], a, s_own * near)
        _most(here["near_other"], a, s_other * near)
        chosen = _argmax(a, s * near)
        here["iou_any"][a[chosen]] = iou[chosen]
        box[low:high][a[chosen]] = corners[d[chosen]]
        chosen = _argmax(a, s * near * (0.02 + own))
        here["iou_own"][a[chosen]] = iou[chosen]
        box[low:high][a[chosen]] = corners[d[chosen]]
        given = (anchors.kind[low:high][a] == 0) & (on > 0)
        return anchors.label[low:high][a[given]], category[given], (s * on)[given]

    def _weight(self, found: dict[str, Array]) -> float:
        """Return the weight of an epoch."""
        given = self.anchors.given
        wrong = np.flatnonzero(self.anchors.kind == (CLASS if self.n_classes > 1 else SPURIOUS))
        lead = found["own"] - found["other"]
        if not len(given) or not len(wrong):
            self.separation.append(1.0)
            return 1.0
        g = max(2 * auc(lead[given], lead[wrong]) - 1, 1e-3)
        self.separation.append(g)
        d = float((lead[given] < 0).mean()) + AGREES
        return float((g * g * d) ** 2)


def _strengths(detections: Detections, inside: slice, d: Array, kind: Array) -> tuple[Array, Array, Array]:
    """Return, for pairs of a detection and an anchor, the confidence: in all, in the anchor's class, and in another.

    Where the detector gave probabilities of every class, these; else all confidence is in the detection's class.
    """
    s = detections.score[inside][d]
    if detections.probabilities is None:
        own = detections.category[inside][d] == kind
        return s, s * own, s * ~own
    every = detections.probabilities[inside]
    first = every.argmax(axis=1)
    rest = every.copy()
    rest[np.arange(len(rest)), first] = 0
    other = np.where(first[d] == kind, rest.max(axis=1, initial=0)[d], every.max(axis=1, initial=0)[d])
    return s, every[d, kind], other


def nan_median(stack: Array) -> Array:
    """Return the median over the first axis, ignoring NaN; NaN where there is nothing else."""
    ordered = np.sort(stack, axis=0)  # NaN last
    count = (~np.isnan(stack)).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(stack) - 1)[None], axis=0)[0]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _blocks(image: Array) -> list[tuple[int, int]]:
    """Return ranges of anchors, whole images each."""
    bounds = [0]
    while bounds[-1] < len(image):
        end = min(bounds[-1] + BLOCK, len(image)) - 1
        bounds.append(int(np.searchsorted(image, image[end], "right")))
    return list(itertools.pairwise(bounds))


def _ramp(iou: Array, between: tuple[float, float]) -> Array:
    return np.clip((iou - between[0]) / (between[1] - between[0]), 0, 1)


def _most(into: Array, at: Array, value: Array) -> None:
    """Set each element to the largest value at it; ``at`` ascends, all values are 0 or more."""
    if len(at):
        first = np.flatnonzero(np.diff(at, prepend=-1))
        into[at[first]] = np.maximum.reduceat(value, first)


def _argmax(at: Array, value: Array) -> Array:
    """Return the positions of the largest value of every element of ``at``, which ascends."""
    order = np.lexsort((-value, at))
    return order[np.flatnonzero(np.diff(at[order], prepend=-1))]


def _two_best(pairs: Pairs, m: int) -> tuple[Array, Array, Array]:
    """Return, for each of m detections, the IoU with the label overlapped most, with the next one, and the first."""
    best, second, at = np.zeros(m), np.zeros(m), np.full(m, -9)
    order = np.lexsort((-pairs.iou, pairs.first))
    of, iou = pairs.first[order], pairs.iou[order]
    top = np.flatnonzero(np.diff(of, prepend=-1))
    best[of[top]], at[of[top]] = iou[top], pairs.second[order][top]
    after = top[top + 1 < len(of)]
    after = after[of[after + 1] == of[after]]
    second[of[after]] = iou[after + 1]
    return best, second, at


def auc(high: Array, low: Array) -> float:
    """Return the chance that one of ``high`` lies above one of ``low``; ties count half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / (2 * len(low)))
