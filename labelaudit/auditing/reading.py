"""What the two averages of a history say of every label, before a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.mean_scores import MeanScores, chunks
from labelaudit.auditing import noise_model
from labelaudit.auditing.glance import SOFTEN

Array = npt.NDArray[Any]

FIT_SAMPLES = 20_000  # samples that the noise model is fitted on
FIT_VALUES = 1 << 22  # and scores of theirs
CLEAR = 0.5  # median log ratio of the labels agreed with; below, a model's own errors look like wrong labels


@dataclass(frozen=True)
class Outside:
    """What a data set looks like from outside.

    Attributes:
        rate: estimated share of wrong labels that the noise matrix explains.
        structured: that share less what noise spread evenly over the classes would give.
        open: share of disagreements that the noise matrix leaves open.
        clear_agreeing: median log ratio in favour of the given label, where it is predicted.
        clear_open: median log ratio against it, where the disagreement is open.
        clear_other: median log of the best other class's probability over the next best one's, where the model
            disagrees; 0 with two classes.
    """

    rate: float
    structured: float
    open: float
    clear_agreeing: float
    clear_open: float
    clear_other: float

    @property
    def learned(self) -> float:
        """How much the model learned: how clear it is where it agrees, or half of how clear which other class it means.

        Where almost half of a class's labels are wrong, and all alike, no model is clear on those it agrees with.
        """
        return max(self.clear_agreeing, self.clear_other / 2)

    @property
    def structure(self) -> float:
        """0..1: how far structured noise explains the disagreements."""
        return self.structured / (self.rate + self.open + 0.003)


@dataclass
class Reading:
    """What the two averages say of every sample.

    Attributes:
        labels: (n,) given labels.
        consensus: (n,) class predicted over the epochs.
        other: (n,) best class beside the given one.
        runners_up: (2, n) the best and the next best class beside the given one, -1 where several are or none is.
        lead: (n,) log of the best other class's probability over the next best one's, inf with two classes.
        log_ratio: (n,) log of the best other class's probability over the given label's, high is suspicious.
        early: gives the (K, m) mean probabilities of some samples before memorising.
        model: the noise model of the early epochs.
        posterior: what it says of every sample.
        seen: what the data set looks like from outside.
        notes: why nothing can be said, if so.
    """

    labels: Array
    consensus: Array
    other: Array
    runners_up: Array
    lead: Array
    log_ratio: Array
    early: Callable[[slice | Array], Array]
    model: noise_model.NoiseModel
    posterior: noise_model.Posterior
    seen: Outside
    notes: list[str]


def read_labels(whole: MeanScores, early: MeanScores, labels: Array) -> Reading:
    """Read the log-time average and the average of the early epochs against the given labels, (n,)."""
    n_classes = len(whole.of(slice(0, 1)))
    means = _early_or_whole(early, whole)
    consensus, other, runners_up, lead, log_ratio = _against(whole, labels, n_classes)
    rows = _fit_rows(means, labels, n_classes)
    model = noise_model.fit(means(rows), labels[rows])
    posterior = noise_model.posterior(model, means, labels)
    notes = _blind(consensus, labels, n_classes)
    if notes:
        posterior.wrong[:] = 0
    seen = outside(log_ratio, lead, posterior.wrong, model.matrix, labels)
    return Reading(labels, consensus, other, runners_up, lead, log_ratio, means, model, posterior, seen, notes)


def outside(log_ratio: Array, lead: Array, wrong: Array, matrix: Array, labels: Array) -> Outside:
    """Describe a data set.

    Args:
        log_ratio: (n,) log of the best other class's probability over the given label's.
        lead: (n,) log of the best other class's probability over the next best one's.
        wrong: (n,) posterior of the noise model.
        matrix: (K, K) its noise matrix.
        labels: (n,) given labels.
    """
    n_classes, rate = len(matrix), float(wrong.mean())
    evenly = rate
    if n_classes > 2:
        off = matrix[~np.eye(n_classes, dtype=bool)].reshape(n_classes, n_classes - 1)
        share = np.bincount(labels, minlength=n_classes) / len(labels)
        evenly = min(rate, float((share * (n_classes - 1) * np.median(off, axis=1)).sum()))
    agreeing = log_ratio[log_ratio < 0]
    disagreeing = lead[log_ratio > 0]
    left_open = log_ratio[(log_ratio > 0) & (wrong <= 0.5)]
    return Outside(
        rate=rate,
        structured=rate - evenly,
        open=len(left_open) / len(labels),
        clear_agreeing=max(float(np.median(-agreeing)), 0.1) if len(agreeing) else 0.1,
        clear_open=float(np.median(left_open)) if len(left_open) > 3 else 0.3,
        clear_other=float(np.median(disagreeing)) if n_classes > 2 and len(disagreeing) else 0.0,
    )


def weakness(seen: Outside) -> list[str]:
    """Return a note where the model is hardly surer of the labels it agrees with than of another class."""
    if seen.learned >= CLEAR:
        return []
    return [
        f"Where the model agrees with a label, that class is a mere {np.exp(seen.clear_agreeing):.1f} times as likely "
        "to it as the next one (median): it learned little. Its own errors are easily taken for wrong labels here; "
        "train longer, or take the count for an upper bound."
    ]


def _blind(consensus: Array, labels: Array, n_classes: int) -> list[str]:
    """Return a note where the model agrees with the labels no more often than the commonest label would."""
    n = len(labels)
    agreement = float((consensus == labels).mean())
    chance = float(np.bincount(labels, minlength=n_classes).max()) / n
    if agreement >= min(chance + 2 * float(np.sqrt(chance * (1 - chance) / n)), 0.95):
        return []
    return [
        f"The model agrees with {agreement:.0%} of the labels, no more than always answering the commonest one "
        f"({chance:.0%}): it learned nothing, and its order of the samples says nothing."
    ]


def _early_or_whole(early: MeanScores, whole: MeanScores) -> Callable[[slice | Array], Array]:
    """Return the early average, or the whole one of a sample that no early epoch saw."""
    missing = early.seen == 0
    if not missing.any():
        return early.of

    def means(rows: slice | Array) -> Array:
        found = early.of(rows)
        gaps = missing[rows]
        if gaps.any():
            found[:, gaps] = whole.of(rows)[:, gaps]
        return found

    return means


def _against(whole: MeanScores, labels: Array, n_classes: int) -> tuple[Array, Array, Array, Array, Array]:
    """Return consensus, other, runners_up, lead and log_ratio of a `Reading`."""
    n = len(labels)
    consensus, other = np.zeros((2, n), np.int32)
    runners_up = np.zeros((2, n), np.int32)
    p_given, p_other, p_next = np.zeros((3, n))
    for here in chunks(n, n_classes):
        p, given = whole.of(here), labels[here]
        columns = np.arange(len(given))
        consensus[here] = p.argmax(axis=0)
        p_given[here] = p[given, columns]
        p[given, columns] = -1
        other[here] = p.argmax(axis=0)
        p_other[here] = p[other[here], columns]
        runners_up[0, here] = _alone_best(p)
        p[other[here], columns] = -1
        runners_up[1, here] = _alone_best(p)
        p_next[here] = p.max(axis=0)
    best = np.log(p_other + SOFTEN)
    lead = best - np.log(p_next + SOFTEN) if n_classes > 2 else np.full(n, np.inf)
    return consensus, other, runners_up, lead, best - np.log(p_given + SOFTEN)


def _alone_best(p: Array) -> Array:
    """Return the likeliest class of (K, m) probabilities, (m,); -1 where it has none, or no more than another one."""
    best = p.argmax(axis=0)
    highest = p[best, np.arange(p.shape[1])]
    return np.where((highest > 0) & ((p == highest).sum(axis=0) == 1), best, -1)


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
