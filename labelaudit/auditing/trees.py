"""Boosted regression trees kept as plain numbers: no model file that runs code, no library's version to match."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CHUNK = 1 << 20  # places in the trees held at a time


@dataclass(frozen=True)
class Trees:
    """A sum of T trees of N nodes in all. A leaf's children are itself.

    Attributes:
        roots: (T,) node that each tree begins at.
        feature: (N,) column that a node asks for.
        threshold: (N,) values up to this one go to the left.
        left: (N,) node.
        right: (N,) node.
        value: (N,) what a leaf adds.
        start: what the sum begins with.
    """

    roots: Array
    feature: Array
    threshold: Array
    left: Array
    right: Array
    value: Array
    start: float

    @classmethod
    def load(cls, file: Path) -> Trees:
        """Read trees that `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            of_nodes = {name: arrays[name] for name in arrays.files if name != "start"}
            return cls(**of_nodes, start=float(arrays["start"]))

    def save(self, file: Path) -> None:
        """Write the trees."""
        np.savez_compressed(file, **self.__dict__)

    def predict(self, x: Array) -> Array:
        """Return the sum of what the trees say of each row.

        Args:
            x: (m, F) columns, no NaN.
        """
        size = max(CHUNK // len(self.roots), 1)
        return np.concatenate([self._of(x[low : low + size]) for low in range(0, max(len(x), 1), size)])

    def _of(self, x: Array) -> Array:
        rows = np.arange(len(x))
        at = np.repeat(self.roots[:, None], len(x), axis=1)
        while True:
            down = np.where(x[rows, self.feature[at]] <= self.threshold[at], self.left[at], self.right[at])
            if np.array_equal(down, at):
                found: Array = self.start + self.value[at].sum(axis=0)
                return found
            at = down
