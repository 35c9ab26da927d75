"""Probabilities averaged over the epochs: of all classes or, where those are many, of the likeliest few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from labelaudit.history.blocks import Block
from labelaudit.history.encode import smallest_int
from labelaudit.history.part import Rows

if TYPE_CHECKING:
    from typing_extensions import Self

Array = npt.NDArray[Any]
SLOTS = 8  # other classes followed per sample where not all are
CHUNK_VALUES = 1 << 18  # scores widened to double precision at a time


class MeanSummary(NamedTuple):
    """What most statistics need of the mean probabilities; (n,) each, NaN where no epoch saw the sample."""

    given: Array  # mean probability of the given label
    other: Array  # the likeliest other class; of equally likely ones the lower
    p_other: Array  # its mean probability
    entropy: Array  # of the mean probabilities, in nats


class MeanScores(Protocol):
    """The mean probabilities of n samples.

    Attributes:
        seen: (n,) number of epochs averaged over, or the sum of their weights.
        labels: (n,) given labels, -1 where no epoch saw the sample.
    """

    labels: Array

    @property
    def seen(self) -> Array:
        """Sum of the weights."""

    def add(self, block: Block, weight: float = 1.0) -> None:
        """Add an epoch's block, with the weight of that epoch in the mean."""

    def summary(self) -> MeanSummary:
        """What most statistics need."""

    def of(self, rows: Rows) -> Array:
        """Mean probabilities of some of the samples, (K, m)."""


class _Joinable:
    """Whose arrays all have the samples last."""

    def extend(self, others: Sequence[Self]) -> None:
        """Add the samples of others of the same kind after one's own."""
        for name, array in list(vars(self).items()):
            if isinstance(array, np.ndarray):
                setattr(self, name, np.concatenate([array, *(vars(one)[name] for one in others)], axis=-1))

    def keep(self, rows: Rows) -> None:
        """Keep only some of the samples, numbered anew."""
        for name, array in list(vars(self).items()):
            if isinstance(array, np.ndarray):
                setattr(self, name, array[..., rows])

    def forget(self, rows: Rows) -> None:
        """Begin anew with some of the samples."""
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                array[..., rows] = -1 if name in ("labels", "_classes") else 0


class AllClasses(_Joinable):
    """The mean probabilities of all classes: 4 K + 8 bytes a sample."""

    def __init__(self, n: int, n_classes: int) -> None:
        self._seen = np.zeros(n, np.float32)
        self.labels = np.full(n, -1, np.int32)
        self._total = np.zeros((n_classes, n), np.float32)

    @property
    def seen(self) -> Array:
        """Return the sum of the weights, in double precision."""
        return self._seen.astype(np.float64)

    def add(self, block: Block, weight: float = 1.0) -> None:
        """Add an epoch's block, with the weight of that epoch in the mean."""
        p = block.frame.probabilities
        self._total[:, block.rows] += p if weight == 1 else np.float32(weight) * p
        self._seen[block.rows] += np.float32(weight)
        self.labels[block.rows] = block.frame.labels

    def of(self, rows: Rows) -> Array:
        """Return mean probabilities of some of the samples, (K, m)."""
        with np.errstate(invalid="ignore"):
            return self._total[:, rows] / self._seen[rows].astype(np.float64)

    def summary(self) -> MeanSummary:
        """Return what most statistics need, computed in chunks of samples."""
        n_classes, n = self._total.shape
        given, p_other, entropy = np.empty(n), np.empty(n), np.empty(n)
        other = np.empty(n, np.int32)
        for here in chunks(n, n_classes):
            p = self.of(here)
            labels, columns = self.labels[here], np.arange(p.shape[1])
            entropy[here] = _entropy_terms(p).sum(axis=0)
            given[here] = p[labels, columns]
            p[labels, columns] = -1
            other[here] = p.argmax(axis=0)
            p_other[here] = p[other[here], columns]
        p_other[self.seen == 0] = np.nan
        return MeanSummary(given, other, p_other, entropy)


