"""What embeddings are checked for before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]

LARGEST = 1e300  # so that sums and differences are finite
NAMED = 5  # rows that an error names


def checked_vectors(X: Any) -> Array:
    """Return (n, d) finite floating-point vectors; half precision becomes single.

    Raises:
        LabelAuditError: not a table of finite numbers.
    """
    found = np.asarray(X)
    if found.dtype.kind not in "fiub":
        raise LabelAuditError(f"embeddings have type {found.dtype}; expected numbers, one row per sample")
    if found.ndim != 2:
        hint = ". Flatten each sample: X.reshape(len(X), -1)" if found.ndim > 2 else ": one row per sample"
        raise LabelAuditError(
            f"embeddings have shape {found.shape}; expected two dimensions, (samples, features){hint}"
        )
    if not found.shape[1]:
        raise LabelAuditError(f"embeddings have shape {found.shape}: there is nothing in a sample's row")
    if found.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        found = found.astype(np.float32 if found.dtype == np.float16 else np.float64)
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        rows = ", ".join(str(row) for row in bad[:NAMED]) + (", ..." if len(bad) > NAMED else "")
        raise LabelAuditError(
            f"{len(bad):,} of {len(found):,} embeddings hold NaN or infinity: rows {rows}. "
            "Leave those samples out, or look why the model gives them no finite features"
        )
    most = max(float(found.max(initial=0)), -float(found.min(initial=0)))
    if most > LARGEST:
        raise LabelAuditError(
            f"embeddings hold numbers up to {most:.1e}; expected {LARGEST:g} at most. Divide them first"
        )
    return np.ascontiguousarray(found)


def checked_column(name: str, values: Any, n: int) -> Array:
    """Return one value for each of n samples.

    Raises:
        LabelAuditError: there are more or fewer.
    """
    found = np.asarray(values)
    if found.shape != (n,):
        raise LabelAuditError(f"{name} has shape {found.shape}; expected ({n},), one for each of the {n:,} embeddings")
    return found


def checked_ids(sample_ids: Any, n: int) -> Array:
    """Return n different sample ids; default 0 to n - 1.

    Raises:
        LabelAuditError: some are there twice, or their number is wrong.
    """
    if sample_ids is None:
        return np.arange(n)
    import pandas as pd

    found = checked_column("sample_ids", sample_ids, n)
    index = pd.Index(found)
    if not index.is_unique:
        again = index[index.duplicated()].tolist()[0]
        raise LabelAuditError(f"sample_ids names {again!r} more than once; expected one embedding for each sample")
    return found


def coded_labels(labels: Any, class_names: Any, n: int) -> tuple[Array, list[str] | None]:
    """Return labels as class numbers, (n,), with the names of the classes or None; -1 is a missing label.

    Raises:
        LabelAuditError: a label is not among the classes.
    """
    import pandas as pd

    found = checked_column("labels", labels, n)
    names = None if class_names is None else [str(name) for name in class_names]
    if found.dtype.kind in "iub":
        codes = found.astype(np.int64)
        if names is not None and len(codes) and codes.max() >= len(names):
            raise LabelAuditError(f"labels hold class {codes.max()}, class_names names {len(names)} classes")
        return np.maximum(codes, -1), names
    missing = pd.isna(found)
    if names is None:
        names = sorted({str(label) for label in found[~missing].tolist()})
    codes = pd.Index(names).get_indexer(pd.Index([str(label) for label in found.tolist()]))
    codes[missing] = -1
    unknown = np.flatnonzero((codes < 0) & ~missing)
    if len(unknown):
        raise LabelAuditError(f"label {found.tolist()[unknown[0]]!r} is not among class_names: {', '.join(names[:10])}")
    return codes.astype(np.int64), names
