"""Boosted regression trees kept as plain numbers: no model file that runs code, no library's version to match.

A tree is asked as a set of tests instead of a walk from its root: a test that fails rules out the leaves to its left,
and the leftmost one that is left is the answer. So every step is one comparison of a whole column.

Source: Lucchese et al., QuickScorer, SIGIR 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_Test = tuple[int, np.float32, np.uint8]  # column, threshold, leaves that are ruled out above it

MOST_LEAVES = 8  # of a tree: its leaves are the bits of a byte
CHUNK = 1 << 14  # samples at a time: their numbers stay in the cache
_LEFTMOST = np.array([(~gone & (gone + 1)).bit_length() - 1 for gone in range(1 << MOST_LEAVES)])


@dataclass(frozen=True)
class Trees:
    """A sum of T trees with S tests in all.

    Attributes:
        tests_of: (T,) how many tests each tree has; they follow each other in the arrays below.
        feature: (S,) column that a test asks for.
        threshold: (S,) values above this one fail it.
        ruled_out: (S,) leaves that are then ruled out, as bits; leaves are numbered from left to right.
        value: (T, MOST_LEAVES) what a leaf adds.
        start: what the sum begins with.
    """

    tests_of: Array
    feature: Array
    threshold: Array
    ruled_out: Array
    value: Array
    start: float

    @classmethod
    def load(cls, file: Path) -> Trees:
        """Read trees that `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            of_tests = {name: arrays[name] for name in arrays.files if name != "start"}
            return cls(**of_tests, start=float(arrays["start"]))

    def save(self, file: Path) -> None:
        """Write the trees."""
        np.savez_compressed(file, **self.__dict__)

    def predict(self, columns: Sequence[Array | float], n: int) -> Array:
        """Return the sum of what the trees say of each of n samples.

        Args:
            columns: by number, (n,) each, or a number where all samples have the same; no NaN.
            n: number of samples.
        """
        found = np.full(n, self.start)
        singles = {at: one for at, one in enumerate(columns) if isinstance(one, np.ndarray) and one.ndim}
        of_all = {at: np.float32(one) for at, one in enumerate(columns) if at not in singles}
        asked = list(self._asked(of_all))
        for low in range(0, n, CHUNK):
            here = slice(low, low + CHUNK)
            _add(found[here], {at: one[here].astype(np.float32) for at, one in singles.items()}, asked)
        return found

    def _asked(self, of_all: dict[int, np.float32]) -> Iterator[tuple[int, list[_Test], Array]]:
        """Yield of each tree the leaves that are ruled out for all samples, the tests that are left, and the answers.

        An answer stands at the number whose bits are the leaves ruled out.
        """
        answers = np.pad(self.value, ((0, 0), (0, 1)))[:, _LEFTMOST]
        tests = zip(self.feature.tolist(), self.threshold, self.ruled_out, strict=True)
        for n_tests, answer in zip(self.tests_of.tolist(), answers, strict=True):
            left, gone = [], 0
            for feature, threshold, ruled_out in islice(tests, n_tests):
                if feature not in of_all:
                    left.append((feature, threshold, ruled_out))
                elif of_all[feature] > threshold:
                    gone |= int(ruled_out)
            yield gone, left, answer


def _add(total: Array, columns: dict[int, Array], asked: list[tuple[int, list[_Test], Array]]) -> None:
    """Add every tree's answer to the sums of some samples."""
    for gone_for_all, tests, answer in asked:
        gone = np.full(len(total), gone_for_all, np.uint8)
        for feature, threshold, ruled_out in tests:
            gone |= np.greater(columns[feature], threshold).view(np.uint8) * ruled_out
        total += answer.take(gone)
