"""Tables of the samples that a similarity index found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.embedding.embeddings import Embeddings

Array = npt.NDArray[Any]


def samples_view(embeddings: Embeddings, rows: Array, columns: dict[str, Any] | None = None) -> pd.DataFrame:
    """Return some samples as a table by sample_id: the columns given, then label and split where known."""
    import pandas as pd

    found = dict(columns or {})
    if embeddings.labels is not None:
        found["label"] = embeddings.names_of(embeddings.labels[rows])
    if embeddings.splits is not None:
        found["split"] = embeddings.splits[rows]
    return pd.DataFrame(found, index=pd.Index(embeddings.sample_ids[rows], name="sample_id"))


def duplicates_view(
    embeddings: Embeddings, dropped: Array, kept: Array, distance: Array, *, sort_by: str, reverse: bool
) -> pd.DataFrame:
    """Return duplicates in groups, each after the sample that was kept.

    Args:
        embeddings: the samples.
        dropped: (m,) rows of the duplicates.
        kept: (m,) row of the nearest sample kept, for each of them.
        distance: (m,) between the two.
        sort_by: "distance" or "count".
        reverse: the largest first.
    """
    hubs, group, counts = np.unique(kept, return_inverse=True, return_counts=True)
    closest = np.full(len(hubs), np.inf)
    np.minimum.at(closest, group, distance)
    key = closest if sort_by == "distance" else counts.astype(np.float64)
    rank = np.empty(len(hubs), np.int64)
    rank[np.lexsort((hubs, -key if reverse else key))] = np.arange(len(hubs))
    rows, groups = np.append(hubs, dropped), np.append(np.arange(len(hubs)), group)
    far = np.append(np.zeros(len(hubs)), distance)
    copy = np.arange(len(rows)) >= len(hubs)
    order = np.lexsort((rows, far, copy, rank[groups]))
    rows, groups, far, copy = rows[order], groups[order], far[order], copy[order]
    columns = {
        "type": np.where(copy, "duplicate", "nearest"),
        "nearest_id": embeddings.sample_ids[hubs[groups]],
        "distance": far,
    }
    return samples_view(embeddings, rows, columns)
