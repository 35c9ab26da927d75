"""Approximate neighbours where the vectors lie in groups, exact ones where they do not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from labelaudit.embedding.approximate import nearly_nearest
from labelaudit.embedding.neighbours import nearest


class FarFromGroups:
    """An inverted file like faiss's that finds nothing, as where the neighbours lie in any cell."""

    def __init__(self, *_: object) -> None:
        self.cp = type("Parameters", (), {})()
        self.nprobe, self.asked = 1, 0

    def train(self, vectors: np.ndarray) -> None:
        """Nothing to learn."""

    add = train

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self.asked += len(vectors)
        assert self.asked <= 500 * 10, "every sample is searched in a large part of the cells"
        return np.zeros((len(vectors), k), np.float32), np.full((len(vectors), k), -1)


def test_vectors_without_groups_are_all_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = type(sys)("faiss")
    faiss.IndexFlatL2 = faiss.IndexIVFFlat = FarFromGroups  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    x = np.random.default_rng(0).normal(size=(6000, 16)).astype(np.float32)
    seconds: dict[str, float] = {}
    found, expected = nearly_nearest(x, 3, "cosine", seconds=seconds), nearest(x, 3)
    assert found.recall == 1
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.distances, expected.distances)
    assert list(seconds) == ["build", "settle", "query"]
