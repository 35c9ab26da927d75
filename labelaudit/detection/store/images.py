"""The samples table of a detection history: every image with its ground-truth boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.detection.store.ragged import Ragged, from_table, joined
from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file
from labelaudit.history.folder import Folder
from labelaudit.history.layout import list_files, samples_folder
from labelaudit.history.samples import Samples, as_id_array, find, ids_of, merged_ids, numbers

Array = npt.NDArray[Any]
TRUTH = ("boxes", "labels", "crowd")
TOLERANCE = 0.01  # pixels: what resizing in single precision may differ by between two epochs


@dataclass
class Images(Samples):
    """Rows of the samples table, one per image. An image has no label of its own: ``labels`` is -1.

    Attributes:
        truth: ground truth of each image: boxes (total, 4) float64 corners x1, y1, x2, y2 in pixels, labels (total,)
            int32, crowd (total,) bool.
        size: (n, 2) float64 width and height in pixels, NaN where unknown.
    """

    truth: Ragged = field(default_factory=lambda: no_boxes(0))
    size: Array = field(default_factory=lambda: np.empty((0, 2)))

    def columns(self) -> dict[str, pa.Array]:
        """Return the Arrow columns of a samples file."""
        columns = {"sample": pa.array(self.keys)}
        if self.ids is not None:
            columns["sample_id"] = pa.array(self.ids.tolist())
        unknown = np.isnan(self.size[:, 0])
        columns["width"] = pa.array(self.size[:, 0], mask=unknown)
        columns["height"] = pa.array(self.size[:, 1], mask=unknown)
        return columns | self.truth.arrow()

    def take(self, rows: Array) -> Images:
        """Return some rows."""
        ids = None if self.ids is None else self.ids[rows]
        return Images(self.keys[rows], self.labels[rows], ids, None, self.truth.take(rows), self.size[rows])


def no_boxes(n: int) -> Ragged:
    """Return the ground truth of n images without boxes."""
    columns: dict[str, Array] = {"boxes": np.empty((0, 4)), "labels": np.empty(0, np.int32), "crowd": np.empty(0, bool)}
    return Ragged(np.zeros(n, np.int64), columns)


def image_rows(keys: Array, ids: Array | None, truth: Ragged, size: Array) -> Images:
    """Return a table of images."""
    return Images(keys, np.full(len(keys), -1, np.int32), ids, None, truth, size)


def from_file(table: pa.Table) -> Images:
    """Return the rows of one samples file."""
    ids = table["sample_id"].to_pylist() if "sample_id" in table.column_names else None
    size = np.stack([table[name].to_numpy(zero_copy_only=False) for name in ("width", "height")], axis=1)
    return image_rows(
        numbers(table["sample"]),
        None if ids is None else as_id_array(ids),
        from_table(table, TRUTH),
        size.astype(np.float64),
    )


def read(folder: Folder, split: str) -> Images:
    """Read and join a split's samples files; no rows when there are none."""
    sub = samples_folder(split)
    files = sorted(list_files(folder, sub), key=lambda file: (file.segment, file.epoch, file.writer))
    where = [f"{sub}/{file.name}" for file in files]
    parts = [from_file(arrow_file.decode(folder.read(name), f"{folder.url}/{name}")[1]) for name in where]
    return merge(parts, folder.url) if parts else image_rows(np.empty(0, np.int64), None, no_boxes(0), np.empty((0, 2)))


def merge(parts: Sequence[Images], where: str) -> Images:
    """Join samples files: one row per key, the first file that names it counts.

    Raises:
        LabelAuditError: two files give one image different boxes.
    """
    keys = np.concatenate([part.keys for part in parts])
    sizes = np.concatenate([part.size for part in parts])
    table = image_rows(keys, ids_of(parts), joined([part.truth for part in parts]), sizes)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(keys):
        return table
    again = np.flatnonzero(first[inverse] != np.arange(len(keys)))
    refuse_changed(table.take(first[inverse][again]), table.take(again), where)
    return replace(table.take(np.sort(first)), ids=merged_ids(parts, keys, first))


def known_rows(known: Images, seen: Images, where: str) -> npt.NDArray[np.bool_]:
    """Say which of the seen images are known already, (n,).

    Raises:
        LabelAuditError: the ground truth of a known image is another one now.
    """
    present, row = find(known.keys, seen.keys)
    refuse_changed(known.take(row), seen.take(np.flatnonzero(present)), where)
    return present


def refuse_changed(before: Images, now: Images, where: str) -> None:
    """Refuse images, in the same order, whose ground truth differs."""
    changed = before.truth.counts != now.truth.counts
    if not changed.any():
        old, new = before.truth.columns, now.truth.columns
        moved = (np.abs(old["boxes"] - new["boxes"]) > TOLERANCE).any(axis=1)
        moved |= (old["labels"] != new["labels"]) | (old["crowd"] != new["crowd"])
        changed = np.bincount(before.truth.row_of[moved], minlength=len(before)) > 0
    if changed.any():
        one = int(changed.argmax())
        image = now.keys[one] if now.ids is None or now.ids[one] is None else now.ids[one]
        raise LabelAuditError(
            f"{where}: the ground truth of image {image} was {_said(before, one)} and now is {_said(now, one)} "
            f"({int(changed.sum()):,} images changed). Boxes are compared over the epochs, so every epoch must see the "
            "images alike: record from a dataset without random augmentation, check the image ids, or record into "
            "another folder after relabelling"
        )


def _said(table: Images, row: int) -> str:
    truth = table.take(np.array([row])).truth
    if not truth.total:
        return "no boxes"
    first = ", ".join(f"{value:.4g}" for value in truth.columns["boxes"][0])
    return f"{truth.total} boxes (first: class {truth.columns['labels'][0]} at [{first}])"
