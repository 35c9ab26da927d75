"""Distances of samples from a query: ids or vectors, one or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    from labelaudit.embedding.embeddings import Embeddings

Array = npt.NDArray[Any]

AGGREGATIONS = ("mean", "post-mean", "post-min", "post-max")


def distances_to(embeddings: Embeddings, space: Space, query: Any, aggregation: str, rows: Array) -> Array:
    """Return the distances of some rows from a query, (m,).

    Args:
        embeddings: what ids are looked up in.
        space: measures.
        query: ids, or vectors of floating-point numbers.
        aggregation: one of AGGREGATIONS.
        rows: (m,) positions.
    """
    vectors = query_vectors(embeddings, query)
    if aggregation == "mean":
        return space.from_vector(vectors.mean(axis=0, dtype=np.float64) if len(vectors) > 1 else vectors[0], rows)
    found = space.from_vector(vectors[0], rows)
    for vector in vectors[1:]:
        one = space.from_vector(vector, rows)
        if aggregation == "post-mean":
            found += one
        else:
            (np.minimum if aggregation == "post-min" else np.maximum)(found, one, out=found)
    return found / len(vectors) if aggregation == "post-mean" else found


def query_vectors(embeddings: Embeddings, query: Any) -> Array:
    """Return a query's vectors, (q, d): floating-point numbers are vectors, everything else ids.

    Raises:
        LabelAuditError: there are none, a sample is not there, or a vector has another length or is not finite.
    """
    found = np.asarray(query)
    if found.size == 0:
        raise LabelAuditError("the query is empty; expected a sample id, several, or vectors")
    if found.dtype.kind != "f":
        return embeddings.vectors[embeddings.positions(found.ravel())]
    vectors = np.atleast_2d(found)
    d = embeddings.vectors.shape[1]
    if vectors.ndim != 2 or vectors.shape[1] != d:
        raise LabelAuditError(f"query vectors have shape {found.shape}; expected ({d},) or (queries, {d})")
    if not np.isfinite(vectors).all():
        raise LabelAuditError("a query vector holds NaN or infinity")
    return vectors
