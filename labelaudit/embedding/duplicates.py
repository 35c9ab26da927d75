"""Tables of duplicates: equal vectors, near ones, label conflicts, and leaks between splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding import close_pairs
from labelaudit.embedding.distance import Space
from labelaudit.embedding.twins import Twins
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.embedding.embeddings import Embeddings

Array = npt.NDArray[Any]

MOST_PAIRS = 10_000_000


def checked_threshold(threshold: Any) -> float:
    """Return a distance.

    Raises:
        LabelAuditError: it is not a number, or negative.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)) or not threshold >= 0:
        raise LabelAuditError(f"threshold={threshold!r}; expected a distance, 0 or more, such as 0.05")
    return float(threshold)


def exact_duplicates(embeddings: Embeddings) -> pd.DataFrame:
    """Return the pairs of samples with equal vectors: the first of each group with each later one.

    Returns:
        sample_id, other_id, distance (0) and, where known, label, other_label, split, other_split.
    """
    twins = Twins.of(embeddings.vectors)
    later = np.flatnonzero(twins.first[twins.group] != np.arange(len(embeddings)))
    return pairs_table(embeddings, twins.first[twins.group[later]], later, np.zeros(len(later)))


def near_duplicates(embeddings: Embeddings, threshold: float, metric: str) -> pd.DataFrame:
    """Return all pairs at most ``threshold`` apart, nearest first; columns as of `exact_duplicates`.

    Raises:
        LabelAuditError: there are more than 10,000,000.
    """
    return _table(embeddings, threshold, metric, np.arange(len(embeddings)), None)


def label_conflicts(embeddings: Embeddings, threshold: float, metric: str) -> pd.DataFrame:
    """Return all pairs at most ``threshold`` apart whose labels differ, nearest first.

    Raises:
        LabelAuditError: the embeddings have no labels.
    """
    labels = embeddings.labels
    if labels is None:
        raise LabelAuditError(
            "these embeddings have no labels to compare. Type: Embeddings.from_arrays(X, labels=labels)"
        )
    return _table(embeddings, threshold, metric, np.flatnonzero(labels >= 0), labels)


def leaks(embeddings: Embeddings, threshold: float, metric: str, splits: Sequence[str] | None) -> pd.DataFrame:
    """Return all pairs at most ``threshold`` apart that lie in different splits, nearest first.

    Every pair is compared. (FiftyOne Brain compares each duplicate with the one sample that it keeps instead, and
    misses the leak where that one lies in a third split, or in none.)

    Raises:
        LabelAuditError: the splits of the samples are not known, or one asked for has no samples.
    """
    of = embeddings.splits
    if of is None:
        raise LabelAuditError(
            "the samples' splits are not known. Type: Embeddings.from_arrays(X, splits=[...]) with one name a sample"
        )
    known = sorted(set(of.tolist()))
    if isinstance(splits, str) or (splits is not None and len(set(splits)) < 2):
        raise LabelAuditError(f"splits={splits!r}; expected two or more of the splits: {', '.join(known)}")
    unknown = [name for name in splits or () if name not in known]
    if unknown:
        raise LabelAuditError(f"no sample is in split {unknown[0]!r}; splits: {', '.join(known)}")
    rows = np.flatnonzero(np.isin(of, list(splits or known)))
    return _table(embeddings, threshold, metric, rows, np.searchsorted(known, of))


def _table(embeddings: Embeddings, threshold: float, metric: str, rows: Array, groups: Array | None) -> pd.DataFrame:
    """Return the close pairs among some samples, of different groups if there are groups, nearest first."""
    space, reach = Space(embeddings.vectors, metric), checked_threshold(threshold)
    pairs = close_pairs.within(space, rows, reach, MOST_PAIRS, None if groups is None else groups[rows])
    if pairs is None:
        raise LabelAuditError(
            f"more than {MOST_PAIRS:,} pairs of {len(rows):,} samples are at most {threshold} apart ({metric}). "
            "Lower the threshold, or type similarity().find_duplicates(fraction=0.01)"
        )
    order = np.argsort(pairs.distance, kind="stable")
    return pairs_table(embeddings, rows[pairs.first[order]], rows[pairs.later[order]], pairs.distance[order])


def pairs_table(embeddings: Embeddings, first: Array, later: Array, distance: Array) -> pd.DataFrame:
    """Return pairs of samples as a table, with their labels and splits where those are known."""
    import pandas as pd

    columns: dict[str, Any] = {
        "sample_id": embeddings.sample_ids[first],
        "other_id": embeddings.sample_ids[later],
        "distance": distance,
    }
    if embeddings.labels is not None:
        columns["label"] = embeddings.names_of(embeddings.labels[first])
        columns["other_label"] = embeddings.names_of(embeddings.labels[later])
    if embeddings.splits is not None:
        columns["split"], columns["other_split"] = embeddings.splits[first], embeddings.splits[later]
    return pd.DataFrame(columns)
