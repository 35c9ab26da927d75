"""The inputs of a detection audit: frames or files, brought to one form and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection import checks, numbering
from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.frames import read_frame
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]


@dataclass
class Inputs:
    """What an audit reads.

    Attributes:
        objects: the ground truth.
        tables: the detections of every epoch, in order.
        image_ids, category_names: of the image and class numbers.
        image_sizes: (images, 2), NaN where unknown.
        pictures: {image id: name of the picture's file}, as far as the source says it.
        notes: what was odd in the input and what was done about it.
        info: where the input came from.
    """

    objects: Objects
    tables: list[tuple[int, Detections]]
    image_ids: list[Any]
    category_names: list[Any]
    image_sizes: Array
    pictures: dict[Any, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def epochs(self) -> Iterator[tuple[int, Detections]]:
        """Every epoch's number and detections."""
        return iter(self.tables)


def read_inputs(
    ground_truth: Any,
    detections: Any,
    *,
    images: Any = None,
    image_sizes: Any = None,
    category_names: Any = None,
    box_format: str = "xywh",
    detections_box_format: str | None = None,
) -> Inputs:
    """Read and check ground truth and detections; arguments as in `audit_detections`."""
    image_sizes = given_sizes(image_sizes)
    truth = read_boxes(ground_truth, "ground_truth", box_format, images, image_sizes)
    drawn = _epochs(detections, detections_box_format or box_format, images, truth, image_sizes)
    if not any(len(table.frame) for _, table in drawn):
        raise LabelAuditError("the detections are empty: no box in any epoch. Was the detector run on these images?")
    sizes = {**truth.image_sizes, **image_sizes}
    checks.check_corners(truth, sizes)
    for _, table in drawn:
        checks.check_corners(table, sizes)
        checks.check_units(truth, table)
    notes: list[str] = []
    drawn = numbering.without_unlisted(truth, drawn, notes)
    given_names = _given_names(category_names) or truth.category_names
    image_ids, image_place = numbering.image_numbers(truth, [table for _, table in drawn])
    names, place = numbering.class_numbers(truth, [table for _, table in drawn], given_names)
    objects = numbering.objects(truth, image_place, place, notes)
    known = np.array([sizes.get(of, (np.nan, np.nan)) for of in image_ids], float).reshape(-1, 2)
    numbering.note_truth(objects, known, notes)
    epochs = [(number, numbering.detections(table, image_place, place, notes)) for number, table in drawn]
    if not any(len(part) for _, part in epochs):
        raise LabelAuditError(
            f"no detection has an area: w or h of all {sum(len(table.frame) for _, table in drawn):,} is 0 or less, "
            f"e.g. {drawn[0][1].frame[['x', 'y', 'w', 'h']].iloc[0].tolist()}; expected sizes in pixels"
        )
    if given_names is None:
        checks.check_class_numbers(objects, epochs[-1][1], names, drawn[-1][1].source)
    numbering.note_detections(objects, epochs, image_ids, names, notes)
    info: dict[str, Any] = {"ground_truth": truth.source, "detections": drawn[-1][1].source, "format": truth.format}
    if category_names is not None and given_names:
        info["category_names"] = [[number, name] for number, name in given_names.items()]  # as JSON keeps them
    return Inputs(objects, epochs, image_ids, names, known, truth.pictures, notes, info)


def read_boxes(source: Any, called: str, box_format: str, images: Any = None, image_sizes: Any = None) -> BoxTable:
    """Read a frame, or the path of a COCO JSON file or of a folder of YOLO or Pascal VOC files."""
    import pandas as pd

    if isinstance(source, BoxTable):
        return source
    if isinstance(source, pd.DataFrame):
        return read_frame(source, called, box_format)
    if not isinstance(source, str | os.PathLike):
        raise LabelAuditError(
            f"{called} is a {type(source).__name__}; expected a data frame, or the path of a COCO JSON file or of a "
            "folder of YOLO or Pascal VOC files"
        )
    path = Path(source)
    if not path.exists():
        raise LabelAuditError(f"{called}: there is no file or folder {path}")
    if path.is_file():
        return _from_file(path, called, box_format)
    from labelaudit.detection import voc, yolo

    for entries in (path.iterdir(), path.rglob("*")):  # the folder's own files first, then those of folders in it
        endings = {entry.suffix.lower() for entry in entries}
        if ".xml" in endings:
            return voc.read(path)
        if ".txt" in endings:
            return yolo.read(path, images=images, image_sizes=image_sizes)
    what = "no .txt (YOLO) and no .xml (Pascal VOC) file" if any(path.iterdir()) else "nothing"
    raise LabelAuditError(f"{called}: the folder {path} holds {what}")


def _from_file(path: Path, called: str, box_format: str) -> BoxTable:
    import pandas as pd

    from labelaudit.detection import coco

    kind = path.suffix.lower()
    if kind == ".json":
        return coco.read(path)
    if kind in (".csv", ".parquet"):
        try:
            frame = pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
        except (ValueError, OSError) as problem:
            raise LabelAuditError(f"{path} cannot be read: {problem}") from None
        return read_frame(frame, str(path), box_format)
    raise LabelAuditError(f"{called}: {path} is no format that is read here; expected .json (COCO), .csv or .parquet")


def _epochs(
    detections: Any, box_format: str, images: Any, truth: BoxTable, image_sizes: dict[Any, tuple[float, float]]
) -> list[tuple[int, BoxTable]]:
    """Return the number and the boxes of every epoch, in order."""
    if isinstance(detections, Mapping):
        parts = [(_epoch_number(key), value) for key, value in detections.items()]
        parts.sort(key=lambda part: part[0])
    elif isinstance(detections, Sequence) and not isinstance(detections, str):
        parts = list(enumerate(detections))
    else:
        parts = [(0, detections)]
    if not parts:
        raise LabelAuditError("the detections are empty; expected those of at least one epoch")
    sizes = {**truth.image_sizes, **image_sizes}
    tables = [
        (number, read_boxes(part, "detections" if len(parts) == 1 else f"detections of epoch {number}", box_format,
                            images, sizes or None))
        for number, part in parts
    ]  # fmt: skip
    if len(tables) > 1 or "epoch" not in tables[0][1].frame.columns:
        return tables
    return _split(tables[0][1])


def _epoch_number(key: Any) -> int:
    try:
        return int(key)
    except (TypeError, ValueError):
        raise LabelAuditError(f"detections: {key!r} is no number of an epoch") from None


def _split(table: BoxTable) -> list[tuple[int, BoxTable]]:
    frame = table.frame
    if frame["epoch"].isna().any():
        raise LabelAuditError(f"{table.source}: row {int(frame['epoch'].isna().argmax())} has no epoch")
    groups = frame.groupby("epoch", sort=True).indices
    return [
        (
            _epoch_number(epoch),
            BoxTable(
                frame.iloc[np.sort(rows)], f"{table.source} of epoch {epoch}", category_names=table.category_names
            ),
        )
        for epoch, rows in groups.items()
    ] or [(0, table)]


def given_sizes(sizes: Any) -> dict[Any, tuple[float, float]]:
    """Return the argument ``image_sizes`` as {image id: (width, height)}, or say what is wrong with it."""
    if sizes is None:
        return {}
    if not isinstance(sizes, Mapping):
        raise LabelAuditError(f"image_sizes is a {type(sizes).__name__}; expected {{image id: (width, height)}}")
    return {key: _size(key, size) for key, size in sizes.items()}


def _size(image_id: Any, size: Any) -> tuple[float, float]:
    try:
        width, height = (float(side) for side in size)
        if not (0 < width < np.inf and 0 < height < np.inf):
            raise ValueError
    except (TypeError, ValueError):
        raise LabelAuditError(
            f"image_sizes: that of image {image_id!r} is {size!r}; expected (width, height) in pixels, and no entry "
            "for an image whose size is unknown"
        ) from None
    return width, height


def _given_names(names: Any) -> dict[int, Any] | None:
    if names is None:
        return None
    return dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
