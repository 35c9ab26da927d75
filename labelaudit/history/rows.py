"""Batches on their way to an epoch file: checked, collected, then one row per sample."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history.samples import Samples, as_id_array, check_text, find, from_table, keys_of, numbers

Array = npt.NDArray[Any]
PRECISIONS: dict[str, type[np.floating[Any]]] = {"half": np.float16, "single": np.float32}


@dataclass
class FinishedEpoch:
    """An epoch's rows, one per sample, sorted by key.

    Attributes:
        samples: keys, given labels and ids.
        columns: stored columns, (n,) or, for "scores", (K, n).
        presented: number of rows before samples that came twice were counted once.
        arrival: (n,) place at which each sample first came.
    """

    samples: Samples
    columns: dict[str, Array]
    presented: int
    arrival: Array

    @property
    def dense(self) -> bool:
        """Whether the rows are exactly the keys 0 to n - 1, so that the key column can be left out."""
        keys = self.samples.keys
        return bool(keys[0] == 0 and keys[-1] == len(keys) - 1)

    def arrow_columns(self) -> dict[str, pa.Array]:
        """Return the columns of the epoch file; scores as one column per class, ``score_0``, ..."""
        columns: dict[str, pa.Array] = {}
        if not self.dense:
            keys = self.samples.keys
            small = keys[0] >= 0 and keys[-1] < 2**31
            columns["sample"] = pa.array(keys.astype(np.int32) if small else keys)
        return columns | self.value_columns()

    def value_columns(self) -> dict[str, pa.Array]:
        """Return what was predicted, without the keys."""
        columns: dict[str, pa.Array] = {}
        for name, column in self.columns.items():
            if column.ndim == 1:
                columns[name] = pa.array(column)
            else:
                columns |= {f"score_{k}": pa.array(of_class) for k, of_class in enumerate(column)}
        return columns


@dataclass
class OpenEpoch:
    """Batches of one split that wait for the end of their epoch, in the order in which they came."""

    keys: list[Array] = field(default_factory=list)
    labels: list[Array] = field(default_factory=list)
    ids: list[Array] = field(default_factory=list)
    columns: dict[str, list[Array]] = field(default_factory=dict)
    presented_before: int = 0  # presentations that a saved part has joined with later ones of the same sample

    def add(self, ids: Array, labels: Array, packed: Mapping[str, Array]) -> None:
        """Take a checked batch: ids (n,), labels (n,), and the columns that `encode.packed` made of its scores."""
        keys, hashed = keys_of(ids)
        self.keys.append(keys)
        self.labels.append(labels.astype(np.int32))
        if hashed:
            self.ids.append(as_id_array(ids.tolist()))
        for name, column in packed.items():
            self.columns.setdefault(name, []).append(column)

    def finished(self) -> FinishedEpoch:
        """Return one row per sample; of several presentations the last counts.

        Raises:
            LabelAuditError: a sample came with two labels.
        """
        keys = np.concatenate(self.keys)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        changes = ordered[1:] != ordered[:-1]
        arrival = order[np.append(True, changes)]
        labels = np.concatenate(self.labels)
        if not changes.all():
            _refuse_two_labels(labels[order], ordered, changes)
        order = order[np.append(changes, True)]
        ids = np.concatenate(self.ids)[order] if self.ids else None
        return FinishedEpoch(
            Samples(keys[order], labels[order], ids),
            {name: np.concatenate(chunks, axis=-1)[..., order] for name, chunks in self.columns.items()},
            len(keys) + self.presented_before,
            arrival,
        )


def _refuse_two_labels(labels: Array, keys: Array, changes: npt.NDArray[np.bool_]) -> None:
    """Refuse a sample with two labels; labels (n,), keys (n,) in ascending order, changes (n - 1,) between the keys."""
    differing = ~changes & (labels[1:] != labels[:-1])
    if differing.any():
        row = int(differing.argmax())
        raise LabelAuditError(
            f"sample {keys[row]} came with labels {labels[row]} and {labels[row + 1]} in one epoch. A sample has one "
            "given label: check the ids, or pass the labels that the dataset gives"
        )


def waiting_rows(part: pa.Table, presented: int) -> OpenEpoch:
    """Return the rows of a saved part, which stand for ``presented`` presentations."""
    seen = from_table(part)
    values = [column for column in part.column_names if column not in ("sample", "given_label", "sample_id")]
    scores = [numbers(part[column]) for column in values if column.startswith("score_")]
    columns = {"scores": np.stack(scores)} if scores else {column: numbers(part[column]) for column in values}
    epoch = OpenEpoch([seen.keys], [seen.labels], [] if seen.ids is None else [seen.ids])
    epoch.columns = {column: [chunk] for column, chunk in columns.items()}
    epoch.presented_before = presented - len(seen)
    return epoch


def one_of(option: str, value: str, known: Sequence[str]) -> None:
    """Refuse an option's value that is not known."""
    if value not in known:
        expected = ", ".join(f'"{name}"' for name in known)
        raise LabelAuditError(f"{option}={value!r} is unknown; expected one of {expected}")


