"""Which labels are wrong: the ranking, the cut, the count and the suggestion. Explained in docs/method.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.mean_scores import MeanScores
from labelaudit.auditing import noise_model
from labelaudit.auditing.calibrate import along_ranking, extended
from labelaudit.auditing.clues import log_odds
from labelaudit.auditing.doubt import doubt
from labelaudit.auditing.experience import by_experience
from labelaudit.auditing.glance import Glance
from labelaudit.auditing.look_alikes import WEIGHT, LookAlikes, reliability
from labelaudit.auditing.reading import Reading, read_labels, weakness

Array = npt.NDArray[Any]

LEANING = 1.5  # times the odds: a mistake missed counts for more than a false alarm
OVERCONFIDENCE = 1.3  # the product of two probabilities is too sure by this power
LIKELY = 0.5  # a label is suggested where it is likelier than everything else together


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


def judge(
    whole: MeanScores,
    early: MeanScores,
    labels: Array,
    glances: Sequence[Glance],
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
        glances: what the doublings of each run's epochs show of some of the samples.
        expected_error_rate: share to flag, instead of the estimate.
        threshold: quality to flag below, instead of the estimate.
        second: the samples' look-alikes, a second witness.
    """
    read = read_labels(whole, early, labels)
    rows, of_rows, score = glances[0].rows, wrong(read, glances), ranking(read)
    probability = of_all(score, rows, of_rows)
    trust = None
    if second is not None:
        ratio = second.votes.log_ratio(labels, read.other)
        trust = 0.0 if read.notes else reliability(ratio, probability)
        score += WEIGHT * trust**2 * ratio
        probability = of_all(score, rows, of_rows)
    confidence = _confidence(probability, read.posterior, read.other)
    offered = confidence >= LIKELY
    errors = int((probability > 0.5).sum())
    low, high = _interval(probability, read.posterior.wrong, read.log_ratio)
    return Verdict(
        quality=1 - probability,
        flagged=_cut(probability, expected_error_rate, threshold),
        consensus=read.consensus,
        suggested=np.where(offered, read.other, -1),
        suggestion_confidence=np.where(offered, confidence, np.nan),
        estimated_errors=errors,
        interval=(min(low, errors), max(high, errors)),
        noise_matrix=read.model.matrix,
        notes=read.notes or weakness(read.seen),
        reliability=trust,
    )


def wrong(read: Reading, glances: Sequence[Glance]) -> Array:
    """Return the probability that the labels of the samples glanced at are wrong, (m,), each by itself.

    The mean of two estimates: that the noise matrix or what it leaves open explains a disagreement, and what trainings
    with planted mistakes taught.
    """
    rows = glances[0].rows
    if read.notes:
        return np.zeros(len(rows))
    by_matrix, left_open = read.posterior.wrong[rows], doubt(read.log_ratio[rows], read.seen)
    found: Array = (1 - (1 - by_matrix) * (1 - left_open) + by_experience(read, glances)) / 2
    return found


def ranking(read: Reading) -> Array:
    """Return what samples are ranked by, (n,); high is suspicious."""
    found: Array = read.log_ratio + 0.5 * read.seen.structure**2 * log_odds(read.posterior.wrong)
    return found


def of_all(score: Array, rows: Array, probability: Array) -> Array:
    """Return the probabilities of all samples, (n,), from those of some: they rise with the score, and lean to "wrong".

    Args:
        score: (n,) what samples are ranked by, high is suspicious.
        rows: (m,) those whose probability is known.
        probability: (m,) theirs, each by itself.
    """
    known = along_ranking(score[rows], probability)
    return extended(score, score[rows], LEANING * known / (1 + (LEANING - 1) * known))


def _confidence(probability: Array, posterior: noise_model.Posterior, other: Array) -> Array:
    """Return the probability, (n,), that the best other class is the true one."""
    share = np.where(other == posterior.other, posterior.share, np.minimum(posterior.share, 1 - posterior.share))
    found: Array = (probability * share) ** OVERCONFIDENCE
    return found


def _cut(probability: Array, expected_error_rate: float | None, threshold: float | None) -> Array:
    """Return which samples are past the cut, (n,) bool."""
    if threshold is not None:
        return 1 - probability < threshold
    if expected_error_rate is None:
        return probability > 0.5
    flagged = np.zeros(len(probability), bool)
    flagged[np.argsort(-probability, kind="stable")[: round(expected_error_rate * len(probability))]] = True
    return flagged


def _interval(wrong: Array, explained: Array, log_ratio: Array) -> tuple[int, int]:
    """Return a 95 % interval of the number of wrong labels.

    From what is beyond doubt (less the fifth by which that errs on small or hard sets) to every open disagreement
    being wrong; both widened by two standard deviations, as if each probability were a coin.
    """
    deviation = 2 * float(np.sqrt((wrong * (1 - wrong)).sum() + 1))
    least = 0.8 * explained[explained > 0.9].sum() - deviation
    most = max(wrong.sum(), (explained + (1 - explained) * (log_ratio > 0)).sum()) + deviation
    return max(round(float(least)), 0), min(round(float(most)), len(wrong))
