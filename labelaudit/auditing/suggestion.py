"""How surely the likeliest other class is the right one where a label is wrong: by its lead over the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# The log odds that the best other class is the true one of a wrong label: 0.9 (1 + ln t) lead - 0.74, t as below.
# By a logistic regression over some 640 trainings (docs/method.md).
PER_LEAD = 0.9
AT_NO_LEAD = -0.74
TRUST = (float(np.exp(-1)), float(np.exp(3)))  # bounds of t: below, a lead says nothing; above, all is clear
SURE_OF_CLASS = 0.9  # a label is suggested from here on: then some 95 % of those made for wrong labels are right
STEPS = 30


def certainty(lead: Array, log_ratio: Array, suspected: Array) -> Array:
    """Return the probability that the best other class is the true one, if the given label is wrong, (n,).

    Args:
        lead: (n,) log of that class's probability over the next best one's, the given label aside; inf without one.
        log_ratio: (n,) log of that class's probability over the given label's.
        suspected: (n,) bool, which labels are likelier wrong than right.
    """
    slope = PER_LEAD * (1 + np.log(trust(lead, log_ratio, suspected)))
    alone = np.isinf(lead)
    found: Array = 1 / (1 + np.exp(-slope * np.where(alone, 0, lead) - AT_NO_LEAD))
    found[alone] = 1
    return found


def trust(lead: Array, log_ratio: Array, suspected: Array) -> float:
    """Return how far a model's probabilities can be trusted, by the samples that nobody suspects.

    Arguments as of `certainty`. Of the samples whose label is one of the two likeliest classes, how often is it the
    likelier one? The answer is the slope t at which the log odds t |log_ratio| of that are calibrated.

    Returns:
        The maximum of the likelihood, within TRUST: 1 where a model is as sure as it is right, more where it is too
        modest.
    """
    margin = -log_ratio[~suspected & (log_ratio <= lead)]
    low, high = np.log(TRUST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        rising = (margin / (1 + np.exp(np.clip(np.exp(middle) * margin, -50, 50)))).sum() > 0
        low, high = (middle, high) if rising else (low, middle)
    return float(np.exp((low + high) / 2))
