"""Batches on their way to an epoch file: checked, collected, then one row per sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history.samples import Samples, as_id_array, find, from_table, keys_of, numbers

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
        """Return one row per sample; of several presentations the last counts."""
        keys = np.concatenate(self.keys)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        changes = ordered[1:] != ordered[:-1]
        arrival = order[np.append(True, changes)]
        order = order[np.append(changes, True)]
        ids = np.concatenate(self.ids)[order] if self.ids else None
        return FinishedEpoch(
            Samples(keys[order], np.concatenate(self.labels)[order], ids),
            {name: np.concatenate(chunks, axis=-1)[..., order] for name, chunks in self.columns.items()},
            len(keys) + self.presented_before,
            arrival,
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
    ids, scores, labels = np.asarray(ids), np.asarray(scores), np.asarray(labels)
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2 or scores.dtype.kind not in "fiu":
        raise LabelAuditError(
            f"scores have shape {scores.shape} and type {scores.dtype}; expected (samples, classes) numbers"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not len(ids) == len(scores) == len(labels) or ids.ndim != 1 or labels.ndim != 1:
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


def integer_labels(labels: Array) -> Array:
    """Return labels as integers; whole numbers stored as floats are taken, anything else refused."""
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and bool(np.all(labels == np.floor(labels))):
        return labels.astype(np.int64)
    raise LabelAuditError(
        f"labels have type {labels.dtype} (first: {labels.flat[0]!r}); expected class numbers 0, 1, ... "
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


def check_text(values: Sequence[Any], option: str) -> None:
    """Refuse text that no file can hold: half of a surrogate pair, as in names of files that are not UTF-8."""
    try:
        "".join(value for value in values if isinstance(value, str)).encode()
    except UnicodeEncodeError as problem:
        broken = problem.object[max(problem.start - 20, 0) : problem.end]
        raise LabelAuditError(f"{option} holds {broken!r}, which is not valid Unicode; rename it") from None


def by_position(values: Array | None, keys: Array, option: str) -> Array | None:
    """Return what the user said of the samples at positions ``keys``; true labels may end early (-1)."""
    if values is None:
        return None
    if option == "planted":
        values = np.append(values, np.int32(-1))
        return values[np.minimum(keys, len(values) - 1)]
    if keys.min(initial=0) < 0 or keys.max(initial=0) >= len(values):
        raise LabelAuditError(
            f"{option} has {len(values):,} entries, but sample {keys.max()} was recorded; "
            "it needs one entry per position of the dataset"
        )
    return values[keys]


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
