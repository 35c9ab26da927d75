"""plant_mistakes, and how an audit is measured on them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from labelaudit import LabelAuditError, plant_mistakes
from labelaudit.auditing.planted import Measured, measure, wilson

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
    for name in ("recall", "precision", "correction_accuracy"):
        low, high = getattr(found, f"{name}_interval")
        assert low < getattr(found, name) < high
        assert found.to_dict()[f"{name}_interval"] == [low, high]
    assert found.n_suggestions == len(made)
    assert found.correction_accuracy_interval == wilson(sum(made), len(made))
    assert f"precision {found.precision:.1%} (95 % interval {found.precision_interval[0]:.1%} to" in str(found)


def test_samples_of_equal_quality_may_come_in_any_order() -> None:
    quality, true = np.array([0.1, 0.5, 0.5, 0.5, 0.5, 0.9]), np.array([-1, 1, 1, -1, -1, 1])
    flagged, given = quality < 0.2, np.zeros(6, int)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(6)
        found = measure(quality[order], flagged[order], true[order], given, true[order])
        assert found.f1_at_n == pytest.approx(1 / 3)  # the first, and two of four, half of which are wrong
        assert (found.curve["recall"] * 3).tolist() == pytest.approx([0, 0.5, 1, 1.5, 2, 3])
        assert found.curve["label_quality"].is_monotonic_increasing


@pytest.mark.parametrize("n", [100, 1000])
def test_the_intervals_cover_the_truth(n: int) -> None:
    rng = np.random.default_rng(n)

    def drawn(size: int) -> Measured:
        wrong = rng.random(size) < 0.1
        given, true = np.zeros(size, int), np.where(wrong, 1, -1)
        quality = rng.normal(size=size) - 4 * wrong
        return measure(quality, quality < -2, np.where(rng.random(size) < 0.85, 1, 2), given, true)

    expected, tries = drawn(400_000), [drawn(n) for _ in range(600)]
    for name in ("recall", "precision", "correction_accuracy"):
        intervals = np.array([getattr(one, f"{name}_interval") for one in tries])
        truth = getattr(expected, name)
        assert 0.93 < ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean() < 0.995


def test_nothing_planted_measures_nothing() -> None:
    found = measure(np.ones(3), np.zeros(3, bool), np.full(3, -1), np.zeros(3, int), np.full(3, -1))
    assert np.isnan([found.recall, found.precision, found.average_precision, found.correction_accuracy]).all()
    assert found.recall_interval == found.precision_interval == found.correction_accuracy_interval == (0, 1)
    assert "recall unknown" in str(found)


def test_wilson() -> None:
    assert wilson(3, 4)[0] == pytest.approx(0.3006, abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)
