"""Cells leave out no close pair, and most of the far ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from labelaudit import Embeddings
from labelaudit.embedding import cells, close_pairs, thinning
from labelaudit.embedding.distance import METRICS, Space
from tests.embedding import reference

RNG = np.random.default_rng(0)
KINDS: dict[str, Callable[[int, int], np.ndarray]] = {
    "normal": lambda n, d: RNG.normal(size=(n, d)),
    "whole numbers, many ties": lambda n, d: RNG.integers(0, 3, (n, d)).astype(float),
    "many duplicates": lambda n, d: RNG.normal(size=(n, d))[RNG.integers(0, n // 4, n)],
    "duplicates only": lambda n, d: np.ones((n, d)),
    "some vectors of zeros": lambda n, d: RNG.normal(size=(n, d)) * (np.arange(n) % 3 > 0)[:, None],
    "too near for single precision": lambda n, d: 1 + 1e-7 * RNG.normal(size=(n, d)),
    "one far away": lambda n, d: RNG.normal(size=(n, d)) * np.where(np.arange(n) == 5, 1e6, 1)[:, None],
    "half precision": lambda n, d: RNG.normal(size=(n, d)).astype(np.float16).astype(np.float32),
}


@pytest.fixture(params=[64, 4_194_304])
def in_cells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few samples in cells, too, and in small pieces."""
    monkeypatch.setattr(cells, "CELLS_FROM", 2)
    monkeypatch.setattr(cells, "VALUES", request.param)
    monkeypatch.setattr(cells, "TILE", 8 if request.param == 64 else 2048)


@pytest.mark.usefixtures("in_cells")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 3, 30])
def test_close_pairs_in_cells_are_all_close_pairs(kind: str, d: int, metric: str) -> None:
    x = KINDS[kind](120, d)
    space = Space(x, metric)
    rows = np.flatnonzero(np.arange(120) % 5)
    i, j = np.triu_indices(len(rows), 1)
    far = space.pairs(rows[i], rows[j])
    groups = np.arange(len(rows)) % 3
    for threshold in (0.0, 0.01, float(far[7]), float(np.median(far)), 5.0, np.inf):  # two are a pair's own distance
        for some in (None, groups):
            close = far <= threshold if some is None else (far <= threshold) & (some[i] != some[j])
            found = close_pairs.within(space, rows, threshold, len(i), some)
            assert found is not None
            np.testing.assert_array_equal(found.first, i[close])
            np.testing.assert_array_equal(found.later, j[close])
            np.testing.assert_array_equal(found.distance, far[close])


def test_tables_do_not_depend_on_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    x = RNG.normal(size=(400, 6))
    x[200:] = x[:200] * (1 + 0.01 * RNG.normal(size=(200, 6)))
    e = Embeddings.from_arrays(x, labels=np.arange(400) % 7, splits=np.where(np.arange(400) % 3, "train", "val"))
    answers = [
        lambda: e.leaks(0.01),
        lambda: e.label_conflicts(0.01),
        lambda: e.near_duplicates(0.01),
        lambda: e.similarity().find_duplicates(0.01).duplicates_view(),
    ]
    expected = [answer() for answer in answers]
    monkeypatch.setattr(cells, "CELLS_FROM", 2)
    for answer, table in zip(answers, expected, strict=True):
        assert answer().equals(table)
        assert len(table) > 20


@pytest.mark.parametrize("question", ["leaks", "label_conflicts", "near_duplicates", "find_duplicates", "downweighted"])
def test_the_work_does_not_grow_with_the_square(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 samples have 2e8 pairs: few of them are measured."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 16)).astype(np.float32)
    x[:200] = x[200:400] * (1 + 1e-3 * rng.normal(size=(200, 16)))
    e = Embeddings.from_arrays(x, labels=np.arange(20_000) % 7, splits=np.arange(20_000) % 3)
    measured = 0
    block = Space.block

    def counted(space: Space, *where: np.ndarray) -> np.ndarray:
        nonlocal measured
        found = block(space, *where)
        measured += found.size
        return found

    monkeypatch.setattr(Space, "block", counted)
    if question == "find_duplicates":
        assert len(e.similarity().find_duplicates(1e-4).duplicate_ids) == 200
    elif question == "downweighted":
        e.representativeness(method="cluster-center-downweight")
    else:
        assert len(getattr(e, question)(1e-4)) > 100
    assert measured < 2e8 / 5


@pytest.mark.parametrize("most", [0, thinning.MOST_PAIRS])
def test_near_an_earlier_sample(most: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "MOST_PAIRS", most)
    x = RNG.normal(size=(150, 2))
    rows = RNG.permutation(150)
    close = reference.distance_matrix(x, "euclidean")[np.ix_(rows, rows)] <= 0.2
    found = thinning.near_earlier(Space(x, "euclidean"), rows, 0.2)
    np.testing.assert_array_equal(found, np.triu(close, 1).any(axis=0))
    assert 20 < found.sum() < 140


@pytest.mark.parametrize("metric", METRICS)
def test_vectors_of_zeros_are_duplicates_of_each_other(metric: str) -> None:
    e = Embeddings.from_arrays(np.array([[0, 0], [1, 0], [0, 0], [0, 1.0]]), labels=[0, 0, 1, 1], splits=list("aabb"))
    for found in (e.near_duplicates(0.05, metric=metric), e.label_conflicts(0.05, metric=metric), e.leaks(0.05)):
        assert found[["sample_id", "other_id", "distance"]].values.tolist() == [[0, 2, 0.0]]
    assert e.similarity(metric=metric).find_duplicates(0.05).neighbors_map == {0: [(2, 0.0)]}


def test_a_fraction_is_found_without_the_neighbours_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    x = RNG.normal(size=(300, 4))
    x[200:] = x[100:200]  # a third are copies
    e = Embeddings.from_arrays(x)
    expected = {f: e.similarity().find_duplicates(fraction=f).duplicate_ids for f in (0.1, 0.4)}
    monkeypatch.setattr(thinning, "TRIED", 20)
    for fraction, ids in expected.items():
        np.testing.assert_array_equal(e.similarity().find_duplicates(fraction=fraction).duplicate_ids, ids)
