"""What holds for every statistic: the order and the blocks in which a history is read don't matter."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from labelaudit import LabelAuditError, Recorder, analyzers, history_from_arrays, open_history
from labelaudit.analyzers import accumulate, tabulate, worked_example
from labelaudit.history import blocks

KINDS = [
    getattr(analyzers, name)
    for name in ("Consensus", "Correctness", "DataMap", "ErrorNorm", "Loss", "Margin", "Mistakenness", "Votes")
]
CLASS_COLUMNS = ["consensus", "runner_up", "vote", "last_forgotten_as"]


def table_of(history, **options):
    return tabulate(history, accumulate(history, KINDS, **options))


def random_logits(seed=0, epochs=6, n=50, n_classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(epochs, n, n_classes)) * 2, rng.integers(n_classes, size=n)


@pytest.mark.parametrize("keep", ["scores", "summary"])
def test_block_size_does_not_matter(keep, tmp_path, monkeypatch):
    z, labels = random_logits(n=700, n_classes=34)
    rng = np.random.default_rng(2)
    with Recorder(tmp_path, n_samples=700, keep=keep, scores_are="logits") as recorder:
        for of_epoch in z:
            seen = rng.permutation(700)[:600]
            recorder.record(seen, of_epoch[seen], labels[seen])
            recorder.end_epoch()
    history = open_history(tmp_path)
    whole = table_of(history)
    monkeypatch.setattr(blocks, "BLOCK_VALUES", 1)
    monkeypatch.setattr(blocks, "OPEN_EPOCHS", 4)
    assert {len(block.frame.labels) for block in history.blocks()}.isdisjoint(range(257, 701))
    pd.testing.assert_frame_equal(whole, table_of(history), rtol=1e-12, atol=1e-12)


def test_permuting_samples_permutes_the_result():
    z, labels = random_logits()
    order = np.random.default_rng(1).permutation(len(labels))
    straight = table_of(history_from_arrays(z, labels, scores_are="logits"))
    permuted = table_of(history_from_arrays(z[:, order], labels[order], scores_are="logits"))
    pd.testing.assert_frame_equal(straight.iloc[order].reset_index(drop=True), permuted.reset_index(drop=True))


@pytest.mark.parametrize("n_classes", [2, 3, 12])
def test_permuting_classes_permutes_the_result(n_classes):
    z, labels = random_logits(epochs=5, n_classes=n_classes)
    new_name = np.roll(np.arange(n_classes), 1)
    moved = np.empty_like(z)
    moved[..., new_name] = z
    straight = table_of(history_from_arrays(z, labels, scores_are="logits"))
    permuted = table_of(history_from_arrays(moved, new_name[labels], scores_are="logits"))
    for column in CLASS_COLUMNS:
        straight[column] = straight[column].map(lambda k: new_name[k], na_action="ignore").astype("Int64")
    votes = np.sort((z.argmax(axis=2)[..., None] == np.arange(n_classes)).sum(axis=0), axis=1)
    tied = votes[:, -1] == votes[:, -2]  # then the lower class is the vote, by its name
    of_vote = ["vote", "plurality_other"]
    assert not tied.all()
    pd.testing.assert_frame_equal(straight.loc[~tied, of_vote], permuted.loc[~tied, of_vote])
    rest = straight.columns.drop(of_vote)
    pd.testing.assert_frame_equal(straight[rest], permuted[rest], rtol=1e-6, atol=1e-6)


def test_functions_and_tables_agree():
    z, labels = random_logits()
    history = history_from_arrays(z, labels, scores_are="logits")
    table = table_of(history)
    for column in table.columns.drop(["n_epochs", "p_runner_up", "vote_share"]):
        pd.testing.assert_series_equal(table[column], getattr(analyzers, column)(history))


def test_every_kind_says_what_it_returns():
    history = worked_example()
    for kind, state in zip(KINDS, accumulate(history, KINDS), strict=True):
        assert tuple(state.result()) == kind.columns
        assert set(kind.conventions) <= set(kind.columns)
        assert all(values.shape == (1,) for values in state.result().values())
        assert "bytes a sample" in kind.__doc__


def test_conventions_go_with_the_result():
    assert "missing: never learned" in analyzers.first_learned_epoch(worked_example()).attrs["convention"]
    assert analyzers.wrong_events(worked_example()).attrs == {}
    assert "aum" in table_of(worked_example()).attrs["conventions"]


@pytest.mark.parametrize("name", [name for name in analyzers.__all__ if name[0].islower()])
def test_every_function_says_its_direction_or_what_it_is(name):
    function = getattr(analyzers, name)
    first = function.__doc__.splitlines()[0]
    without_direction = {"accumulate", "tabulate", "worked_example", "forgetting_log", *CLASS_COLUMNS}
    assert ("**" in first) == (name not in without_direction), first
    assert ">>>" in function.__doc__ or name in ("accumulate", "tabulate")


def test_epochs_choose_what_is_read():
    z, labels = random_logits()
    early = table_of(history_from_arrays(z[:3], labels, scores_are="logits"))
    pd.testing.assert_frame_equal(early, table_of(history_from_arrays(z, labels, scores_are="logits"), epochs=range(3)))


@pytest.mark.parametrize(("epochs", "message"), [([2, 7], "epoch 7 is not"), ([], "names none of those")])
def test_epochs_that_were_not_recorded_are_refused(epochs, message):
    with pytest.raises(LabelAuditError, match=f"{message}.*recorded: 5 epochs from 0 to 4"):
        analyzers.aum(worked_example(), epochs=epochs)


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
    with pytest.raises(LabelAuditError, match=r"epoch 1 holds NaN scores \(first: sample 1\).*skip_nan=True"):
        analyzers.aum(history)
    assert analyzers.aum(history, skip_nan=True).tolist() == pytest.approx([2, -1, 1], abs=1e-3)
    assert table_of(history, skip_nan=True)["n_epochs"].tolist() == [3, 2, 3]


def test_samples_that_the_epochs_read_did_not_see_are_missing(tmp_path):
    with Recorder(tmp_path, n_samples=3) as recorder:
        recorder.record([0, 1, 2], [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 0, 0])
        recorder.end_epoch()
        recorder.record([0, 2], [[2.0, 0.0], [1.0, 0.0]], [0, 0])
        recorder.end_epoch()
    table = table_of(open_history(tmp_path), epochs=[1])
    counts = ["wrong_events", "forgetting_events", "learning_events", "prediction_flips", "n_epochs"]
    assert (table.loc[1, [*counts, "presentations_to_learn"]] == 0).all()
    assert not table.loc[1, "never_learned"]
    rest = table.columns.drop([*counts, "presentations_to_learn", "learned_for_good", "never_learned"])
    assert table.loc[1, rest].isna().all(), table.loc[1, rest]
    always = rest.drop(["variability_upper", "last_forgotten_epoch", "last_forgotten_as"])
    assert table.loc[[0, 2], always].notna().all(axis=None)


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


def test_directions():
    # Sample 0 is right from the start, sample 1 is learned late, sample 2 never.
    z = np.zeros((6, 3, 3))
    z[:, 0, 0] = 4
    z[:, 1, 0] = np.linspace(-1, 4, 6)
    z[:, 2, 1] = 4
    table = table_of(history_from_arrays(z, [0, 0, 0], scores_are="logits"))
    rises = ["wrong_events", "mistakenness", "mistakenness_logits", "mean_loss", "max_loss", "el2n"]
    rises += ["data_error_potential", "learned_for_good", "plurality_other", "last_loss"]
    falls = ["aum", "margin_probability", "confidence", "correctness", "self_confidence", "normalized_margin"]
    falls += ["mean_probability_margin", "confidence_weighted_entropy"]
    assert table["signed_entropy"].idxmin() == 2
    assert (table[rises + falls].nunique() > 1).all()
    for column in rises:
        assert table[column].is_monotonic_increasing, column
    for column in falls:
        assert table[column].is_monotonic_decreasing, column


def test_a_kind_may_have_parameters():
    (state,) = accumulate(worked_example(), [partial(analyzers.MovingLoss, alpha=0.1)])
    assert state.result()["ema_loss"].round(6).tolist() == [0.321936]
