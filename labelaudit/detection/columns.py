"""From a verdict on the boxes that can be judged to the columns of all boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Objects
from labelaudit.detection.fiftyone import Snapshot
from labelaudit.detection.options import Options
from labelaudit.detection.overlap import iou_of
from labelaudit.detection.reasons import reasons
from labelaudit.detection.tables import Columns, named
from labelaudit.detection.verdict import Verdict

Array = npt.NDArray[Any]


def columns_of(
    objects: Objects,
    usable: Array,
    verdict: Verdict,
    one: Snapshot | None,
    options: Options,
    names: Sequence[Any],
    n_epochs: int,
    sound: Array,
) -> Columns:
    """Put the verdict on the usable boxes together with the boxes that are wrong by themselves."""
    n = len(objects)

    def spread(values: Array, other: Any) -> Array:
        whole = np.full((n, *values.shape[1:]), other, values.dtype)
        whole[usable] = values
        return whole

    unusable = np.ones(n, bool)
    unusable[usable] = False
    no_area, copy = unusable & ~sound, unusable & sound
    scores = {name: spread(values, 0.0) for name, values in verdict.wrong.items()}
    scores["location"][no_area] = 1.0
    scores["spurious"][copy] = 1.0
    quality = spread(verdict.quality, 0.0)
    quality[objects.crowd] = np.maximum(quality[objects.crowd], 0.5 + quality[objects.crowd] / 2)
    flagged = _cut(quality, options) | unusable
    kinds = spread(np.stack(list(verdict.likeness.values()), axis=1).argmax(axis=1), 0)
    kinds[no_area], kinds[copy] = 1, 2
    issue = np.where(flagged, kinds, -1)
    suggested = spread(verdict.suggested, -1)
    share = spread(verdict.suggestion_share, 0.0)
    offered = (suggested >= 0) & ((issue == 0) | (share > 0.5))
    box = spread(verdict.box, np.nan)
    iou = np.where(np.isnan(box[:, 0]), np.nan, iou_of(np.nan_to_num(box), objects.box))
    box[~((issue == 1) | (scores["location"] > 0.5))] = np.nan
    mistakenness, location = scores["class"], scores["location"]
    if one is not None:
        mistakenness = _snapshot_or(spread(one.mistakenness, np.nan), mistakenness, options)
        location = _snapshot_or(spread(one.mistakenness_loc, np.nan), location, options)
    suggested = np.where(offered, suggested, -1)
    special = np.where(no_area, "The box has no area.", np.where(copy, "The same box is listed twice.", ""))
    why = reasons(
        issue,
        list(named(objects.category, names)),
        [None if number < 0 else names[number] for number in suggested.tolist()],
        iou,
        n_epochs,
        special.tolist(),
    )
    return Columns(mistakenness, location, scores, quality, flagged, issue, suggested, share, box, why)


def _snapshot_or(seen: Array, probability: Array, options: Options) -> Array:
    """Return FiftyOne's number where a detection matches; else, but for its own rules, one that goes on from 1/2."""
    return seen if options.rules == "fiftyone" else np.where(np.isnan(seen), (1 + probability) / 2, seen)


def _cut(quality: Array, options: Options) -> Array:
    if options.threshold is not None:
        return quality < options.threshold
    if options.expected_error_rate is None:
        return quality < 0.5
    flagged = np.zeros(len(quality), bool)
    flagged[np.argsort(quality, kind="stable")[: round(options.expected_error_rate * len(quality))]] = True
    return flagged
