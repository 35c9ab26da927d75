"""Samples as the means of their regions of interest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    from labelaudit.embedding.embeddings import Embeddings

Array = npt.NDArray[Any]


def means_of_regions(samples: Embeddings, regions: Embeddings) -> Array:
    """Return (n, d) means of the regions' vectors of every sample, and its own vector where it has no region.

    Args:
        samples: n whole samples.
        regions: vectors of regions, with ``inside``.

    Raises:
        LabelAuditError: ``regions.inside`` is missing or names an unknown sample, or the features differ in number.
    """
    if regions.inside is None:
        raise LabelAuditError(
            "these regions do not say which sample each one lies in. "
            "Type: Embeddings.from_arrays(X, inside=sample_ids), or from_model(..., patches=boxes)"
        )
    d = samples.vectors.shape[1]
    if regions.vectors.shape[1] != d:
        raise LabelAuditError(f"regions have {regions.vectors.shape[1]} features, the samples have {d}")
    at = samples.positions(regions.inside)
    order = np.argsort(at, kind="stable")
    found = samples.vectors.astype(np.float64)
    if len(order):
        with_regions, starts, counts = np.unique(at[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(regions.vectors[order].astype(np.float64), starts, axis=0)
        found[with_regions] = sums / counts[:, None]
    return found.astype(samples.vectors.dtype)
