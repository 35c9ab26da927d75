"""What trainings with planted mistakes taught: how often a sample that looks so, in a history that looks so, was wrong.

Two learners give that probability from the clues of `clues.py`, each good where the other is weak: boosted trees, and
small networks that see every sample beside all others. `benchmarks/fit_experience.py` runs those trainings and fits
both; they ship as numbers.
"""

from __future__ import annotations

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
OF_NETWORKS = 1 / 3  # their share in the mean; the trees have the rest
SUSPICION = "log_ratio"  # the column that the trees' log odds never fall with


def by_experience(clues: Clues) -> Array:
    """Return log odds that labels are wrong, (n,): the weighted mean of what trees and networks say."""
    of_samples, of_set = clues.of_samples(), clues.of_set()
    found = trees().predict([*of_samples, *of_set], len(clues.log_ratio))
    asked = np.arange(len(found)) if len(found) <= MANY else np.flatnonzero(found > BEYOND_DOUBT)
    found[asked] = mean_of(found[asked], networks().predict(of_samples, of_set, asked))
    return found


def mean_of(by_trees: Array, by_networks: Array) -> Array:
    """Return the weighted mean of two log odds."""
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
