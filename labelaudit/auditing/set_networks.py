"""Small networks that see a sample beside all others of its data set, kept as plain numbers.

Each one encodes every sample, pools the codes of all samples to one of the data set, and judges every sample by what is
known of it and by that code. So the order of the samples does not matter, and there may be any number of them.

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

Array = npt.NDArray[Any]

BOUND = 6.0  # deviations from the mean that a column is cut at
MOST_ATTENTION = 15.0  # logarithm of how much a sample weighs in a pool, at the most
MOST_POOLED = 1 << 16  # samples, evenly along the first column: what they say of a larger data set is plenty
CHUNK = 1 << 10  # samples at a time, the last chunk filled up: so equal samples get equal answers, to the last bit


@dataclass(frozen=True)
class SetNetworks:
    """R networks alike, of S columns of samples and D of the data set; their answers are averaged.

    Attributes:
        mean: (S + D,) what is subtracted of each column.
        deviation: (S + D,) what it is divided by.
        encode, encode_more: (R, S + 1, H) and (R, H + 1, H) layers that encode a sample; the last row is the bias.
        attend: (R, H, A) how much a sample weighs in each of A pools; one more is the mean.
        pool, pool_more: (R, H (A + 1) + D + 1, P) and (R, P + 1, E) layers from the pools to the data set's code.
        judge, judge_more, answer: (R, S + E + 1, H), (R, H + 1, H) and (R, H + 1, 1) layers that judge a sample.
    """

    mean: Array
    deviation: Array
    encode: Array
    encode_more: Array
    attend: Array
    pool: Array
    pool_more: Array
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

    def predict(self, of_samples: Sequence[Array], of_set: Sequence[float], asked: Array | None = None) -> Array:
        """Return log odds of n samples, (n,), or of m of them: the mean of what the networks say.

        Args:
            of_samples: S columns, (n,) each; no NaN.
            of_set: D numbers.
            asked: (m,) rows that are asked for, all by default; every sample is part of the data set anyway.
        """
        with threadpool_limits(1, "blas"):  # these products are too small to be shared among cores
            of_all = self._scaled(np.array(of_set, np.float32), slice(len(of_samples), None))
            codes = self._codes(_pooled(of_samples), of_all)
            return self._judged(of_samples if asked is None else [column[asked] for column in of_samples], codes)

    def _judged(self, of_samples: Sequence[Array], codes: Array) -> Array:
        """Return log odds of n samples, (n,), of a data set with these codes."""
        s = len(of_samples)
        found = np.empty(len(of_samples[0]))
        for here, known in self._chunks(of_samples):
            said = _layer(known, self.judge[:, :s], (codes @ self.judge[:, s:-1]) + self.judge[:, -1:])
            said = _layer(said, self.judge_more[:, :-1], self.judge_more[:, -1:])
            answers = said @ self.answer[:, :-1] + self.answer[:, -1:]
            found[here] = answers[:, : here.stop - here.start, 0].mean(axis=0)
        return found

    def _codes(self, of_samples: Sequence[Array], of_all: Array) -> Array:
        """Return what each network makes of the data set, (R, 1, E)."""
        total: Array | float = 0.0
        weight: Array | float = 0.0
        for here, known in self._chunks(of_samples):
            count = here.stop - here.start
            codes = _layer(known, self.encode[:, :-1], self.encode[:, -1:])
            codes = _layer(codes, self.encode_more[:, :-1], self.encode_more[:, -1:])[:, :count]
            drawn = np.exp(np.clip(codes @ self.attend, -MOST_ATTENTION, MOST_ATTENTION))
            drawn = np.concatenate([np.ones_like(drawn[..., :1]), drawn], axis=2)
            total = total + (drawn.transpose(0, 2, 1) @ codes).astype(np.float64)
            weight = weight + drawn.sum(axis=1, dtype=np.float64)
        pools = (np.asarray(total) / np.asarray(weight)[..., None]).reshape(len(self.pool), 1, -1).astype(np.float32)
        of_set = np.broadcast_to(of_all, (len(pools), 1, len(of_all)))
        code = _layer(np.concatenate([pools, of_set], axis=2), self.pool[:, :-1], self.pool[:, -1:])
        return _layer(code, self.pool_more[:, :-1], self.pool_more[:, -1:])

    def _chunks(self, of_samples: Sequence[Array]) -> Iterator[tuple[slice, Array]]:
        """Yield chunks of samples: where they are, and what is known of them, (CHUNK, S), filled up with zeros."""
        n, s = len(of_samples[0]), len(of_samples)
        for low in range(0, n, CHUNK):
            here = slice(low, min(low + CHUNK, n))
            known = np.zeros((CHUNK, s), np.float32)
            known[: here.stop - low] = np.column_stack([column[here] for column in of_samples])
            yield here, self._scaled(known, slice(s))

    def _scaled(self, known: Array, which: slice) -> Array:
        """Return columns on one scale."""
        found: Array = np.clip((known - self.mean[which]) / self.deviation[which], -BOUND, BOUND)
        return found


def _pooled(of_samples: Sequence[Array]) -> list[Array]:
    """Return the columns of at most MOST_POOLED samples."""
    step = -(-len(of_samples[0]) // MOST_POOLED)
    if step == 1:
        return list(of_samples)
    rows = np.sort(np.argsort(of_samples[0], kind="stable")[step // 2 :: step])
    return [column[rows] for column in of_samples]


def _layer(before: Array, weights: Array, bias: Array) -> Array:
    """Return what a layer of rectified linear units makes of what came before."""
    found: Array = before @ weights
    found += bias
    return np.maximum(found, 0, out=found)
