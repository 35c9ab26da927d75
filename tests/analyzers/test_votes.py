"""Votes of the epochs, against loops."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from labelaudit import analyzers, history_from_arrays
from labelaudit.analyzers import Votes, accumulate


def counts(seen):
    return Counter(one.prediction for one in seen)


def vote(seen):
    return min(counts(seen), key=lambda k: (-counts(seen)[k], k))


def shares(seen):
    return [count / len(seen) for count in counts(seen).values()]


REFERENCES = {
    "vote": lambda seen, y: vote(seen),
    "disagreement": lambda seen, y: 1 - max(shares(seen)),
    "plurality_other": lambda seen, y: max(shares(seen)) if vote(seen) != y else 0,
    "prediction_flips": lambda seen, y: sum(a.run == b.run and a.prediction != b.prediction for a, b in pairwise(seen)),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(case, name):
    case.check(getattr(analyzers, name), REFERENCES[name])


def test_entropy_equals_the_reference(case):
    case.check(
        analyzers.prediction_entropy,
        lambda seen, y: -sum(q * np.log(q) for q in shares(seen)) / np.log(case.n_classes),
    )


@pytest.mark.parametrize("seed", range(5))
def test_with_more_than_eight_classes_a_frequent_one_is_never_lost(seed):
    rng = np.random.default_rng(seed)
    epochs, n, n_classes = 60, 40, 50
    predictions = np.where(rng.random((epochs, n)) < 0.3, 49, rng.integers(n_classes, size=(epochs, n)))
    history = history_from_arrays(np.eye(n_classes)[predictions] * 5, [0] * n, scores_are="logits")
    (state,) = accumulate(history, [Votes])
    assert (state.counts.sum(axis=0) == epochs).all()
    for i in range(n):
        true = Counter(predictions[:, i].tolist())
        kept = dict(zip(state.classes[:, i].tolist(), state.counts[:, i].tolist(), strict=True))
        assert len(kept) == 8
        assert all(true[k] <= kept[k] <= true[k] + epochs / 8 for k in kept)
        assert all(k in kept for k, count in true.items() if count > epochs / 8)
