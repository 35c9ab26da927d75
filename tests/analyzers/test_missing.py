"""Epochs, splits and samples that were left out, missed or broken."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import LabelAuditError, Recorder, analyzers, history_from_arrays, open_history
from labelaudit.analyzers import accumulate, tabulate, worked_example

KINDS = [analyzers.Consensus, analyzers.Correctness, analyzers.DataMap, analyzers.ErrorNorm, analyzers.Loss]
KINDS += [analyzers.Margin, analyzers.Mistakenness, analyzers.MovingLoss, analyzers.SecondSplit, analyzers.Votes]


def table_of(history, **options):
    return tabulate(history, accumulate(history, KINDS, **options))


def random_logits(seed=0, epochs=6, n=50, n_classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(epochs, n, n_classes)) * 2, rng.integers(n_classes, size=n)


def test_epochs_choose_what_is_read():
    z, labels = random_logits()
    early = table_of(history_from_arrays(z[:3], labels, scores_are="logits"))
    pd.testing.assert_frame_equal(early, table_of(history_from_arrays(z, labels, scores_are="logits"), epochs=range(3)))


@pytest.mark.parametrize(("epochs", "message"), [([2, 7], "epoch 7 is not"), ([], "names none of those")])
def test_epochs_that_were_not_recorded_are_refused(epochs, message):
    with pytest.raises(LabelAuditError, match=f"{message}.*recorded: 5 epochs from 0 to 4"):
        analyzers.aum(worked_example(), epochs=epochs)


@pytest.mark.parametrize("epochs", [0, "0:3", [0.5]])
@pytest.mark.parametrize("function", [analyzers.aum, analyzers.centred_loss, analyzers.loss_cluster])
def test_epochs_that_are_no_numbers_are_refused(function, epochs):
    with pytest.raises(LabelAuditError, match="is no list of epochs; expected numbers such as"):
        function(worked_example(), epochs=epochs)


@pytest.mark.parametrize("function", [analyzers.aum, analyzers.second_half_forgetting, analyzers.noise_matrix])
def test_a_path_is_no_history(function):
    with pytest.raises(LabelAuditError, match=r"a str is no history; pass labelaudit.open_history\('runs/a'\)"):
        function("runs/a")


def partly_nan(folder):
    with Recorder(folder, n_samples=3, nan="keep", scores_are="logits") as recorder:
        for t in range(3):
            z = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
            if t == 1:
                z[1] = np.nan
            recorder.record([0, 1, 2], z, [0, 0, 0])
            recorder.end_epoch()
    return open_history(folder)


def test_nan_is_refused_with_a_way_out(tmp_path):
    history = partly_nan(tmp_path)
    with pytest.raises(LabelAuditError, match=r"epoch 1 holds NaN or infinite .*\(first: sample 1\).*skip_nan=True"):
        analyzers.aum(history)
    assert analyzers.aum(history, skip_nan=True).tolist() == pytest.approx([2, -1, 1], abs=1e-3)
    assert table_of(history, skip_nan=True)["n_epochs"].tolist() == [3, 2, 3]


@pytest.mark.parametrize(("n_classes", "keep"), [(2, "scores"), (40, "summary")])
def test_samples_that_the_epochs_read_did_not_see_are_missing(n_classes, keep, tmp_path):
    z, labels = random_logits(epochs=2, n=3, n_classes=n_classes)
    with Recorder(tmp_path, n_samples=3, keep=keep, scores_are="logits") as recorder:
        recorder.record([0, 1, 2], z[0], labels)
        recorder.end_epoch()
        recorder.record([0, 2], z[1, [0, 2]], labels[[0, 2]])
        recorder.end_epoch()
    history = open_history(tmp_path)
    table = table_of(history, epochs=[1])
    counts = ["wrong_events", "forgetting_events", "learning_events", "prediction_flips", "n_epochs"]
    assert (table.loc[1, [*counts, "presentations_to_learn"]] == 0).all()
    assert not table.loc[1, ["never_learned", "unforgettable"]].any()
    rest = table.columns.drop([*counts, "presentations_to_learn", "never_learned", "unforgettable"])
    assert table.loc[1, rest].isna().all()
    learned = ["first_learned_epoch", "mean_correct_epoch", "last_forgotten_epoch", "last_forgotten_as"]
    assert table.loc[[0, 2], rest.drop(["variability_upper", *learned])].notna().all(axis=None)
    assert not analyzers.find_label_issues(history, epochs=[1])[1]
    assert analyzers.confident_joint(history, epochs=[1]).to_numpy().sum() == pytest.approx(2)


@pytest.mark.parametrize("function", [analyzers.aum, analyzers.second_half_forgetting, analyzers.loss_curves])
@pytest.mark.parametrize("epochs", [None, [0]])
def test_a_split_that_was_not_recorded_is_refused(function, epochs):
    with pytest.raises(LabelAuditError, match="has no split 'test'; recorded: train"):
        function(worked_example(), split="test", epochs=epochs)


def test_a_split_has_statistics_of_its_own(tmp_path):
    z, labels = random_logits(epochs=2, n=9)
    with Recorder(tmp_path, n_samples={"train": 5, "val": 9}, scores_are="logits", precision="single") as recorder:
        for t, of_epoch in enumerate(z):
            recorder.record(np.arange(5), of_epoch[:5], labels[:5])
            recorder.end_epoch(t)
            recorder.record(np.arange(9), -of_epoch, labels, split="val")
            recorder.end_epoch(t, split="val")
    found = analyzers.aum(open_history(tmp_path), split="val")
    expected = analyzers.aum(history_from_arrays(-z, labels, scores_are="logits"))
    pd.testing.assert_series_equal(found, expected, rtol=1e-5)


def test_ids_and_last_batches_of_one(tmp_path):
    # aum 1.0.2 makes a new sample of every id that comes as a tensor, and fails at a last batch of one.
    from torch import tensor

    with Recorder(tmp_path, n_samples=5, scores_are="logits") as recorder:
        for _ in range(3):
            for batch in ([0, 3], [2, 1], [4]):
                recorder.record(tensor(batch), tensor([[1.0, 0.0]] * len(batch)), tensor([0] * len(batch)))
            recorder.end_epoch()
    found = analyzers.aum(open_history(tmp_path))
    assert found.index.tolist() == [0, 1, 2, 3, 4]
    assert found.tolist() == pytest.approx([1.0] * 5)


def test_a_missed_epoch_is_left_out_and_not_invented(tmp_path):
    # InterpretDL stores the last short batch as NaN and "interpolates" it with wrong numbers.
    with Recorder(tmp_path, n_samples=2, scores_are="probabilities") as recorder:
        for batch, p in ([0, 1], [[0.9, 0.1]] * 2), ([0], [[0.2, 0.8]]), ([0, 1], [[0.5, 0.5]] * 2):
            recorder.record(batch, p, [0] * len(batch))
            recorder.end_epoch()
    history = open_history(tmp_path)
    assert analyzers.confidence(history).tolist() == pytest.approx([1.6 / 3, 0.7], abs=1e-3)
    assert table_of(history)["n_epochs"].tolist() == [3, 2]
    assert analyzers.ema_loss(history, alpha=1)[1] == pytest.approx(np.log(2), abs=1e-3)


def test_an_epoch_of_nothing_but_nan_counts_for_nobody(tmp_path):
    z, labels = random_logits(epochs=3, n=5)
    z[1] = np.nan
    with Recorder(tmp_path, n_samples=5, nan="keep", scores_are="logits", precision="single") as recorder:
        for of_epoch in z:
            recorder.record(np.arange(5), of_epoch, labels)
            recorder.end_epoch()
    broken = open_history(tmp_path)
    without = table_of(broken, epochs=[0, 2])
    pd.testing.assert_frame_equal(without, table_of(broken, skip_nan=True))
    pd.testing.assert_series_equal(
        analyzers.centred_loss(broken, epochs=[0, 2]), analyzers.centred_loss(broken, skip_nan=True)
    )
