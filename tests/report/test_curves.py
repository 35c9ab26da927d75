"""Curves of chosen samples against a slow, obvious reading of the whole history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labelaudit
from labelaudit.report.curves import binned, curves_of

N, K, EPOCHS = 500, 5, 4
RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(EPOCHS, N, K)) * 2
LABELS = RNG.integers(0, K, N)
CHOSEN = RNG.permutation(N)[:40]
SUGGESTED = np.where(np.arange(40) % 5 == 0, -1, (LABELS[CHOSEN] + 1) % K)
FLAGGED = RNG.random(N) < 0.2


def probabilities(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def expected(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Curves by plain loops; seen: (EPOCHS, N) bool."""
    p = probabilities(LOGITS)
    given, suggested = np.full((40, EPOCHS), np.nan), np.full((40, EPOCHS), np.nan)
    means = np.full((2, EPOCHS), np.nan)
    for epoch in range(EPOCHS):
        for i, row in enumerate(CHOSEN):
            if seen[epoch, row]:
                given[i, epoch] = p[epoch, row, LABELS[row]]
                if SUGGESTED[i] >= 0:
                    suggested[i, epoch] = p[epoch, row, SUGGESTED[i]]
        for group in (0, 1):
            rows = [row for row in range(N) if seen[epoch, row] and FLAGGED[row] == group]
            means[group, epoch] = np.mean([p[epoch, row, LABELS[row]] for row in rows])
    return given, suggested, means[1], means[0]


def test_curves_of_arrays() -> None:
    curves = curves_of(labelaudit.history_from_arrays(LOGITS, LABELS), CHOSEN, SUGGESTED, FLAGGED)
    given, suggested, flagged, clean = expected(np.ones((EPOCHS, N), bool))
    assert curves.epochs.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(curves.given, given, atol=1e-5)
    np.testing.assert_allclose(curves.suggested, suggested, atol=1e-5)
    np.testing.assert_allclose(curves.flagged_mean, flagged, atol=1e-5)
    np.testing.assert_allclose(curves.clean_mean, clean, atol=1e-5)


@pytest.mark.parametrize("keep", ["scores", "summary"])
def test_curves_of_partly_seen_epochs_on_disk(tmp_path: Path, keep: str) -> None:
    seen = RNG.random((EPOCHS, N)) < 0.7
    seen[0] = True
    with labelaudit.Recorder(tmp_path / "run", n_samples=N, keep=keep) as recorder:
        for epoch in range(EPOCHS):
            rows = np.flatnonzero(seen[epoch])
            recorder.record(rows, LOGITS[epoch, rows], LABELS[rows])
            recorder.end_epoch()
    curves = curves_of(labelaudit.open_history(tmp_path / "run"), CHOSEN, SUGGESTED, FLAGGED)
    given, suggested, flagged, clean = expected(seen)
    np.testing.assert_allclose(curves.given, given, atol=2e-3)
    np.testing.assert_allclose(curves.flagged_mean, flagged, atol=2e-3)
    np.testing.assert_allclose(curves.clean_mean, clean, atol=2e-3)
    assert np.array_equal(np.isnan(curves.suggested), np.isnan(suggested))
    if keep == "scores":
        np.testing.assert_allclose(curves.suggested, suggested, atol=2e-3)


def test_several_runs_are_averaged(tmp_path: Path) -> None:
    for number in (0, 1):
        with labelaudit.Recorder(tmp_path / f"run{number}", n_samples=N, precision="single") as recorder:
            recorder.record(np.arange(N), LOGITS[number], LABELS)
            recorder.end_epoch()
    history = labelaudit.open_history([tmp_path / "run0", tmp_path / "run1"])
    curves = curves_of(history, CHOSEN, SUGGESTED, FLAGGED)
    both = probabilities(LOGITS[:2])[:, CHOSEN, LABELS[CHOSEN]].mean(axis=0)
    np.testing.assert_allclose(curves.given[:, 0], both, atol=1e-5)


def test_no_sample_flagged_leaves_no_mean() -> None:
    curves = curves_of(labelaudit.history_from_arrays(LOGITS, LABELS), CHOSEN, SUGGESTED, np.zeros(N, bool))
    assert np.isnan(curves.flagged_mean).all()


def test_long_runs_are_averaged_over_neighbouring_epochs() -> None:
    values = np.vstack([np.arange(100.0), np.full(100, np.nan)])
    short = binned(values, 10)
    assert short[0].tolist() == [4.5 + 10 * i for i in range(10)]
    assert np.isnan(short[1]).all()
    assert binned(values, 200) is values
