"""Votes for a class, added up over epochs; only the classes that were ever voted for take memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Votes:
    """A sparse table of boxes x classes."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self.keys: Array = np.zeros(0, np.int64)
        self.strength: Array = np.zeros(0)

    def add(self, box: Array, category: Array, strength: Array) -> None:
        """Add one epoch's votes, (v,) each: of several for one box and class, only the strongest counts."""
        keys = box.astype(np.int64) * self.n_classes + category
        order = np.lexsort((-strength, keys))
        keys, strength = keys[order], strength[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        both = np.concatenate([self.keys, keys[first]])
        values = np.concatenate([self.strength, strength[first]])
        self.keys, place = np.unique(both, return_inverse=True)
        self.strength = np.bincount(place, values, len(self.keys))

    def best(self, n: int, but: Array | None = None) -> tuple[Array, Array, Array]:
        """Return the class with most votes of each of n boxes, (n,), -1 for none; its votes; and all votes.

        Args:
            n: number of boxes.
            but: (n,) a class of each box that is left out of the choice.
        """
        box, category = self.keys // self.n_classes, self.keys % self.n_classes
        total = np.bincount(box, self.strength, n)
        kept = np.ones(len(box), bool) if but is None else category != but[box]
        box, category, strength = box[kept], category[kept], self.strength[kept]
        order = np.lexsort((-strength, box))
        top = order[np.flatnonzero(np.diff(box[order], prepend=-1))]
        found, most = np.full(n, -1, np.int64), np.zeros(n)
        found[box[top]], most[box[top]] = category[top], strength[top]
        return found, most, total

    def take(self, rows: Array, n: int) -> None:
        """Keep the votes of some of n boxes, which are numbered anew; ``rows`` ascends."""
        place = np.full(n, -1, np.int64)
        place[rows] = np.arange(len(rows))
        box = place[self.keys // self.n_classes]
        kept = box >= 0
        self.keys = box[kept] * self.n_classes + (self.keys % self.n_classes)[kept]
        self.strength = self.strength[kept]
