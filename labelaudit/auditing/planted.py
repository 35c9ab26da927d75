"""Planting label mistakes on purpose, and measuring an audit on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.slices import wilson_interval
from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import integer_labels, one_of
from labelaudit.options import check_share, check_whole

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class PlantedLabels(NamedTuple):
    """What `plant_mistakes` returns.

    Attributes:
        labels: (n,) labels, some of them now wrong.
        planted: {position: true label} of the wrong ones, for a recorder's ``planted=``.
    """

    labels: Array
    planted: dict[int, int]


def plant_mistakes(
    labels: Any,
    fraction: float,
    kind: str = "symmetric",
    seed: int = 0,
    *,
    n_classes: int | None = None,
    confusion: Any = None,
) -> PlantedLabels:
    """Give a known part of the labels a wrong class.

    Args:
        labels: (n,) class numbers 0 to K - 1.
        fraction: share of the labels to change, 0 to 1; round(fraction * n) are.
        kind: "symmetric": any other class, all equally likely; "pair": the next class (the last becomes the
            first); "confusion": another class, each with the chance that ``confusion`` gives it.
        seed: of the random choice.
        n_classes: K; default: the largest label + 1.
        confusion: (K, K) weights of turning the row's class into the column's, for kind "confusion". By default
            every class has one look-alike, drawn by the seed, that takes three quarters of its mistakes.

    Returns:
        The changed labels (the argument stays as it was), and which were changed.

    Raises:
        LabelAuditError: an option is out of range.

    Example:
        >>> labels, planted = plant_mistakes([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], 0.2, "pair")
        >>> len(planted), all(labels[i] == (true + 1) % 3 for i, true in planted.items())
        (2, True)
    """
    one_of("kind", kind, ("symmetric", "pair", "confusion"))
    true = _class_numbers(labels)
    check_share("fraction", fraction)
    check_whole("seed", seed)
    if len(true) and true.min() < 0:
        raise LabelAuditError(f"label {true.min()} is out of range; classes count from 0")
    classes = int(true.max(initial=0)) + 1
    if n_classes is not None:
        check_whole("n_classes", n_classes, least=2)
        if n_classes < classes:
            raise LabelAuditError(f"n_classes={n_classes}, but a label is {true.max()}; classes count from 0")
        classes = n_classes
    if classes < 2:
        raise LabelAuditError("all labels are one class: there is no other class to plant; pass n_classes=")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(true))[: round(fraction * len(true))])
    weights = _weights(kind, classes, confusion, rng)
    cumulative = weights.cumsum(axis=1)[true[chosen]]
    draw = rng.random(len(chosen))[:, None] * cumulative[:, -1:]
    wrong = true.copy()
    wrong[chosen] = (cumulative <= draw).sum(axis=1)
    return PlantedLabels(wrong, {int(i): int(true[i]) for i in chosen})


def _class_numbers(labels: Any) -> Array:
    """Return (n,) class numbers."""
    try:
        found = np.atleast_1d(np.asarray(labels))
    except ValueError:
        raise LabelAuditError("labels are rows of different lengths; expected one class number per sample") from None
    if found.ndim != 1:
        raise LabelAuditError(f"labels have shape {found.shape}; expected one class number per sample, (n,)")
    if len(found) and isinstance(found[0], str):
        raise LabelAuditError(
            f"labels are names such as {str(found[0])!r}; expected class numbers: "
            "names, numbers = numpy.unique(labels, return_inverse=True)"
        )
    return integer_labels(found)


def _weights(kind: str, classes: int, confusion: Any, rng: np.random.Generator) -> Array:
    if kind == "pair":
        return np.roll(np.eye(classes), 1, axis=1)
    if kind == "symmetric":
        return 1 - np.eye(classes)
    if confusion is None:
        cycle = rng.permutation(classes)
        weights = (1 - np.eye(classes)) / max(classes - 2, 1)
        weights[cycle, np.roll(cycle, 1)] = 3.0
        return weights
    try:
        weights = np.array(confusion, dtype=np.float64)
    except (TypeError, ValueError):
        raise LabelAuditError(f"confusion is no matrix of numbers; expected ({classes}, {classes}) weights") from None
    if weights.shape != (classes, classes):
        raise LabelAuditError(f"confusion has shape {weights.shape}; expected ({classes}, {classes}) weights")
    odd = weights[~(np.isfinite(weights) & (weights >= 0))]
    if len(odd):
        raise LabelAuditError(f"confusion holds {odd[0]:g}; expected weights of 0 or more")
    np.fill_diagonal(weights, 0)
    if (weights.sum(axis=1) == 0).any():
        raise LabelAuditError(f"row {int((weights.sum(axis=1) == 0).argmax())} of confusion has no other class")
    return weights


@dataclass(frozen=True, repr=False)
class Measured:
    """How good an audit is on mistakes that were planted: all shares 0..1, **high is good**.

    Mistakes that the data held before are not known, so they count as false alarms here. Shares of nothing (the
    precision where nothing is flagged) are NaN, and their interval is 0 to 1. Samples of equal quality are taken to
    come in any order: where a cut goes between them, the planted among them count by their share.

    Attributes:
        n_planted: planted mistakes among the audited samples.
        n_flagged: samples past the cut.
        recall: share of the planted that are flagged.
        precision: share of the flagged that were planted.
        recall_interval: 95 % Wilson interval of the recall.
        precision_interval: 95 % Wilson interval of the precision.
        f1: harmonic mean of recall and precision at the cut.
        f1_at_n: the same when exactly n_planted samples are flagged: what the ranking allows.
        average_precision: of the ranking.
        n_suggestions: flagged planted mistakes for which a label is suggested.
        correction_accuracy: share of those suggestions that name the true label.
        correction_accuracy_interval: 95 % Wilson interval of the correction accuracy.
        curve: one row per cut: n_flagged, label_quality, recall, precision.
    """

    n_planted: int
    n_flagged: int
    recall: float
    precision: float
    recall_interval: tuple[float, float]
    precision_interval: tuple[float, float]
    f1: float
    f1_at_n: float
    average_precision: float
    n_suggestions: int
    correction_accuracy: float
    correction_accuracy_interval: tuple[float, float]
    curve: pd.DataFrame

    def __repr__(self) -> str:
        return (
            f"Measured on {self.n_planted:,} planted mistakes, {self.n_flagged:,} samples flagged:\n"
            f"  recall {_said(self.recall, self.recall_interval)}\n"
            f"  precision {_said(self.precision, self.precision_interval)}\n"
            f"  a label suggested for {self.n_suggestions:,} of those found, right "
            f"{_said(self.correction_accuracy, self.correction_accuracy_interval)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers but the curve."""
        numbers = {name: value for name, value in self.__dict__.items() if name != "curve"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in numbers.items()}


