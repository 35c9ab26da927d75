"""cleanlab's filters under their names, on the probabilities averaged over a history's epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import sample_ids
from labelaudit.analyzers.class_level import CLOSE, confident_classes, joint_counts, read_means
from labelaudit.analyzers.mean_scores import MeanScores, MeanSummary
from labelaudit.errors import LabelAuditError
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
FILTERS = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)


def find_label_issues(
    history: History,
    *,
    filter_by: str = "prune_by_noise_rate",
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
) -> pd.Series[Any]:
    """Flag labels by one of cleanlab's rules: **true is suspicious**. For comparison: the audit's own cut is another.

    Formula, with p the probabilities averaged over the epochs, y the given label and C the `confident_joint`, rounded:

    - prune_by_noise_rate: for every pair given i, truly j, the C[j, i] samples with the largest p[j] - p[i];
    - prune_by_class: of every class i as many samples as C takes from it, those with the lowest p[i];
    - both: what both of these flag;
    - confident_learning: samples that C counts off the diagonal;
    - predicted_neq_given: argmax p is not y;
    - low_normalized_margin, low_self_confidence: as many as confident_learning flags, those with the lowest score.

    All but the last two leave out samples whose p[y] is the largest, to within 1e-6.
    Source: cleanlab 2.9's filter.find_label_issues; it expects out-of-sample probabilities, and in-sample ones, as here
    in most histories, make it flag less.

    Args:
        history: a history of n samples.
        filter_by: one of the names above.
        split: which split; default "train".
        epochs: numbers of the epochs to read; default all.
        skip_nan: leave out predictions whose scores are NaN.

    Returns:
        (n,) bool, indexed by sample_id.

    Raises:
        LabelAuditError: filter_by is unknown.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]
        >>> find_label_issues(history_from_arrays([p], [0, 0, 1, 1, 1]), filter_by="both").tolist()
        [False, False, True, False, False]
    """
    import pandas as pd

    if filter_by not in FILTERS:
        raise LabelAuditError(f"filter_by={filter_by!r} is unknown; expected one of {', '.join(FILTERS)}")
    mean = read_means(history, split=split, epochs=epochs, skip_nan=skip_nan)
    flags = _flags(mean, history.n_classes, filter_by)
    return pd.Series(flags, pd.Index(sample_ids(history, split), name="sample_id"), name="find_label_issues")


def _flags(mean: MeanScores, n_classes: int, filter_by: str) -> Array:
    """Return (n,) bool."""
    found = mean.summary()
    disputed = (found.given + CLOSE < found.p_other) | (
        (found.given + CLOSE == found.p_other) & (found.other < mean.labels)
    )
    if filter_by == "predicted_neq_given":
        return disputed
    if filter_by in ("confident_learning", "low_normalized_margin", "low_self_confidence"):
        true = confident_classes(mean, n_classes)
        off_diagonal = (true >= 0) & (true != mean.labels) & disputed
        if filter_by == "confident_learning":
            return off_diagonal
        score = found.given if filter_by == "low_self_confidence" else (found.given - found.p_other + 1) / 2
        lowest = np.zeros(len(score), bool)
        lowest[np.argsort(score)[: off_diagonal.sum()]] = True
        return lowest
    counts = _prune_counts(joint_counts(mean, n_classes))
    if filter_by == "prune_by_class":
        return _by_class(mean, found, counts) & disputed
    flags = _by_noise_rate(mean, counts)
    if filter_by == "both":
        flags &= _by_class(mean, found, counts)
    return flags & disputed


def _prune_counts(joint: Array) -> Array:
    """Return (K, K) whole numbers, rows true, that leave at least one sample to every class."""
    joint = joint / joint.sum() * round(joint.sum())  # as there: where halves tie, the last bit decides
    joint = np.stack([_rounded(of_given) for of_given in joint.T], axis=1)
    short = np.maximum(1 - joint.diagonal(), 0)
    counts = np.maximum(joint - short / np.maximum(np.count_nonzero(joint, axis=0) - 1, 1), 0)
    np.fill_diagonal(counts, joint.diagonal() + short)
    return np.stack([_rounded(of_true) for of_true in counts.astype(int)])


def _rounded(values: Array) -> Array:
    """Return values, (K,), rounded so that their rounded sum stays."""
    whole = np.round(values)
    missing = int(round(values.sum()) - whole.sum())
    order = np.argsort(values - whole)
    while missing:
        step = 1 if missing > 0 else -1
        changed = order[::-step][: abs(missing)]
        whole[changed] += step
        missing -= step * len(changed)
        order = np.argsort(values - whole)
    return whole.astype(np.int64)


def _by_class(mean: MeanScores, found: MeanSummary, counts: Array) -> Array:
    flags = np.zeros(len(mean.labels), bool)
    for k in range(len(counts)):
        rows = np.flatnonzero(mean.labels == k)
        taken = len(rows) - int(counts[k, k])
        if len(rows) > 1 and taken > 0:
            flags[rows[np.argsort(found.given[rows])[:taken]]] = True
    return flags


def _by_noise_rate(mean: MeanScores, counts: Array) -> Array:
    flags = np.zeros(len(mean.labels), bool)
    for k in range(len(counts)):
        rows = np.flatnonzero(mean.labels == k)
        wrong = np.flatnonzero((counts[:, k] > 0) & (np.arange(len(counts)) != k))
        if len(rows) > 1 and len(wrong):
            p = mean.of(rows)
            for j in wrong:
                flags[rows[np.argsort(p[k] - p[j])[: counts[j, k]]]] = True
    return flags
