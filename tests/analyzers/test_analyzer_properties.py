"""What must hold for any history at all."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelaudit import Recorder, analyzers, history_from_arrays, open_history
from labelaudit.analyzers import (
    Consensus,
    Correctness,
    DataMap,
    ErrorNorm,
    Loss,
    Margin,
    Mistakenness,
    Trend,
    Votes,
    accumulate,
    tabulate,
)

KINDS = [Consensus, Correctness, DataMap, ErrorNorm, Loss, Margin, Mistakenness, Trend, Votes]


@st.composite
def histories(draw):
    """Histories of logits that often tie, some of them extreme."""
    epochs, n, n_classes = (draw(st.integers(low, high)) for low, high in ((1, 6), (1, 8), (2, 7)))
    values = st.sampled_from([-3e4, -50.0, -1.0, 0.0, 0.25, 1.0, 50.0, 3e4])
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    z = draw(arrays(np.float64, (epochs, n, n_classes), elements=values)).astype(dtype)
    labels = draw(arrays(np.int64, n, elements=st.integers(0, n_classes - 1)))
    return history_from_arrays(z, labels, scores_are="logits")


@settings(max_examples=150, deadline=None)
@given(histories())
def test_bounds_and_identities(history):
    t = tabulate(history, accumulate(history, KINDS))
    tiny, n_classes, epochs = 1e-6, history.n_classes, history.n_epochs
    share = ["confidence", "correctness", "data_error_potential", "mistakenness", "mistakenness_logits", "vote_share"]
    share += ["self_confidence", "normalized_margin", "confidence_weighted_entropy", "prediction_entropy"]
    assert t[share].ge(-tiny).all(axis=None)
    assert t[share].le(1 + tiny).all(axis=None)
    assert t["mean_entropy"].between(0, np.log(n_classes) + tiny).all()
    assert t["bald"].between(0, np.log(n_classes) + tiny).all()
    assert t["el2n"].between(0, np.sqrt(2) + tiny).all()
    assert t["variability"].between(0, 0.5 + tiny).all()
    np.testing.assert_allclose(t["threshold_closeness"] - t["variability"] ** 2, t["aleatoric"], atol=tiny)
    np.testing.assert_allclose(t["confidence"], t["self_confidence"], atol=tiny)
    assert (t["mean_loss"] <= t["max_loss"] * (1 + 1e-6) + tiny).all()
    assert (t["signed_entropy"].abs() <= t["mean_entropy"] + tiny).all()
    assert (t["mean_probability_margin"] >= t["margin_probability"] - tiny).all()
    np.testing.assert_allclose(t["correctness"] * epochs + t["wrong_events"], epochs)
    assert (t["learning_events"] - t["forgetting_events"]).isin([0, 1]).all()
    assert (t["never_learned"] == t["first_learned_epoch"].isna()).all()
    assert (t["never_learned"] == (t["learning_events"] == 0)).all()
    assert (t["last_forgotten_epoch"].isna() == (t["forgetting_events"] == 0)).all()
    assert (t["forgetting_events"] <= t["prediction_flips"]).all()
    assert (t["learned_for_good"] == t["presentations_to_learn"] + 1).all()
    assert (t["plurality_other"] <= 1 - t["correctness"] + tiny).all()
    undefined = ["variability_upper", "mann_kendall", "confidence_slope", "mean_correct_epoch"]
    assert t.select_dtypes("float").drop(columns=undefined).map(np.isfinite).all(axis=None)


@settings(max_examples=50, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_a_sample_does_not_change_the_others(history, random):
    (run,) = history.runs_read
    kept = sorted(random.sample(range(history.n_samples), max(history.n_samples // 2, 1)))
    z = np.stack([np.stack(run.open_epoch("train", t).columns["scores"], axis=1) for t in range(history.n_epochs)])
    fewer = history_from_arrays(z[:, kept], history.labels[kept], scores_are="logits")
    whole = tabulate(history, accumulate(history, KINDS)).iloc[kept].reset_index(drop=True)
    part = tabulate(fewer, accumulate(fewer, KINDS)).reset_index(drop=True)
    for column in whole:
        assert whole[column].equals(part[column]) or np.allclose(whole[column], part[column], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_classes", "keep"), [(10, "scores"), (1000, "summary")])
def test_the_state_takes_the_bytes_that_are_stated(kind, n_classes, keep, tmp_path):
    n = 500
    with Recorder(tmp_path, n_samples=n, keep=keep, scores_are="logits") as recorder:
        recorder.record(np.arange(n), np.random.default_rng(0).normal(size=(n, n_classes)), np.zeros(n, int))
        recorder.end_epoch()
    (state,) = accumulate(open_history(tmp_path), [kind])

    def size(thing):
        parts = vars(thing).values() if hasattr(thing, "__dict__") else ()
        return thing.nbytes if isinstance(thing, np.ndarray) else sum(size(part) for part in parts)

    stated = {"Consensus": (4 * n_classes + 16, 72), "Votes": (52, 60)}.get(kind.__name__)
    if stated is None:
        number = int(re.search(r"(\d+) bytes a sample", kind.__doc__).group(1))
        stated = (number, number)
    assert size(state) == n * stated[keep == "summary"]


def test_every_function_is_tested_by_name():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    functions = [name for name in analyzers.__all__ if name.islower()]
    assert [name for name in functions if not re.search(rf"\b{name}\b", text)] == []
