"""Exact neighbours against all distances, block by block, whatever the data look like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from labelaudit import Embeddings, LabelAuditError
from labelaudit.embedding import neighbours
from labelaudit.embedding.distance import Space
from tests.embedding import reference

RNG = np.random.default_rng(0)
KINDS: dict[str, Callable[[int, int], np.ndarray]] = {
    "normal": lambda n, d: RNG.normal(size=(n, d)),
    "whole numbers, many ties": lambda n, d: RNG.integers(0, 3, (n, d)).astype(float),
    "many duplicates": lambda n, d: RNG.normal(size=(n, d))[RNG.integers(0, max(n // 4, 1), n)],
    "duplicates only": lambda n, d: np.ones((n, d)),
    "some vectors of zeros": lambda n, d: RNG.normal(size=(n, d)) * (np.arange(n) % 3 > 0)[:, None],
    "huge, far from zero": lambda n, d: (RNG.normal(size=(n, d)) + 1e6) * 1e20,
    "too near for single precision": lambda n, d: 1 + 1e-7 * RNG.normal(size=(n, d)),
    "tiny": lambda n, d: 1e-30 * RNG.normal(size=(n, d)),
}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3, 40, 150])
def test_neighbours_equal_brute_force(kind: str, n: int, metric: str, tile: int) -> None:
    x = KINDS[kind](n, 8)
    for k in (1, 5):
        found = neighbours.nearest(x, k, metric)
        indices, distances = reference.nearest(x, k, metric)
        scale = distances.max(initial=0)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-7, atol=1e-15 * scale)
        assert found.recall == 1
        assert (found.indices != np.arange(n)[:, None]).all()
        assert all(len(set(row)) == len(row) for row in found.indices.tolist())
        clear = np.diff(distances, axis=1, append=np.inf) > 1e-9 * scale  # where rounding cannot swap two neighbours
        clear &= np.diff(distances, axis=1, prepend=-np.inf) > 1e-9 * scale
        clear[:, -1] = False
        np.testing.assert_array_equal(found.indices[clear], indices[clear])


def test_equal_distances_are_ordered_by_place(tile: int) -> None:
    x = np.zeros((30, 2))
    x[::3] = 1.0  # 10 equal vectors at one place, 20 at another
    found = neighbours.nearest(x, 12, "euclidean")
    assert found.indices[0].tolist() == [3, 6, 9, 12, 15, 18, 21, 24, 27, 1, 2, 4]
    assert found.indices[27].tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 24, 1, 2, 4]
    assert found.indices[29].tolist() == [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17]
    assert found.distances[29].tolist() == [0.0] * 12


def test_a_sample_alone_has_no_neighbours() -> None:
    for n in (0, 1):
        found = neighbours.nearest(np.ones((n, 3)), 5)
        assert found.indices.shape == found.distances.shape == (n, 0)


def test_an_exact_duplicate_is_at_distance_0() -> None:
    x = np.random.default_rng(1).normal(size=(500, 64)).astype(np.float32) + 100
    x[400] = x[3]
    for metric in ("cosine", "euclidean"):
        found = neighbours.nearest(x, 3, metric)
        assert (found.indices[3, 0], found.distances[3, 0]) == (400, 0.0)
        assert (found.indices[400, 0], found.distances[400, 0]) == (3, 0.0)


def test_a_near_duplicate_keeps_its_small_distance() -> None:
    x = np.random.default_rng(1).normal(size=(300, 32)) + 10
    x[299] = x[0]
    x[299, 0] += 1e-9
    found = neighbours.nearest(x, 1, "euclidean")
    assert found.indices[0, 0] == 299
    assert found.distances[0, 0] == pytest.approx(1e-9, rel=1e-5)


def test_results_do_not_depend_on_the_order_of_the_samples() -> None:
    x = np.random.default_rng(2).normal(size=(200, 16))
    order = np.random.default_rng(3).permutation(200)
    straight, shuffled = neighbours.nearest(x, 4), neighbours.nearest(x[order], 4)
    np.testing.assert_array_equal(order[shuffled.indices], straight.indices[order])
    np.testing.assert_allclose(shuffled.distances, straight.distances[order], rtol=1e-12)


def test_one_hash_for_two_vectors_does_not_make_them_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelaudit.embedding.twins._hashes", lambda vectors: np.zeros(len(vectors), np.uint64))
    x = np.array([[0.0], [1.0], [0.0], [4.0]])
    assert neighbours.nearest(x, 1, "euclidean").distances.ravel().tolist() == [0.0, 1.0, 0.0, 3.0]


def test_minus_zero_is_zero() -> None:
    e = Embeddings.from_arrays([[0.0, 1.0], [-0.0, 1.0]])
    assert len(e.exact_duplicates()) == 1


def test_neighbours_of_few_among_others(tile: int) -> None:
    x = np.random.default_rng(4).normal(size=(120, 6))
    rows, columns = np.arange(0, 120, 3), np.flatnonzero(np.arange(120) % 3)
    found = neighbours.nearest_of(Space(x, "cosine"), rows, columns, 4)
    d = reference.distance_matrix(x, "cosine")[np.ix_(rows, columns)]
    np.testing.assert_array_equal(found.indices, np.argsort(d, axis=1, kind="stable")[:, :4])


def test_public_neighbours_are_kept_and_cut() -> None:
    e = Embeddings.from_arrays(np.random.default_rng(5).normal(size=(50, 4)))
    ten = e.neighbors(10)
    three = e.neighbors(3)
    np.testing.assert_array_equal(three.indices, ten.indices[:, :3])
    assert np.shares_memory(three.indices, ten.indices)
    assert e.neighbors(99).indices.shape == (50, 49)
    with pytest.raises(LabelAuditError, match="k=-1"):
        e.neighbors(-1)
    with pytest.raises(LabelAuditError, match='expected one of "cosine", "euclidean"'):
        e.neighbors(3, metric="manhattan")
