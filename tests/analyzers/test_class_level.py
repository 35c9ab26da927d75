"""Confident joint, noise matrix, health of classes and cleanlab's filters: against a loop, and against cleanlab 2.9."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import LabelAuditError, analyzers, history_from_arrays
from labelaudit.analyzers import Consensus, accumulate


def noisy_history(seed=3, n=60, n_classes=4, **options):
    """Return a history of two epochs in which about a quarter of the labels is wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    true = np.where(rng.random(n) < 0.3, rng.integers(n_classes, size=n), labels)
    z = rng.normal(size=(2, n, n_classes))
    z[:, np.arange(n), true] += 1.5
    return history_from_arrays(z, labels, scores_are="logits", **options)


def mean_p(case):
    (state,) = accumulate(case.history, [Consensus])
    return state.means.of(slice(0, state.n)).T


def confident_joint(p, labels):
    """Return counts, rows true, columns given, by the definition."""
    n_classes = len(p[0])
    thresholds = []
    for k in range(n_classes):
        of_class = [row[k] for row, y in zip(p, labels, strict=True) if y == k]
        thresholds.append(sum(of_class) / len(of_class) if of_class else 2)
    joint = np.zeros((n_classes, n_classes), int)
    for row, y in zip(p, labels, strict=True):
        confident = [k for k in range(n_classes) if row[k] >= thresholds[k] - 1e-6]
        if len(confident) == 1:
            joint[confident[0], y] += 1
        elif confident:
            joint[max(range(n_classes), key=lambda k: (row[k], -k)), y] += 1
    for k in range(n_classes):
        joint[k, k] = max(joint[k, k], 1)
    return joint


def test_joint_equals_the_reference(case):
    expected = confident_joint(mean_p(case).tolist(), case.labels)
    found = analyzers.confident_joint(case.history, calibrate=False)
    assert (found.to_numpy() == expected).all()
    assert (found.index.name, found.columns.name) == ("true_label", "given_label")


def test_calibrated_joint_keeps_the_number_of_every_given_label(case):
    joint = analyzers.confident_joint(case.history)
    counts = np.bincount(case.labels, minlength=case.n_classes)
    np.testing.assert_allclose(joint.sum(axis=0), counts)
    raw = analyzers.confident_joint(case.history, calibrate=False)
    for k in np.flatnonzero(counts):
        np.testing.assert_allclose(
            joint.to_numpy()[:, k] / counts[k], raw.to_numpy()[:, k] / raw.to_numpy()[:, k].sum()
        )


def test_noise_matrix_is_the_joint_by_true_class(case):
    joint = analyzers.confident_joint(case.history).to_numpy()
    noise = analyzers.noise_matrix(case.history).to_numpy()
    np.testing.assert_allclose(noise.sum(axis=1), 1)
    for j in range(case.n_classes):
        expected = joint[j] / joint[j].sum() if joint[j].sum() else np.eye(case.n_classes)[j]
        np.testing.assert_allclose(noise[j], expected)


def test_planted_noise_is_found():
    rng = np.random.default_rng(0)
    true = rng.integers(3, size=3000)
    labels = np.where((true == 0) & (rng.random(3000) < 0.3), 1, true)
    z = rng.normal(size=(1, 3000, 3)) * 0.5
    z[0, np.arange(3000), true] += 4
    noise = analyzers.noise_matrix(history_from_arrays(z, labels, scores_are="logits"))
    # The wrong labels lower the threshold of class 1 but not that of class 0: the estimate is below the planted 0.3.
    np.testing.assert_allclose(noise, [[0.7, 0.3, 0], [0, 1, 0], [0, 0, 1]], atol=0.1)


def test_matrices_carry_the_names_of_the_classes():
    history = noisy_history(class_names=["a", "b", "c", "d"])
    for matrix in (analyzers.confident_joint(history), analyzers.noise_matrix(history)):
        assert matrix.index.tolist() == matrix.columns.tolist() == ["a", "b", "c", "d"]
    assert set(analyzers.class_health(history).index) == {"a", "b", "c", "d"}
    assert analyzers.class_pair_health(history).loc[0, ["class_a", "class_b"]].tolist() == ["a", "c"]


