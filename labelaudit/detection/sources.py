"""The inputs of a detection audit: frames or files, brought to one form and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection import checks
from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.frames import read_frame
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


@dataclass
class Inputs:
    """What an audit reads.

    Attributes:
        objects: the ground truth.
        tables: the detections of every epoch, in order.
        image_ids, category_names: of the image and class numbers.
        image_sizes: (images, 2), NaN where unknown.
        notes: what was odd in the input and what was done about it.
        info: where the input came from.
    """

    objects: Objects
    tables: list[tuple[int, Detections]]
    image_ids: list[Any]
    category_names: list[Any]
    image_sizes: Array
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
    truth = read_boxes(ground_truth, "ground_truth", box_format, images, image_sizes)
    drawn = _epochs(detections, detections_box_format or box_format, images, truth, image_sizes)
    if not any(len(table.frame) for _, table in drawn):
        raise LabelAuditError("the detections are empty: no box in any epoch. Was the detector run on these images?")
    sizes = {**truth.image_sizes, **_given_sizes(image_sizes)}
    checks.check_corners(truth, sizes)
    for _, table in drawn:
        checks.check_corners(table, sizes)
        checks.check_units(truth, table)
    given_names = _given_names(category_names) or truth.category_names
    image_ids, image_place = _image_numbers(truth, [table for _, table in drawn])
    names, place = _class_numbers(truth, [table for _, table in drawn], given_names)
    notes: list[str] = []
    objects = _objects(truth, image_place, place, notes)
    known = np.array([sizes.get(of, (np.nan, np.nan)) for of in image_ids], float).reshape(-1, 2)
    _note_truth(objects, known, notes)
    epochs = [(number, _detections(table, image_place, place, notes)) for number, table in drawn]
    if given_names is None:
        checks.check_class_numbers(objects, epochs[-1][1], names, drawn[-1][1].source)
    _note_detections(objects, epochs, image_ids, names, notes)
    info = {"ground_truth": truth.source, "detections": drawn[-1][1].source, "format": truth.format}
    return Inputs(objects, epochs, image_ids, names, known, notes, info)


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

    names = [entry.name for entry in path.iterdir()]
    if any(name.lower().endswith(".xml") for name in names):
        return voc.read(path)
    if any(name.lower().endswith(".txt") for name in names):
        return yolo.read(path, images=images, image_sizes=image_sizes)
    raise LabelAuditError(
        f"{called}: the folder {path} holds {'nothing' if not names else 'no .txt (YOLO) and no .xml (Pascal VOC) file'}"
    )


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
    detections: Any, box_format: str, images: Any, truth: BoxTable, image_sizes: Any
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
    sizes = {**truth.image_sizes, **_given_sizes(image_sizes)}
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
            BoxTable(frame.iloc[np.sort(rows)], f"{table.source} of epoch {epoch}", category_names=table.category_names),
        )
        for epoch, rows in groups.items()
    ] or [(0, table)]


def _given_sizes(sizes: Any) -> dict[Any, tuple[float, float]]:
    if sizes is None:
        return {}
    if isinstance(sizes, Mapping):
        return {key: (float(size[0]), float(size[1])) for key, size in sizes.items()}
    raise LabelAuditError(f"image_sizes is a {type(sizes).__name__}; expected {{image id: (width, height)}}")


def _given_names(names: Any) -> dict[int, Any] | None:
    if names is None:
        return None
    return dict(names) if isinstance(names, Mapping) else dict(enumerate(names))


def _image_numbers(truth: BoxTable, drawn: list[BoxTable]) -> tuple[list[Any], pd.Index]:
    """Return the ids of all images: those that the ground truth lists, then those that only detections name."""
    import pandas as pd

    listed = list(truth.image_ids or [])
    columns = [table.frame["image_id"] for table in (truth, *drawn)]
    ids = list(dict.fromkeys([*listed, *(of for column in columns for of in pd.unique(column).tolist())]))
    return ids, pd.Index(ids, dtype=object)


def _class_numbers(truth: BoxTable, drawn: list[BoxTable], names: dict[int, Any] | None) -> tuple[list[Any], pd.Index]:
    """Return the names of all classes, and the values that stand for them in the frames."""
    import pandas as pd

    seen = pd.unique(truth.frame["category"]).tolist()
    others = [of for table in drawn for of in pd.unique(table.frame["category"]).tolist()]
    if names:
        unknown = [of for of in (*seen, *others) if of not in names and of not in names.values()]
        if unknown:
            raise LabelAuditError(
                f"category {unknown[0]!r} is not among the {len(names)} known categories: "
                f"{', '.join(f'{key} {value}' for key, value in list(names.items())[:10])}"
            )
        back = {value: key for key, value in names.items()}
        for table in (truth, *drawn):
            if not pd.api.types.is_numeric_dtype(table.frame["category"]):
                table.frame = table.frame.assign(
                    category=[of if of in names else back[of] for of in table.frame["category"]]
                )
        return list(names.values()), pd.Index(list(names), dtype=object)
    both = set(seen) & set(others)
    if seen and others and not both:
        raise LabelAuditError(
            f"ground truth and detections have no category in common: {_few(seen)} against {_few(others)}. Pass "
            "category_names={number: name} where one has numbers and the other names"
        )
    values = list(dict.fromkeys([*_sorted(seen), *_sorted(others)]))
    return values, pd.Index(values, dtype=object)


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return values


def _few(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in _sorted(list(dict.fromkeys(values)))[:5])


def _corners(frame: pd.DataFrame) -> Array:
    box = frame[["x", "y", "w", "h"]].to_numpy(np.float64, copy=True)
    box[:, 2:] += box[:, :2]
    return box


def _objects(truth: BoxTable, images: pd.Index, classes: pd.Index, notes: list[str]) -> Objects:
    frame = truth.frame
    if not len(frame):
        notes.append("The ground truth has no boxes: only missing objects can be found.")
    crowd = frame["is_crowd"].to_numpy(bool) if "is_crowd" in frame.columns else None
    return Objects.of(
        images.get_indexer(frame["image_id"].astype(object)),
        classes.get_indexer(frame["category"].astype(object)),
        _corners(frame),
        crowd,
    )


def _detections(table: BoxTable, images: pd.Index, classes: pd.Index, notes: list[str]) -> Detections:
    frame, score = table.frame, checks.check_scores(table)
    kept = checks.useful(frame[["w", "h"]].to_numpy()[:, [0, 1, 0, 1]])
    if not kept.all():
        notes.append(f"{table.source}: {checks.counted(int((~kept).sum()), 'box')} of no size and left out.")
    every = None
    if "probabilities" in frame.columns and len(frame):
        every = np.stack(frame["probabilities"].tolist())[kept]
        if every.shape[1] != len(classes):
            raise LabelAuditError(
                f"{table.source}: probabilities of {every.shape[1]} classes, but there are {len(classes)} categories; "
                "pass category_names= to name them all"
            )
    frame = frame[kept]
    found = Detections.of(
        images.get_indexer(frame["image_id"].astype(object)),
        classes.get_indexer(frame["category"].astype(object)),
        _corners(frame),
        score[kept],
        every,
    )
    columns = np.column_stack([found.image, found.category, found.box, found.score])
    _, first = np.unique(columns, axis=0, return_index=True)
    if len(first) < len(found):
        notes.append(f"{table.source}: {checks.counted(len(found) - len(first), 'box')} listed twice and left out once.")
        found = found.take(np.sort(first))
    return found


def _note_truth(objects: Objects, sizes: Array, notes: list[str]) -> None:
    side = objects.box[:, 2:] - objects.box[:, :2]
    empty = int((side <= 0).any(axis=1).sum())
    if empty:
        notes.append(f"ground_truth: {checks.counted(empty, 'box')} of zero or negative size: flagged, not judged.")
    limit = sizes[objects.image] if len(objects) else np.zeros((0, 2))
    outside = int(((objects.box[:, :2] < -1) | (objects.box[:, 2:] > limit + 1)).any(axis=1).sum())
    if outside:
        notes.append(f"ground_truth: {checks.counted(outside, 'box')} partly or wholly outside the picture.")
    keys = np.column_stack([objects.image, objects.category, objects.box])
    twice = len(objects) - len(np.unique(keys, axis=0)) if len(objects) else 0
    if twice:
        notes.append(f"ground_truth: {checks.counted(twice, 'box')} listed twice: the copies are flagged as spurious.")
    crowds = int(objects.crowd.sum())
    if crowds:
        notes.append(f"{checks.counted(crowds, 'box')} marked as a crowd: they explain detections and are not planted into.")


def _note_detections(
    objects: Objects, epochs: list[tuple[int, Detections]], ids: list[Any], names: list[Any], notes: list[str]
) -> None:
    seen = np.zeros(len(ids), bool)
    kinds = np.zeros(len(names), np.int64)
    for _, detections in epochs:
        seen[detections.image] = True
        kinds += np.bincount(detections.category, minlength=len(names))
    labelled = np.zeros(len(ids), bool)
    labelled[objects.image] = True
    blank = int((labelled & ~seen).sum())
    if blank == int(labelled.sum()) and blank:
        raise LabelAuditError(
            "no labelled image has a detection: the image ids of ground truth and detections differ, for instance "
            f"{ids[0]!r} and {ids[int(seen.argmax())]!r}"
        )
    if blank:
        notes.append(f"{blank:,} of {int(labelled.sum()):,} labelled images have no detection in any epoch.")
    if (~labelled).any():
        notes.append(f"{int((~labelled).sum()):,} images have no labelled box.")
    known = np.bincount(objects.category, minlength=len(names)) > 0
    strange = np.flatnonzero((kinds > 0) & ~known)
    if len(strange) and known.any():
        named = ", ".join(str(names[kind]) for kind in strange[:5].tolist())
        notes.append(f"{int(kinds[strange].sum()):,} detections are of categories that no label has: {named}.")
