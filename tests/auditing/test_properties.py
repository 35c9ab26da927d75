"""What must hold for the audit of any history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import labelaudit
from labelaudit import Audit, Recorder, history_from_arrays, open_history, plant_mistakes
from labelaudit.history import blocks

NUMBERS = ["label_quality", "suggestion_confidence", "aum", "confidence", "mean_loss"]
EXACT = ["given_label", "predicted_label", "is_label_issue", "suggested_label", "forgetting_events", "reason"]


def trained(n=300, n_classes=4, epochs=10, share=0.1, kind="symmetric", seed=0, memorise=3.0):
    """Return (epochs, n, K) logits, given and true labels of a model that learns classes first, then mistakes."""
    rng = np.random.default_rng(seed)
    true = rng.integers(n_classes, size=n)
    labels = plant_mistakes(true, share, kind, seed, n_classes=n_classes).labels
    rows = np.arange(n)
    learned = rng.normal(size=(n, n_classes))
    learned[rows, true] += rng.uniform(2, 5, n)
    z = np.linspace(0.4, 2, epochs)[:, None, None] * learned + 0.3 * rng.normal(size=(epochs, n, n_classes))
    z[:, rows, labels] += np.linspace(-memorise, memorise, epochs).clip(0)[:, None]
    return z, labels, true


def assert_sound(audit: Audit) -> None:
    """Check what an audit promises whatever the history."""
    samples, summary = audit.samples, audit.summary
    n, flagged = len(samples), samples["is_label_issue"]
    assert samples["label_quality"].between(0, 1).all()
    assert (samples["label_quality"][flagged] < 0.5).all()
    assert (samples["label_quality"][~flagged] >= 0.5).all()
    suggested = samples["suggested_label"]
    assert (suggested.isna() == samples["suggestion_confidence"].isna()).all()
    assert samples["suggestion_confidence"].dropna().between(0, 1).all()
    assert not (suggested == samples["given_label"]).fillna(False).any()
    assert (samples["reason"].str.len() > 0).equals(flagged)
    low, high = summary["interval"]
    assert 0 <= low <= summary["estimated_errors"] <= high <= n
    assert summary["n_flagged"] == flagged.sum() == len(audit.issues)
    matrix = audit.noise_matrix.to_numpy()
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-9)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, *, tolerance: float = 1e-6) -> None:
    """Compare two audits' samples by id."""
    found = found.loc[expected.index]
    for column in EXACT:
        assert found[column].tolist() == expected[column].tolist() or found[column].equals(expected[column]), column
    for column in NUMBERS:
        np.testing.assert_allclose(found[column], expected[column], atol=tolerance, rtol=tolerance, err_msg=column)


@pytest.mark.parametrize("kind", ["symmetric", "pair"])
@pytest.mark.parametrize("seed", range(3))
def test_permuting_samples_permutes_the_audit(kind, seed):
    z, labels, _ = trained(kind=kind, share=0.2, seed=seed)
    ids = np.array([f"sample {i}" for i in range(len(labels))])
    order = np.random.default_rng(seed).permutation(len(labels))
    expected = labelaudit.audit(history_from_arrays(z, labels, sample_ids=ids))
    found = labelaudit.audit(history_from_arrays(z[:, order], labels[order], sample_ids=ids[order]))
    assert_same(found.samples, expected.samples)
    assert found.summary["estimated_errors"] == expected.summary["estimated_errors"]
    assert found.summary["interval"] == expected.summary["interval"]
    np.testing.assert_allclose(found.noise_matrix, expected.noise_matrix, atol=1e-6)


def test_permuting_more_samples_than_the_model_is_fitted_on_changes_little():
    n = 25_000
    z, labels, _ = trained(n=n, n_classes=3, epochs=6, kind="pair")
    ids = np.array([f"sample {i}" for i in range(n)])
    order = np.random.default_rng(0).permutation(n)
    expected = labelaudit.audit(history_from_arrays(z, labels, sample_ids=ids))
    found = labelaudit.audit(history_from_arrays(z[:, order], labels[order], sample_ids=ids[order]))
    quality = found.samples["label_quality"].loc[ids]
    np.testing.assert_allclose(quality, expected.samples["label_quality"], atol=0.05)  # trees jump
    assert np.abs(quality - expected.samples["label_quality"]).mean() < 0.001
    assert found.summary["estimated_errors"] == pytest.approx(expected.summary["estimated_errors"], rel=0.02)


