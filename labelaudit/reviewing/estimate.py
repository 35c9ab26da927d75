"""How good the cut is, and what the samples to come hold, from the decisions so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
NEXT = 100
PRIOR_MEAN = np.array([0.0, 3.0])  # a cut at the estimated number of errors, passed over about a third of it
PRIOR_SD = np.array([1.5, 1.5])


@dataclass(frozen=True)
class ReviewEstimate:
    """What the decisions say so far; shares are 0 to 1.

    Attributes:
        precision: share of the flagged samples whose label is wrong; None where none are flagged.
        precision_interval: 95 % interval of it.
        n_next: how many undecided samples the next two are about (100, or those that are left).
        next_wrong: how many of them are expected to be wrong.
        next_interval: 95 % interval of that.
        n_wrong: wrong labels among the decided.
        n_right: right labels among the decided.
    """

    precision: float | None
    precision_interval: tuple[float, float] | None
    n_next: int
    next_wrong: float
    next_interval: tuple[int, int]
    n_wrong: int
    n_right: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def estimate(wrong: Array, n_flagged: int, estimated_errors: int) -> ReviewEstimate:
    """Estimate from the decisions on samples in the order of suspicion.

    The chance that the label at rank r is wrong is modelled as 1 / (1 + exp(-a + b ln(r / E))), E the audit's estimate
    of the number of errors; a and b have a normal prior around the audit's own claim and are fitted to the decisions
    (posterior mode, its spread by Laplace's approximation). A review goes from the worst on, so the share found so far
    would overstate what is to come.

    Args:
        wrong: (n,) 1 where a label was found wrong, 0 where right, -1 where it is not decided, worst sample first.
        n_flagged: how many of them are past the cut.
        estimated_errors: the audit's estimate.

    Example:
        >>> found = estimate(np.array([1] * 40 + [0] * 60 + [-1] * 900), 50, 50)
        >>> found.next_wrong < 10
        True
    """
    depth = np.log((np.arange(len(wrong)) + 1) / max(estimated_errors, 1))
    known = np.flatnonzero(wrong >= 0)
    mode, covariance = _fit(depth[known], wrong[known].astype(float))
    coming = np.flatnonzero(wrong < 0)[:NEXT]
    expected, spread = _sum(depth[coming], mode, covariance)
    flagged = wrong[:n_flagged]
    precision = interval = None
    if n_flagged:
        rest, rest_spread = _sum(depth[:n_flagged][flagged < 0], mode, covariance)
        found = float((flagged == 1).sum())
        precision = (found + rest) / n_flagged
        low, high = (found + max(rest - 1.96 * rest_spread, 0.0)), (found + rest + 1.96 * rest_spread)
        interval = (low / n_flagged, min(high / n_flagged, 1 - float((flagged == 0).sum()) / n_flagged))
    return ReviewEstimate(
        precision,
        interval,
        len(coming),
        round(expected, 1),
        (max(round(expected - 1.96 * spread), 0), min(round(expected + 1.96 * spread), len(coming))),
        int((wrong == 1).sum()),
        int((wrong == 0).sum()),
    )


def _chance(depth: Array, parameters: Array) -> Array:
    return 1 / (1 + np.exp(np.clip(parameters[1] * depth - parameters[0], -30, 30)))


def _fit(depth: Array, wrong: Array) -> tuple[Array, Array]:
    """Return the posterior mode of (a, b) and its covariance, by Newton steps on a concave function."""
    design = np.column_stack([np.ones(len(depth)), -depth])
    parameters, precision = PRIOR_MEAN.copy(), np.diag(PRIOR_SD**-2.0)
    hessian = precision
    for _ in range(30):
        p = _chance(depth, parameters)
        gradient = design.T @ (wrong - p) - precision @ (parameters - PRIOR_MEAN)
        hessian = (design.T * (p * (1 - p))) @ design + precision
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        parameters = parameters + step
        if np.abs(step).max() < 1e-6:
            break
    return parameters, np.linalg.inv(hessian)


def _sum(depth: Array, mode: Array, covariance: Array) -> tuple[float, float]:
    """Return the expected number of wrong labels at these depths, and its standard deviation."""
    p = _chance(depth, mode)
    slope = np.array([(p * (1 - p)).sum(), -(p * (1 - p) * depth).sum()])
    return float(p.sum()), float(np.sqrt((p * (1 - p)).sum() + slope @ covariance @ slope))
