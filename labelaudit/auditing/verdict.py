"""Which labels are wrong: the ranking, the cut, the count and the suggestion. Explained in docs/method.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.mean_scores import MeanScores, chunks
from labelaudit.auditing import noise_model
from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.doubt import doubt, outside

Array = npt.NDArray[Any]

SOFTEN = 1e-3  # log ratios of probabilities below a thousandth tell nothing more
FIT_SAMPLES = 20_000  # samples that the noise model is fitted on
FIT_VALUES = 1 << 22  # and scores of theirs
KEPT = 0.3  # a class's floor takes off at most seven tenths of p(given): what is left keeps its order
FULL_STRUCTURE = 0.5  # structured noise that explains half of the disagreements counts in full


@dataclass
class Verdict:
    """What a history says of its labels.

    Attributes:
        quality: (n,) 0..1, low is suspicious: the probability that the label is right.
        flagged: (n,) bool, past the cut.
        consensus: (n,) class predicted over the epochs.
        suggested: (n,) likely true class, -1 where none is likelier than the given one.
        suggestion_confidence: (n,) its probability, NaN where there is none.
        estimated_errors: number of wrong labels.
        interval: 95 % interval of that number.
        noise_matrix: (K, K) P(given | true), rows are true classes.
        notes: doubts, one sentence each.
    """

    quality: Array
    flagged: Array
    consensus: Array
    suggested: Array
    suggestion_confidence: Array
    estimated_errors: int
    interval: tuple[int, int]
    noise_matrix: Array
    notes: list[str]


@dataclass
class _Ratios:
    """Of every sample, (n,) each: consensus, best other class, and the two probabilities compared."""

    consensus: Array
    other: Array
    p_given: Array
    p_other: Array

    def log_ratio(self, floors: Array | None = None, labels: Array | None = None) -> Array:
        """Return log(p_other / p_given), softened; floors are taken off p_given first."""
        given = self.p_given
        if floors is not None:
            given = np.maximum(given - floors[self.other, labels] * self.p_other, KEPT * given)
        return np.log(self.p_other + SOFTEN) - np.log(given + SOFTEN)


def judge(
    whole: MeanScores,
    early: MeanScores,
    labels: Array,
    *,
    expected_error_rate: float | None = None,
    threshold: float | None = None,
) -> Verdict:
    """Judge the labels.

    Args:
        whole: log-time average over the training.
        early: average over the epochs before memorising began.
        labels: (n,) given labels.
        expected_error_rate: share to flag, instead of the estimate.
        threshold: quality to flag below, instead of the estimate.
    """
    n_classes = len(whole.of(slice(0, 1)))
    means = _early_or_whole(early, whole)
    ratios = _ratios(whole, labels, n_classes)
    plain = ratios.log_ratio()
    rows = _fit_rows(early, means, labels, n_classes)
    model = noise_model.fit(means(rows), labels[rows])
    posterior = noise_model.posterior(model, means, labels)
    seen = outside(plain, posterior.wrong, model.matrix, labels)
    open_wrong = doubt(plain, seen)
    wrong = 1 - (1 - posterior.wrong) * (1 - open_wrong)
    structure = min(seen.structure / FULL_STRUCTURE, 1.0) ** 2
    score = _score(ratios, labels, plain, posterior.wrong, structure, noise_model.class_floors(whole.of(rows)))
    probability = along_ranking(score, wrong)
    by_matrix = posterior.wrong >= open_wrong
    suggested = np.where(by_matrix, posterior.other, ratios.other)
    share = np.where(suggested == posterior.other, posterior.share, np.minimum(posterior.share, 1 - posterior.share))
    confidence = probability * share
    likelier = confidence > 1 - probability
    return Verdict(
        quality=1 - probability,
        flagged=_cut(probability, expected_error_rate, threshold),
        consensus=ratios.consensus,
        suggested=np.where(likelier, suggested, -1),
        suggestion_confidence=np.where(likelier, confidence, np.nan),
        estimated_errors=round(float(wrong.sum())),
        interval=_interval(wrong, posterior.wrong, plain),
        noise_matrix=model.matrix,
        notes=[],
    )


def _cut(probability: Array, expected_error_rate: float | None, threshold: float | None) -> Array:
    """Return which samples are past the cut, (n,) bool."""
    if threshold is not None:
        return 1 - probability < threshold
    if expected_error_rate is None:
        return probability > 0.5
    flagged = np.zeros(len(probability), bool)
    flagged[np.argsort(-probability, kind="stable")[: round(expected_error_rate * len(probability))]] = True
    return flagged


def _early_or_whole(early: MeanScores, whole: MeanScores) -> Callable[[slice | Array], Array]:
    """Return the early average, or the whole one of a sample that no early epoch saw."""
    missing = early.seen == 0

    def means(rows: slice | Array) -> Array:
        found = early.of(rows)
        gaps = missing[rows]
        if gaps.any():
            found[:, gaps] = whole.of(rows)[:, gaps]
        return found

    return means


def _ratios(whole: MeanScores, labels: Array, n_classes: int) -> _Ratios:
    n = len(labels)
    found = _Ratios(np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n), np.zeros(n))
    for here in chunks(n, n_classes):
        p, given = whole.of(here), labels[here]
        columns = np.arange(len(given))
        found.consensus[here] = p.argmax(axis=0)
        found.p_given[here] = p[given, columns]
        p[given, columns] = -1
        found.other[here] = p.argmax(axis=0)
        found.p_other[here] = p[found.other[here], columns]
    return found


def _fit_rows(early: MeanScores, means: Callable[[slice], Array], labels: Array, n_classes: int) -> Array:
    """Return the rows to fit on: all, or some spread evenly over p(given), whatever the samples' order."""
    size = min(FIT_SAMPLES, max(FIT_VALUES // n_classes, 1000))
    if len(labels) <= size:
        return np.arange(len(labels))
    p_given = np.concatenate(
        [means(here)[labels[here], np.arange(len(labels[here]))] for here in chunks(len(labels), n_classes)]
    )
    order = np.argsort(p_given, kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, size).astype(np.int64)])


def _score(ratios: _Ratios, labels: Array, plain: Array, wrong: Array, structure: float, floors: Array) -> Array:
    """Return the ranking, (n,), high is suspicious.

    The log ratio; and, as far as structured noise explains the disagreements, what the noise matrix says of the pair
    of classes. Under noise spread evenly over the classes that would only add noise.
    """
    if structure == 0:
        return plain
    bounded = np.clip(wrong, 1e-4, 1 - 1e-4)
    of_pair = 0.5 * structure * np.log(bounded / (1 - bounded))
    return ratios.log_ratio(structure * floors, labels) + of_pair


def _interval(wrong: Array, explained: Array, log_ratio: Array) -> tuple[int, int]:
    """Return a 95 % interval of the number of wrong labels.

    Sampling, as if each probability were a coin; widened to the two readings of what the noise matrix leaves open:
    none of it is wrong, or all of it is.
    """
    deviation = 2 * float(np.sqrt((wrong * (1 - wrong)).sum() + 1))
    least = min(explained.sum(), wrong.sum()) - deviation
    most = max(wrong.sum(), (explained + (1 - explained) * (log_ratio > 0)).sum()) + deviation
    return max(round(float(least)), 0), min(round(float(most)), len(wrong))