def measure(quality: Array, flagged: Array, suggested: Array, given: Array, true: Array) -> Measured:
    """Measure a ranking, a cut and its suggestions on planted mistakes.

    Args:
        quality: (n,) label quality, low is suspicious.
        flagged: (n,) bool, past the cut.
        suggested: (n,) suggested class, -1 for none.
        given: (n,) given labels.
        true: (n,) true labels, -1 where nothing was planted.
    """
    import pandas as pd

    wrong = (true >= 0) & (true != given)
    ordered = np.sort(quality, kind="stable")
    hits = _expected_hits(wrong, quality)
    cuts = np.arange(1, len(ordered) + 1)
    n_planted, n_flagged = int(wrong.sum()), int(flagged.sum())
    found = int((wrong & flagged).sum())
    curve = pd.DataFrame(
        {
            "n_flagged": cuts,
            "label_quality": ordered,
            "recall": hits / max(n_planted, 1),
            "precision": hits / cuts,
        }
    )
    suggestions = flagged & wrong & (suggested >= 0)
    n_suggestions = int(suggestions.sum())
    right = int((suggestions & (suggested == true)).sum())
    return Measured(
        n_planted=n_planted,
        n_flagged=n_flagged,
        recall=_share(found, n_planted),
        precision=_share(found, n_flagged),
        recall_interval=wilson(found, n_planted),
        precision_interval=wilson(found, n_flagged),
        f1=_share(2 * found, n_planted + n_flagged),
        f1_at_n=_share(float(hits[n_planted - 1]) if n_planted else 0, n_planted),
        average_precision=_average_precision(wrong, quality),
        n_suggestions=n_suggestions,
        correction_accuracy=_share(right, n_suggestions),
        correction_accuracy_interval=wilson(right, n_suggestions),
        curve=curve,
    )


def _share(part: float, whole: int) -> float:
    return part / whole if whole else float("nan")


def _said(share: float, interval: tuple[float, float]) -> str:
    if np.isnan(share):
        return "unknown"
    return f"{share:.1%} (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"


def _expected_hits(wrong: Array, quality: Array) -> Array:
    """Return how many are wrong of the 1, 2, ... n samples of the lowest quality, (n,); equal ones in random order."""
    values, step = np.unique(quality, return_inverse=True)
    samples = np.bincount(step, minlength=len(values)).cumsum()
    hits = np.bincount(step, wrong, len(values)).cumsum()
    return np.interp(np.arange(1, len(quality) + 1), np.append(0, samples), np.append(0, hits))


def _average_precision(wrong: Array, quality: Array) -> float:
    """Average precision: samples of equal quality count as one step."""
    if not wrong.any():
        return float("nan")
    values, step = np.unique(quality, return_inverse=True)
    hits = np.bincount(step, wrong, len(values))
    precision = hits.cumsum() / np.bincount(step, minlength=len(values)).cumsum()
    return float((precision * hits).sum() / hits.sum())


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the Wilson score interval of a share as two numbers, see `wilson_interval`.

    >>> [round(end, 4) for end in wilson(3, 4)]
    [0.3006, 0.9544]
    """
    low, high = wilson_interval(hits, n)
    return float(low), float(high)
