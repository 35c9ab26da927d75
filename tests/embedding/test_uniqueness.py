"""Uniqueness and representativeness: FiftyOne's formulas, right way round."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import Embeddings, LabelAuditError
from tests.embedding import reference

X = np.random.default_rng(0).normal(size=(60, 5))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_uniqueness_is_the_weighted_distance_over_its_largest(metric: str) -> None:
    found = Embeddings.from_arrays(X).uniqueness(metric=metric)
    d = np.sort(reference.distance_matrix(X, metric), axis=1)[:, 1:4]  # without itself
    expected = d @ [0.6, 0.3, 0.1]
    np.testing.assert_allclose(found, expected / expected.max(), rtol=1e-9)
    assert found.max() == 1
    assert found.min() >= 0


def test_as_fiftyone_skips_the_nearest_neighbour() -> None:
    found = Embeddings.from_arrays(X).uniqueness(as_fiftyone=True)
    d = np.sort(reference.distance_matrix(X, "cosine"), axis=1)[:, 2:5]
    expected = d @ [0.6, 0.3, 0.1]
    np.testing.assert_allclose(found, expected / expected.max(), rtol=1e-9)


def test_an_exact_duplicate_is_not_as_unique_as_the_sample_was_alone() -> None:
    x = np.random.default_rng(1).normal(size=(200, 4))
    both = Embeddings.from_arrays(np.concatenate([x, x[:20]]))
    alone = Embeddings.from_arrays(x).uniqueness(metric="euclidean")
    ours = both.uniqueness(metric="euclidean")
    theirs = both.uniqueness(metric="euclidean", as_fiftyone=True)
    assert (ours[:20] < 0.6 * alone[:20]).all()
    assert (theirs[:20] > 0.7 * alone[:20]).mean() > 0.9  # FiftyOne hardly sees the copies


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([[1.0, 2.0]], [1.0]),  # alone: unique
        ([[1.0, 2.0]] * 5, [0.0] * 5),  # duplicates only
        ([[0.0], [1.0]], [1.0, 1.0]),
        ([[0.0], [1.0], [3.0]], [(0.6 * 1 + 0.3 * 3) / (0.6 * 2 + 0.3 * 3), (0.6 + 0.6) / (1.2 + 0.9), 1.0]),
    ],
)
def test_few_samples(x: list[list[float]], expected: list[float]) -> None:
    found = Embeddings.from_arrays(x).uniqueness(metric="euclidean")
    assert found.tolist() == pytest.approx(expected)


def test_regions_count_as_their_mean() -> None:
    whole = Embeddings.from_arrays(X[:10], [f"s{i}" for i in range(10)])
    regions = Embeddings.from_arrays(X[10:14], inside=["s3", "s3", "s7", "s3"])
    expected = X[:10].copy()
    expected[3], expected[7] = X[[10, 11, 13]].mean(axis=0), X[12]
    np.testing.assert_allclose(whole.uniqueness(regions=regions), Embeddings.from_arrays(expected).uniqueness())
    with pytest.raises(LabelAuditError, match="inside=sample_ids"):
        whole.uniqueness(regions=whole)
    with pytest.raises(LabelAuditError, match="no embedding of sample 's99'"):
        whole.uniqueness(regions=Embeddings.from_arrays(X[:1], inside=["s99"]))
    with pytest.raises(LabelAuditError, match="regions have 2 features, the samples have 5"):
        whole.uniqueness(regions=Embeddings.from_arrays(X[:1, :2], inside=["s3"]))


def test_the_centre_of_a_cluster_is_representative_and_its_edge_is_not() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(size=(100, 3)) + 30 * one for one in np.eye(3)])
    x[0], x[1] = x[:100].mean(axis=0), x[:100].mean(axis=0) + 9
    e = Embeddings.from_arrays(x)
    found = e.representativeness(n_clusters=3)
    assert found[0] > 0.95
    assert found[1] == 0
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(e.representativeness(n_clusters=3, as_fiftyone=True), 1 - found)


def test_downweighting_lowers_the_neighbours_of_a_better_sample_once() -> None:
    x = np.array([[0.0], [0.3], [-0.3], [3.0], [-3.0]])
    e = Embeddings.from_arrays(x)
    plain = e.representativeness(n_clusters=1)
    lowered = e.representativeness(method="cluster-center-downweight", n_clusters=1)
    np.testing.assert_allclose(plain, [1, 0.9, 0.9, 0, 0])
    np.testing.assert_allclose(lowered, [1, 0.63, 0.63, 0, 0])
    with pytest.raises(LabelAuditError, match="cluster-center-downweight"):
        e.representativeness(method="centre")


def test_representativeness_of_few_and_equal_samples() -> None:
    assert Embeddings.from_arrays([[1.0, 2.0]] * 4).representativeness().tolist() == [1.0] * 4
    assert Embeddings.from_arrays([[1.0, 2.0]]).representativeness().tolist() == [1.0]
    assert Embeddings.from_arrays(X[:3]).representativeness().tolist() == [1.0] * 3  # a cluster each
    assert Embeddings.from_arrays(np.empty((0, 3))).representativeness().tolist() == []
