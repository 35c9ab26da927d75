"""EL2N, against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import analyzers, history_from_arrays


def error_norm(p, y):
    return sum((value - (k == y)) ** 2 for k, value in enumerate(p)) ** 0.5


def el2n(seen, y):
    return np.mean([error_norm(one.p, y) for one in seen])


def spread(p, y):
    """Return the probabilities as a summary gives them: what two classes leave, spread over the others."""
    other = max((k for k in range(len(p)) if k != y), key=lambda k: p[k])
    rest = (1 - p[y] - p[other]) / max(len(p) - 2, 1)
    return [value if k in (y, other) else rest for k, value in enumerate(p)]


def test_equals_the_reference(whole_case):
    whole_case.check(analyzers.el2n, el2n)


def test_equals_the_reference_on_summaries(summary_case):
    summary_case.check(
        analyzers.el2n, lambda seen, y: np.mean([error_norm(spread(one.p, y), y) for one in seen]), scale=2
    )


def test_it_is_the_length_and_not_its_square():
    # Datagnosis returns the square, of the last epoch.
    history = history_from_arrays([[[0.0, 1.0]], [[1.0, 0.0]]], [0], scores_are="probabilities")
    assert analyzers.el2n(history).item() == pytest.approx(2**0.5 / 2)


def test_it_is_not_lost_in_rounding_near_certainty():
    z = np.zeros((1, 20, 10), np.float32)
    z[0, :, 0] = np.linspace(1, 30, 20)
    z[0, :, 1] = 0.5
    found = analyzers.el2n(history_from_arrays(z, [0] * 20, scores_are="logits"))
    exact = analyzers.el2n(history_from_arrays(z.astype(float), [0] * 20, scores_are="logits"))
    assert (found - exact).abs().max() < 1e-4
    assert found.is_monotonic_decreasing
