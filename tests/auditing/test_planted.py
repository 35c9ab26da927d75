"""plant_mistakes, and how an audit is measured on them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from labelaudit import LabelAuditError, plant_mistakes
from labelaudit.auditing.planted import measure, wilson

TRUE = np.arange(1000) % 5


@pytest.mark.parametrize("kind", ["symmetric", "pair", "confusion"])
@pytest.mark.parametrize("fraction", [0.0, 0.013, 0.4, 1.0])
def test_the_planted_are_wrong_and_nothing_else_is(kind: str, fraction: float) -> None:
    before = TRUE.copy()
    labels, planted = plant_mistakes(TRUE, fraction, kind, seed=3)
    assert len(planted) == round(fraction * 1000)
    assert set(np.flatnonzero(labels != TRUE)) == set(planted)
    assert all(TRUE[i] == true for i, true in planted.items())
    np.testing.assert_array_equal(TRUE, before)


def test_kinds() -> None:
    labels, planted = plant_mistakes(TRUE, 0.5, "pair")
    assert all(labels[i] == (true + 1) % 5 for i, true in planted.items())
    labels, planted = plant_mistakes(TRUE, 1.0, "symmetric")
    counts = np.bincount((labels - TRUE) % 5)
    assert counts[0] == 0
    assert counts[1:].min() > 200
    weights = np.zeros((5, 5))
    weights[:, 2] = 1
    weights[2, 0] = 1
    labels, planted = plant_mistakes(TRUE, 1.0, "confusion", confusion=weights)
    assert set(labels[TRUE != 2]) == {2}
    assert set(labels[TRUE == 2]) == {0}


def test_the_default_confusion_prefers_one_look_alike_per_class() -> None:
    labels, _ = plant_mistakes(TRUE, 1.0, "confusion", seed=1)
    counts = np.zeros((5, 5))
    np.add.at(counts, (TRUE, labels), 1)
    assert (counts.max(axis=1) / counts.sum(axis=1) > 0.6).all()


def test_a_seed_is_a_choice() -> None:
    first, again, other = (plant_mistakes(TRUE, 0.1, seed=seed).labels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (TRUE, {"fraction": 1.5}, r"fraction=1\.5 is out of range"),
        (TRUE, {"fraction": 0.1, "kind": "asymmetric"}, "kind='asymmetric' is unknown"),
        (TRUE - 1, {"fraction": 0.1}, "label -1 is out of range"),
        (TRUE * 0, {"fraction": 0.1}, "all labels are one class"),
        (TRUE, {"fraction": 0.1, "kind": "confusion", "confusion": np.eye(4)}, r"expected \(5, 5\)"),
        (TRUE, {"fraction": 0.1, "kind": "confusion", "confusion": np.eye(5)}, "row 0 of confusion"),
        ([0, 1], {"fraction": 1, "kind": "confusion", "confusion": [[0, np.nan], [1, 0]]}, "confusion holds nan"),
        ([0, 1], {"fraction": 1, "kind": "confusion", "confusion": [[0, np.inf], [1, 0]]}, "confusion holds inf"),
        ([0, 1], {"fraction": 1, "kind": "confusion", "confusion": [[0, -1], [1, 0]]}, "confusion holds -1"),
        ([0, 1], {"fraction": 1, "kind": "confusion", "confusion": [[0], [1, 0]]}, "confusion is no matrix"),
        ([0, 1, 5], {"fraction": 0.9, "n_classes": 3}, "n_classes=3, but a label is 5"),
        ([0, 1], {"fraction": 0.9, "n_classes": 2.5}, "n_classes=2.5 is out of range"),
        (TRUE, {"fraction": 0.1, "seed": -1}, "seed=-1 is out of range"),
        (TRUE, {"fraction": 0.1, "seed": "1"}, "seed='1' is out of range"),
        (TRUE, {"fraction": "0.1"}, "fraction='0.1' is out of range"),
        (TRUE[:, None], {"fraction": 0.1}, r"labels have shape \(.*, 1\); expected one class number per sample"),
        ([[0], [1, 0]], {"fraction": 0.1}, "rows of different lengths"),
        (["a", "b"], {"fraction": 0.5}, "labels are names such as 'a'; expected class numbers: names, numbers ="),
    ],
)
def test_bad_options_are_refused(labels: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        plant_mistakes(labels, **options)


def test_measure_against_counting() -> None:
    rng = np.random.default_rng(0)
    n = 300
    true = np.where(rng.random(n) < 0.2, 1, -1)
    given = np.zeros(n, int)
    quality = np.round(rng.random(n) - 0.3 * (true == 1), 1)
    flagged, suggested = quality < 0.3, rng.integers(-1, 3, n)
    found = measure(quality, flagged, suggested, given, true)
    wrong = true == 1
    hits = sum(f and w for f, w in zip(flagged, wrong, strict=True))
    assert found.recall == hits / wrong.sum()
    assert found.precision == hits / flagged.sum()
    assert found.f1 == pytest.approx(2 / (1 / found.recall + 1 / found.precision))
    assert found.average_precision == pytest.approx(average_precision_score(wrong, -quality))
    made = [s == 1 for s, f, w in zip(suggested, flagged, wrong, strict=True) if f and w and s >= 0]
    assert found.correction_accuracy == sum(made) / len(made)
    assert len(found.curve) == n
    assert found.curve["recall"].iloc[-1] == 1
    assert found.recall_interval[0] < found.recall < found.recall_interval[1]


def test_nothing_planted_measures_nothing() -> None:
    found = measure(np.ones(3), np.zeros(3, bool), np.full(3, -1), np.zeros(3, int), np.full(3, -1))
    assert np.isnan([found.recall, found.precision, found.average_precision]).all()


def test_wilson() -> None:
    assert wilson(3, 4)[0] == pytest.approx(0.3006, abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
