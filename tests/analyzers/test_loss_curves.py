"""Windows and clusters of loss curves."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from labelaudit import LabelAuditError, Recorder, analyzers, history_from_arrays, open_history


@pytest.mark.parametrize("windows", [1, 2, 3, 100])
def test_curves_equal_the_reference(case, windows):
    found = analyzers.loss_curves(case.history, windows=windows)
    runs = [run.epochs("train") for run in case.history.runs_read]
    number = min(windows, max(len(epochs) for epochs in runs))
    expected = np.full((len(case.labels), number), np.nan)
    for i, (seen, y) in enumerate(zip(case.presentations, case.labels, strict=True)):
        for window in range(number):
            losses = [
                -np.log(one.p[y])
                for one in seen
                if number * runs[one.run].index(one.epoch) // len(runs[one.run]) == window
            ]
            if losses:
                expected[i, window] = sum(losses) / len(losses)
    assert list(found.columns) == [f"loss_{window}" for window in range(number)]
    np.testing.assert_allclose(found, expected, rtol=case.tolerance * 3, atol=case.tolerance)


def two_groups(n=60, seed=0):
    """Return a history of two labels; of each, every fifth sample is never learned."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    learned = np.arange(n) % 5 != 0
    z = rng.normal(size=(10, n, 2)) * 0.3
    z[:, np.arange(n), labels] += np.where(learned, 1, -1) * np.linspace(0, 3, 10)[:, None] * (1 + labels)
    return history_from_arrays(z, labels, scores_are="logits"), learned


def test_clusters_separate_what_is_never_learned():
    history, learned = two_groups()
    found = analyzers.loss_cluster(history)
    assert (found.to_numpy() == np.where(learned, 0, 1)).all()
    assert (analyzers.loss_cluster(history, windows=3, seed=7) == found).all()


def test_clusters_are_numbered_by_their_loss(case):
    found = analyzers.loss_cluster(case.history, clusters=3)
    mean = analyzers.loss_curves(case.history).ffill(axis=1).bfill(axis=1).mean(axis=1)
    labels = np.array(case.labels)
    for label in set(case.labels):
        of_label = labels == label
        assert mean[of_label].groupby(found[of_label]).mean().is_monotonic_increasing


@pytest.mark.parametrize("fitted", [20_000, 40])
def test_the_order_of_the_samples_does_not_matter(fitted, monkeypatch):
    # Curves without groups have many partitions that are about as good; the order decided which one was found.
    monkeypatch.setattr(import_module("labelaudit.analyzers.loss_curves"), "FITTED", fitted)
    rng = np.random.default_rng(0)
    z, labels, order = rng.normal(size=(9, 400, 4)) * 2, rng.integers(4, size=400), rng.permutation(400)
    straight = analyzers.loss_cluster(history_from_arrays(z, labels, scores_are="logits"))
    permuted = analyzers.loss_cluster(history_from_arrays(z[:, order], labels[order], scores_are="logits"))
    assert straight.iloc[order].tolist() == permuted.tolist()


def test_equal_curves_are_not_split():
    history = history_from_arrays([[[0.9, 0.1]] * 5] * 2, [0, 0, 0, 0, 1])
    assert analyzers.loss_cluster(history).tolist() == [0] * 5


def test_samples_that_no_epoch_read_saw_have_no_cluster(tmp_path):
    with Recorder(tmp_path, n_samples=3) as recorder:
        recorder.record([0, 1, 2], [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 0, 0])
        recorder.end_epoch()
        recorder.record([0, 2], [[2.0, 0.0], [0.0, 1.0]], [0, 0])
        recorder.end_epoch()
    found = analyzers.loss_cluster(open_history(tmp_path), epochs=[1])
    assert found.isna().tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (analyzers.loss_curves, {"windows": 0}, "windows=0 is out of range; expected an integer from 1 up"),
        (analyzers.loss_curves, {"windows": 2.5}, "windows=2.5 is out of range"),
        (analyzers.loss_cluster, {"windows": "8"}, "windows='8' is out of range"),
        (analyzers.loss_cluster, {"clusters": 1}, "clusters=1 is out of range; expected an integer from 2 up"),
        (analyzers.loss_cluster, {"clusters": 2.5}, "clusters=2.5 is out of range"),
        (analyzers.loss_cluster, {"seed": -1}, "seed=-1 is out of range"),
        (analyzers.loss_curves, {"epochs": [9]}, "epoch 9 is not in"),
    ],
)
def test_options_are_checked(function, options, message):
    with pytest.raises(LabelAuditError, match=message):
        function(analyzers.worked_example(), **options)
