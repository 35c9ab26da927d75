"""What a model said of a block of samples in one epoch, computed when first asked for.

All arrays are (n,) unless said otherwise; scores are class by class, (K, n).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_KEY_BITS = 13  # half precision's fraction is so much shorter than single precision's
_MAX_KEYED = 1 << _KEY_BITS  # classes that fit into those bits
_WIDENED = np.float32(-(2.0**112))  # half precision's exponent starts so much later


class Frame:
    """A block of predictions. Subclasses know the scores, or only a summary of them.

    Attributes:
        labels: given labels.
        n_classes: number of classes K.
    """

    labels: Array
    n_classes: int
    loss: Any  # -ln p(given), in nats: high is suspicious
    other_loss: Any  # -ln p of the likeliest other class
    other: Any  # the likeliest class that is not the given one
    entropy: Any  # of the predicted distribution, in nats
    sum_of_squares: Any  # of the probabilities
    probabilities: Any  # (K, n)

    def take(self, kept: Array) -> Frame:
        """Return the frame of some of the samples, (n,) bool."""
        raise NotImplementedError

    @cached_property
    def p_given(self) -> Array:
        """Probability of the given label."""
        return np.exp(-self.loss)

    @cached_property
    def p_other(self) -> Array:
        """Probability of the likeliest other class."""
        return np.exp(-self.other_loss)

    @cached_property
    def margin(self) -> Array:
        """Logit of the given label less the largest other logit: low is suspicious."""
        return self.other_loss - self.loss

    @cached_property
    def correct(self) -> Array:
        """Whether the given label was predicted; of equal scores the lower class is."""
        return (self.margin > 0) | ((self.margin == 0) & (self.labels < self.other))

    @cached_property
    def prediction(self) -> Array:
        """The predicted class."""
        return np.where(self.correct, self.labels, self.other)

    @cached_property
    def p_predicted(self) -> Array:
        """Probability of the predicted class."""
        return np.maximum(self.p_given, self.p_other)


def scores_frame(logits: Array, labels: Array, *, shifted: bool = True) -> ScoresFrame:
    """Return the frame of whole score vectors, (K, n), by the quickest way that gives the same numbers."""
    if shifted and logits.dtype == np.float16 and len(logits) <= _MAX_KEYED:
        magnitude = logits.view(np.uint16) & np.uint16(0x7FFF)
        if magnitude.size and magnitude.max() < 0x7C00:  # neither infinite nor NaN
            return HalfScoresFrame(magnitude, labels)
    return ScoresFrame(logits, labels, shifted=shifted)


class ScoresFrame(Frame):
    """A block with whole score vectors.

    Args:
        logits: (K, n) logits; half precision is widened to single.
        labels: (n,) given labels.
        shifted: whether every sample's largest logit is 0 already.
    """

    def __init__(self, logits: Array, labels: Array, *, shifted: bool = True) -> None:
        self.labels, self.n_classes = labels, len(logits)
        wide = logits.astype(np.float32) if logits.dtype == np.float16 else logits
        self.logits = wide if shifted else wide - wide.max(axis=0)

    @cached_property
    def _columns(self) -> Array:
        return np.arange(self.logits.shape[1])

    @cached_property
    def _given_logit(self) -> Array:
        return self.logits[self.labels, self._columns]

    def take(self, kept: Array) -> ScoresFrame:
        """Return the frame of some of the samples."""
        return ScoresFrame(self.logits[:, kept], self.labels[kept])

    @cached_property
    def _exp(self) -> Array:
        return np.exp(self.logits)

    @cached_property
    def _total(self) -> Array:
        return self._exp.sum(axis=0)

    @cached_property
    def _log_total(self) -> Array:
        return np.log(self._total)

    @cached_property
    def _best_other(self) -> tuple[Array, Array]:
        """The best other class and its logit."""
        others = self.logits.copy()
        others[self.labels, self._columns] = -np.inf
        best = others.max(axis=0)
        winner = np.zeros(len(best), np.int32)
        for k in range(self.n_classes - 1, -1, -1):
            np.copyto(winner, k, where=others[k] == best)
        return winner, best

    @cached_property
    def loss(self) -> Array:
        """-ln p(given)."""
        return self._log_total - self._given_logit

    @cached_property
    def other_loss(self) -> Array:
        """-ln p of the likeliest other class."""
        return self._log_total - self._best_other[1]

    @cached_property
    def margin(self) -> Array:
        """Logit of the given label less the largest other logit."""
        return self._given_logit - self._best_other[1]

    @property
    def other(self) -> Array:
        """The likeliest class that is not the given one."""
        return self._best_other[0]

    @cached_property
    def entropy(self) -> Array:
        """Entropy in nats."""
        return np.maximum(self._log_total - (self._exp * self.logits).sum(axis=0) / self._total, 0)

    @cached_property
    def probabilities(self) -> Array:
        """Softmax, (K, n)."""
        return self._exp / self._total

    @cached_property
    def sum_of_squares(self) -> Array:
        """Sum over classes of p^2."""
        return np.einsum("kn,kn->n", self.probabilities, self.probabilities)


class HalfScoresFrame(ScoresFrame):
    """A block of finite logits <= 0 stored in half precision, read with integer operations.

    Without their sign such numbers are ordered like their bits. Those bits, moved to where single precision has
    them, become the same number by one multiplication, and the class fits below them: the smallest such key is the
    likeliest class, of equally likely ones the lower.

    Args:
        magnitude: (K, n) bits of the logits without their signs, uint16.
        labels: (n,) given labels.
    """

    def __init__(self, magnitude: Array, labels: Array) -> None:
        self.labels, (self.n_classes, n) = labels, magnitude.shape
        self._bits = magnitude.astype(np.uint32)
        self._bits <<= np.uint32(_KEY_BITS)
        self.logits = self._bits.view(np.float32) * _WIDENED
        self._place = np.multiply(labels, n, dtype=np.intp)
        self._place += np.arange(n)
        self._given_bits = self._bits.ravel().take(self._place)

    @cached_property
    def _best_key(self) -> Array:
        keys = self._bits | np.arange(self.n_classes, dtype=np.uint32)[:, None]
        keys.ravel()[self._place] = np.uint32(0xFFFFFFFF)
        return keys.min(axis=0)

    @cached_property
    def _best_other(self) -> tuple[Array, Array]:
        """The best other class and its logit."""
        key, below = self._best_key, np.uint32((1 << _KEY_BITS) - 1)
        return (key & below).view(np.int32), (key & ~below).view(np.float32) * _WIDENED

    @cached_property
    def _given_logit(self) -> Array:
        return self._given_bits.view(np.float32) * _WIDENED

    @cached_property
    def correct(self) -> Array:
        """Whether the given label was predicted; of equal scores the lower class is."""
        return (self._given_bits | self.labels.astype(np.uint32)) < self._best_key


class SummaryFrame(Frame):
    """A block of which only the summary columns were kept (see `labelaudit.history.encode`).

    What needs all classes takes the mass beside the given and the best other class as spread evenly.
    """

    def __init__(
        self, loss: Array, other_loss: Array, other: Array, entropy: Array, labels: Array, n_classes: int
    ) -> None:
        self.labels, self.n_classes = labels, n_classes
        self.loss, self.other_loss = loss.astype(np.float32), other_loss.astype(np.float32)
        self.other, self.entropy = other.astype(np.int32), entropy.astype(np.float32)

    def take(self, kept: Array) -> SummaryFrame:
        """Return the frame of some of the samples."""
        return SummaryFrame(
            self.loss[kept],
            self.other_loss[kept],
            self.other[kept],
            self.entropy[kept],
            self.labels[kept],
            self.n_classes,
        )

    @cached_property
    def _rest(self) -> Array:
        return np.maximum(1 - self.p_given - self.p_other, 0)

    @cached_property
    def sum_of_squares(self) -> Array:
        """Sum over classes of p^2."""
        return self.p_given**2 + self.p_other**2 + self._rest**2 / max(self.n_classes - 2, 1)

    @cached_property
    def probabilities(self) -> Array:
        """Approximate probabilities, (K, n)."""
        columns = np.arange(len(self.labels))
        spread = np.tile(self._rest / max(self.n_classes - 2, 1), (self.n_classes, 1))
        spread[self.labels, columns], spread[self.other, columns] = self.p_given, self.p_other
        return spread
