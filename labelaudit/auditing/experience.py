"""What trainings with planted mistakes taught: how often a sample that looks so, in a history that looks so, was wrong.

Two learners give that probability from the clues of `clues.py`, each good where the other is weak: boosted trees, and
small networks that see every sample beside all others. Half of the networks learned from all of those trainings, half
from all but those of `benchmarks/fit_pictures.py`. `benchmarks/fit_experience.py` runs the trainings and fits both
learners; they ship as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.clues import Clues
from labelaudit.auditing.set_networks import SetNetworks
from labelaudit.auditing.trees import Trees

Array = npt.NDArray[Any]

TREES = Path(__file__).with_name("experience_trees.npz")
NETWORKS = Path(__file__).with_name("experience_networks.npz")
NETWORKS_WITHOUT_PICTURES = Path(__file__).with_name("experience_networks_without_pictures.npz")
MANY = 1 << 16  # samples; of more, the networks are asked only about those that trees do not hold beyond doubt
BEYOND_DOUBT = -5.0  # log odds by the trees
OF_NETWORKS = 0.5  # their share in the mean; the trees have the rest
SUSPICION = "log_ratio"  # the column that the trees' log odds never fall with


@dataclass(frozen=True)
class Experience:
    """What trainings taught of n samples; high is suspicious.

    Attributes:
        odds: (n,) log odds that the label is wrong: the mean of what trees and networks say.
        order: (n,) what ranks the samples: the log odds by the networks, which rank better than the trees; by the trees
            where the networks were not asked.
    """

    odds: Array
    order: Array


def by_experience(clues: Clues) -> Experience:
    """Return what trainings taught of samples."""
    columns = clues.of_samples(), clues.of_set()
    by_trees = trees().predict([*columns[0], *columns[1]], len(clues.log_ratio))
    asked = None if len(by_trees) <= MANY else np.flatnonzero(by_trees > BEYOND_DOUBT)
    by_networks = mean_answer(networks(), clues, columns, asked)
    if asked is None:
        return Experience(mean_of(by_trees, by_networks), by_networks)
    odds, order = by_trees.copy(), by_trees
    odds[asked] = mean_of(by_trees[asked], by_networks)
    order[asked] = by_networks
    return Experience(odds, order)


def mean_answer(
    networks: Sequence[SetNetworks], clues: Clues, columns: tuple[list[Array], list[float]], asked: Array | None = None
) -> Array:
    """Return what sets of networks say on average, log odds (n,), or (m,) of the rows that are asked for.

    Args:
        networks: the sets.
        clues: of n samples.
        columns: their `of_samples` and `of_set`.
        asked: (m,) rows, all by default.
    """
    said = [one.predict(*columns, clues.given, clues.other, asked) for one in networks]
    found: Array = np.mean(said, axis=0)
    return found


def mean_of(by_trees: Array, by_networks: Array) -> Array:
    """Return the mean of two log odds, weighted by OF_NETWORKS."""
    found: Array = (1 - OF_NETWORKS) * by_trees + OF_NETWORKS * by_networks
    return found


@cache
def trees() -> Trees:
    """Return the trees: log odds, by the columns of `clues.COLUMNS`."""
    return Trees.load(TREES)


@cache
def networks() -> tuple[SetNetworks, SetNetworks]:
    """Return the networks of all trainings, and of those without fit_pictures.py: log odds, by `clues.COLUMNS`."""
    return SetNetworks.load(NETWORKS), SetNetworks.load(NETWORKS_WITHOUT_PICTURES)
