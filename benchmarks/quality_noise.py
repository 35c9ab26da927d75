"""Wrong labels of every kind for detection_quality.py."""

from __future__ import annotations

import warnings
import zlib

import numpy as np
from quality_data import Dataset
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from labelaudit import plant_mistakes

NOISES = (
    ("none", 0.0),
    ("symmetric", 0.01),
    ("symmetric", 0.05),
    ("symmetric", 0.1),
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("pair", 0.2),
    ("confusion", 0.2),
    ("instance", 0.1),
    ("ambiguous", 0.1),
    ("people", 0.05),
    ("people", 0.2),
    ("human", 0.0),
)
GROUPS = 6  # of people, to choose from


def fits(dataset_has_raters: bool, n_classes: int, kind: str, rate: float) -> bool:
    """Say whether a kind of noise makes sense for a data set.

    With two classes every kind but the instance-dependent ones is symmetric noise, and 40 % of it leaves nothing to
    learn from. The set with real raters needs no made-up noise.
    """
    if dataset_has_raters or kind == "human":
        return dataset_has_raters and kind == "human"
    return n_classes > 2 or (kind not in ("pair", "confusion") and rate < 0.4)


def given_labels(dataset: Dataset, kind: str, rate: float, seed: int) -> np.ndarray:
    """Return (n,) given labels, of which round(rate * n) are wrong.

    Kinds: "symmetric" any other class; "pair" the next class; "confusion" another class as often as a linear model of
    the true labels takes the one for the other; "instance" depends on the features through random projections (Xia
    et al., NeurIPS 2020, arXiv:2006.07836); "ambiguous" hits samples that the linear model finds hard, and gives them
    a class it finds likely; "people" is made up too, see `by_people`; "human" is what one person said.
    """
    rng = np.random.default_rng(zlib.crc32(f"{dataset.name} {kind} {rate} {seed}".encode()))
    draw = int(rng.integers(1 << 31))
    labels, wrong = dataset.labels, round(rate * len(dataset.labels))
    if kind == "none":
        return labels
    if kind == "human":
        assert dataset.raters is not None
        return dataset.raters[:, seed % dataset.raters.shape[1]]
    if kind in ("symmetric", "pair"):
        return plant_mistakes(labels, rate, kind, draw, n_classes=dataset.n_classes).labels
    if kind == "confusion":
        found = np.zeros((dataset.n_classes, dataset.n_classes))
        np.add.at(found, labels, dataset.probabilities)
        return plant_mistakes(labels, rate, kind, draw, n_classes=dataset.n_classes, confusion=found).labels
    if kind == "people":
        return by_people(dataset, wrong, rng)
    chance = _instance(dataset, rate, rng) if kind == "instance" else dataset.probabilities.copy()
    rows = np.arange(len(labels))
    own = chance[rows, labels].copy()
    chance[rows, labels] = 0
    weight = np.maximum(1 - own, 1e-9)
    chosen = rng.choice(len(labels), wrong, replace=False, p=weight / weight.sum())
    given = labels.copy()
    cumulative = chance[chosen].cumsum(axis=1)
    given[chosen] = (cumulative <= rng.random((wrong, 1)) * cumulative[:, -1:]).sum(axis=1)
    return given


def by_people(dataset: Dataset, wrong: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n,) labels of one to five people, ``wrong`` of them wrong, or fewer where they make fewer mistakes.

    Each person sees some of the features, blurred, knows the classes by a linear model of those, and is asked about a
    random part of the samples. Who sees little errs often, and in his own way. Of several such groups the one is taken
    that makes hardly more mistakes than wanted; or the first, and what is too much is put right, as if some were
    checked.
    """
    labels = dataset.labels
    answers = [_answers(dataset, rng) for _ in range(GROUPS if rng.random() < 0.5 else 1)]
    said = min(answers, key=lambda one: ((count := (one != labels).sum()) < wrong, abs(count - wrong)))
    mistakes = rng.permutation(np.flatnonzero(said != labels))
    said[mistakes[wrong:]] = labels[mistakes[wrong:]]
    return said


def _answers(dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
    """Return (n,) what a group of people says."""
    people = int(rng.integers(1, 6))
    asked = rng.integers(people, size=len(dataset.labels))
    said = dataset.labels.copy()
    for person in range(people):
        his = asked == person
        belief = _belief(dataset.features, dataset.labels, dataset.n_classes, rng)[his]
        said[his] = (belief.cumsum(axis=1) < rng.random((his.sum(), 1))).sum(axis=1).clip(0, dataset.n_classes - 1)
    return said


def _belief(features: np.ndarray, labels: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, K) what a person with a poor view believes, who is more or less decided."""
    n, d = features.shape
    seen = rng.permutation(d)[: int(np.exp(rng.uniform(np.log(min(2, d)), np.log(min(64, d) + 1))))]
    view = features[:, seen] / (features[:, seen].std(axis=0) + 1e-9)
    view = view + rng.uniform(0.1, 2) * rng.normal(size=view.shape)
    model = LogisticRegression(max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        belief = model.fit(view, labels).predict_proba(view) ** rng.uniform(1, 3)
    found = np.zeros((n, n_classes))
    found[:, model.classes_] = belief / belief.sum(axis=1, keepdims=True)
    return found


def _instance(dataset: Dataset, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return (n, K) probabilities of the given label, by the features and the true class."""
    n, d = dataset.features.shape
    flip = np.clip(rng.normal(rate, 0.1, n), 0.001, 0.999)
    scores = np.empty((n, dataset.n_classes))
    for label in range(dataset.n_classes):
        of_class = dataset.labels == label
        scores[of_class] = dataset.features[of_class] @ rng.normal(size=(d, dataset.n_classes)) / np.sqrt(d)
    rows = np.arange(n)
    scores[rows, dataset.labels] = -np.inf
    chance = np.exp(scores - scores.max(axis=1, keepdims=True))
    chance *= (flip / chance.sum(axis=1))[:, None]
    chance[rows, dataset.labels] = 1 - flip
    return chance
