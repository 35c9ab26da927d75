"""Which of the places where a detector keeps drawing a box hold an object that nobody labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Detections, Objects, area
from labelaudit.detection.likeness import probability, signed_logistic
from labelaudit.detection.overlap import Pairs, overlapping
from labelaudit.detection.tracks import Tracks, surest

Array = npt.NDArray[Any]

TOUCH = 0.02
TWICE = 0.5  # of two tracks with this IoU or more only the stronger one is told of
SOFTEN = 0.02
SIGNS = {
    "log_strength": 1,
    "strength": 1,
    "usual_strength": 1,
    "presence": 1,
    "share": 1,
    "overlap": -1,
    "overlaps": -1,
    "shadow": -1,
    "unfound": -1,
    "moved": -1,
    "odd_size": -1,
}


@dataclass
class Candidates:
    """Objects that are perhaps missing, the likeliest first.

    Attributes:
        image, category, box: as in `Objects`; the box is the median over the epochs, the class the vote.
        confidence: (c,) 0 to 1, high: the object is there and not labelled.
        n_epochs: (c,) in how many epochs it was found.
        score: (c,) mean confidence of the detector over all epochs.
    """

    image: Array
    category: Array
    box: Array
    confidence: Array
    n_epochs: Array
    score: Array

    def __len__(self) -> int:
        return len(self.image)


def missing(
    tracks: Tracks, labels: Objects, moved: Array, iou_threshold: float = 0.5, trust: float = 1.0
) -> Candidates:
    """Rank the tracks that no label explains by how much they look like tracks of labelled objects.

    A labelled object whose label is taken away is a missing object, so the tracks on labels are what missing
    objects look like. A track on no label, near one that has no track of its own, is the right place of that label
    rather than an object of its own.

    Args:
        tracks: all tracks.
        labels: n given labels.
        moved: (n,) probability that the label's box is in the wrong place.
        iou_threshold: a label with this IoU or more explains a track.
        trust: in the detector, 0 to 1: one that knows nothing of the labels knows of no missing ones.
    """
    order = np.argsort(tracks.image, kind="stable")
    drawn = Detections(tracks.image[order], order, tracks.median_box()[order], tracks.strength[order])
    order = order[surest(drawn, TWICE)]
    image, box = tracks.image[order], tracks.median_box()[order]
    category, votes, total = (found[order] for found in tracks.votes.best(len(tracks)))
    pairs = overlapping(image, box, labels.image, labels.box, TOUCH, labels.crowd)
    best, label = np.zeros(len(image)), np.full(len(image), -1)
    ranked = np.lexsort((-pairs.iou, pairs.first))
    top = ranked[np.flatnonzero(np.diff(pairs.first[ranked], prepend=-1))]
    best[pairs.first[top]], label[pairs.first[top]] = pairs.iou[top], pairs.second[top]
    on_label = best >= iou_threshold
    in_crowd = on_label & labels.crowd[label] if len(labels) else on_label
    label = np.where(on_label, label, -1)
    strength = (tracks.strength / max(tracks.weight, 1e-300))[order]
    found = _context(image, box, strength, label, pairs, labels, moved)
    found |= _inherent(strength, category, box, on_label & ~in_crowd, tracks.n_classes)
    found["presence"] = (tracks.presence / max(tracks.weight, 1e-300))[order]
    found["share"] = np.divide(votes, total, out=np.zeros(len(votes)), where=total > 0)
    known, open_ = on_label & ~in_crowd, ~on_label
    scores = _scores(found, known, open_)
    sure = trust * found["strength"][open_]
    if known.any():
        sure = probability(scores[open_], scores[known], trust)
    rows = np.flatnonzero(open_)
    ranking = np.lexsort((-strength[rows], -sure))
    rows = rows[ranking]
    epochs = tracks.epochs[order][rows]
    return Candidates(image[rows], category[rows], box[rows], sure[ranking], epochs, strength[rows])


def _scores(found: dict[str, Array], known: Array, open_: Array) -> Array:
    if not known.any() or not open_.any():
        return found["strength"]
    X = np.stack([found[name] for name in SIGNS], axis=1)
    weight = known / known.sum() + open_ / open_.sum()
    return signed_logistic(X, known, weight, np.array(list(SIGNS.values()), float))


def _inherent(strength: Array, category: Array, box: Array, known: Array, n_classes: int) -> dict[str, Array]:
    """Return what a track is by itself, and beside the labelled ones of its class."""
    size = np.log(np.maximum(area(box), 1e-9))
    usual, middle = (_medians(values, category, known, n_classes) for values in (strength, size))
    return {
        "strength": strength,
        "log_strength": np.log(strength + SOFTEN),
        "usual_strength": np.log(strength + SOFTEN) - np.log(usual + SOFTEN),
        "odd_size": np.abs(size - middle),
    }


def _medians(values: Array, category: Array, known: Array, n_classes: int) -> Array:
    """Return, for every track, the median of the known tracks of its class, or of all where there are none."""
    rows = np.flatnonzero(known)
    if not len(rows):
        return values
    rows = rows[np.lexsort((values[rows], category[rows]))]
    kinds, start, count = np.unique(category[rows], return_index=True, return_counts=True)
    medians = np.full(n_classes, np.median(values[rows]))
    medians[kinds] = (values[rows][start + (count - 1) // 2] + values[rows][start + count // 2]) / 2
    return medians[category]


def _context(
    image: Array, box: Array, strength: Array, label: Array, pairs: Pairs, labels: Objects, moved: Array
) -> dict[str, Array]:
    """Return what is around a track, its own label left out."""
    t = len(image)
    has_track = np.zeros(len(labels), bool)
    has_track[label[label >= 0]] = True
    others = pairs.second != label[pairs.first]
    at, of, iou = pairs.first[others], pairs.second[others], pairs.iou[others]
    found: dict[str, Array] = {name: np.zeros(t) for name in ("overlap", "unfound", "moved", "shadow")}
    np.maximum.at(found["overlap"], at, iou)
    near = np.clip(iou / 0.15, 0, 1)
    np.maximum.at(found["unfound"], at, near * ~has_track[of])
    np.maximum.at(found["moved"], at, near * moved[of])
    found["overlaps"] = np.bincount(at, iou, t)
    twins = overlapping(image, box, image, box, TOUCH)
    weaker = strength[twins.first] < strength[twins.second]
    np.maximum.at(found["shadow"], twins.first[weaker], twins.iou[weaker])
    return found
