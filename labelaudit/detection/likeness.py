"""How much more a box looks like a planted mistake than like the given labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.calibrate import along_ranking

Array = npt.NDArray[Any]

RIDGE = 1e-2
FIT = 40_000  # rows of each side that the regression reads


def signed_logistic(X: Array, positive: Array, weight: Array, signs: Array) -> Array:
    """Fit a logistic regression whose weights have given signs; return its log-odds of all rows, (a,).

    The signs keep it from reading the way mistakes were planted, and from fitting the mistakes among the given
    labels.

    Args:
        X: (a, f) features.
        positive: (a,) bool.
        weight: (a,) weight of each row in the fit; rows of weight 0 are only scored.
        signs: (f,) 1 where the weight may be positive, -1 where negative.
    """
    from scipy.optimize import minimize

    rows = np.flatnonzero(weight > 0)
    rows = rows[:: -(-len(rows) // FIT)] if len(rows) > FIT else rows
    mean, spread = X[rows].mean(axis=0), X[rows].std(axis=0) + 1e-6
    Z = (X[rows] - mean) / spread * signs
    y, w = positive[rows].astype(float), weight[rows] / weight[rows].sum()

    def loss(theta: Array) -> tuple[float, Array]:
        z = Z @ theta[:-1] + theta[-1]
        p = 1 / (1 + np.exp(-np.clip(z, -500, 500)))
        value = float((w * (np.logaddexp(0, z) - y * z)).sum() + RIDGE * (theta[:-1] ** 2).sum() / 2)
        slope = w * (p - y)
        return value, np.append(Z.T @ slope + RIDGE * theta[:-1], slope.sum())

    start = np.zeros(X.shape[1] + 1)
    bounds = [(0, None)] * X.shape[1] + [(None, None)]
    theta = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200}).x
    return ((X - mean) / spread * signs) @ theta[:-1] + theta[-1]


def density_ratio(planted: Array, given: Array) -> tuple[Array, float]:
    """Return how much denser planted mistakes lie at each given score, (n,), and the share of mistakes.

    Both from scores alone, high is suspicious. The given labels are a mixture: a share q of mistakes that look like
    the planted ones, and right labels. Nowhere can q times the planted density exceed that of the given labels, so
    the least ratio of the tails bounds q from above: an estimate without a word on how many mistakes there are.

    Source: the best-bin estimate of Garg et al., Mixture Proportion Estimation and PU Learning, NeurIPS 2021.
    """
    n, m = len(given), len(planted)
    if not n or not m:
        return np.zeros(n), 0.0
    from sklearn.isotonic import IsotonicRegression

    scores = np.concatenate([planted, given])
    weight = np.concatenate([np.full(m, 1 / m), np.full(n, 1 / n)])
    rising = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")  # it rounds the ends: else NaN there
    share = rising.fit(scores, np.arange(n + m) < m, weight).predict(given)
    cuts = np.unique(given)
    tail = (n - np.searchsorted(np.sort(given), cuts, "left")) / n
    hits = (m - np.searchsorted(np.sort(planted), cuts, "left")) / m
    sure = hits - np.sqrt(hits * (1 - hits) / m) > 0.05
    bound = (tail + np.sqrt(tail * (1 - tail) / n) + 1 / n)[sure] / hits[sure]
    q = float(min(bound.min(initial=1.0), 1.0))
    return share / np.maximum(1 - share, 1e-9), q


def probability(score: Array, planted: Array, trust: float = 1.0) -> Array:
    """Return the probability of a mistake of each given label, (n,), rising strictly with its score.

    Scores of a detector that knows nothing don't bound the share of mistakes: the given labels look like planted
    mistakes because everything looks alike. So the share is multiplied with the trust in the detector, 0 to 1.
    """
    ratio, share = density_ratio(planted, score)
    return along_ranking(score, np.clip(trust * share * ratio, 0, 1)) if len(score) else score
