"""Data sets that fit_experience.py draws anew for every training: rules about categories, and texts about topics.

Much of what people classify is tables of yes and no, of colours and countries, or bags of words, in classes of all
sizes; networks learn such sets by heart within a few epochs.
"""

from __future__ import annotations

import numpy as np
import quality_data
from fit_training import log_uniform
from quality_data import Dataset
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SAMPLES = (150, 4000)
RAREST = 15  # samples of a class: those of rarer ones are left out
FEWEST = 25  # for each leaf of a tree, and for each topic
COLUMNS = (12, 80)  # of a table
MOST_LEVELS = 8  # of a column
PROTOTYPES = (3, 16)  # kinds of rows, which share some of their categories
RULED = (2, 12)  # classes of a table
SMALLEST_BRANCH = 0.15  # of the rows that a condition divides
TRIES = 40  # for a condition that divides them so
TOPICS = (3, 50)
RAREST_TOPIC = 0.03  # of the commonest one
WORDS = 1500
TOLD_BY = (0.03, 0.2)  # share of the words that tell a topic from others
KIN = 3  # topics of a family, which share half of such words
LENGTH = (8, 120)  # words of a text
COMPONENTS = 150


def draw(name: str, rng: np.random.Generator) -> Dataset:
    """Return a new set of a name in SETS."""
    kept = np.zeros(0, bool)
    while not kept.any():
        features, labels = SETS[name](rng)
        names, counts = np.unique(labels, return_counts=True)
        common = names[counts >= RAREST]
        kept = np.isin(labels, common) & (len(common) > 1)
    features = StandardScaler().fit_transform(features[kept]).astype(np.float32)
    labels = np.unique(labels[kept], return_inverse=True)[1]
    return Dataset(name, features, labels, quality_data.clean_probabilities(features, labels))


def rules(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a table of categories; a decision tree that also knows the kinds says the classes, but for exceptions.

    Returns:
        (n, columns) numbers of the categories or (n, categories) indicators, and (n,) classes.
    """
    n, d, n_classes = (round(log_uniform(rng, *bounds)) for bounds in (SAMPLES, COLUMNS, RULED))
    levels = np.where(rng.random(d) < rng.random(), 2, rng.integers(3, MOST_LEVELS + 1, d))
    n_kinds = int(rng.integers(*PROTOTYPES))
    kinds = rng.choice(n_kinds, n, p=rng.dirichlet(np.full(n_kinds, 2.0)))
    usual = rng.integers(0, levels, (n_kinds, d))[kinds]
    any_other = np.stack([rng.choice(of, n, p=rng.dirichlet(np.ones(of))) for of in levels], axis=1)
    cells = np.where(rng.random((n, d)) < rng.uniform(0.1, 0.9, d), usual, any_other)
    asked = np.column_stack([cells, *[kinds] * int(rng.integers(0, d))])
    leaves = _leaves(asked, min(round(n_classes * rng.uniform(1, 4)), n // FEWEST), rng)
    class_of = rng.permutation(np.arange(leaves.max() + 1) % n_classes)
    exceptions = rng.random(n) < log_uniform(rng, 0.001, 0.06)
    labels = np.where(exceptions, rng.permutation(class_of[leaves]), class_of[leaves])
    coded = cells if rng.random() < 0.4 else OneHotEncoder(sparse_output=False).fit_transform(cells)
    return coded.astype(float), labels


def _leaves(cells: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Divide the rows by conditions on their cells, always the largest part; return the part of each, (n,)."""
    parts = np.zeros(len(cells), int)
    for new in range(1, max(wanted, 2)):
        rows = np.flatnonzero(parts == np.bincount(parts).argmax())
        for _ in range(TRIES):
            column = cells[rows, rng.integers(cells.shape[1])]
            met = column == rng.choice(column)
            if SMALLEST_BRANCH < met.mean() < 1 - SMALLEST_BRANCH:
                parts[rows[met]] = new
                break
        else:
            break
    return parts


def topics(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw bags of words, each about a topic and a little about one of its kin; some topics are common, some rare.

    Returns:
        (n, COMPONENTS or fewer) components of the word weights, and (n,) topics.
    """
    n, n_topics = (round(log_uniform(rng, *bounds)) for bounds in (SAMPLES, TOPICS))
    n_topics = min(n_topics, n // FEWEST)
    commonness = np.exp(rng.uniform(0.3, 1.5) * rng.normal(size=n_topics))
    commonness = np.maximum(commonness, RAREST_TOPIC * commonness.max())
    labels = rng.choice(n_topics, n, p=commonness / commonness.sum())
    told_by, strength = log_uniform(rng, *TOLD_BY), rng.uniform(1, 3.2)
    of_family = rng.random((n_topics // KIN + 1, WORDS)) < told_by / 2
    family = np.arange(n_topics) // KIN
    telling = of_family[family] | (rng.random((n_topics, WORDS)) < told_by / 2)
    spoken = np.exp(strength * telling * rng.normal(1, 0.5, (n_topics, WORDS))) / (np.arange(WORDS) + 10)
    spoken /= spoken.sum(axis=1, keepdims=True)
    kin = np.minimum(family[labels] * KIN + rng.integers(0, KIN, n), n_topics - 1)
    aside = rng.uniform(0, 0.6) * rng.beta(1.5, 3, n)[:, None] * (kin != labels)[:, None]
    length = np.maximum(log_uniform(rng, *LENGTH) * np.exp(0.5 * rng.normal(size=n)), 3).astype(int)
    counts = rng.multinomial(length, (1 - aside) * spoken[labels] + aside * spoken[kin])
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    return TruncatedSVD(min(COMPONENTS, n // 2), random_state=0).fit_transform(weights), labels


SETS = {"rules": rules, "topics": topics}
NAMES = tuple(SETS)
