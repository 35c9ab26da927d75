"""The samples table: key, given label, the user's own id and, for planted mistakes, the true label."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history.arrow_file import decode
from labelaudit.history.folder import Folder
from labelaudit.history.layout import list_files, samples_folder

Array = npt.NDArray[Any]
AnySamples = TypeVar("AnySamples", bound="Samples")


@dataclass
class Samples:
    """Rows of the samples table, one per sample.

    Attributes:
        keys: (n,) int64, what epoch files call a sample: its position, its integer id or its id's hash.
        labels: (n,) int32 given labels.
        ids: (n,) the user's ids, or None where the keys are the ids. A single one is None where only others were named.
        true_labels: (n,) int32, -1 where no mistake was planted; or None.
    """

    keys: Array
    labels: Array
    ids: Array | None = None
    true_labels: Array | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def columns(self) -> dict[str, pa.Array]:
        """Return the Arrow columns of a samples file."""
        columns = {"sample": pa.array(self.keys), "given_label": pa.array(self.labels)}
        if self.ids is not None:
            columns["sample_id"] = pa.array(self.ids.tolist())
        if self.true_labels is not None:
            columns["true_label"] = pa.array(self.true_labels, mask=self.true_labels < 0)
        return columns

    def take(self, rows: Array) -> Samples:
        """Return some rows."""
        return Samples(
            self.keys[rows],
            self.labels[rows],
            None if self.ids is None else self.ids[rows],
            None if self.true_labels is None else self.true_labels[rows],
        )


def from_table(table: pa.Table) -> Samples:
    """Return the rows of one samples file."""
    ids = table["sample_id"].to_pylist() if "sample_id" in table.column_names else None
    true = table["true_label"].fill_null(-1).combine_chunks() if "true_label" in table.column_names else None
    return Samples(
        numbers(table["sample"]),
        numbers(table["given_label"]),
        None if ids is None else as_id_array(ids),
        None if true is None else numbers(true),
    )


def read(folder: Folder, split: str) -> Samples:
    """Read and join a split's samples files; no rows when there are none."""
    sub = samples_folder(split)
    files = sorted(list_files(folder, sub), key=lambda file: (file.segment, file.epoch, file.writer))
    where = [f"{sub}/{file.name}" for file in files]
    parts = [from_table(decode(folder.read(name), f"{folder.url}/{name}")[1]) for name in where]
    if not parts:
        return Samples(np.empty(0, np.int64), np.empty(0, np.int32))
    return merge(parts, folder.url)


def numbers(column: pa.ChunkedArray | pa.Array) -> Array:
    """Return a column without nulls as an array (not copied)."""
    chunk = column
    if isinstance(column, pa.ChunkedArray):  # combine_chunks copies even a single one
        chunk = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    dtype = {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(chunk.type), str(chunk.type))
    buffer = chunk.buffers()[1]
    if buffer is None or not len(chunk):
        return np.empty(0, dtype)
    return np.frombuffer(buffer, dtype, count=len(chunk), offset=chunk.offset * np.dtype(dtype).itemsize)


