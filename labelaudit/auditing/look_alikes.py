"""The samples' look-alikes as a second witness beside the history.

How far they count is measured, not set. The history says how probably each label is wrong; how well the look-alikes'
log ratio tells the probably wrong labels from the others (the area under the ROC curve, A) is their reliability,
2 A - 1: 1 where they agree with the history on which labels are wrong, 0 where they say nothing, as when a network
learned the wrong labels by heart and moved those samples among their false peers. The ranking adds 0.5 times its square
times their log ratio. Chosen by benchmarks/neighbour_weight.py on ten tables that no other benchmark here uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.embeddings import Embeddings
from labelaudit.embedding.label_votes import VOTERS, LabelVotes
from labelaudit.embedding.neighbours import Neighbours
from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]

WEIGHT = 0.75  # of their log ratio in the ranking


@dataclass
class LookAlikes:
    """The look-alikes of n samples of a history.

    Attributes:
        votes: what their labels say.
        neighbours: positions in the history, (n, k), and distances; NaN distances where a sample has no embedding.
        n_embedded: number of samples with an embedding.
    """

    votes: LabelVotes
    neighbours: Neighbours
    n_embedded: int


def look_alikes(embeddings: Any, sample_ids: Array, labels: Array, n_classes: int) -> LookAlikes:
    """Find the look-alikes of a history's samples among themselves.

    Args:
        embeddings: of all or most of them, and of others maybe.
        sample_ids: (n,) ids in the history.
        labels: (n,) given labels.
        n_classes: K.

    Raises:
        LabelAuditError: these are no embeddings of samples, or of none of these.
    """
    if not isinstance(embeddings, Embeddings):
        raise LabelAuditError(
            f"embeddings is a {type(embeddings).__name__}; expected labelaudit.Embeddings, such as "
            "history.embeddings() or Embeddings.from_arrays(X, sample_ids)"
        )
    if embeddings.inside is not None:
        raise LabelAuditError("these are embeddings of regions; an audit needs one vector for each sample")
    import pandas as pd

    place = embeddings.index.get_indexer(pd.Index(sample_ids))
    rows = np.flatnonzero(place >= 0)
    if not len(rows):
        ours, theirs = sample_ids[:1].tolist(), embeddings.sample_ids[:1].tolist()
        raise LabelAuditError(
            f"no sample of the history has an embedding: its first id is {ours}, that of the embeddings {theirs}. "
            "Pass the same sample_ids to both"
        )
    every = len(rows) == len(embeddings) and np.array_equal(place[rows], np.arange(len(embeddings)))
    among = embeddings if every else embeddings.select(sample_ids[rows])
    found = among.neighbors(VOTERS)
    if len(rows) < len(sample_ids):
        k = found.indices.shape[1]
        indices, distances = np.zeros((len(sample_ids), k), np.int64), np.full((len(sample_ids), k), np.nan)
        indices[rows], distances[rows] = rows[found.indices], found.distances
        found = Neighbours(indices, distances, found.recall)
    return LookAlikes(LabelVotes.of(found, labels, n_classes), found, len(rows))


def reliability(ratio: Array, wrong: Array) -> float:
    """Return how well a log ratio tells probably wrong labels from the others: 1 perfectly, 0 not at all.

    Args:
        ratio: (n,) high is suspicious.
        wrong: (n,) probability that each label is wrong, from elsewhere.

    Example:
        >>> reliability(np.array([3.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]))
        1.0
    """
    values, place = np.unique(ratio, return_inverse=True)
    bad, good = (np.bincount(place, weight, len(values)) for weight in (wrong, 1 - wrong))
    pairs = float(bad.sum() * good.sum())
    if pairs <= 0:
        return 0.0
    area = float((bad * (good.cumsum() - good / 2)).sum()) / pairs
    return max(2 * area - 1, 0.0)
