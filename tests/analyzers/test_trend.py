"""Trends, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import Recorder, analyzers, history_from_arrays, open_history


def level(p):
    return min(int(p * 16), 15)


def mann_kendall(seen, y):
    s, variance = 0, 0.0
    for run in {one.run for one in seen}:
        levels = [level(one.p[y]) for one in seen if one.run == run]
        n = len(levels)
        variance += n * (n - 1) * (2 * n + 5) / 18
        s += sum(int(np.sign(levels[t] - levels[u])) for t in range(n) for u in range(t))
    return (s - np.sign(s)) / np.sqrt(variance) if variance else np.nan


def slope(seen, y):
    epochs = np.array([one.epoch for one in seen], float)
    if len(set(epochs)) < 2:
        return np.nan
    return np.polyfit(epochs, [one.p[y] for one in seen], 1)[0]


def test_slope_equals_the_reference(case):
    case.check(analyzers.confidence_slope, slope)


def test_mann_kendall_equals_the_reference(case):
    if case.tolerance < 1e-3:  # half precision moves a probability into the next sixteenth now and then
        case.check(analyzers.mann_kendall, mann_kendall)
    else:
        expected = [mann_kendall(seen, y) for seen, y in zip(case.presentations, case.labels, strict=True)]
        found = analyzers.mann_kendall(case.history)
        assert np.nanmean(np.abs(found - expected)) < 0.05


def test_a_steady_rise_has_a_high_z_and_a_fall_a_low_one():
    p = np.linspace(0.05, 0.95, 12)
    scores = np.stack([np.stack([p, 1 - p], axis=1), np.stack([1 - p, p], axis=1)], axis=1)
    z = analyzers.mann_kendall(history_from_arrays(scores, [0, 0]))
    assert z.tolist() == pytest.approx([65 / np.sqrt(12 * 11 * 29 / 18), -65 / np.sqrt(12 * 11 * 29 / 18)])


def test_the_slope_of_late_epochs_is_not_rounded_away(tmp_path):
    # In single precision the squares of epochs above 4,096 differ by whole units from what they are.
    p = np.array([0.2, 0.35, 0.3, 0.6, 0.7])
    with Recorder(tmp_path, n_samples=1, scores_are="probabilities", precision="single") as recorder:
        for t, one in enumerate(p):
            recorder.record([0], [[one, 1 - one]], [0])
            recorder.end_epoch(50_001 + t)
    found = analyzers.confidence_slope(open_history(tmp_path))
    assert found.tolist() == pytest.approx([np.polyfit(np.arange(5.0), p, 1)[0]], rel=1e-4)
