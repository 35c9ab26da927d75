"""Two sources of disagreement: a model in doubt, and labels that went through a noise matrix.

P(label = y | x) = sum_k q_k(x) T[k, y], where q is the model's belief about the true class, its predicted
probabilities sharpened by a power beta, and T the noise matrix P(given | true). Both are fitted by maximum
likelihood. What the model's own doubt explains is not called an error; what remains is. On a clean set T tends
to the identity. Shapes are class by class: P is (K, n).

Source: a noise matrix by expectation maximisation is Dawid and Skene, Applied Statistics, 1979; here the model is one
of two raters, and its doubt is known for every sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.mean_scores import chunks

Array = npt.NDArray[Any]

BETAS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # half-octave steps: the likelihood is flat in between
SOFTEN = 1e-3  # probabilities below a thousandth tell nothing more
PSEUDO_COUNTS = 15.0  # a row of T: a class pair needs several samples before it counts as systematic
ITERATIONS = 15


@dataclass
class NoiseModel:
    """A fitted model of the labels.

    Attributes:
        matrix: (K, K) T[k, y] = P(given y | true k).
        beta: power that sharpens the probabilities.
        rate: share of wrong labels among the samples it was fitted on.
    """

    matrix: Array
    beta: float
    rate: float


def _log_beliefs(p: Array) -> Array:
    """Return (K, n) logarithms of the probabilities, softened; beta still to come."""
    found: Array = np.log(p + SOFTEN / len(p))
    return found


def _sharpened(log_beliefs: Array, beta: float) -> Array:
    q = beta * log_beliefs
    q -= q.max(axis=0)
    np.exp(q, out=q)
    q /= q.sum(axis=0)
    return q


def fit(p: Array, labels: Array, iterations: int = ITERATIONS) -> NoiseModel:
    """Fit beta and T by maximum likelihood.

    Args:
        p: (K, n) mean probabilities.
        labels: (n,) given labels.
        iterations: of expectation maximisation, for each beta.
    """
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    log_beliefs = _log_beliefs(p[:, order])
    best, best_likelihood = None, -np.inf
    for beta in BETAS:
        model, likelihood = _maximise(_sharpened(log_beliefs, beta), sorted_labels, iterations)
        if likelihood > best_likelihood:
            best, best_likelihood = NoiseModel(model[0], beta, model[1]), likelihood
    assert best is not None  # BETAS is not empty
    return best


def _maximise(q: Array, labels: Array, iterations: int) -> tuple[tuple[Array, float], float]:
    """Return (T, rate) and the mean log likelihood for one beta; labels are sorted."""
    n_classes, n = q.shape
    present, starts = np.unique(labels, return_index=True)
    of_labels = list(zip(present.tolist(), starts.tolist(), [*starts.tolist()[1:], n], strict=True))
    rate, matrix = 0.05, _around_identity(0.05, n_classes)
    likelihood = np.ones(n)
    for _ in range(iterations):
        counts = np.zeros((n_classes, n_classes))
        for label, start, stop in of_labels:
            beliefs, given = q[:, start:stop], matrix[:, label]
            likelihood[start:stop] = given @ beliefs
            counts[:, label] = given * (beliefs @ (1 / likelihood[start:stop]))
        of_true = counts.sum(axis=1, keepdims=True)
        rate = min(float((counts.sum() - np.trace(counts)) / n), 1.0)  # rounding can lead above 1
        matrix = (counts + PSEUDO_COUNTS * _around_identity(max(rate, 1e-6), n_classes)) / (of_true + PSEUDO_COUNTS)
    return (matrix, rate), float(np.log(likelihood).mean())


def _around_identity(rate: float, n_classes: int) -> Array:
    """Return symmetric noise of a rate, (K, K)."""
    matrix = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


@dataclass
class Posterior:
    """What a noise model says of every sample, (n,) each.

    Attributes:
        wrong: probability that the given label is wrong.
        other: likeliest class beside the given one.
        share: that class's share of the probability of being wrong.
    """

    wrong: Array
    other: Array
    share: Array


def posterior(model: NoiseModel, means: Callable[[slice], Array], labels: Array) -> Posterior:
    """Apply a noise model to all samples, in chunks.

    Args:
        model: the fitted model.
        means: gives the (K, m) mean probabilities of a slice of the samples.
        labels: (n,) given labels.
    """
    n = len(labels)
    found = Posterior(np.zeros(n), np.zeros(n, np.int32), np.zeros(n))
    for here in chunks(n, len(model.matrix)):
        given = labels[here]
        columns = np.arange(len(given))
        joint = _sharpened(_log_beliefs(means(here)), model.beta) * model.matrix[:, given]
        right = joint[given, columns].copy()
        joint[given, columns] = 0
        off = joint.sum(axis=0)
        joint[given, columns] = -1
        other = joint.argmax(axis=0)
        found.wrong[here] = off / (off + right)
        found.other[here] = other
        found.share[here] = np.minimum(joint[other, columns] / np.maximum(off, 1e-300), 1)
    return found