def checked_batch(ids: Any, scores: Any, labels: Any, ignore_label: int | None) -> tuple[Array, Array, Array]:
    """Return ids (n,), scores (n, K) and labels (n,) as arrays, less the rows to ignore.

    Raises:
        LabelAuditError: lengths or types do not fit each other.
    """
    ids, scores, labels = checked_ids(ids), as_array(scores, "scores"), as_array(labels, "labels")
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2 or scores.dtype.kind not in "fiu" or not scores.shape[1]:
        raise LabelAuditError(
            f"scores have shape {scores.shape} and type {scores.dtype}; expected (samples, classes) numbers"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if ids.ndim != 1 or labels.ndim != 1 or not len(ids) == len(scores) == len(labels):
        raise LabelAuditError(
            f"lengths differ: ids have shape {ids.shape}, scores {scores.shape}, labels {labels.shape}; "
            "expected (n,), (n, classes) and (n,)"
        )
    labels = integer_labels(labels)
    if ignore_label is not None:
        kept = labels != ignore_label
        if not kept.all():  # a copy of all scores is dear
            ids, scores, labels = ids[kept], scores[kept], labels[kept]
    return ids, scores.astype(np.float32) if scores.dtype.kind in "iu" else scores, labels


def as_array(values: Any, what: str) -> Array:
    """Return values as an array, refusing rows that differ in length."""
    try:
        return np.asarray(values)
    except ValueError:
        raise LabelAuditError(f"{what} have rows of different lengths; expected one row per sample") from None


def checked_ids(ids: Any) -> Array:
    """Return ids as integers or as text, (n,); anything else is refused."""
    array = as_array(ids, "ids")
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64:
            _refuse_large(int(array.max(initial=0)))
        return array
    if array.dtype.kind in "UT" and not isinstance(ids, (list, tuple)):
        return array
    if not array.size:
        return array.astype(np.int64)
    listed = list(np.ravel(np.array(ids, dtype=object)))  # NumPy makes text of [1, "a"], and numbers of [1, None]
    others = [one for one in listed if not isinstance(one, (str, os.PathLike))]
    if not others:
        return array
    wrong = [one for one in others if isinstance(one, (bool, np.bool_)) or not isinstance(one, (int, np.integer))]
    if len(others) == len(listed) and not wrong:
        _refuse_large(max(listed))
        return array.astype(np.int64)
    one = (wrong or others)[0]
    raise LabelAuditError(f"id {one!r} is of type {type(one).__name__}; expected integers only, or text only")


def _refuse_large(largest: int) -> None:
    if largest >= 2**63:
        raise LabelAuditError(f"id {largest} is larger than 2**63 - 1; pass such ids as text, str(id)")


def integer_labels(labels: Array) -> Array:
    """Return labels as integers; whole numbers stored as floats are taken, anything else refused."""
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    if not labels.size:
        return labels.astype(np.int64)
    if labels.dtype.kind == "f":
        whole = np.isfinite(labels) & (labels == np.floor(labels))
        if whole.all():
            return labels.astype(np.int64)
        first = labels[~whole][0]
    else:
        first = next((one for one in labels.flat if not isinstance(one, (int, float))), labels.flat[0])
    raise LabelAuditError(
        f"labels have type {labels.dtype} (first that is no class number: {first}); expected class numbers 0, 1, ... "
        "Names belong in class_names="
    )


def unique_ids(ids: Sequence[Any]) -> Array:
    """Return the user's ids as an array, refusing one that is there twice."""
    array = as_id_array(ids)
    if array.dtype.kind in "UO":
        check_text(array.tolist(), "sample_ids")
    values, counts = np.unique(array, return_counts=True)
    if len(values) != len(array):
        raise LabelAuditError(
            f"sample_ids holds {values[counts > 1][0]!r} {counts.max()} times; every sample needs its own id"
        )
    return array


def unique_names(names: Sequence[Any]) -> list[str]:
    """Return class names as text, refusing one that two classes have."""
    found = [str(name) for name in names]
    twice = [name for at, name in enumerate(found) if name in found[:at]] if len(set(found)) < len(found) else []
    if twice:
        raise LabelAuditError(f"class_names holds {twice[0]!r} twice; every class needs its own name")
    check_text(found, "class_names")
    return found


def known_rows(known: Samples, seen: Samples, split: str) -> npt.NDArray[np.bool_]:
    """Say which of the seen samples are known already, (n,).

    Raises:
        LabelAuditError: a known sample now has another label.
    """
    present, row = find(known.keys, seen.keys)
    before, now = known.labels[row], seen.labels[present]
    changed = before != now
    if changed.any():
        one = int(changed.argmax())
        raise LabelAuditError(
            f"{split} sample {known.keys[row[one]]} had label {before[one]} and now has "
            f"{now[one]} ({int(changed.sum()):,} samples changed). A sample keeps its given label: "
            "check the ids, pass labels= for mixed targets, or record into another folder after relabelling"
        )
    return present
