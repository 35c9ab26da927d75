"""Embeddings on disk: one Arrow file per split, epoch and writer, named as epoch files are.

``embeddings/<split>/e00003-s00-w0000.arrow`` holds the columns sample (the samples table's keys, in the order in which
they came) and embedding, a list of half-precision numbers of fixed size. The header's ``scale`` is a power of two: a
feature is the stored number times it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, layout
from labelaudit.history.folder import Folder
from labelaudit.history.layout import EpochFile
from labelaudit.history.samples import numbers

Array = npt.NDArray[Any]


def counted_files(folder: Folder, split: str, recorded: Iterable[EpochFile]) -> dict[int, list[EpochFile]]:
    """Return a split's embedding files by epoch, those of epochs that count.

    Args:
        folder: the history's.
        split: which split.
        recorded: the epoch files that count.
    """
    known = {(file.epoch, file.segment) for file in recorded}
    found: dict[int, list[EpochFile]] = {}
    for file in layout.list_files(folder, layout.embeddings_folder(split)):
        if (file.epoch, file.segment) in known:
            found.setdefault(file.epoch, []).append(file)
    return found


def newest_whole(folder: Folder, split: str, files: dict[int, list[EpochFile]]) -> int:
    """Return the newest epoch of which no writer's file is missing; where there is none, the newest with most files."""
    for epoch in sorted(files, reverse=True):
        name = f"{layout.embeddings_folder(split)}/{files[epoch][0].name}"
        if len(files[epoch]) >= arrow_file.header(folder.read(name))["writers"]:
            return epoch
    return max(files, key=lambda epoch: (len(files[epoch]), epoch))


def read(folder: Folder, split: str, files: list[EpochFile]) -> tuple[Array, Array]:
    """Return keys (m,) and features (m, d), single precision; of a sample in several files the first counts.

    Raises:
        LabelAuditError: a file is damaged, or files differ in their number of features.
    """
    tables = [_table(folder, split, file) for file in files]
    keys = np.concatenate([numbers(table["sample"]).astype(np.int64) for _, table in tables])
    widths = {table["embedding"].type.list_size for _, table in tables}
    if len(widths) > 1:
        raise LabelAuditError(
            f"{folder.url}: the writers of epoch {files[0].epoch} kept {' and '.join(map(str, sorted(widths)))} "
            "features. Record again with the same embeddings= in every process"
        )
    (width,) = widths
    vectors = np.empty((len(keys), width), np.float32)
    row = 0
    for scale, table in tables:
        for chunk in table["embedding"].chunks:
            part = stored(chunk)
            np.multiply(part, np.float32(scale), out=vectors[row : row + len(part)])
            row += len(part)
    first = np.unique(keys, return_index=True)[1]
    return (keys, vectors) if len(first) == len(keys) else (keys[first], vectors[first])


def stored(chunk: pa.FixedSizeListArray) -> Array:
    """Return the numbers of a column's chunk, (n, d) half precision, not copied."""
    return numbers(chunk.flatten()).reshape(len(chunk), chunk.type.list_size)


def _table(folder: Folder, split: str, file: EpochFile) -> tuple[float, pa.Table]:
    name = f"{layout.embeddings_folder(split)}/{file.name}"
    header, table = arrow_file.decode(folder.read(name), f"{folder.url}/{name} (epoch {file.epoch})", spare=True)
    if (header["epoch"], header["split"]) != (file.epoch, split):
        raise LabelAuditError(
            f"{folder.url}/{name} holds epoch {header['epoch']} of split {header['split']}: it was renamed. "
            "Give the file its name back"
        )
    return float(header["scale"]), table
