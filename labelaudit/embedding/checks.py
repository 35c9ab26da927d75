"""What embeddings are checked for before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import unique_names

Array = npt.NDArray[Any]

LARGEST = 1e300  # so that sums and differences are finite
NAMED = 5  # rows that an error names


def checked_vectors(X: Any) -> Array:
    """Return (n, d) finite floating-point vectors; half precision becomes single.

    Raises:
        LabelAuditError: not a table of finite numbers.
    """
    found = _as_table(X)
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
        raise LabelAuditError(
            f"{len(bad):,} of {len(found):,} embeddings hold NaN or infinity: {_named(bad)}. "
            "Leave those samples out, or look why the model gives them no finite features"
        )
    most = max(float(found.max(initial=0)), -float(found.min(initial=0)))
    if most > LARGEST:
        raise LabelAuditError(
            f"embeddings hold numbers up to {most:.1e}; expected {LARGEST:g} at most. Divide them first"
        )
    return np.ascontiguousarray(found)


def _as_table(X: Any) -> Array:
    """Return an array; a column of vectors, as in a data frame, becomes a table of them.

    Raises:
        LabelAuditError: vectors are missing, or differ in length, or NumPy cannot read them.
    """
    if np.ma.is_masked(X):
        masked = np.flatnonzero(np.ma.getmaskarray(X).reshape(len(X), -1).any(axis=1))
        raise LabelAuditError(f"{len(masked):,} embeddings are masked: {_named(masked)}. Leave those samples out")
    try:
        found = np.asarray(X)
    except ValueError:  # rows of different lengths
        found = np.empty(len(X), object)
        found[:] = [*X]
    except (TypeError, RuntimeError) as problem:  # a tensor on another device, with gradients, or of a type of its own
        raise LabelAuditError(
            f"NumPy cannot read the embeddings: {str(problem).rstrip('.')}. "
            "Of a tensor, pass X.detach().float().cpu().numpy()"
        ) from None
    if found.dtype != object:
        return found
    if found.ndim == 1:
        return _stacked(found)
    try:
        return found.astype(np.float64)
    except (TypeError, ValueError):
        return found


def _stacked(rows: Array) -> Array:
    """Return an array of vectors as a table, (n, d)."""
    missing = np.array([row is None or (isinstance(row, float) and row != row) for row in rows.tolist()], bool)
    if missing.any():
        bad = np.flatnonzero(missing)
        raise LabelAuditError(
            f"{len(bad):,} of {len(rows):,} embeddings are missing: {_named(bad)}. Leave those samples out"
        )
    shapes = [np.shape(row) for row in rows]
    other = next((row for row, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise LabelAuditError(
            f"embeddings differ in length: row 0 has shape {shapes[0]}, row {other} has {shapes[other]}; "
            "expected as many features for each sample"
        )
    return np.array([*rows]) if shapes and shapes[0] else rows


def _named(rows: Array) -> str:
    return "rows " + ", ".join(str(row) for row in rows[:NAMED]) + (", ..." if len(rows) > NAMED else "")


def checked_splits(splits: Any, n: int) -> Array:
    """Return the name of each sample's split, (n,).

    Raises:
        LabelAuditError: one is missing: as a name, "None" would be a split that others leak into.
    """
    import pandas as pd

    found = checked_column("splits", splits, n)
    missing = np.flatnonzero(pd.isna(found))
    if len(missing):
        raise LabelAuditError(
            f"{len(missing):,} of {n:,} splits are missing: {_named(missing)}. "
            'Give them a name, such as "none", and compare the others: leaks(threshold, splits=["train", "val"])'
        )
    return found.astype(str)


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
    names = None if class_names is None else unique_names(class_names)
    missing = np.asarray(pd.isna(found))
    codes = _class_numbers(found, missing)
    if codes is not None:
        if names is not None and len(codes) and codes.max() >= len(names):
            raise LabelAuditError(f"labels hold class {codes.max()}, class_names names {len(names)} classes")
        return np.maximum(codes, -1), names
    if names is None:
        names = sorted({str(label) for label in found[~missing].tolist()})
    codes = pd.Index(names).get_indexer(pd.Index([str(label) for label in found.tolist()]))
    codes[missing] = -1
    unknown = np.flatnonzero((codes < 0) & ~missing)
    if len(unknown):
        raise LabelAuditError(f"label {found.tolist()[unknown[0]]!r} is not among class_names: {', '.join(names[:10])}")
    return codes.astype(np.int64), names


def _class_numbers(labels: Array, missing: Array) -> Array | None:
    """Return labels as class numbers, -1 where missing; None where they are names.

    Beside missing ones, pandas turns whole numbers into floating-point ones or objects.
    """
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    known = labels[~missing]
    if labels.dtype == object:
        if not len(known) or not all(isinstance(label, (int, float, np.number)) for label in known.tolist()):
            return None
        known = known.astype(np.float64)
    if known.dtype.kind != "f" or not (np.isfinite(known) & (known == np.floor(known))).all():
        return None
    codes = np.full(len(labels), -1, np.int64)
    codes[~missing] = known
    return codes
