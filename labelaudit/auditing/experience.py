"""What trainings with planted mistakes taught: how often a sample that looks so, in a history that looks so, was wrong.

Two learners give that probability from the clues of `clues.py`, each good where the other is weak: boosted trees, and
small networks that see every sample beside all others. `benchmarks/fit_experience.py` runs the trainings and fits both;
they ship as numbers.
"""

from __future__ import annotations

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
    by_networks = networks().predict(*columns, clues.given, clues.other, asked)
    if asked is None:
        return Experience(mean_of(by_trees, by_networks), by_networks)
    odds, order = by_trees.copy(), by_trees
    odds[asked] = mean_of(by_trees[asked], by_networks)
    order[asked] = by_networks
    return Experience(odds, order)


def mean_of(by_trees: Array, by_networks: Array) -> Array:
    """Return the mean of two log odds, weighted by OF_NETWORKS."""
    found: Array = (1 - OF_NETWORKS) * by_trees + OF_NETWORKS * by_networks
    return found


@cache
def trees() -> Trees:
    """Return the trees: log odds, by the columns of `clues.COLUMNS`."""
    return Trees.load(TREES)


@cache
def networks() -> SetNetworks:
    """Return the networks: log odds, by the columns of `clues.COLUMNS`."""
    return SetNetworks.load(NETWORKS)