@pytest.mark.parametrize("kind", ["symmetric", "pair"])
@pytest.mark.parametrize("n_classes", [2, 4, 7])
def test_permuting_classes_permutes_the_audit(kind, n_classes):
    z, labels, _ = trained(kind=kind, n_classes=n_classes, share=0.2, seed=n_classes)
    names = np.array([f"class {k}" for k in range(n_classes)])
    order = np.random.default_rng(0).permutation(n_classes)
    expected = labelaudit.audit(history_from_arrays(z, labels, class_names=names))
    found = labelaudit.audit(history_from_arrays(z[:, :, order], np.argsort(order)[labels], class_names=names[order]))
    assert_same(found.samples, expected.samples)
    assert found.summary["estimated_errors"] == expected.summary["estimated_errors"]
    np.testing.assert_allclose(found.noise_matrix.loc[names, names], expected.noise_matrix, atol=1e-6)


def test_adding_a_constant_to_all_logits_of_a_sample_changes_nothing():
    z, labels, _ = trained()
    shift = np.random.default_rng(1).normal(size=(*z.shape[:2], 1)) * 5
    expected = labelaudit.audit(history_from_arrays(z, labels, scores_are="logits"))
    assert_same(labelaudit.audit(history_from_arrays(z + shift, labels, scores_are="logits")).samples, expected.samples)


def test_a_repeated_audit_is_the_same():
    z, labels, _ = trained(n_classes=6)
    history = history_from_arrays(z, labels)
    first, second = labelaudit.audit(history), labelaudit.audit(history)
    pd.testing.assert_frame_equal(first.samples, second.samples)
    pd.testing.assert_frame_equal(first.noise_matrix, second.noise_matrix)
    assert first.summary == second.summary


def record(folder: Path, z: np.ndarray, labels: np.ndarray, *, writers: int = 1, seed: int | None = None, **options):
    """Record a history, its rows split over several writers, in a shuffled order unless the seed is None."""
    recorders = [
        Recorder(folder, n_samples=len(labels), scores_are="logits", writer=writer, segment=0, **options)
        for writer in range(writers)
    ]
    for epoch, scores in enumerate(z):
        order = np.arange(len(labels)) if seed is None else np.random.default_rng(seed + epoch).permutation(len(labels))
        for recorder, rows in reversed(list(zip(recorders, np.array_split(order, writers), strict=True))):
            recorder.record(rows, scores[rows], labels[rows])
            recorder.end_epoch(epoch)
    for recorder in recorders:
        recorder.close()
    return open_history(folder)


@pytest.mark.parametrize("keep", ["scores", "summary"])
def test_writers_and_the_order_of_rows_do_not_matter(keep, tmp_path):
    z, labels, _ = trained(n_classes=5)
    expected = labelaudit.audit(record(tmp_path / "one", z, labels, keep=keep))
    for writers, seed in ((1, 5), (2, 6), (5, 7)):
        found = labelaudit.audit(
            record(tmp_path / f"{writers} {seed}", z, labels, writers=writers, seed=seed, keep=keep)
        )
        assert_same(found.samples, expected.samples)
        assert found.summary["interval"] == expected.summary["interval"]


@pytest.mark.parametrize(("values", "epochs"), [(1, 1), (1 << 12, 3), (1 << 22, 100)])
def test_the_size_of_blocks_does_not_matter(values, epochs, tmp_path, monkeypatch):
    z, labels, _ = trained(n=2000, n_classes=10)
    history = record(tmp_path, z, labels, writers=2, seed=0)
    expected = labelaudit.audit(history)
    monkeypatch.setattr(blocks, "BLOCK_VALUES", values)
    monkeypatch.setattr(blocks, "OPEN_EPOCHS", epochs)
    assert_same(labelaudit.audit(history).samples, expected.samples)


