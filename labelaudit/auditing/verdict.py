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
from labelaudit.auditing.doubt import Outside, doubt, outside
from labelaudit.auditing.look_alikes import WEIGHT, LookAlikes, reliability

Array = npt.NDArray[Any]

SOFTEN = 1e-3  # log ratios of probabilities below a thousandth tell nothing more
FIT_SAMPLES = 20_000  # samples that the noise model is fitted on
FIT_VALUES = 1 << 22  # and scores of theirs
LIKELY = 0.5  # a label is suggested where it is likelier than everything else together
CLEAR = 0.5  # median log ratio of the labels agreed with; below, a model's own errors look like wrong labels
OVERCONFIDENCE = 1.3  # the product of two posteriors is too sure by this power


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
        reliability: of the look-alikes, 0 to 1, None without them.
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
    reliability: float | None = None


@dataclass
class _Ratios:
    """Of every sample, (n,) each: consensus, best other class, and the two probabilities compared."""

    consensus: Array
    other: Array
    p_given: Array
    p_other: Array

    def log_ratio(self) -> Array:
        """Return log(p_other / p_given), softened."""
        found: Array = np.log(self.p_other + SOFTEN) - np.log(self.p_given + SOFTEN)
        return found


@dataclass
class Reading:
    """What the two averages say of every sample, before a verdict.

    Attributes:
        consensus: (n,) class predicted over the epochs.
        other: (n,) best class beside the given one.
        log_ratio: (n,) log of that class's probability over the given label's, high is suspicious.
        model: the noise model of the early epochs.
        posterior: what it says of every sample.
        seen: what the data set looks like from outside.
        notes: why nothing can be said, if so.
    """

    consensus: Array
    other: Array
    log_ratio: Array
    model: noise_model.NoiseModel
    posterior: noise_model.Posterior
    seen: Outside
    notes: list[str]


def read_labels(whole: MeanScores, early: MeanScores, labels: Array) -> Reading:
    """Read the log-time average and the average of the early epochs against the given labels, (n,)."""
    n_classes = len(whole.of(slice(0, 1)))
    means = _early_or_whole(early, whole)
    ratios = _ratios(whole, labels, n_classes)
    log_ratio = ratios.log_ratio()
    rows = _fit_rows(means, labels, n_classes)
    model = noise_model.fit(means(rows), labels[rows])
    posterior = noise_model.posterior(model, means, labels)
    notes = _blind(ratios.consensus, labels, n_classes)
    if notes:
        posterior.wrong[:] = 0
    seen = outside(log_ratio, posterior.wrong, model.matrix, labels)
    return Reading(ratios.consensus, ratios.other, log_ratio, model, posterior, seen, notes)


def judge(
    whole: MeanScores,
    early: MeanScores,
    labels: Array,
    *,
    expected_error_rate: float | None = None,
    threshold: float | None = None,
    second: LookAlikes | None = None,
) -> Verdict:
    """Judge the labels.

    Args:
        whole: log-time average over the training.
        early: average over the epochs before memorising began.
        labels: (n,) given labels.
        expected_error_rate: share to flag, instead of the estimate.
        threshold: quality to flag below, instead of the estimate.
        second: the samples' look-alikes, a second witness.
    """
    read = read_labels(whole, early, labels)
    by_matrix = read.posterior.wrong
    by_doubt = np.zeros(len(labels)) if read.notes else doubt(read.log_ratio, read.seen)
    wrong = 1 - (1 - by_matrix) * (1 - by_doubt)
    score = read.log_ratio + 0.5 * read.seen.structure**2 * _log_odds(by_matrix)
    trust = None
    if second is not None:
        ratio = second.votes.log_ratio(labels, read.other)
        trust = 0.0 if read.notes else reliability(ratio, wrong)
        score += WEIGHT * trust**2 * ratio
    probability = along_ranking(score, wrong)
    confidence = _confidence(probability, read.posterior, read.other)
    offered = confidence >= LIKELY
    errors = int((probability > 0.5).sum())
    low, high = _interval(wrong, by_matrix, read.log_ratio)
    return Verdict(
        quality=1 - probability,
        flagged=_cut(probability, expected_error_rate, threshold),
        consensus=read.consensus,
        suggested=np.where(offered, read.other, -1),
        suggestion_confidence=np.where(offered, confidence, np.nan),
        estimated_errors=errors,
        interval=(min(low, errors), max(high, errors)),
        noise_matrix=read.model.matrix,
        notes=read.notes or _weak(read.seen),
        reliability=trust,
    )


def _blind(consensus: Array, labels: Array, n_classes: int) -> list[str]:
    """Return a note where the model agrees with the labels no more often than the commonest label would."""
    n = len(labels)
    agreement = float((consensus == labels).mean())
    chance = float(np.bincount(labels, minlength=n_classes).max()) / n
    if agreement >= min(chance + 2 * float(np.sqrt(chance * (1 - chance) / n)), 0.95):
        return []
    return [
        f"The model agrees with {agreement:.0%} of the labels, no more than always answering the commonest one "
        f"({chance:.0%}): it learned nothing, so nothing is flagged."
    ]


def _weak(seen: Outside) -> list[str]:
    """Return a note where the model is hardly surer of the labels it agrees with than of another class."""
    if seen.clear_agreeing >= CLEAR:
        return []
    return [
        f"Where the model agrees with a label, that class is a mere {np.exp(seen.clear_agreeing):.1f} times as likely "
        "to it as the next one (median): it learned little. Its own errors are easily taken for wrong labels here; "
        "train longer, or take the count for an upper bound."
    ]


def _confidence(probability: Array, posterior: noise_model.Posterior, other: Array) -> Array:
    """Return the probability, (n,), that the best other class is the true one."""
    share = np.where(other == posterior.other, posterior.share, np.minimum(posterior.share, 1 - posterior.share))
    return (probability * share) ** OVERCONFIDENCE


def _log_odds(probability: Array) -> Array:
    bounded = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.log(bounded / (1 - bounded))


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


def _fit_rows(means: Callable[[slice], Array], labels: Array, n_classes: int) -> Array:
    """Return the rows to fit on: all, or some spread evenly over p(given), whatever the samples' order."""
    size = min(FIT_SAMPLES, max(FIT_VALUES // n_classes, 1000))
    if len(labels) <= size:
        return np.arange(len(labels))
    p_given = np.concatenate(
        [means(here)[labels[here], np.arange(len(labels[here]))] for here in chunks(len(labels), n_classes)]
    )
    order = np.argsort(p_given, kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, size).astype(np.int64)])


def _interval(wrong: Array, explained: Array, log_ratio: Array) -> tuple[int, int]:
    """Return a 95 % interval of the number of wrong labels.

    From what is beyond doubt (less the fifth by which that errs on small or hard sets) to every open disagreement
    being wrong; both widened by two standard deviations, as if each probability were a coin.
    """
    deviation = 2 * float(np.sqrt((wrong * (1 - wrong)).sum() + 1))
    least = 0.8 * explained[explained > 0.9].sum() - deviation
    most = max(wrong.sum(), (explained + (1 - explained) * (log_ratio > 0)).sum()) + deviation
    return max(round(float(least)), 0), min(round(float(most)), len(wrong))
