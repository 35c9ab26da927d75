"""From a model's scores to the columns of an epoch file.

Stored are logits less their row's maximum: softmax and margins do not change, and half precision then
resolves the probabilities near 1 as finely as those near 0. With many classes a summary is kept instead:
the loss of the given label and of the best other class (minus the log of either probability), which other
class that is, and the entropy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

PROBABILITY_FLOOR = 1e-12  # ln p of a class that was given exactly 0
LOGIT_FLOOR = -60000.0  # below the maximum; within the range of half precision
ROUNDED = 0.05  # by how much the sum of rounded probabilities may differ from 1
FEW_ROWS = 10  # by chance, a few rows of logits may look like rounded probabilities
KEEP_SCORES_UP_TO = 32  # classes; keep="auto" turns to summaries above
BLOCK = 1 << 19  # scores that are encoded at a time; smaller blocks are more turns at the interpreter lock


class Scratch:
    """Memory that is used again. Fresh pages for every block would hold up all threads of the process, training too."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Floats] = {}

    def array(self, use: str, like: Floats) -> Floats:
        """Return an array of the shape and type of `like`; what it held for this use before is lost."""
        key = (use, like.dtype.str)
        if key not in self._kept or self._kept[key].size < like.size:
            self._kept[key] = np.empty(like.size, like.dtype)
        return self._kept[key][: like.size].reshape(like.shape)


def packed(
    scores: Floats, labels: Ints, *, scores_are: str, keep: str, dtype: npt.DTypeLike, scratch: Scratch
) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.bool_]]:
    """Return the columns that are stored of a batch, and which of its rows are broken.

    Args:
        scores: (n, K) as the model gave them.
        labels: (n,) class numbers.
        scores_are: "logits" or "probabilities".
        keep: "scores" or "summary".
        dtype: of the stored numbers.
        scratch: is overwritten.

    Returns:
        Columns, (n,) or, for "scores", (K, n); and (n,) whether a row holds NaN or infinity.
    """
    blocks, broken = [], []
    step = max(BLOCK // scores.shape[1], 1)
    for low in range(0, len(scores), step):
        logits = as_logits(scores[low : low + step], scores_are, scratch)
        broken.append(np.isnan(logits[:, 0]))
        if keep == "scores":
            blocks.append({"scores": pack_scores(logits, dtype)})
        else:
            blocks.append(pack_summary(logits, labels[low : low + step], dtype, scratch))
    joined = {name: np.concatenate([block[name] for block in blocks], axis=-1) for name in blocks[0]}
    return joined, np.concatenate(broken)


def scores_kind(scores: Floats) -> str:
    """Say whether rows are "probabilities" (in [0, 1], sum 1) or "logits"; one column: within [0, 1].

    Rows with NaN say nothing.

    Raises:
        LabelAuditError: all are in [0, 1], and most but not all sum to about 1.
    """
    with np.errstate(invalid="ignore"):
        outside = bool(np.any((scores < 0) | (scores > 1)))
    if outside or scores.shape[1] == 1:
        return "logits" if outside else "probabilities"
    whole = ~np.isnan(scores).any(axis=1)
    known = scores if whole.all() else scores[whole]
    if not len(known):
        return "logits"
    off = np.abs(known.sum(axis=1, dtype=np.float64) - 1)
    if bool(np.all(off < 5e-3)):
        return "probabilities"
    if len(known) >= FEW_ROWS and np.mean(off < ROUNDED) > 0.5:
        row = int(off.argmax())
        raise LabelAuditError(
            f"scores are in [0, 1] and most rows sum to about 1, but not all (one sums to "
            f'{known[row].sum(dtype=np.float64):.4g}). Say scores_are="probabilities" if they were rounded, '
            'scores_are="logits" if they are none'
        )
    return "logits"


def check_scores(scores: Floats, ids: npt.NDArray[Any], scores_are: str) -> None:
    """Refuse probabilities (n, K) of samples (n,) that are none; rounded ones are divided by their sums later."""
    if scores_are != "probabilities":
        return
    sums = scores.sum(axis=1, dtype=np.float64)
    wrong = (scores < -1e-6).any(axis=1) | (scores > 1 + 1e-3).any(axis=1)
    if scores.shape[1] > 1:
        wrong |= np.abs(sums - 1) > ROUNDED
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelAuditError(
            f"sample {ids[row]} has no probabilities: smallest {scores[row].min():.4g}, sum {sums[row]:.4g}, "
            'expected numbers in [0, 1] that sum to 1. For logits say scores_are="logits"'
        )


def as_logits(scores: Floats, scores_are: str, scratch: Scratch | None = None) -> Floats:
    """Return (n, K) logits less their row's maximum, K >= 2, at least single precision; broken rows are all NaN.

    Args:
        scores: (n, K); one column is a binary score for class 1.
        scores_are: "logits" or "probabilities".
        scratch: where the result lies, until it is used again.
    """
    z = scores.astype(np.promote_types(scores.dtype, np.float32), copy=False)
    if scores_are == "probabilities":
        if z.shape[1] == 1:
            z = np.concatenate([1 - z, z], axis=1)
        z = np.log(np.maximum(z, PROBABILITY_FLOOR))
    elif z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    largest = z.max(axis=1, keepdims=True)  # NaN where there is one
    out = None if scratch is None else scratch.array("logits", z)
    shifted: Floats = np.subtract(z, np.where(np.isfinite(largest), largest, np.asarray(np.nan, z.dtype)), out=out)
    return np.maximum(shifted, LOGIT_FLOOR, out=shifted)


def pack_scores(logits: Floats, dtype: npt.DTypeLike) -> Floats:
    """Return (K, n) scores as they are stored: class by class, so that blocks of samples are contiguous."""
    return np.ascontiguousarray(logits.T.astype(dtype))


def pack_summary(logits: Floats, labels: Ints, dtype: npt.DTypeLike, scratch: Scratch) -> dict[str, npt.NDArray[Any]]:
    """Return the four summary columns, each (n,), of (n, K) logits.

    Which of the two losses is smaller says whether the sample was predicted right, so rounding must not
    make them equal: the larger one gives way by one step.
    """
    rows = np.arange(len(labels))
    e = np.exp(logits, out=scratch.array("exponentials", logits))
    total = e.sum(axis=1)
    log_total = np.log(total)
    of_given = logits[rows, labels]
    logits[rows, labels] = -np.inf  # for a moment: a copy of all scores would cost more than the rest
    other = logits.argmax(axis=1)
    logits[rows, labels] = of_given
    exact, exact_other = log_total - of_given, log_total - logits[rows, other]
    limit = np.finfo(dtype).max
    loss = np.minimum(exact, limit).astype(dtype)
    other_loss = np.minimum(exact_other, limit).astype(dtype)
    merged = loss == other_loss
    up = np.array(np.inf, dtype)
    loss = np.where(merged & (exact > exact_other), np.nextafter(loss, up), loss)
    other_loss = np.where(merged & (exact < exact_other), np.nextafter(other_loss, up), other_loss)
    entropy = np.maximum(log_total - np.einsum("ij,ij->i", e, logits) / total, 0)
    return {
        "other": other.astype(smallest_int(logits.shape[1])),
        "loss": loss,
        "other_loss": other_loss,
        "entropy": entropy.astype(dtype),
    }


def smallest_int(n_classes: int) -> npt.DTypeLike:
    """Return the smallest signed integer type that holds every class."""
    return np.int8 if n_classes <= 128 else np.int16 if n_classes <= 32768 else np.int32
