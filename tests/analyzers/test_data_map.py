"""The data map, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import analyzers, history_from_arrays


def p_given(seen, y):
    return [one.p[y] for one in seen]


def mean(values):
    return sum(values) / len(values)


def variance(values):
    return sum((value - mean(values)) ** 2 for value in values) / len(values)


def region(seen, y):
    confidence, variability = mean(p_given(seen, y)), variance(p_given(seen, y)) ** 0.5
    if confidence - variability > 0.5:
        return "easy"
    return "hard" if confidence + variability < 0.5 else "ambiguous"


def upper(seen, y):
    v = variance(p_given(seen, y))
    return np.sqrt(v + v**2 / (len(seen) - 1)) if len(seen) > 1 else np.nan


REFERENCES = {
    "confidence": lambda seen, y: mean(p_given(seen, y)),
    "variability": lambda seen, y: variance(p_given(seen, y)) ** 0.5,
    "variability_upper": upper,
    "aleatoric": lambda seen, y: mean([p * (1 - p) for p in p_given(seen, y)]),
    "threshold_closeness": lambda seen, y: mean(p_given(seen, y)) * (1 - mean(p_given(seen, y))),
    "region": region,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(case, name):
    case.check(getattr(analyzers, name), REFERENCES[name])


def test_variability_reads_all_epochs_and_divides_by_their_number():
    # Datagnosis keeps the last epoch only, so its variability is 0; a sample deviation would give 0.2828.
    history = history_from_arrays([[[0.9, 0.1]], [[0.5, 0.5]]], [0], scores_are="probabilities")
    assert analyzers.variability(history).item() == pytest.approx(0.2)
    assert analyzers.variability(history, epochs=[1]).item() == 0


def test_equal_probabilities_have_no_variability_at_all():
    history = history_from_arrays([[[0.7, 0.3]]] * 100, [0], scores_are="probabilities")
    assert analyzers.variability(history).item() == 0


def test_a_small_spread_beside_a_large_mean_is_not_rounded_away():
    z = np.zeros((4, 1, 2))
    z[:, 0, 1] = [50_000.25, 50_000.75, 50_000.25, 50_000.75]
    history = history_from_arrays(z, [0], scores_are="logits")
    assert analyzers.loss_variance(history).item() == pytest.approx(0.0625, rel=1e-6)


def test_a_clean_set_has_no_hard_third():
    history = history_from_arrays([[[0.9, 0.1]] * 30 + [[0.8, 0.2]] * 30] * 2, [0] * 60)
    assert set(analyzers.region(history)) == {"easy"}


def test_regions_are_ordered():
    history = history_from_arrays([[[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]], [0, 0, 0])
    assert analyzers.region(history).tolist() == ["easy", "hard", "ambiguous"]
    assert analyzers.region(history).sort_values().tolist() == ["easy", "ambiguous", "hard"]
