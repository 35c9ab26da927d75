"""Statistics of the mean probabilities, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import analyzers, history_from_arrays
from labelaudit.analyzers import Consensus, accumulate
from labelaudit.analyzers.mean_scores import AllClasses, LikeliestClasses


def mean_p(seen):
    return [np.mean([one.p[k] for one in seen]) for k in range(len(seen[0].p))]


def entropy(p):
    return -sum(value * np.log(value) for value in p if value > 0)


def best(p, left_out=None):
    return max((k for k in range(len(p)) if k != left_out), key=lambda k: (p[k], -k))


def margin(p, y):
    return p[y] - p[best(p, y)]


def weighted_entropy(p, y):
    x = entropy(p) / np.log(len(p)) / p[y]
    return np.log(1 + x) / x


REFERENCES = {
    "consensus": lambda seen, y: best(mean_p(seen)),
    "runner_up": lambda seen, y: best(mean_p(seen), y),
    "mean_probability_margin": lambda seen, y: margin(mean_p(seen), y),
    "self_confidence": lambda seen, y: mean_p(seen)[y],
    "normalized_margin": lambda seen, y: (margin(mean_p(seen), y) + 1) / 2,
    "confidence_weighted_entropy": lambda seen, y: weighted_entropy(mean_p(seen), y),
    "bald": lambda seen, y: entropy(mean_p(seen)) - np.mean([entropy(one.p) for one in seen]),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(whole_case, name):
    single = 1000 if whole_case.tolerance < 1e-8 else 1  # the sums are kept in single precision
    whole_case.check(getattr(analyzers, name), REFERENCES[name], scale=single)


def spread(p, y):
    """Return the probabilities as a summary gives them: what two classes leave, spread over the others."""
    other = best(p, y)
    rest = (1 - p[y] - p[other]) / max(len(p) - 2, 1)
    return [value if k in (y, other) else rest for k, value in enumerate(p)]


def mean_spread(seen, y):
    p = [spread(one.p, y) for one in seen]
    return [np.mean([values[k] for values in p]) for k in range(len(p[0]))]


OF_SUMMARIES = {
    "consensus": lambda seen, y: best(mean_spread(seen, y)),
    "runner_up": lambda seen, y: best(mean_spread(seen, y), y),
    "mean_probability_margin": lambda seen, y: margin(mean_spread(seen, y), y),
    "self_confidence": lambda seen, y: mean_spread(seen, y)[y],
    "normalized_margin": lambda seen, y: (margin(mean_spread(seen, y), y) + 1) / 2,
    "confidence_weighted_entropy": lambda seen, y: weighted_entropy(mean_spread(seen, y), y),
    "bald": lambda seen, y: max(entropy(mean_spread(seen, y)) - np.mean([entropy(one.p) for one in seen]), 0),
}


@pytest.mark.parametrize("name", OF_SUMMARIES)
def test_equals_the_reference_on_summaries(summary_case, name):
    summary_case.check(getattr(analyzers, name), OF_SUMMARIES[name], scale=2)


def test_means_equal_those_of_the_history(case):
    (state,) = accumulate(case.history, [Consensus])
    found = state.means.of(slice(0, state.n)).T
    np.testing.assert_allclose(found, case.history.mean_scores(), atol=2e-6)
    np.testing.assert_allclose(state.means.of(np.array([0])).T, found[:1])


def test_many_classes_of_summaries_are_not_held_whole(case):
    (state,) = accumulate(case.history, [Consensus])
    slots = case.name in ("summary of hundred", "summaries of two runs")
    assert isinstance(state.means, LikeliestClasses if slots else AllClasses)


def test_weighted_entropy_of_certain_predictions():
    # cleanlab 2.9 clips: 0.000 and 0.031 for the certain right ones, 0.000 and 0.985 for the certain wrong ones.
    p = [[1.0, 0.0], [1 - 1e-9, 1e-9], [0.5, 0.5], [1e-9, 1 - 1e-9], [0.0, 1.0]]
    found = analyzers.confidence_weighted_entropy(history_from_arrays([p], [0] * 5, scores_are="probabilities"))
    assert found.is_monotonic_decreasing
    assert found[[0, 1]].min() > 0.99
    assert found[2] == pytest.approx(np.log(3) / 2)
    assert found[[3, 4]].max() < 0.15


def test_scores_equal_those_of_cleanlab():
    # cleanlab 2.9 on the mean of the two epochs, labels as given.
    scores = [[[0.7, 0.2, 0.1], [0.3, 0.5, 0.2]], [[0.5, 0.4, 0.1], [0.1, 0.1, 0.8]]]
    history = history_from_arrays(scores, [0, 1])
    assert analyzers.self_confidence(history).tolist() == pytest.approx([0.6, 0.3])
    assert analyzers.normalized_margin(history).tolist() == pytest.approx([0.65, 0.4])
    assert analyzers.confidence_weighted_entropy(history).tolist() == pytest.approx([0.631027, 0.453522], abs=1e-6)
