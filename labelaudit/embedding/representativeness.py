"""Representativeness: how near a sample is to the centre of its cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space
from labelaudit.embedding.thinning import near_earlier
from labelaudit.history.rows import one_of
from labelaudit.options import check_whole

Array = npt.NDArray[Any]

METHODS = ("cluster-center", "cluster-center-downweight")
BALL = 0.5  # Euclidean distance within which a better sample lowers others
LOWERED = 0.7
ROUNDING = 100  # times the unit of the last place: a cluster no wider than that is one point


def representativeness(vectors: Array, method: str, n_clusters: int, seed: int, *, as_fiftyone: bool = False) -> Array:
    """Return how near each sample is to the centre of its cluster, (n,) in [0, 1]: **high is representative**.

    Formula: k-means; one minus the Euclidean distance to the own centre, divided by the largest of the cluster. The
    farthest sample of a cluster has 0, one at the centre 1. "cluster-center-downweight" then goes from the most
    representative sample down, and lowers the samples within 0.5 of each by the factor 0.7, once each, so that the top
    of the ranking is not one place many times over; the largest value is scaled to 1.
    Source: FiftyOne Brain's two methods. There the distance itself is the score, so its highest are the outliers.

    Args:
        vectors: (n, d).
        method: one of METHODS.
        n_clusters: clusters of k-means; no more than there are different vectors.
        seed: of k-means.
        as_fiftyone: the distance, not one minus it.
    """
    one_of("method", method, METHODS)
    check_whole("n_clusters", n_clusters, 1)
    check_whole("seed", seed)
    n = len(vectors)
    if n == 0:
        return np.empty(0)
    found = _distances_in_clusters(vectors, n_clusters, seed)
    if not as_fiftyone:
        found = 1 - found
    if method == METHODS[1]:
        found = _downweighted(vectors, found)
    return found


def _distances_in_clusters(vectors: Array, n_clusters: int, seed: int) -> Array:
    from sklearn.cluster import KMeans

    from labelaudit.embedding.twins import Twins

    vectors = np.ldexp(vectors, -np.frexp(np.abs(vectors).max())[1])  # so that no square overflows or is lost
    k = min(n_clusters, Twins.of(vectors).n_unique)
    fitted = KMeans(k, random_state=seed).fit(vectors)
    away = np.linalg.norm(vectors - fitted.cluster_centers_[fitted.labels_], axis=1).astype(np.float64)
    most = np.zeros(k)
    np.maximum.at(most, fitted.labels_, away)
    most[most <= ROUNDING * float(np.finfo(fitted.cluster_centers_.dtype).eps * np.abs(vectors).max())] = 0
    own: Array = most[fitted.labels_]
    return np.divide(away, own, out=np.zeros(len(away)), where=own > 0)


def _downweighted(vectors: Array, score: Array) -> Array:
    """Lower the samples near a better one; of equal scores the first in the data set is the better one."""
    order = np.argsort(-score, kind="stable")
    lowered = score.copy()
    lowered[order[near_earlier(Space(vectors, "euclidean"), order, BALL)]] *= LOWERED
    most = float(lowered.max())
    return lowered / most if most > 0 else lowered