def test_the_order_of_runs_does_not_matter(tmp_path):
    z, labels, _ = trained(epochs=14)
    record(tmp_path / "a", z[:6], labels)
    record(tmp_path / "b", z[6:], labels)
    expected = labelaudit.audit([tmp_path / "a", tmp_path / "b"]).samples
    found = labelaudit.audit([tmp_path / "b", tmp_path / "a"]).samples
    for column in ("label_quality", "suggestion_confidence"):
        np.testing.assert_allclose(found[column], expected[column], atol=1e-6, err_msg=column)
    assert found["is_label_issue"].equals(expected["is_label_issue"])


@pytest.mark.parametrize(("n_classes", "share"), [(2, 0.1), (5, 0.2), (40, 0.1)])
def test_summaries_say_roughly_what_whole_scores_say(n_classes, share, tmp_path):
    z, labels, _ = trained(n=2000, n_classes=n_classes, share=share)
    whole = labelaudit.audit(record(tmp_path / "whole", z, labels, keep="scores"))
    short = labelaudit.audit(record(tmp_path / "short", z, labels, keep="summary"))
    assert_sound(short)
    same = whole.samples["is_label_issue"] == short.samples["is_label_issue"]
    assert same.mean() > 0.97
    assert whole.samples["label_quality"].corr(short.samples["label_quality"], method="spearman") > 0.9
    counts = [audit.summary["estimated_errors"] for audit in (whole, short)]
    assert counts[0] == pytest.approx(counts[1], rel=0.3)


@st.composite
def histories(draw):
    """Histories of logits that often tie, some of them extreme; at least two classes among the labels."""
    epochs, n, n_classes = (draw(st.integers(low, high)) for low, high in ((1, 5), (2, 10), (2, 6)))
    values = st.sampled_from([-3e4, -50.0, -1.0, 0.0, 0.25, 1.0, 50.0, 3e4])
    z = draw(arrays(np.float64, (epochs, n, n_classes), elements=values))
    labels = draw(arrays(np.int64, n, elements=st.integers(0, n_classes - 1)))
    if (labels == labels[0]).all():
        labels[0] = (labels[0] + 1) % n_classes
    return z, labels


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_any_small_history_gets_a_sound_audit(drawn):
    z, labels = drawn
    assert_sound(labelaudit.audit(history_from_arrays(z, labels, scores_are="logits")))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.floats(0, 1))
def test_a_stated_rate_and_a_threshold_are_obeyed(drawn, share):
    z, labels = drawn
    history = history_from_arrays(z, labels, scores_are="logits")
    by_rate = labelaudit.audit(history, expected_error_rate=share).samples
    assert by_rate["is_label_issue"].sum() == round(share * len(labels))
    worst = by_rate["label_quality"][by_rate["is_label_issue"]]
    rest = by_rate["label_quality"][~by_rate["is_label_issue"]]
    assert worst.empty or rest.empty or worst.max() <= rest.min()
    by_threshold = labelaudit.audit(history, threshold=share).samples
    assert (by_threshold["is_label_issue"] == (by_threshold["label_quality"] < share)).all()
    pd.testing.assert_series_equal(by_rate["label_quality"], by_threshold["label_quality"])


@pytest.mark.parametrize("n", range(2, 11))
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_handful_of_samples(n, epochs):
    z, labels, _ = trained(n=n, n_classes=3, epochs=epochs, share=0.3, seed=n)
    labels[:2] = 0, 1
    assert_sound(labelaudit.audit(history_from_arrays(z, labels)))


def test_one_epoch():
    z, labels, true = trained(n=1000, epochs=1)
    z[:, np.arange(1000), true] += 6
    audit = labelaudit.audit(history_from_arrays(z, labels))
    assert_sound(audit)
    wrong = labels != true
    flagged = audit.samples["is_label_issue"]
    assert flagged[wrong].mean() > 0.8
    assert flagged[~wrong].mean() < 0.02


