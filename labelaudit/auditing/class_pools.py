"""Codes of samples pooled over each class, or each pair of classes, for `set_networks.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Array = npt.NDArray[Any]

FEW = 2.0  # samples: how much the mean of all counts in every pool, so that a pool of few says little
RAREST = 1e-3  # share of the samples that a pool holds, at least
MIDDLE = 3.0  # added to the logarithm of that share


class Pools:
    """Sums of the codes of m samples by a key, filled part by part.

    Args:
        keys: (m,) whole numbers: of which pool each sample is.
        shape: (R, Q) of a sample's codes.
    """

    def __init__(self, keys: Array, shape: tuple[int, int]) -> None:
        self.keys, self.pool_of, self.count = np.unique(keys, return_inverse=True, return_counts=True)
        self.total = np.zeros((len(self.keys), *shape))

    def add(self, here: slice, codes: Array) -> None:
        """Add the codes, (R, c, Q), of a part of the samples."""
        pools, of = np.unique(self.pool_of[here], return_inverse=True)
        members = csr_array((np.ones(len(of)), of, np.arange(len(of) + 1)), shape=(len(of), len(pools)))
        flat = codes.transpose(1, 0, 2).reshape(len(of), -1).astype(np.float64)
        self.total[pools] += (members.T @ flat).reshape(len(pools), *self.total.shape[1:])

    def at(self, wanted: Array) -> Array:
        """Return mean codes and log shares, (R, u, Q + 1), of u wanted keys; a pool without samples has all's mean."""
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        count = self.count[at] * (self.keys[at] == wanted)
        total = np.where((count > 0)[:, None, None], self.total[at], 0)
        n = self.count.sum()
        mean = (total + FEW * self.total.sum(axis=0) / n) / (count + FEW)[:, None, None]
        found = np.empty((mean.shape[1], len(wanted), mean.shape[2] + 1), np.float32)
        found[..., :-1] = mean.transpose(1, 0, 2)
        found[..., -1] = np.log(count / n + RAREST) + MIDDLE
        return found


class ClassPools:
    """Pools of the classes and of the pairs of classes of m samples.

    Args:
        given: (m,) given classes.
        other: (m,) best other classes.
        n_classes: K, more than any of them.
        shape: (R, Q) of a sample's codes.
    """

    def __init__(self, given: Array, other: Array, n_classes: int, shape: tuple[int, int]) -> None:
        self.n_classes = n_classes
        self.of_given, self.of_other, self.of_pair = (
            Pools(keys, shape) for keys in (given, other, pair_of(given, other, n_classes))
        )

    def add(self, here: slice, codes: Array) -> None:
        """Add the codes, (R, c, Q), of a part of the samples."""
        for pools in (self.of_given, self.of_other, self.of_pair):
            pools.add(here, codes)

    def classes(self) -> Array:
        """Return the pools of each class, (R, K, 2 Q + 2): where it is the given label, and the best other class."""
        every = np.arange(self.n_classes)
        return np.concatenate([self.of_given.at(every), self.of_other.at(every)], axis=2)

    def pairs(self, wanted: Array) -> Array:
        """Return the pools of u pairs, as `pair_of` numbers them, and of the pairs turned, (R, u, 2 Q + 2)."""
        turned = pair_of(wanted % self.n_classes, wanted // self.n_classes, self.n_classes)
        return np.concatenate([self.of_pair.at(wanted), self.of_pair.at(turned)], axis=2)


def pair_of(given: Array, other: Array, n_classes: int) -> Array:
    """Return one number for each pair of a given class and the best other one, (n,)."""
    found: Array = given.astype(np.int64) * n_classes + other
    return found
