"""From ground-truth boxes and the detections of one or more epochs to an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.result import Audit
from labelaudit.detection.boxes import Detections, Objects, area
from labelaudit.detection.columns import columns_of
from labelaudit.detection.evidence import Evidence
from labelaudit.detection.fiftyone import Snapshot, snapshot
from labelaudit.detection.missing import Candidates, missing
from labelaudit.detection.options import Options
from labelaudit.detection.planting import planted
from labelaudit.detection.sources import read_inputs
from labelaudit.detection.summary import summary_of
from labelaudit.detection.tables import missing_table, noise_matrix, objects_table, samples_table
from labelaudit.detection.tracks import Tracks
from labelaudit.detection.verdict import judge
from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]

FEW = 20  # labels below which the audit says that it had little to learn from


def audit_detections(
    ground_truth: Any,
    detections: Any,
    *,
    images: Any = None,
    image_sizes: Any = None,
    category_names: Any = None,
    box_format: str = "xywh",
    detections_box_format: str | None = None,
    rules: str = "labelaudit",
    iou_threshold: float = 0.5,
    missing_confidence: float | None = None,
    expected_error_rate: float | None = None,
    threshold: float | None = None,
    seed: int = 0,
) -> Audit:
    """Find wrong classes, wrong boxes, spurious and missing objects in the labels of a detection data set.

    Args:
        ground_truth: a frame with the columns image_id, category, x, y, w, h (pixels; x, y is the upper left corner;
            is_crowd is optional), or the path of a COCO JSON file, of a folder of YOLO or of Pascal VOC files.
        detections: a frame with score, and with epoch where there are several; a list of frames, one per epoch; a
            dict {epoch: frame}; or paths of COCO results or YOLO folders (class x y w h score) instead of frames.
        images: folder of the pictures: YOLO's numbers are shares of their sizes.
        image_sizes: {image id: (width, height)} in pixels, where the input does not say; optional but for YOLO.
        category_names: {number: name}, or a list of names, where the input does not say.
        box_format: "xywh", or "xyxy" where the columns x, y, w, h hold two corners.
        detections_box_format: the same for the detections; default: box_format.
        rules: "labelaudit", or "fiftyone": the last epoch alone, matched without a look at the class, every unmatched
            box spurious, and every unmatched detection above missing_confidence missing.
        iou_threshold: smallest IoU at which a detection is on a label.
        missing_confidence: an object is reported as missing above this: of the audit's own confidence, or, by
            FiftyOne's rules, of the detector's (default 0.95); default: where it is likelier than not.
        expected_error_rate: share of wrong boxes, 0 to 1, if you know it: that many are flagged.
        threshold: flag every box with label_quality below it, 0 to 1.
        seed: of the mistakes that are planted into copies of the labels, to learn what mistakes look like.

    Returns:
        An `Audit` with `objects`, `missing` and `samples` (one row per image); see docs/detection.md.

    Raises:
        LabelAuditError: a path is wrong, a column is absent, or the boxes cannot be what they are said to be.

    Example:
        >>> import pandas as pd
        >>> truth = pd.DataFrame({"image_id": 7, "category": ["cat", "dog"], "x": [0, 50], "y": 0, "w": 20, "h": 20})
        >>> drawn = truth.assign(category=["cat", "cat"], score=[0.5, 0.25])
        >>> audit_detections(truth, drawn).objects["mistakenness"].tolist()
        [0.25, 0.625]
    """
    options = Options(rules, iou_threshold, missing_confidence, expected_error_rate, threshold, seed)
    inputs = read_inputs(
        ground_truth,
        detections,
        images=images,
        image_sizes=image_sizes,
        category_names=category_names,
        box_format=box_format,
        detections_box_format=detections_box_format,
    )
    return _audit(
        inputs.objects,
        inputs.epochs,
        inputs.image_ids,
        inputs.category_names,
        inputs.image_sizes,
        options,
        inputs.notes,
        inputs.info,
        inputs.pictures,
    )


def audit_epochs(
    objects: Objects,
    epochs: Iterable[tuple[int, Detections]],
    *,
    image_ids: Sequence[Any],
    category_names: Sequence[Any],
    image_sizes: Any = None,
    notes: Sequence[str] = (),
    info: dict[str, Any] | None = None,
    **thresholds: Any,
) -> Audit:
    """Find the likely errors of ground-truth boxes; one epoch of detections is in memory at a time.

    Args:
        objects: n ground-truth boxes.
        epochs: (number of the epoch, its detections), in the order of training.
        image_ids: (images,) the user's id of every image number; images without boxes are listed as well.
        category_names: (K,) the user's name (or number) of every class number.
        image_sizes: (images, 2) width and height in pixels, NaN where unknown, or None.
        notes: what the summary should say of the input.
        info: what to remember of the input.
        thresholds: rules, iou_threshold, missing_confidence, expected_error_rate, threshold and seed, as
            `audit_detections` takes them.
    """
    return _audit(
        objects, epochs, image_ids, category_names, image_sizes, Options(**thresholds), list(notes), dict(info or {})
    )


def _audit(
    objects: Objects,
    epochs: Iterable[tuple[int, Detections]],
    image_ids: Sequence[Any],
    names: Sequence[Any],
    image_sizes: Any,
    options: Options,
    notes: list[str],
    info: dict[str, Any],
    pictures: Mapping[Any, str] | None = None,
) -> Audit:
    sound = area(objects.box) > 0
    usable = np.flatnonzero(sound & ~_copies(objects))
    labels = objects.take(usable)
    sizes = known_sizes(objects, image_sizes, len(image_ids))
    evidence = Evidence(labels, planted(labels, len(names), sizes, options.seed), len(names))
    tracks = Tracks(len(labels), len(image_ids), len(names))
    last, numbers = None, []
    for number, detections in epochs:
        evidence.add(detections)
        tracks.add(detections, evidence.separation[-1] ** 2)
        last = detections
        numbers.append(number)
    if last is None:
        raise LabelAuditError("there are no detections; expected those of at least one epoch")
    verdict = judge(evidence, sizes)
    trust = evidence.trust * verdict.place_trust  # an object beside its place looks like a missing one
    found = missing(tracks, labels, verdict.wrong["location"], options.iou_threshold, trust)
    is_missing = found.confidence > (0.5 if options.missing_confidence is None else options.missing_confidence)
    one = None
    if len(numbers) == 1 or options.rules == "fiftyone":
        least = 0.95 if options.missing_confidence is None else options.missing_confidence
        blind = options.rules == "fiftyone"
        one = snapshot(labels, last, iou_threshold=options.iou_threshold, missing_confidence=least, class_blind=blind)
    columns = columns_of(objects, usable, verdict, one, options, names, len(numbers), sound)
    spurious = columns.issue == 2
    if one is not None and options.rules == "fiftyone":
        found, is_missing = _unmatched(last, one), np.ones(int(one.possible_missing.sum()), bool)
        spurious = np.ones(len(objects), bool)
        spurious[usable] = one.possible_spurious
    notes = [*notes, *_doubts(evidence, verdict.place_trust, labels, numbers)]
    given, wrong = objects.category[usable], verdict.wrong["class"]
    facts = {**info, "task": "detection", "epochs": [int(number) for number in numbers], **options.__dict__}
    facts |= {"trust": evidence.trust, "place_trust": verdict.place_trust}
    return Audit(
        samples=samples_table(objects, columns, spurious, found, is_missing, image_ids, image_sizes, pictures),
        noise_matrix=noise_matrix(given, verdict.suggested, wrong, names),
        summary=summary_of(objects, columns, found, is_missing, image_ids, names, numbers, notes),
        class_names=[str(name) for name in names],
        info=facts,
        objects=objects_table(objects, columns, image_ids, names, spurious),
        missing=missing_table(found, is_missing, image_ids, names),
    )


def _copies(objects: Objects) -> Array:
    """Return which boxes repeat an earlier one of the same image and class exactly, (n,) bool."""
    import pandas as pd

    copies: Array = (
        pd.DataFrame(np.column_stack([objects.image, objects.category, objects.box])).duplicated().to_numpy()
    )
    return copies


def known_sizes(objects: Objects, sizes: Any, n_images: int) -> Array:
    """Return (images, 2) widths and heights; where unknown, the largest extent of any label."""
    extent = objects.box[:, 2:].max(axis=0, initial=1.0) if len(objects) else np.ones(2)
    found = np.full((n_images, 2), np.nan) if sizes is None else np.array(sizes, np.float64)
    return np.where(np.isnan(found), extent, found)


def _unmatched(detections: Detections, one: Snapshot) -> Candidates:
    """Return FiftyOne's possibly missing objects: confident detections that match nothing."""
    rows = np.flatnonzero(one.possible_missing)
    rows = rows[np.argsort(-detections.score[rows], kind="stable")]
    score = detections.score[rows]
    return Candidates(
        detections.image[rows], detections.category[rows], detections.box[rows], score, np.ones(len(rows), int), score
    )


def _doubts(evidence: Evidence, place_trust: float, labels: Objects, numbers: list[int]) -> list[str]:
    notes = []
    if len(labels) < FEW:
        notes.append(f"Only {len(labels)} boxes: what is usual for this detector could hardly be learned from them.")
    if not evidence.trust:
        notes.append(
            "The detector tells given classes from planted ones hardly better than chance: it learned nothing, its "
            "boxes belong to other images, or these are too few. Don't trust this audit: no mistake is estimated."
        )
    elif evidence.trust < 1:
        notes.append(
            "The detector tells given classes from planted ones only a little better than chance: it learned little. "
            "Its own errors are easily taken for wrong labels here; train longer."
        )
    if evidence.trust and place_trust < 1:
        notes.append(
            "The detector's boxes fit the given ones hardly better than ones moved on purpose: it learned little of "
            f"places, so {'few' if place_trust else 'no'} boxes are called wrongly placed and few objects missing. A "
            "box called spurious may lie where it drew beside the object; train longer."
        )
    if len(numbers) == 1:
        notes.append(
            "One epoch only, which says little: an object that the detector missed once looks spurious here. A history "
            "of several epochs tells more. (mistakenness has FiftyOne's formulas.)"
        )
    return notes
