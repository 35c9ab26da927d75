"""Which given boxes are wrong, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.calibrate import along_ranking
from labelaudit.detection.evidence import Evidence, auc
from labelaudit.detection.features import features, matrix
from labelaudit.detection.likeness import probability, signed_logistic
from labelaudit.detection.planting import CLASS, LOCATION, SPURIOUS

Array = npt.NDArray[Any]

OTHERS = 0.1  # weight of the other kinds of planted mistakes among the negatives
PLACED = (0.3, 0.6)  # from no to full trust: how well a detector tells given places from planted ones (2 AUC - 1)
KINDS = {CLASS: "class", LOCATION: "location", SPURIOUS: "spurious"}


@dataclass
class Verdict:
    """What the detections say of n given boxes; all high is suspicious, 0 to 1.

    Attributes:
        wrong: {"class", "location", "spurious": (n,) probability of that mistake}.
        likeness: the same as log-odds before calibration.
        quality: (n,) 0..1, low is suspicious: the probability that nothing is wrong.
        suggested: (n,) the class that most detections on the box have, the given one left out; -1 for none.
        suggestion_share: (n,) its share of all votes.
        box: (n, 4) median of the boxes drawn near, NaN where none.
        place_trust: how far the detector's places can be believed, 0 to 1; what it says of places is weighted with it.
    """

    wrong: dict[str, Array]
    likeness: dict[str, Array]
    quality: Array
    suggested: Array
    suggestion_share: Array
    box: Array
    place_trust: float = 1.0


def judge(evidence: Evidence, sizes: Array) -> Verdict:
    """Judge the given labels."""
    anchors, labels = evidence.anchors, evidence.labels
    n = len(labels)
    every_box = evidence.median_box(np.arange(len(anchors)))
    found = features(evidence.means(), every_box, anchors, labels, evidence.n_classes, sizes)
    wrong, likeness, places = {}, {}, 1.0
    for kind, name in KINDS.items():
        score = _score(found, anchors.kind, kind)
        given, planted = score[anchors.given], score[anchors.kind == kind]
        trust = _place_trust(given, planted) if kind == LOCATION else 1.0
        likeness[name] = given + np.log(max(trust, 1e-9))
        wrong[name] = probability(given, planted, evidence.trust * trust)
        places = min(places, trust)
    suggested, votes, total = evidence.votes.best(n, labels.category)
    quality = _quality(wrong, likeness) if n else np.zeros(0)
    share = np.divide(votes, total, out=np.zeros(n), where=total > 0)
    return Verdict(wrong, likeness, quality, suggested, share, every_box[anchors.given], places)


def _place_trust(given: Array, planted: Array) -> float:
    """Return how far a detector's places can be believed: 0 where moved boxes fit them as well as the given ones."""
    if not len(given) or not len(planted):
        return 1.0
    least, enough = PLACED
    return float(np.clip((2 * auc(planted, given) - 1 - least) / (enough - least), 0, 1))


def _quality(wrong: dict[str, Array], likeness: dict[str, Array]) -> Array:
    """Return the probability that nothing is wrong, (n,), falling strictly with the largest log-odds of a mistake."""
    anything = 1 - np.prod([1 - p for p in wrong.values()], axis=0)
    return 1 - along_ranking(np.max(list(likeness.values()), axis=0), anything)


def _score(found: dict[str, Array], kinds: Array, kind: int) -> Array:
    """Return the log-odds of a kind of mistake for all anchors, (a,)."""
    positive, given = kinds == kind, kinds == 0
    other = ~positive & ~given
    X, signs = matrix(found, kind)
    weight = positive / max(positive.sum(), 1) + (1 - OTHERS) * given / max(given.sum(), 1)
    weight = weight + OTHERS * other / max(other.sum(), 1)
    if not positive.any() or not given.any():
        return np.zeros(len(kinds))
    return signed_logistic(X, positive, weight, signs)
