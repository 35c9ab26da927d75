"""Images and classes as numbers, frames as arrays, and notes on what is odd in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection import checks
from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


def image_numbers(truth: BoxTable, drawn: list[BoxTable]) -> tuple[list[Any], pd.Index]:
    """Return the ids of all images: those that the ground truth lists, then those that only detections name."""
    import pandas as pd

    listed = list(truth.image_ids or [])
    columns = [table.frame["image_id"] for table in (truth, *drawn)]
    ids = list(dict.fromkeys([*listed, *(of for column in columns for of in pd.unique(column).tolist())]))
    return ids, pd.Index(ids, dtype=object)


def class_numbers(truth: BoxTable, drawn: list[BoxTable], names: dict[int, Any] | None) -> tuple[list[Any], pd.Index]:
    """Return the names of all classes, and the values that stand for them in the frames."""
    import pandas as pd

    seen = pd.unique(truth.frame["category"]).tolist()
    others = [of for table in drawn for of in pd.unique(table.frame["category"]).tolist()]
    if names:
        for table in drawn:
            table.frame = table.frame.assign(category=numbers_of(table.frame["category"], names))
        others = numbers_of(others, names)
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


def numbers_of(categories: Iterable[Any], names: Mapping[Any, Any]) -> list[Any]:
    """Return the numbers of categories; some tools write them as text, which is left alone where it is a name."""
    texts = {str(number): number for number in names} if not set(map(str, names)) & set(names.values()) else {}
    return [texts.get(of, of) if isinstance(of, str) else of for of in categories]


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return values


def _few(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in _sorted(list(dict.fromkeys(values)))[:5])


def without_unlisted(
    truth: BoxTable, drawn: list[tuple[int, BoxTable]], notes: list[str]
) -> list[tuple[int, BoxTable]]:
    """Leave out the detections on images that a COCO file does not list: what is labelled there is unknown."""
    if truth.format != "coco" or truth.image_ids is None:
        return drawn
    known = [table.frame["image_id"].isin(truth.image_ids) for _, table in drawn]
    if not any(mask.any() for mask in known) or all(mask.all() for mask in known):
        return drawn
    images = {of for (_, table), mask in zip(drawn, known, strict=True) for of in table.frame["image_id"][~mask]}
    notes.append(
        f"{sum(int((~mask).sum()) for mask in known):,} detections are on {len(images):,} images that {truth.source} "
        f"does not list, for instance {min(images, key=str)!r}: left out."
    )
    return [
        (number, replace(table, frame=table.frame[mask])) for (number, table), mask in zip(drawn, known, strict=True)
    ]


def _corners(frame: pd.DataFrame) -> Array:
    box = frame[["x", "y", "w", "h"]].to_numpy(np.float64, copy=True)
    box[:, 2:] += box[:, :2]
    return box


def objects(truth: BoxTable, images: pd.Index, classes: pd.Index, notes: list[str]) -> Objects:
    """Return the ground truth as arrays."""
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


def detections(table: BoxTable, images: pd.Index, classes: pd.Index, notes: list[str]) -> Detections:
    """Return the detections of one epoch as arrays, without boxes of no size and copies."""
    import pandas as pd

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
    twice = pd.DataFrame(columns).duplicated().to_numpy()
    if twice.any():
        notes.append(f"{table.source}: {checks.counted(int(twice.sum()), 'box')} listed twice and left out once.")
        found = found.take(~twice)
    return found


def note_truth(objects: Objects, sizes: Array, notes: list[str]) -> None:
    """Add a note on each thing that is odd in the ground truth."""
    import pandas as pd

    side = objects.box[:, 2:] - objects.box[:, :2]
    empty = int((side <= 0).any(axis=1).sum())
    if empty:
        notes.append(f"ground_truth: {checks.counted(empty, 'box')} of zero or negative size: flagged, not judged.")
    limit = sizes[objects.image] if len(objects) else np.zeros((0, 2))
    outside = int(((objects.box[:, :2] < -1) | (objects.box[:, 2:] > limit + 1)).any(axis=1).sum())
    if outside:
        notes.append(f"ground_truth: {checks.counted(outside, 'box')} partly or wholly outside the picture.")
    keys = np.column_stack([objects.image, objects.category, objects.box])
    twice = int(pd.DataFrame(keys).duplicated().sum())
    if twice:
        notes.append(f"ground_truth: {checks.counted(twice, 'box')} listed twice: the copies are flagged as spurious.")
    crowds = int(objects.crowd.sum())
    if crowds:
        notes.append(
            f"{checks.counted(crowds, 'box')} marked as a crowd: they explain detections and are not planted into."
        )


def note_detections(
    objects: Objects, epochs: list[tuple[int, Detections]], ids: list[Any], names: list[Any], notes: list[str]
) -> None:
    """Add a note on images and categories that only one side has; refuse detections of other images."""
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
