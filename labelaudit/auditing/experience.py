"""What trainings with planted mistakes taught: how often a sample that looks so, in a history that looks so, was wrong.

Boosted trees on the clues of `clues.py` give that probability. `benchmarks/fit_experience.py` trains the networks,
plants the mistakes, and fits the trees; they ship as numbers in ``experience.npz``. The noise matrix and `doubt.py` say
the same from few numbers and on few assumptions; the verdict takes the mean of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.clues import Clues
from labelaudit.auditing.glance import Glance
from labelaudit.auditing.reading import Reading
from labelaudit.auditing.trees import Trees

Array = npt.NDArray[Any]

FILE = Path(__file__).with_name("experience.npz")
SUSPICION = "log_ratio"  # the column that the probability never falls with


def by_experience(read: Reading, glances: Sequence[Glance]) -> Array:
    """Return the probability that the labels of the samples glanced at are wrong, (m,).

    Args:
        read: what the averages say of all samples.
        glances: what the doublings of each run show of m of them, the same for every run.
    """
    return probability(Clues.of(read, glances), trees())


def probability(clues: Clues, of: Trees) -> Array:
    """Return the probability that labels are wrong, (m,), by trees that give log odds."""
    found: Array = 1 / (1 + np.exp(-of.predict(clues.columns())))
    return found


@cache
def trees() -> Trees:
    """Return the trees: log odds, by the columns of `clues.COLUMNS`."""
    return Trees.load(FILE)
