"""Disagreements that a noise matrix does not explain: mistakes among the ambiguous samples, or a hard data set?

From one training run the two cannot be told apart sample by sample: a label that a person drew at random between two
look-alikes is, to the model, the same as a right label it has trouble with. What can be known is how often either is
the case in data sets that look alike from outside: how far the sample's log ratio goes, how many disagreements the
noise matrix explains, how clear the model is where it agrees. A logistic regression on those few numbers, fitted by
`benchmarks/fit_doubt.py` on planted mistakes in public data, gives the probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.reading import Outside

Array = npt.NDArray[Any]

# Printed by `python benchmarks/fit_doubt.py`: one coefficient per column of `_design`.
COEFFICIENTS = (-3.42, 0.8, 0.106, -0.0662, -3.08, -0.00519, -0.124, 1.64, 0.499)


def doubt(log_ratio: Array, seen: Outside) -> Array:
    """Return the probability, (n,), that a disagreement which the noise matrix leaves open is a wrong label."""
    at_zero, agreeing, against = design(np.array([0.0, -1.0, 1.0]), seen) @ np.array(COEFFICIENTS)
    z = np.where(log_ratio > 0, against - at_zero, at_zero - agreeing)  # linear on either side of 0
    z *= log_ratio
    z += at_zero
    np.clip(z, -30, 30, out=z)
    return 1 / (1 + np.exp(-z))


def design(log_ratio: Array, seen: Outside) -> Array:
    """Return the (n, 9) columns of the regression."""
    one, against = np.ones(len(log_ratio)), np.maximum(log_ratio, 0)
    columns = [
        one,
        log_ratio,
        one * np.log(seen.rate + 0.005),
        one * np.log(seen.open + 0.01),
        one * seen.structure,
        against * seen.structure,
        one * seen.clear_agreeing,
        one * seen.clear_open,
        against / seen.clear_agreeing,
    ]
    return np.stack(columns, axis=1)