def test_one_sample_per_class():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 12, 12)) + 4 * np.eye(12)
    audit = labelaudit.audit(history_from_arrays(z, np.arange(12)))
    assert_sound(audit)
    assert audit.samples["is_label_issue"].sum() == 0


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_scores_that_are_all_the_same_accuse_nobody(n_classes):
    labels = np.arange(200) % n_classes
    audit = labelaudit.audit(history_from_arrays(np.zeros((4, 200, n_classes)), labels, scores_are="logits"))
    assert_sound(audit)
    assert audit.samples["is_label_issue"].sum() == 0
    assert audit.samples["label_quality"].round(4).nunique() == 1


def test_tied_samples_get_the_same_quality():
    z, labels, _ = trained(n=100, share=0.2)
    audit = labelaudit.audit(history_from_arrays(np.tile(z, (1, 4, 1)), np.tile(labels, 4)))
    assert_sound(audit)
    quality = audit.samples["label_quality"].to_numpy().reshape(4, 100)
    np.testing.assert_allclose(quality, quality[[0, 0, 0, 0]], atol=1e-9)
    flagged = audit.samples["is_label_issue"].to_numpy().reshape(4, 100)
    assert (flagged == flagged[0]).all()


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_labels_that_the_model_always_confirms_are_not_accused(n_classes):
    z, labels, _ = trained(n=600, n_classes=n_classes, share=0)
    z[:, np.arange(600), labels] += 8
    audit = labelaudit.audit(history_from_arrays(z, labels))
    assert_sound(audit)
    assert audit.samples["is_label_issue"].sum() == 0
    assert audit.summary["estimated_errors"] <= 3


def test_two_classes():
    z, labels, true = trained(n=1000, n_classes=2, memorise=0)
    audit = labelaudit.audit(history_from_arrays(z, labels))
    assert_sound(audit)
    wrong = labels != true
    assert audit.samples["is_label_issue"][wrong].mean() > 0.7
    suggested = audit.samples["suggested_label"][wrong & audit.samples["is_label_issue"]]
    assert (suggested == true[suggested.index]).mean() > 0.95


@pytest.mark.slow
def test_a_thousand_classes():
    z, labels, true = trained(n=4000, n_classes=1000, epochs=4)
    z[:, np.arange(4000), true] += 4
    audit = labelaudit.audit(history_from_arrays(z.astype(np.float32), labels))
    assert_sound(audit)
    wrong = labels != true
    assert audit.samples["is_label_issue"][wrong].mean() > 0.8
    assert audit.samples["is_label_issue"][~wrong].mean() < 0.01


def test_classes_that_no_sample_has():
    z, labels, _ = trained(n=600, n_classes=4, memorise=0)
    wider = np.concatenate([z, np.full((*z.shape[:2], 3), -9.0)], axis=2)
    audit = labelaudit.audit(history_from_arrays(wider, labels))
    assert_sound(audit)
    narrow = labelaudit.audit(history_from_arrays(z, labels))
    assert (audit.samples["is_label_issue"] == narrow.samples["is_label_issue"]).mean() > 0.98
    assert audit.samples["suggested_label"].dropna().lt(4).all()


def test_a_class_whose_labels_are_all_wrong():
    z, labels, true = trained(n=1000, n_classes=5, share=0)
    true[true == 4] = 0  # there is no true class 4
    labels = true.copy()
    wrong = np.flatnonzero(true == 0)[:60]
    labels[wrong] = 4
    z -= z.mean(axis=2, keepdims=True)
    z[:, np.arange(1000), true] += 6
    audit = labelaudit.audit(history_from_arrays(z, labels))
    assert_sound(audit)
    assert audit.samples["is_label_issue"].iloc[wrong].mean() > 0.9
    assert (audit.samples["suggested_label"].iloc[wrong] == 0).mean() > 0.9
    assert audit.samples["is_label_issue"].drop(wrong).mean() < 0.02
