"""Which images a repeat trains on and which it holds out; by seed and number alone, so that a resumed run agrees."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Split(NamedTuple):
    """Ascending positions: trained on, held out and predicted, and (may be empty) evaluated for early stopping."""

    train: Array
    held_out: Array
    val: Array


def n_folds(n_repeats: int, test_split: float) -> int:
    """Return K: with 2 repeats or more every image is held out by some, unless ``test_split`` asks for smaller parts.

    A single repeat holds out ``test_split``: a fold where one is of that size, to a hundredth; else K is 1, no folds.

    >>> [n_folds(n, 0.2) for n in (1, 2, 3, 5, 10)]
    [5, 2, 3, 5, 5]
    >>> [n_folds(1, share) for share in (0.33, 0.5, 0.7)]
    [3, 2, 1]
    """
    most = max(round(1 / test_split), 2)
    if n_repeats > 1:
        return min(n_repeats, most)
    return most if round(1 / most, 2) == round(test_split, 2) else 1


def split_of(
    labels: Array, repeat: int, *, kind: str, folds: int, test_split: float, val_split: float | None, seed: int
) -> Split:
    """Return the split of a repeat, stratified by class; a class never leaves training.

    Args:
        labels: (n,) class numbers.
        repeat: number of the repeat, from 0.
        kind: "kfold": repeats go through the folds of one shuffle after the other; "random": drawn for each.
        folds: K of "kfold"; with 1 it draws as "random" does.
        test_split: share held out by what is drawn.
        val_split: share of the rest for early stopping; None: nothing.
        seed: of all splits.
    """
    if kind == "kfold" and folds > 1:
        shuffle, fold = divmod(repeat, folds)
        held = fold_numbers(labels, folds, _random(seed, 0, shuffle)) == fold
    else:
        held = _drawn(labels, np.ones(len(labels), bool), test_split, _random(seed, 1, repeat))
    val = np.zeros(len(labels), bool)
    if val_split is not None:
        val = _drawn(labels, ~held, val_split, _random(seed, 2, repeat))
    return Split(np.flatnonzero(~held & ~val), np.flatnonzero(held), np.flatnonzero(val))


def _random(*numbers: int) -> np.random.Generator:
    """Return a generator of its own: NumPy takes [0, 0] for 0, the seed by which `plant_mistakes` may have drawn."""
    return np.random.default_rng([*numbers, 1])


def fold_numbers(labels: Array, folds: int, random: np.random.Generator) -> Array:
    """Return the fold of every image, (n,), 0 to K - 1; -1 for the only image of a class, which is never held out.

    Each class is dealt out in turn, and the next class goes on where it ended: folds differ by one image at most.
    """
    found = np.full(len(labels), -1)
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    order = order[counts[labels[order]] > 1]
    found[order] = (np.arange(len(order)) + int(random.integers(folds))) % folds
    return found


def _drawn(labels: Array, among: Array, share: float, random: np.random.Generator) -> Array:
    """Return which of some images are drawn, (n,) bool: that share of each class, never all of one."""
    drawn = np.zeros(len(labels), bool)
    for label in np.unique(labels[among]):
        of_class = random.permutation(np.flatnonzero(among & (labels == label)))
        wanted = int(share * len(of_class) + random.random())  # rounded up as often as its fraction says
        drawn[of_class[: min(wanted, len(of_class) - 1)]] = True
    return drawn
