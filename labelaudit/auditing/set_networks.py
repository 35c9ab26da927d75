"""Small networks that see a sample beside all others of its data set, kept as plain numbers.

Each one encodes every sample and pools the codes: of the whole data set, of each class, and of each pair of a given
label and the best other class. It judges every sample by what is known of it and by those pools. So the order of the
samples and of the classes does not matter, and there may be any number of them.

Source: Zaheer et al., Deep Sets, NeurIPS 2017; pooled by attention as in Ilse et al., ICML 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from labelaudit.auditing.class_pools import ClassPools, pair_of

Array = npt.NDArray[Any]
Rows = Array | slice  # some rows, or slice(None)

BOUND = 6.0  # deviations from the mean that a column is cut at
MOST_ATTENTION = 15.0  # logarithm of how much a sample weighs in a pool, at the most
MOST_POOLED = 1 << 16  # samples, evenly along the first column: what they say of a larger data set is plenty
CHUNK = 1 << 10  # rows at a time, the last chunk filled up: so equal rows get equal answers, to the last bit


@dataclass(frozen=True)
class SetNetworks:
    """R networks alike, of S columns of samples and D of the data set; their answers are averaged.

    Attributes:
        mean: (S + D,) what is subtracted of each column.
        deviation: (S + D,) what it is divided by.
        encode, encode_more: (R, S + 1, H) and (R, H + 1, H) layers that encode a sample; the last row is the bias.
        attend: (R, H, A) how much a sample weighs in each of A pools of all; one more is the mean.
        pool, pool_more: (R, H (A + 1) + D + 1, P) and (R, P + 1, E) layers from those pools to the data set's code.
        brief: (R, H + 1, Q) linear layer from a sample's code to what is pooled by class.
        of_class, of_class_more: (R, 2 Q + 3, H) and (R, H + 1, C) layers from a class' pools to its code.
        of_pair, of_pair_more: (R, 2 Q + 3, H) and (R, H + 1, C) layers from a pair's pools to its code.
        judge, judge_more, answer: (R, S + E + 3 C + 1, H), (R, H + 1, H) and (R, H + 1, 1) layers that judge a sample
            by its columns and the codes of the data set, its given label, its best other class, and that pair.
    """

    mean: Array
    deviation: Array
    encode: Array
    encode_more: Array
    attend: Array
    pool: Array
    pool_more: Array
    brief: Array
    of_class: Array
    of_class_more: Array
    of_pair: Array
    of_pair_more: Array
    judge: Array
    judge_more: Array
    answer: Array

    @classmethod
    def load(cls, file: Path) -> SetNetworks:
        """Read networks that `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name].astype(np.float32) for name in arrays.files})

    def save(self, file: Path) -> None:
        """Write the networks, in half precision but for the columns' scales."""
        scales = ("mean", "deviation")
        in_brief = {name: layer if name in scales else layer.astype(np.float16) for name, layer in vars(self).items()}
        np.savez_compressed(file, **in_brief)

    def predict(
        self,
        of_samples: Sequence[Array],
        of_set: Sequence[float],
        given: Array,
        other: Array,
        asked: Array | None = None,
    ) -> Array:
        """Return log odds of n samples, (n,), or of m of them: the mean of what the networks say.

        Args:
            of_samples: S columns, (n,) each; no NaN.
            of_set: D numbers.
            given: (n,) given classes.
            other: (n,) best other classes.
            asked: (m,) rows that are asked for, all by default; every sample is part of the data set anyway.
        """
        with threadpool_limits(1, "blas"):  # these products are too small to be shared among cores
            rows = _pooled(of_samples[0])
            n_classes = int(max(given.max(), other.max())) + 1
            pools = ClassPools(given[rows], other[rows], n_classes, (len(self.brief), self.brief.shape[2]))
            of_all = self._scaled(np.array(of_set, np.float32), slice(len(of_samples), None))
            code = self._read(of_samples, rows, of_all, pools)
            by_class = _layer(_layer(pools.classes(), self.of_class), self.of_class_more)
            wanted = slice(None) if asked is None else asked
            given, other = given[wanted], other[wanted]
            known, pair = np.unique(pair_of(given, other, n_classes), return_inverse=True)
            codes = (code, by_class, self._of_pairs(pools.pairs(known)))
            return self._judged(of_samples, wanted, codes, (given, other, pair))

    def _judged(
        self,
        of_samples: Sequence[Array],
        rows: Rows,
        codes: tuple[Array, Array, Array],
        classes: tuple[Array, Array, Array],
    ) -> Array:
        """Return log odds of m samples, (m,).

        Args:
            of_samples: S columns, (n,) each.
            rows: of those samples.
            codes: of the data set, (R, 1, E), of each class, (R, K, C), and of each pair, (R, u, C).
            classes: (m,) each: which class is the given one, which the best other, and which pair that is.
        """
        of_set, of_class, of_pair = codes
        ends = np.cumsum([len(of_samples), of_set.shape[2], *[of_class.shape[2]] * 3])
        own, for_set, for_given, for_other, for_pair, bias = np.split(self.judge, ends, axis=1)
        start, by_given, by_other = of_set @ for_set + bias, of_class @ for_given, of_class @ for_other
        found = np.empty(len(classes[0]))
        for here, known in self._chunks(of_samples, rows):
            count = here.stop - here.start
            given, other, pair = (np.pad(one[here], (0, CHUNK - count)) for one in classes)
            said = known @ own + start
            said += by_given[:, given]
            said += by_other[:, other]
            said += of_pair[:, pair] @ for_pair
            np.maximum(said, 0, out=said)
            answers = _linear(_layer(said, self.judge_more), self.answer)
            found[here] = answers[:, :count, 0].mean(axis=0)
        return found

    def _read(self, of_samples: Sequence[Array], rows: Rows, of_all: Array, pools: ClassPools) -> Array:
        """Return what each network makes of the data set, (R, 1, E), by some rows; fill the pools of its classes."""
        total: Array | float = 0.0
        weight: Array | float = 0.0
        for here, known in self._chunks(of_samples, rows):
            count = here.stop - here.start
            codes = _layer(_layer(known, self.encode), self.encode_more)
            pools.add(here, _linear(codes, self.brief)[:, :count])
            codes = codes[:, :count]
            drawn = np.exp(np.clip(codes @ self.attend, -MOST_ATTENTION, MOST_ATTENTION))
            drawn = np.concatenate([np.ones_like(drawn[..., :1]), drawn], axis=2)
            total = total + (drawn.transpose(0, 2, 1) @ codes).astype(np.float64)
            weight = weight + drawn.sum(axis=1, dtype=np.float64)
        means = (np.asarray(total) / np.asarray(weight)[..., None]).reshape(len(self.pool), 1, -1).astype(np.float32)
        of_set = np.broadcast_to(of_all, (len(means), 1, len(of_all)))
        return _layer(_layer(np.concatenate([means, of_set], axis=2), self.pool), self.pool_more)

    def _of_pairs(self, pools: Array) -> Array:
        """Return the codes of u pairs, (R, u, C), in chunks filled up."""
        found = np.empty((*pools.shape[:2], self.of_pair_more.shape[2]), np.float32)
        for low in range(0, pools.shape[1], CHUNK):
            some = pools[:, low : low + CHUNK]
            filled = np.pad(some, ((0, 0), (0, CHUNK - some.shape[1]), (0, 0)))
            found[:, low : low + CHUNK] = _layer(_layer(filled, self.of_pair), self.of_pair_more)[:, : some.shape[1]]
        return found

    def _chunks(self, of_samples: Sequence[Array], rows: Rows) -> Iterator[tuple[slice, Array]]:
        """Yield chunks of rows: where among them, and what is known of the samples, (CHUNK, S), zeros at the end."""
        s = len(of_samples)
        n = len(of_samples[0]) if isinstance(rows, slice) else len(rows)
        for low in range(0, n, CHUNK):
            here = slice(low, min(low + CHUNK, n))
            at = here if isinstance(rows, slice) else rows[here]
            known = np.zeros((CHUNK, s), np.float32)
            known[: here.stop - low] = np.column_stack([column[at] for column in of_samples])
            yield here, self._scaled(known, slice(s))

    def _scaled(self, known: Array, which: slice) -> Array:
        """Return columns on one scale."""
        found: Array = np.clip((known - self.mean[which]) / self.deviation[which], -BOUND, BOUND)
        return found


def _pooled(first: Array) -> Rows:
    """Return at most MOST_POOLED rows, evenly along a column."""
    step = -(-len(first) // MOST_POOLED)
    return slice(None) if step <= 1 else np.sort(np.argsort(first, kind="stable")[step // 2 :: step])


def _linear(before: Array, layer: Array) -> Array:
    """Return what a linear layer makes of what came before; its last row is the bias."""
    found: Array = before @ layer[:, :-1]
    found += layer[:, -1:]
    return found


def _layer(before: Array, layer: Array) -> Array:
    """Return what a layer of rectified linear units makes of what came before."""
    found = _linear(before, layer)
    return np.maximum(found, 0, out=found)
