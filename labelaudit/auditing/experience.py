"""What trainings with planted mistakes taught: how often a sample that looks so, in a history that looks so, was wrong.

Boosted trees on the clues of `clues.py` give that probability. `benchmarks/fit_experience.py` trains the networks,
plants the mistakes, and fits the trees; they ship as numbers in ``experience.npz``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt

from labelaudit.auditing.clues import Clues
from labelaudit.auditing.trees import Trees

Array = npt.NDArray[Any]

FILE = Path(__file__).with_name("experience.npz")
SUSPICION = "log_ratio"  # the column that the log odds never fall with


def by_experience(clues: Clues) -> Array:
    """Return log odds that labels are wrong, (n,)."""
    return trees().predict([*clues.of_samples(), *clues.of_set()], len(clues.log_ratio))


@cache
def trees() -> Trees:
    """Return the trees: log odds, by the columns of `clues.COLUMNS`."""
    return Trees.load(FILE)
