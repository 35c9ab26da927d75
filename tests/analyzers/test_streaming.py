"""What holds for every statistic: the order and the blocks in which a history is read don't matter."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from labelaudit import Recorder, analyzers, history_from_arrays, open_history
from labelaudit.analyzers import accumulate, tabulate, worked_example
from labelaudit.history import blocks

KINDS = [
    getattr(analyzers, name)
    for name in (
        "Consensus",
        "Correctness",
        "DataMap",
        "ErrorNorm",
        "Loss",
        "Margin",
        "Mistakenness",
        "MovingLoss",
        "SecondSplit",
        "Trend",
        "Votes",
    )
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
        straight[column] = straight[column].map(dict(enumerate(new_name.tolist()))).astype("Int64")
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
    assert ">>>" in function.__doc__
    if name not in ("accumulate", "tabulate", "worked_example"):
        assert "Formula" in function.__doc__
        assert "Source:" in function.__doc__


@pytest.mark.parametrize("keep", ["scores", "summary"])
def test_the_number_of_writers_does_not_matter(keep, tmp_path):
    z, labels = random_logits(n=20)
    for folder, writers in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        recorders = [
            Recorder(folder, n_samples=20, keep=keep, scores_are="logits", writer=writer, segment=0)
            for writer in range(writers)
        ]
        for t, of_epoch in enumerate(z):
            for writer, recorder in enumerate(recorders):
                rows = np.append(np.arange(writer, 20, writers), 0)  # a distributed sampler pads with the first
                recorder.record(rows, of_epoch[rows], labels[rows])
                recorder.end_epoch(t)
    pd.testing.assert_frame_equal(table_of(open_history(tmp_path / "one")), table_of(open_history(tmp_path / "two")))


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


def test_progress_is_shown_on_standard_error(capsys):
    accumulate(worked_example(), [analyzers.Margin], progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "blocks" in err


def test_importing_the_analyzers_is_quick():
    import subprocess
    import sys

    code = "import sys, labelaudit.analyzers; print({'pandas', 'sklearn', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
