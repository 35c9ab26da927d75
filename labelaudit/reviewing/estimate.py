"""How good the cut is, and what the samples to come hold, from the decisions so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
NEXT = 100
PRIOR_MEAN = np.array([0.0, 3.0])  # a cut at the estimated number of errors, passed over about a third of it
PRIOR_SD = np.array([2.1, 1.5])  # the number is right within a factor of exp(2.1 / 3) = 2, one standard deviation
GROUPS, DRAWS, WIDER = 400, 1_000, 1.3


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
    of the number of errors; a and b have a normal prior around the audit's own claim, and the decisions give their
    posterior (importance sampling, the same draws every time). A review goes from the worst on, so the share found so
    far would overstate what is to come.

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
    draws, weights = _posterior(*_grouped(depth[known], wrong[known].astype(float)))
    coming = np.flatnonzero(wrong < 0)[:NEXT]
    expected, low, high = _count(depth[coming], draws, weights)
    flagged = wrong[:n_flagged]
    precision = interval = None
    if n_flagged:
        rest, least, most = _count(depth[:n_flagged][flagged < 0], draws, weights)
        found = float((flagged == 1).sum())
        precision, interval = (found + rest) / n_flagged, ((found + least) / n_flagged, (found + most) / n_flagged)
    return ReviewEstimate(
        precision,
        interval,
        len(coming),
        round(expected, 1),
        (round(low), round(high)),
        int((wrong == 1).sum()),
        int((wrong == 0).sum()),
    )


def _grouped(depth: Array, wrong: Array) -> tuple[Array, Array, Array]:
    """Return (depth, number of samples, number wrong) of at most `GROUPS` neighbourhoods."""
    if len(depth) <= GROUPS:
        return depth, np.ones(len(depth)), wrong
    group = (np.arange(len(depth)) * GROUPS) // len(depth)
    size = np.bincount(group)
    return np.bincount(group, depth) / size, size.astype(float), np.bincount(group, wrong)


def _chance(depth: Array, parameters: Array) -> Array:
    return 1 / (1 + np.exp(np.clip(parameters[1] * depth - parameters[0], -30, 30)))


def _fit(depth: Array, size: Array, wrong: Array) -> tuple[Array, Array]:
    """Return the posterior mode of (a, b) and its covariance, by Newton steps on a concave function."""
    design = np.column_stack([np.ones(len(depth)), -depth])
    parameters, precision = PRIOR_MEAN.copy(), np.diag(PRIOR_SD**-2.0)
    hessian = precision
    for _ in range(50):
        p = _chance(depth, parameters)
        gradient = design.T @ (wrong - size * p) - precision @ (parameters - PRIOR_MEAN)
        hessian = (design.T * (size * p * (1 - p))) @ design + precision
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        parameters = parameters + step
        if np.abs(step).max() < 1e-6:
            break
    return parameters, np.linalg.inv(hessian)


def _posterior(depth: Array, size: Array, wrong: Array) -> tuple[Array, Array]:
    """Return draws of (a, b), (DRAWS, 2), and their weights, which sum to 1: importance sampling around the mode."""
    mode, covariance = _fit(depth, size, wrong)
    standard = np.random.default_rng(0).standard_normal((DRAWS, 2)) * WIDER
    draws = mode + standard @ np.linalg.cholesky(covariance).T
    logit = draws[:, :1] - draws[:, 1:] * depth
    log_posterior = logit @ wrong - np.logaddexp(0, logit) @ size
    log_posterior -= (((draws - PRIOR_MEAN) / PRIOR_SD) ** 2).sum(axis=1) / 2
    log_weights = log_posterior + (standard**2).sum(axis=1) / (2 * WIDER**2)
    weights = np.exp(log_weights - log_weights.max()) * (draws[:, 1] > 0)  # never likelier further down
    return draws, weights / weights.sum()


def _count(depth: Array, draws: Array, weights: Array) -> tuple[float, float, float]:
    """Return the expected number of wrong labels at these depths, and the ends of its 95 % interval."""
    near, size, _ = _grouped(depth, np.zeros(len(depth)))  # else each key of a large review takes a second
    p = 1 / (1 + np.exp(np.clip(draws[:, 1:] * near - draws[:, :1], -30, 30)))
    sums, spread = p @ size, (p * (1 - p)) @ size
    counts = sums + np.sqrt(spread) * np.random.default_rng(1).standard_normal(len(draws))
    order = np.argsort(counts)
    ends = np.interp([0.025, 0.975], weights[order].cumsum(), counts[order])
    low, high = np.clip(ends, 0, len(depth)).tolist()
    return float(weights @ sums), low, high