class LikeliestClasses(_Joinable):
    """The mean probabilities of the given label and of 8 other classes; the rest spread evenly.

    For summaries of many classes, which name one other class an epoch: 64 bytes a sample. As long as at most 8
    different classes came as the likeliest other one, the means equal those that `History.mean_scores` gives.
    A ninth class takes over the slot with the least mass, and that mass (the space-saving algorithm of Metwally
    et al., ICDT 2005): no class with more than an eighth of the mass is lost, and the sum stays 1.
    """

    def __init__(self, n: int, n_classes: int) -> None:
        self._seen = np.zeros(n, np.float32)
        self.labels = np.full(n, -1, np.int32)
        self._n_classes = n_classes
        self._given = np.zeros(n, np.float32)
        self._spread = np.zeros(n, np.float32)
        self._classes = np.full((SLOTS, n), -1, smallest_int(n_classes))
        self._mass = np.zeros((SLOTS, n), np.float32)  # beyond the spread

    @property
    def seen(self) -> Array:
        """Return the sum of the weights, in double precision."""
        return self._seen.astype(np.float64)

    def add(self, block: Block, weight: float = 1.0) -> None:
        """Add an epoch's block, with the weight of that epoch in the mean."""
        rows, frame = block.rows, block.frame
        spread = weight * np.maximum(1 - frame.p_given - frame.p_other, 0) / (self._n_classes - 2)
        mass = np.maximum(weight * frame.p_other - spread, 0)
        self._seen[rows] += np.float32(weight)
        self.labels[rows] = frame.labels
        self._given[rows] += weight * frame.p_given
        self._spread[rows] += spread
        hit = self._classes[:, rows] == frame.other
        self._mass[:, rows] += hit * mass
        here = np.flatnonzero(~hit.any(axis=0))
        into = here + rows.start if isinstance(rows, slice) else rows[here]
        free = self._classes[:, into] < 0
        slot_of = np.where(free, -1, self._mass[:, into]).argmin(axis=0)
        self._classes[slot_of, into] = frame.other[here]
        self._mass[slot_of, into] += mass[here]

    def of(self, rows: Rows) -> Array:
        """Return mean probabilities of some of the samples, (K, m)."""
        seen = self._seen[rows].astype(np.float64)
        columns = np.arange(len(seen))
        p = np.tile(self._spread[rows], (self._n_classes, 1))
        for classes, mass in zip(self._classes[:, rows], self._mass[:, rows], strict=True):
            used = classes >= 0
            p[classes[used], columns[used]] += mass[used]
        p[self.labels[rows], columns] = self._given[rows]
        with np.errstate(invalid="ignore"):
            return p / seen

    def summary(self) -> MeanSummary:
        """Return what most statistics need."""
        with np.errstate(invalid="ignore"):
            seen = self.seen
            given, spread = self._given / seen, self._spread / seen
            of_slots = self._mass / seen + spread
        used = self._classes >= 0
        best = np.where(used, of_slots, -1).max(axis=0)
        likeliest = used & (of_slots == best)
        other = np.where(likeliest, self._classes, np.iinfo(self._classes.dtype).max).min(axis=0).astype(np.int32)
        entropy = _entropy_terms(given) + (self._n_classes - 1 - used.sum(axis=0)) * _entropy_terms(spread)
        entropy += np.where(used, _entropy_terms(of_slots), 0).sum(axis=0)
        return MeanSummary(given, other, np.where(seen > 0, best, np.nan), entropy)


def chunks(n: int, n_classes: int) -> Iterator[slice]:
    """Return slices of n samples, small enough that their scores of all classes fit the cache."""
    size = max(CHUNK_VALUES // n_classes, 1)
    return (slice(low, min(low + size, n)) for low in range(0, n, size))


def _entropy_terms(p: Array) -> Array:
    """Return -p ln p, 0 where p is 0."""
    return -p * np.log(np.where(p > 0, p, 1))
