"""Splits: stratified, complete, and the same whenever they are made."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.fitting.splits import fold_numbers, n_folds, split_of

LABELS = np.repeat([0, 1, 2, 3, 4], [50, 31, 7, 2, 1])


def split(repeat: int, labels: np.ndarray = LABELS, **changes: object) -> tuple[np.ndarray, ...]:
    options = {"kind": "kfold", "folds": 3, "test_split": 0.2, "val_split": None, "seed": 0, **changes}
    return split_of(labels, repeat, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["kfold", "random"])
@pytest.mark.parametrize("val", [None, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_a_class_never_leaves_training_and_nothing_is_in_two_parts(kind: str, val: float | None, seed: int) -> None:
    for repeat in range(7):
        train, held, evaluated = split(repeat, kind=kind, val_split=val, seed=seed, test_split=0.5)
        assert set(LABELS[train]) == set(LABELS)
        assert sorted([*train, *held, *evaluated]) == list(range(len(LABELS)))
        assert (len(evaluated) > 0) == (val is not None)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_successive_folds_hold_out_every_image_once_but_the_only_one_of_a_class(folds: int) -> None:
    for first in (0, folds):
        held = np.concatenate([split(first + fold, folds=folds).held_out for fold in range(folds)])
        assert sorted(held) == list(range(len(LABELS) - 1))
    assert split(0, folds=folds).held_out.tolist() != split(folds, folds=folds).held_out.tolist()


def test_folds_are_stratified_and_of_one_size() -> None:
    numbers = fold_numbers(LABELS, 3, np.random.default_rng(0))
    for label, count in enumerate(np.bincount(LABELS)):
        of_class = np.bincount(numbers[(label == LABELS) & (numbers >= 0)], minlength=3)
        assert of_class.max() - of_class.min() <= 1
        assert of_class.sum() == (count if count > 1 else 0)
    sizes = np.bincount(numbers[numbers >= 0])
    assert sizes.max() - sizes.min() <= 1


def test_random_splits_hold_out_the_share_of_each_class() -> None:
    held = split(3, kind="random").held_out
    assert np.bincount(LABELS[held], minlength=5)[:2].tolist() == pytest.approx([10, 6.2], abs=1)
    assert not np.array_equal(held, split(4, kind="random").held_out)


def test_a_split_depends_on_seed_and_number_only() -> None:
    for kind in ("kfold", "random"):
        np.random.seed(1)  # noqa: NPY002  # a global seed changes nothing
        one = split(4, kind=kind, seed=9)
        assert all(np.array_equal(a, b) for a, b in zip(one, split(4, kind=kind, seed=9), strict=True))
        assert not np.array_equal(one.held_out, split(4, kind=kind, seed=8).held_out)


def test_number_of_folds() -> None:
    assert [n_folds(n, 0.5) for n in (1, 2, 9)] == [2, 2, 2]
    assert [n_folds(n, 0.9) for n in (1, 2)] == [1, 2]
    assert [n_folds(n, 0.1) for n in (1, 4, 12)] == [10, 4, 10]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.15, 0.2, 0.3, 0.33, 0.4, 0.5, 0.7, 0.9])
def test_a_single_repeat_holds_out_the_share(share: float) -> None:
    labels = np.repeat([0, 1], 1000)
    for seed in range(3):
        held = split(0, labels, folds=n_folds(1, share), test_split=share, seed=seed).held_out
        assert len(held) / len(labels) == pytest.approx(share, abs=0.006)
        assert np.bincount(labels[held]) == pytest.approx(len(held) / 2, abs=2)
