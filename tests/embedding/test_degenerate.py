"""Whatever the data look like, every question has an answer, and none warns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labelaudit import Embeddings, LabelAuditError

DATA = {
    "no sample": np.empty((0, 2)),
    "one sample": np.ones((1, 2)),
    "two samples": np.eye(2),
    "fewer samples than neighbours": np.random.default_rng(0).normal(size=(4, 3)),
    "duplicates only": np.ones((30, 4)),
    "zeros": np.zeros((30, 4)),
    "one feature": np.arange(30.0)[:, None],
    "one direction": np.arange(1, 31.0)[:, None] * np.ones((1, 3)),
    "single precision, tiny": (1e-12 * np.random.default_rng(1).normal(size=(30, 3))).astype(np.float32),
}
QUESTIONS: dict[str, Callable[[Embeddings, str], Any]] = {
    "neighbors": lambda e, metric: e.neighbors(10, metric=metric).distances,
    "uniqueness": lambda e, metric: e.uniqueness(metric=metric),
    "representativeness": lambda e, metric: e.representativeness(),
    "downweighted": lambda e, metric: e.representativeness(method="cluster-center-downweight"),
    "near duplicates": lambda e, metric: e.near_duplicates(0.1, metric=metric)["distance"],
    "conflicts": lambda e, metric: e.label_conflicts(0.1, metric=metric)["distance"],
    "leaks": lambda e, metric: e.leaks(0.1, metric=metric)["distance"],
    "exact duplicates": lambda e, metric: e.exact_duplicates()["distance"],
    "votes": lambda e, metric: e.label_votes(metric=metric).probabilities(),
    "duplicates": lambda e, metric: e.similarity(metric=metric).find_duplicates(0.1).duplicates_view()["distance"],
    "fraction": lambda e, metric: e.similarity(metric=metric).find_duplicates(fraction=0.3).duplicate_ids,
    "unique": lambda e, metric: e.similarity(metric=metric).find_unique(-(-len(e) // 2)).unique_ids,
    "centred": lambda e, metric: e.centred().vectors,
    "pca": lambda e, metric: e.visualize("pca").points,
}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("data", DATA)
def test_every_question_has_a_finite_answer(data: str, question: str, metric: str) -> None:
    x = DATA[data]
    e = Embeddings.from_arrays(x, labels=np.zeros(len(x), int), splits=["train"] * len(x))  # one class, one split
    assert np.isfinite(np.asarray(QUESTIONS[question](e, metric), np.float64)).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [1e160, 1e300, 1e-170, 1e-300])
def test_very_large_and_tiny_vectors_are_as_unique_as_others(scale: float, metric: str) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, size=(40, 5))
    plain, scaled = Embeddings.from_arrays(x), Embeddings.from_arrays(x * scale)
    np.testing.assert_allclose(scaled.uniqueness(metric=metric), plain.uniqueness(metric=metric), rtol=1e-9)
    for method in ("neighbors", "representativeness"):
        options = {} if method == "representativeness" else {"metric": metric}
        found, expected = (getattr(e, method)(**options) for e in (scaled, plain))
        if method == "neighbors":
            np.testing.assert_array_equal(found.indices, expected.indices)
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_rows_of_very_different_lengths() -> None:
    x = np.random.default_rng(0).normal(size=(40, 5))
    scales = 10.0 ** np.random.default_rng(1).integers(-200, 200, (40, 1))
    found, expected = (Embeddings.from_arrays(one).uniqueness() for one in (x * scales, x))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_numbers_too_large_to_be_added() -> None:
    with pytest.raises(LabelAuditError, match=r"numbers up to 1.0e\+305; expected 1e\+300 at most"):
        Embeddings.from_arrays([[1.0, -1e305]])