def test_joint_and_health_equal_those_of_cleanlab():
    history = noisy_history()
    joint = analyzers.confident_joint(history, calibrate=False)
    assert joint.to_numpy().T.tolist() == [[9, 1, 3, 0], [0, 11, 0, 1], [4, 3, 7, 0], [0, 0, 0, 7]]
    health = analyzers.class_health(history)
    assert health.index.tolist() == [2, 0, 1, 3]
    # cleanlab rounds its joint to whole samples: 7, 5, 1, 0 issues and 4, 4, 4, 1 missed.
    np.testing.assert_allclose(health["label_issues"], [7, 5, 1, 0], atol=0.5)
    np.testing.assert_allclose(health["inverse_label_issues"], [4, 4, 4, 1], atol=0.75)
    np.testing.assert_allclose(health["label_quality"], [0.5, 0.705882, 0.9375, 1], atol=0.025)
    pairs = analyzers.class_pair_health(history)
    assert pairs[["class_a", "class_b"]].to_numpy().tolist() == [[0, 2], [1, 2], [1, 3], [0, 1]]
    np.testing.assert_allclose(pairs["overlap"], [8, 3, 1, 1], atol=0.5)
    assert analyzers.label_health(history) == pytest.approx(0.8)


def test_health_adds_up(case):
    joint = analyzers.confident_joint(case.history).to_numpy()
    health = analyzers.class_health(case.history)
    pairs = analyzers.class_pair_health(case.history)
    assert health["label_quality"].is_monotonic_increasing
    assert pairs["overlap"].is_monotonic_decreasing
    wrong = joint.sum() - joint.trace()
    for total in (health["label_issues"].sum(), health["inverse_label_issues"].sum(), pairs["overlap"].sum()):
        assert total == pytest.approx(wrong)
    np.testing.assert_allclose(pairs["overlap"], pairs["a_given_as_b"] + pairs["b_given_as_a"])
    assert pairs["joint_probability"].sum() == pytest.approx(wrong / len(case.labels))
    assert 0 <= analyzers.label_health(case.history) <= 1


CLEANLAB = {
    "prune_by_noise_rate": [1, 9, 17, 29, 37, 46, 48, 50, 51, 56, 59],
    "prune_by_class": [1, 2, 9, 16, 17, 29, 37, 46, 48, 50, 51, 56, 59],
    "both": [1, 9, 17, 29, 37, 46, 48, 50, 51, 56, 59],
    "confident_learning": [1, 9, 16, 17, 29, 37, 46, 48, 50, 51, 56, 59],
    "predicted_neq_given": [1, 2, 5, 6, 9, 16, 17, 25, 29, 30, 37, 39, 42, 44, 45, 46, 48, 50, 51, 56, 59],
    "low_normalized_margin": [1, 9, 17, 25, 29, 37, 46, 48, 50, 51, 56, 59],
    "low_self_confidence": [1, 6, 9, 17, 25, 29, 37, 46, 50, 51, 56, 59],
}


@pytest.mark.parametrize("name", CLEANLAB)
def test_filters_flag_what_cleanlab_flags(name):
    found = analyzers.find_label_issues(noisy_history(), filter_by=name)
    assert found.index[found].tolist() == CLEANLAB[name]


@pytest.mark.parametrize("name", CLEANLAB)
def test_filters_run_on_every_kind_of_history(case, name):
    found = analyzers.find_label_issues(case.history, filter_by=name)
    assert found.dtype == bool
    assert found.index.tolist() == case.history.sample_ids.tolist()


def test_an_unknown_filter_is_refused_with_the_known_ones():
    with pytest.raises(LabelAuditError, match="filter_by='best' is unknown; expected one of prune_by_noise_rate, "):
        analyzers.find_label_issues(noisy_history(), filter_by="best")


def test_permuting_classes_permutes_the_matrix():
    rng = np.random.default_rng(1)
    z, labels = rng.normal(size=(3, 200, 5)), rng.integers(4, size=200)  # no sample has label 4
    new_name = np.array([3, 0, 4, 1, 2])
    moved = np.empty_like(z)
    moved[..., new_name] = z
    straight = analyzers.confident_joint(history_from_arrays(z, labels, scores_are="logits"))
    permuted = analyzers.confident_joint(history_from_arrays(moved, new_name[labels], scores_are="logits"))
    pd.testing.assert_frame_equal(
        straight, permuted.iloc[new_name, new_name].set_axis(range(5)).set_axis(range(5), axis=1), check_names=False
    )
