"""Which labels are wrong: the ranking, the cut, the count and the suggestion. Explained in docs/method.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.clues import Clues
from labelaudit.auditing.experience import by_experience
from labelaudit.auditing.look_alikes import WEIGHT, LookAlikes, reliability
from labelaudit.auditing.reading import CLEAR, Reading, weakness
from labelaudit.auditing.suggestion import SURE_OF_CLASS, certainty

Array = npt.NDArray[Any]

PLAIN = 0.25  # weight of the plain log ratio in the ranking
BY_MATRIX = 0.05  # weight of the noise matrix in the probability, beside what trainings taught
LOWEST_CUT = 0.22  # probability of a mistake that no cut goes below: many false alarms would follow
LEARNED_LITTLE = (CLEAR, 0.7)  # how much a model learned: no cut below one half, below LOWEST_CUT


@dataclass
class Verdict:
    """What a history says of its labels.

    Attributes:
        quality: (n,) 0..1, low is suspicious: how probably the label is right, the odds moved so that the cut is 0.5.
        flagged: (n,) bool, past the cut.
        consensus: (n,) class predicted over the epochs.
        suggested: (n,) likely true class, -1 where none is likelier than the given one and than all others together.
        suggestion_confidence: (n,) its probability, NaN where there is none.
        runner_up: (n,) likeliest class beside the given and the suggested one, -1 where none stands out.
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
    runner_up: Array
    estimated_errors: int
    interval: tuple[int, int]
    noise_matrix: Array
    notes: list[str]
    reliability: float | None = None


def judge(
    read: Reading,
    clues: Clues,
    *,
    expected_error_rate: float | None = None,
    threshold: float | None = None,
    second: LookAlikes | None = None,
) -> Verdict:
    """Judge the labels.

    Args:
        read: what the averages say of every sample.
        clues: what else is known of them, and of the data set.
        expected_error_rate: share to flag, instead of the estimate.
        threshold: quality to flag below, instead of the estimate.
        second: the samples' look-alikes, a second witness.
    """
    experience = by_experience(clues)
    each, score = wrong(clues, experience.odds), ranking(clues, experience.order)
    if read.notes:
        each[:] = 0
    probability = along_ranking(score, each)
    trust = None
    if second is not None:
        ratio = second.votes.log_ratio(read.labels, read.other)
        trust = 0.0 if read.notes else reliability(ratio, probability)
        score += WEIGHT * trust**2 * ratio
        probability = along_ranking(score, each)
    leaning = leaned(probability, best_cut(probability, lowest_cut(read.seen.learned)))
    of_class = certainty(read.lead, read.log_ratio, leaning > 0.5)
    likely = leaning * of_class
    offered = (of_class >= SURE_OF_CLASS) & (likely > 1 - leaning)
    errors = int((leaning > 0.5).sum())
    low, high = _interval(probability, read.posterior.wrong, read.log_ratio)
    return Verdict(
        quality=1 - leaning,
        flagged=_cut(leaning, expected_error_rate, threshold),
        consensus=read.consensus,
        suggested=np.where(offered, read.other, -1),
        suggestion_confidence=np.where(offered, likely, np.nan),
        runner_up=np.where(offered, read.runners_up[1], read.runners_up[0]),
        estimated_errors=errors,
        interval=(min(low, errors), max(high, errors)),
        noise_matrix=read.model.matrix,
        notes=_notes(read, cut_given=expected_error_rate is not None or threshold is not None),
        reliability=trust,
    )


def wrong(clues: Clues, odds: Array) -> Array:
    """Return the probability that each label is wrong, (n,), whatever the ranking says.

    A weighted mean of two log odds: what trainings taught (``odds``), and the noise matrix.
    """
    found: Array = 1 / (1 + np.exp(-(1 - BY_MATRIX) * odds - BY_MATRIX * clues.by_matrix))
    return found


def ranking(clues: Clues, order: Array) -> Array:
    """Return what samples are ranked by, (n,): what the networks say, and a little of the plain log ratio.

    The latter is for histories unlike those that the networks saw, such as of a few dozen samples.
    """
    found: Array = order + PLAIN * clues.log_ratio
    return found


def lowest_cut(learned: float) -> float:
    """Return the probability that no cut goes below: LOWEST_CUT, and up to 0.5 where a model learned little.

    What such a model gets wrong looks like wrong labels, so it flags only what is likelier wrong than right.
    """
    return float(np.interp(learned, LEARNED_LITTLE, (0.5, LOWEST_CUT)))


def best_cut(probability: Array, lowest: float = LOWEST_CUT) -> float:
    """Return the probability above which to flag, ``lowest`` to 0.5: where the expected F1 is highest.

    That is half of the highest F1 itself: a sample adds its probability to twice the hits, and one to the flagged.

    Source: Lipton, Elkan and Naryanaswamy, ECML 2014 (arXiv:1402.1892).
    """
    falling = np.sort(probability)[::-1]
    hits, flagged = np.cumsum(falling), np.arange(1, len(falling) + 1)
    return max(float((hits / (flagged + hits[-1])).max()), lowest)


def leaned(probability: Array, cut: float) -> Array:
    """Return probabilities whose odds are multiplied so that the cut becomes one half."""
    odds = (1 - cut) / cut
    found: Array = odds * probability / (1 + (odds - 1) * probability)
    return found


def _notes(read: Reading, *, cut_given: bool) -> list[str]:
    """Return the doubts; where nothing was learned only a cut that the user gave flags anything."""
    if not read.notes:
        return weakness(read.seen)
    return [*read.notes, "What is flagged is by the cut you gave alone." if cut_given else "Nothing is flagged."]


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