def merge(parts: list[Samples], where: str) -> Samples:
    """Join the samples files of a history: one row per key, the first file that names it counts.

    Of its id and true label the first file counts that has one. An id is None where no file has it and others have one.

    Raises:
        LabelAuditError: two files give one sample different labels.
    """
    if len(parts) == 1 and bool(np.all(parts[0].keys[1:] > parts[0].keys[:-1])):
        return parts[0]
    keys = np.concatenate([part.keys for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    differing = labels != labels[first][inverse]
    if differing.any():
        row = int(differing.argmax())
        raise LabelAuditError(
            f"{where} gives sample {keys[row]} two labels, {labels[first][inverse][row]} and {labels[row]}. "
            "A history belongs to one set of labels: record into another folder after relabelling"
        )
    rows = np.sort(first)
    true = _true_labels_of(parts)
    if true is not None:
        true = true[_told_first(true >= 0, keys, first)]
    return Samples(keys[rows], labels[rows], merged_ids(parts, keys, first), true)


def merged_ids(parts: Sequence[Samples], keys: Array, first: Array) -> Array | None:
    """Return the id of each different key, in the order in which they come first; None where no part has any.

    Args:
        parts: the samples files.
        keys: (n,) keys of all parts.
        first: (m,) the first row of each different key, in the order of the keys.
    """
    ids = ids_of(parts)
    if ids is None:
        return None
    ids = ids[_told_first(has_id(ids), keys, first)]
    if ids.dtype == object and any(p.ids is None or p.ids.dtype != object for p in parts) and has_id(ids).all():
        return as_id_array(ids.tolist())
    return ids


def _told_first(told: npt.NDArray[np.bool_], keys: Array, first: Array) -> Array:
    """Return for each key, in the order in which they come first, the first row that tells something; else its first.

    Args:
        told: (n,) which rows tell something.
        keys: (n,) keys of the rows, several times the same one.
        first: (m,) the first row of each different key, in the order of the keys.
    """
    source = first.copy()
    if not told.all():
        telling = np.flatnonzero(told)
        values, at = np.unique(keys[telling], return_index=True)
        source[np.searchsorted(keys[first], values)] = telling[at]
    return source[np.argsort(first, kind="stable")]


def ids_of(parts: Sequence[Samples]) -> Array | None:
    """Return the ids of all parts, (n,), None where a part has none; None where no part has any."""
    listed = [part.ids for part in parts if part.ids is not None]
    if not listed:
        return None
    if len(listed) == len(parts) and len({ids.dtype for ids in listed}) == 1:
        return np.concatenate(listed)
    return np.concatenate([np.full(len(p), None) if p.ids is None else p.ids.astype(object) for p in parts])


def _true_labels_of(parts: list[Samples]) -> Array | None:
    """Return the true labels of all parts, (n,), -1 where a part has none; None where no part has any."""
    if all(part.true_labels is None for part in parts):
        return None
    return np.concatenate([np.full(len(p), -1, np.int32) if p.true_labels is None else p.true_labels for p in parts])


def has_id(ids: Array) -> npt.NDArray[np.bool_]:
    """Return which ids are not None, (n,)."""
    if ids.dtype != object:
        return np.ones(len(ids), bool)
    return np.fromiter((one is not None for one in ids), bool, len(ids))


def named(table: AnySamples) -> AnySamples:
    """Return the samples with their keys as ids where only others have one."""
    if table.ids is None or has_id(table.ids).all():
        return table
    ids = [str(key) if one is None else str(one) for key, one in zip(table.keys, table.ids, strict=True)]
    return replace(table, ids=as_id_array(ids))


def is_hashed(table: Samples) -> bool:
    """Return whether the keys are hashes of the ids."""
    if table.ids is None or table.ids.dtype.kind in "iu" or table.ids[0] is None:
        return False
    return bool(keys_of(table.ids[:1])[0][0] == table.keys[0])


def find(keys: Array, wanted: Array) -> tuple[npt.NDArray[np.bool_], Array]:
    """Return which of some keys are there, (m,), and at which rows, in their order.

    Args:
        keys: (n,) different keys, in any order.
        wanted: (m,) keys to look for.

    >>> find(np.array([7, 3]), np.array([3, 5, 7]))
    (array([ True, False,  True]), array([1, 0]))
    """
    if not len(keys):
        return np.zeros(len(wanted), bool), np.empty(0, np.int64)
    order = np.argsort(keys, kind="stable")
    if np.array_equal(keys[order], wanted):  # a file of all samples, by key
        return np.ones(len(wanted), bool), order
    rows = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    present = keys[rows] == wanted
    return present, rows[present]


def as_id_array(ids: Sequence[Any]) -> Array:
    """Return ids as an integer array where all are integers, else as an array of Python strings."""
    array = np.asarray(ids)
    if array.dtype.kind in "iu" and not (array.dtype == np.uint64 and array.max(initial=0) >= 2**63):
        return array.astype(np.int64)
    return np.array([str(one) for one in ids], dtype=object)


def keys_of(ids: Array) -> tuple[Array, bool]:
    """Return the (n,) int64 keys of ids from a batch, and whether they are hashes of strings."""
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64), False
    from pandas.util import hash_array

    strings = np.array([str(one) for one in ids.tolist()], dtype=object)
    try:
        return hash_array(strings).view(np.int64), True
    except UnicodeEncodeError:
        check_text(strings.tolist(), "ids")
        raise


def check_text(values: Sequence[Any], option: str) -> None:
    """Refuse text that no file can hold: half of a surrogate pair, as in names of files that are not UTF-8."""
    texts = [value for value in values if isinstance(value, str)]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        broken = next(text for text in texts if text.encode(errors="replace").decode() != text)
        raise LabelAuditError(f"{option} holds {broken!r}, which is not valid Unicode; rename it") from None


def true_labels_of(planted: Any, n_samples: int | None) -> Array:
    """Return (n,) int32 true labels by position, -1 where nothing was planted.

    Args:
        planted: what `plant_mistakes` returned, its ``planted`` mapping {position: true label}, or all
            labels before planting, (n,).
        n_samples: length of the dataset, where known.
    """
    mapping = getattr(planted, "planted", planted)
    if isinstance(mapping, Mapping):
        positions, values = _integers(mapping), _integers(mapping.values())
        if values.min(initial=0) < 0:
            raise LabelAuditError(f"planted= has true label {values.min()}; expected class numbers 0, 1, ...")
        outside = (positions < 0) | (positions >= (np.inf if n_samples is None else n_samples))
        if outside.any():
            of = "" if n_samples is None else f" in a dataset of {n_samples:,} samples"
            raise LabelAuditError(
                f"planted= has sample {positions[outside][0]}, which is no position{of}; expected "
                "{position: true label}"
            )
        true = np.full(int(positions.max(initial=-1)) + 1, -1, np.int32)
        true[positions] = values
    else:
        array = np.asarray(mapping)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise LabelAuditError(
                f"planted= takes what plant_mistakes returned, or all true labels as (n,) integers; "
                f"got {type(planted).__name__} of shape {array.shape} and type {array.dtype}"
            )
        if n_samples is not None and len(array) > n_samples:
            raise LabelAuditError(
                f"planted= has {len(array):,} true labels, the dataset has {n_samples:,} samples; it needs one per "
                "position"
            )
        true = array.astype(np.int32)
    missing = max((n_samples or 0) - len(true), 0)
    return np.append(true, np.full(missing, -1, np.int32)) if missing else true


def _integers(values: Iterable[Any]) -> Array:
    try:
        return np.array([operator.index(value) for value in values], np.int64)
    except TypeError:
        wrong = next(value for value in values if not hasattr(value, "__index__"))
        raise LabelAuditError(
            f"planted= goes by position, {{position: true label}}, both integers; got {wrong!r}"
        ) from None


def refuse_true_labels(true_labels: Array, n_classes: int) -> None:
    """Refuse a planted mistake whose true label is no class."""
    outside = (true_labels < -1) | (true_labels >= n_classes)
    if outside.any():
        row = int(outside.argmax())
        raise LabelAuditError(
            f"planted= gives sample {row} the true label {true_labels[row]}, which is out of range: there are "
            f"{n_classes} classes, 0 to {n_classes - 1}"
        )
