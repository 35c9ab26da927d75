"""Whatever the data look like, every question has an answer, and none warns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labelaudit import Embeddings

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
    "unique": lambda e, metric: e.similarity(metric=metric).find_unique(len(e) // 2).unique_ids,
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
