"""The tables of a detection audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.boxes import Objects
from labelaudit.detection.missing import Candidates

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

ISSUES = np.array(["class", "location", "spurious"], object)


@dataclass
class Columns:
    """Numbers of n given boxes, in the order of `Objects`; high is suspicious but for quality.

    Attributes:
        mistakenness, mistakenness_loc: (n,) 0 to 1.
        scores: {"class", "location", "spurious": (n,) probability}.
        quality: (n,) 0 to 1, low is suspicious.
        flagged: (n,) bool.
        issue: (n,) position in ISSUES, -1 where not flagged.
        suggested: (n,) class number, -1 for none.
        suggestion_confidence: (n,) 0 to 1.
        box: (n, 4) suggested corners, NaN for none.
        reason: (n,) one sentence, "" where not flagged.
    """

    mistakenness: Array
    mistakenness_loc: Array
    scores: dict[str, Array]
    quality: Array
    flagged: Array
    issue: Array
    suggested: Array
    suggestion_confidence: Array
    box: Array
    reason: list[str]


def objects_table(
    objects: Objects, columns: Columns, image_ids: Sequence[Any], names: Sequence[Any], spurious: Array | None = None
) -> pd.DataFrame:
    """Return `Audit.objects`: one row per given box, in the order of the user's input."""
    import pandas as pd

    box = _xywh(columns.box)
    suggested_box = [None if np.isnan(row[0]) else row.tolist() for row in box]
    offered = columns.suggested >= 0
    found = {
        "image_id": named(objects.image, image_ids),
        "given_label": named(objects.category, names),
        **dict(zip("xywh", _xywh(objects.box).T, strict=True)),
        "mistakenness": columns.mistakenness,
        "mistakenness_loc": columns.mistakenness_loc,
        "possible_spurious": columns.issue == 2 if spurious is None else spurious,
        "class_score": columns.scores["class"],
        "location_score": columns.scores["location"],
        "spurious_score": columns.scores["spurious"],
        "label_quality": columns.quality,
        "is_label_issue": columns.flagged,
        "issue": named(columns.issue, ISSUES.tolist()),
        "suggested_label": named(columns.suggested, names),
        "suggestion_confidence": np.where(offered, columns.suggestion_confidence, np.nan),
        "suggested_box": pd.Series(suggested_box, dtype="object"),
        "is_crowd": objects.crowd,
        "reason": columns.reason,
    }
    table = pd.DataFrame(found)
    back = np.empty(len(objects), np.int64)
    back[objects.row] = np.arange(len(objects))
    table = table.iloc[back].reset_index(drop=True) if len(back) == len(table) else table
    table.index.name = "object"
    return table


def missing_table(found: Candidates, flagged: Array, image_ids: Sequence[Any], names: Sequence[Any]) -> pd.DataFrame:
    """Return `Audit.missing`: one row per object that is perhaps missing, the likeliest first."""
    import pandas as pd

    return pd.DataFrame(
        {
            "image_id": named(found.image, image_ids),
            "category": named(found.category, names),
            **dict(zip("xywh", _xywh(found.box).T, strict=True)),
            "confidence": found.confidence,
            "n_epochs": found.n_epochs,
            "score": found.score,
            "is_label_issue": flagged,
        }
    )


def samples_table(
    objects: Objects,
    columns: Columns,
    spurious: Array,
    found: Candidates,
    is_missing: Array,
    image_ids: Sequence[Any],
    image_sizes: Any = None,
    pictures: Mapping[Any, str] | None = None,
) -> pd.DataFrame:
    """Return `Audit.samples`: one row per image, with width, height (pixels) and file_name where these are known."""
    import pandas as pd

    n = len(image_ids)
    issues = np.bincount(objects.image, columns.flagged, n).astype(np.int64)
    absent = np.bincount(found.image, is_missing, n).astype(np.int64)
    quality = np.ones(n)
    np.minimum.at(quality, objects.image, columns.quality)
    np.minimum.at(quality, found.image, 1 - found.confidence)
    counted = [
        np.bincount(objects.image[columns.issue == kind], minlength=n).astype(np.int64) for kind in range(len(ISSUES))
    ]
    return pd.DataFrame(
        {
            "n_objects": np.bincount(objects.image, minlength=n).astype(np.int64),
            "label_quality": quality,
            "is_label_issue": (issues > 0) | (absent > 0),
            "mistakenness": _largest(columns.mistakenness, objects.image, n),
            "mistakenness_loc": _largest(columns.mistakenness_loc, objects.image, n),
            "possible_missing": absent,
            "possible_spurious": np.bincount(objects.image, spurious, n).astype(np.int64),
            "reason": _image_reasons([*counted, absent]),
            **({} if image_sizes is None else dict(zip(("width", "height"), np.asarray(image_sizes).T, strict=True))),
            **({"file_name": [pictures.get(of, str(of)) for of in image_ids]} if pictures else {}),
        },
        index=pd.Index(list(image_ids), name="sample_id"),
    )


def _largest(values: Array, image: Array, n: int) -> Array:
    found = np.full(n, np.nan)
    np.fmax.at(found, image, values)
    return found


WORDS = ("wrong class", "wrong box", "spurious box", "missing object")
PLURALS = ("wrong classes", "wrong boxes", "spurious boxes", "missing objects")


def _image_reasons(counts: list[Array]) -> list[str]:
    found = [""] * len(counts[0])
    for row in np.flatnonzero(np.any(counts, axis=0)).tolist():
        parts = [
            f"{count[row]} {plural if count[row] > 1 else word}"
            for count, word, plural in zip(counts, WORDS, PLURALS, strict=True)
            if count[row]
        ]
        found[row] = "Probably " + ", ".join(parts) + "."
    return found


def named(numbers: Array, names: Sequence[Any]) -> Any:
    """Return the user's names (strings or integers) of numbers; -1 becomes missing."""
    import pandas as pd

    values = list(names)
    if values and all(isinstance(name, int | np.integer) for name in values):
        if (numbers >= 0).all():
            return np.array(values, np.int64)[numbers] if len(numbers) else np.zeros(0, np.int64)
        return pd.array([*values, None], dtype="Int64").take(numbers)
    return pd.Series([*values, None]).array.take(numbers)


def _xywh(corners: Array) -> Array:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def noise_matrix(given: Array, suggested: Array, wrong: Array, names: Sequence[Any]) -> pd.DataFrame:
    """Return P(given | true), (K, K), from the probability of a class error of each box and the likely true class."""
    import pandas as pd

    k = len(names)
    moved = np.where(suggested >= 0, wrong, 0)
    counts = np.bincount(given * (k + 1), 1 - moved, k * k)
    counts += np.bincount(np.maximum(suggested, 0) * k + given, moved, k * k)
    matrix = counts.reshape(k, k)
    total = matrix.sum(axis=1, keepdims=True)
    matrix = np.where(total > 0, matrix / np.where(total > 0, total, 1), np.eye(k))
    return pd.DataFrame(matrix, pd.Index(list(names), name="true_label"), pd.Index(list(names), name="given_label"))
