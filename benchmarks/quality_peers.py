"""What detection_quality.py compares: labelaudit, every single statistic, simple cuts, cleanlab, aum, FiftyOne.

Each gives a `Finding`. None of them sees a true label.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.mixture import GaussianMixture

import labelaudit
from labelaudit import History, analyzers

FILTERS = (
    "prune_by_noise_rate",  # cleanlab's default
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
ACCUMULATORS = (
    analyzers.Consensus,
    analyzers.Correctness,
    analyzers.DataMap,
    analyzers.ErrorNorm,
    analyzers.Loss,
    analyzers.Margin,
    analyzers.Mistakenness,
    analyzers.MovingLoss,
    analyzers.Trend,
    analyzers.Votes,
)
# +1: a high value is suspicious, -1: a low one is; hardness and ambiguity count as suspicious when high.
STATISTICS = {
    "aleatoric": 1,
    "aum": -1,
    "bald": 1,
    "confidence": -1,
    "confidence_slope": -1,
    "confidence_weighted_entropy": -1,
    "correctness": -1,
    "disagreement": 1,
    "el2n": 1,
    "ema_loss": 1,
    "first_learned_epoch": 1,
    "forgetting_events": 1,
    "hardness": 1,
    "last_entropy": 1,
    "last_loss": 1,
    "learned_for_good": 1,
    "loss_variance": 1,
    "mann_kendall": -1,
    "margin_probability": -1,
    "max_loss": 1,
    "mean_correct_epoch": 1,
    "mean_loss": 1,
    "mean_probability_margin": -1,
    "mistakenness": 1,
    "mistakenness_logits": 1,
    "plurality_other": 1,
    "prediction_entropy": 1,
    "prediction_flips": 1,
    "presentations_to_learn": 1,
    "signed_entropy": -1,
    "variability": 1,
}


@dataclass(frozen=True)
class Finding:
    """What a method says of n samples; parts that it has no word on are None.

    Attributes:
        method: its name.
        group: "labelaudit", "statistic", "cut", "cleanlab", "aum" or "fiftyone".
        runs: what it costs, in training runs.
        suspicion: (n,) high is suspicious.
        flagged: (n,) bool.
        rate: estimated share of wrong labels; None: what it flags.
        interval: of the number of wrong labels.
        suggested: (n,) likely true class, -1 for none.
        chance: (n,) probability that the suggestion is right.
    """

    method: str
    group: str
    runs: int = 1
    suspicion: np.ndarray | None = None
    flagged: np.ndarray | None = None
    rate: float | None = None
    interval: tuple[int, int] | None = None
    suggested: np.ndarray | None = None
    chance: np.ndarray | None = None


def ours(history: History, **options: Any) -> Finding:
    """Audit with default options, or some others."""
    audit = labelaudit.audit(history, **options)
    samples = audit.samples
    return Finding(
        "labelaudit",
        "labelaudit",
        suspicion=-samples["label_quality"].to_numpy(),
        flagged=samples["is_label_issue"].to_numpy(),
        rate=float(audit.summary["estimated_error_rate"]),
        interval=tuple(audit.summary["interval"]),
        suggested=samples["suggested_label"].fillna(-1).to_numpy(np.int64),
        chance=samples["suggestion_confidence"].to_numpy(),
    )


def peers(history: History, out_of_fold: tuple[np.ndarray, np.ndarray] | None) -> Iterator[Finding]:
    """Yield what all others find; without out-of-fold predictions cleanlab only has those of the history."""
    table = analyzers.tabulate(history, analyzers.accumulate(history, list(ACCUMULATORS)))
    logits = _logits(history)
    yield from _statistics(table, len(logits))
    yield from _cuts(history, table)
    yield _aum(logits, history.labels)
    yield _fiftyone(_softmax(logits[-1]), history.labels)
    sources = {"in-sample, last epoch": _softmax(logits[-1]), "in-sample, mean of epochs": history.mean_scores()}
    for source, probabilities in sources.items():
        yield from _cleanlab(history.labels, np.asarray(probabilities), source, 1)
    if out_of_fold is not None:
        for source, found in zip(("5-fold, last epoch", "5-fold, mean of epochs"), out_of_fold, strict=True):
            yield from _cleanlab(history.labels, found, source, 6)


def _logits(history: History) -> np.ndarray:
    """Return (epochs, n, K)."""
    (run,) = history.runs_read
    epochs = [run.open_epoch("train", number) for number in run.epochs("train")]
    return np.stack([np.stack(part.columns["scores"], axis=1).astype(np.float32) for part in epochs])


def _softmax(logits: np.ndarray) -> np.ndarray:
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def _statistics(table: pd.DataFrame, epochs: int) -> Iterator[Finding]:
    for name, sign in STATISTICS.items():
        values = table[name].astype(float).to_numpy()
        if name in ("first_learned_epoch", "mean_correct_epoch"):
            values = np.where(np.isnan(values), epochs, values)  # never learned
        yield Finding(name, "statistic", suspicion=sign * values)
    never = table["never_learned"].to_numpy()
    events = np.where(never, epochs, table["forgetting_events"].to_numpy(float))
    yield Finding("forgetting_events, never learned the most", "statistic", suspicion=events)


def _cuts(history: History, table: pd.DataFrame) -> Iterator[Finding]:
    """Yield the usual rules of thumb."""
    consensus = table["consensus"].to_numpy()
    yield Finding("mean probability's argmax", "cut", flagged=consensus != history.labels, suggested=consensus)
    yield Finding("never learned", "cut", flagged=table["never_learned"].to_numpy())
    yield Finding("aum < 0", "cut", flagged=table["aum"].to_numpy() < 0)
    confidence = table["confidence"].to_numpy()
    yield Finding("Otsu on confidence", "cut", flagged=confidence < _otsu(confidence))
    aum = table["aum"].to_numpy()[:, None]
    groups = GaussianMixture(2, random_state=0).fit(aum)
    flagged = groups.predict(aum) == groups.means_.ravel().argmin()
    yield Finding("two Gaussians on aum", "cut", flagged=flagged)
    clusters = analyzers.loss_cluster(history).to_numpy()
    yield Finding("loss clusters (CTRL)", "cut", flagged=clusters == clusters.max())


def _otsu(values: np.ndarray) -> float:
    """Return the cut that makes the variance between its two sides the largest."""
    ordered = np.sort(values)
    n = len(ordered)
    below = np.arange(1, n)
    sums = ordered.cumsum()
    between = (sums[-1] * below / n - sums[:-1]) ** 2 / (below * (n - below))
    cut = int(between.argmax())
    return float((ordered[cut] + ordered[cut + 1]) / 2)


def _aum(logits: np.ndarray, labels: np.ndarray) -> Finding:
    """Feed the package what it would have been fed in training; ids as a list, as it needs them."""
    from aum import AUMCalculator

    ids, targets = list(range(len(labels))), torch.from_numpy(labels.astype(np.int64))
    with tempfile.TemporaryDirectory() as folder:
        calculator = AUMCalculator(folder)
        for epoch in logits:
            calculator.update(torch.from_numpy(epoch), targets, ids)
        calculator.finalize()
        found = pd.read_csv(Path(folder) / "aum_values.csv").set_index("sample_id")["aum"]
    return Finding("aum package", "aum", suspicion=-found.loc[ids].to_numpy())


def _fiftyone(probabilities: np.ndarray, labels: np.ndarray) -> Finding:
    """Apply FiftyOne Brain's compute_mistakenness to a trained model's predictions."""
    certain = probabilities.max(axis=1)
    sign = np.where(probabilities.argmax(axis=1) == labels, -1, 1)
    return Finding("FiftyOne mistakenness", "fiftyone", suspicion=(1 + sign * certain) / 2)


def _cleanlab(labels: np.ndarray, probabilities: np.ndarray, source: str, runs: int) -> Iterator[Finding]:
    """Apply cleanlab's documented functions: three rankings, seven filters, its count."""
    from cleanlab.count import num_label_issues
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    labels, probabilities = labels.astype(np.int64), probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted, chance = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for method in RANKINGS:
        scores = get_label_quality_scores(labels, probabilities, method=method)
        yield Finding(f"cleanlab {method}, {source}", "cleanlab", runs, suspicion=-scores)
    for method in FILTERS:
        flagged = find_label_issues(labels, probabilities, filter_by=method, n_jobs=1)
        yield Finding(
            f"cleanlab {method}, {source}", "cleanlab", runs, flagged=flagged, suggested=predicted, chance=chance
        )
    rate = num_label_issues(labels, probabilities) / len(labels)
    yield Finding(f"cleanlab num_label_issues, {source}", "cleanlab", runs, rate=rate)
