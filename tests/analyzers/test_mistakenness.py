"""FiftyOne's quantities and the entropies, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import analyzers, history_from_arrays


def entropy(p):
    return -sum(value * np.log(value) for value in p if value > 0)


def sign(one, y):
    return -1 if one.prediction == y else 1


def by_confidence(one, y):
    return (1 + sign(one, y) * max(one.p)) / 2


REFERENCES = {
    "mistakenness": lambda seen, y: np.mean([by_confidence(one, y) for one in seen]),
    "mistakenness_logits": lambda seen, y: np.mean([(1 + sign(one, y) * np.exp(-entropy(one.p))) / 2 for one in seen]),
    "last_mistakenness": lambda seen, y: by_confidence(seen[-1], y),
    "hardness": lambda seen, y: np.mean([entropy(one.p) for one in seen]),
    "mean_entropy": lambda seen, y: np.mean([entropy(one.p) for one in seen]),
    "last_entropy": lambda seen, y: entropy(seen[-1].p),
    "signed_entropy": lambda seen, y: np.mean([-sign(one, y) * entropy(one.p) for one in seen]),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(case, name):
    single = 200 if name.startswith("last") and case.tolerance < 1e-8 else 1  # these are kept in single precision
    case.check(getattr(analyzers, name), REFERENCES[name], scale=single)


def test_one_epoch_gives_the_values_of_fiftyone():
    # Computed with fiftyone-brain's formulas: (1 + m c) / 2, m = -1 where the label is confirmed; H in nats.
    logits = np.array([[[2.0, 0.5, -1.0], [2.0, 0.5, -1.0]]])
    history = history_from_arrays(logits, [0, 1], scores_are="logits")
    assert analyzers.mistakenness(history).tolist() == pytest.approx([0.107201, 0.892799], abs=1e-6)
    assert analyzers.hardness(history).tolist() == pytest.approx([0.621585] * 2, abs=1e-6)
    assert analyzers.mistakenness_logits(history).tolist() == pytest.approx([0.231454, 0.768546], abs=1e-6)


def test_a_certain_prediction_has_no_entropy():
    history = history_from_arrays([[[1.0, 0.0]]], [0], scores_are="probabilities")
    assert 0 <= analyzers.hardness(history).item() < 1e-9
