"""The few facts on a detection audit that a person asks for first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.summary import Summary
from labelaudit.detection.boxes import Objects
from labelaudit.detection.missing import Candidates
from labelaudit.detection.tables import ISSUES, Columns

Array = npt.NDArray[Any]


def summary_of(
    objects: Objects,
    columns: Columns,
    found: Candidates,
    is_missing: Array,
    image_ids: Sequence[Any],
    names: Sequence[Any],
    epochs: Sequence[int],
    notes: Sequence[str],
) -> Summary:
    """Return the summary of an audit; its keys are those of classification, and the counts by kind of issue."""
    wrong = 1 - columns.quality
    errors = int(columns.flagged.sum())
    spread = 2 * float(np.sqrt((wrong * (1 - wrong)).sum() + 1))
    low, high = max(round(float(wrong.sum()) - spread), 0), min(round(float(wrong.sum()) + spread), len(objects))
    k = len(names)
    flagged = np.bincount(objects.category, columns.flagged, k)
    count = np.bincount(objects.category, minlength=k)
    share = flagged / np.maximum(count, 1)
    worst = [row for row in np.lexsort((-flagged, -share))[:5].tolist() if flagged[row]]
    swapped = (columns.issue == 0) & (columns.suggested >= 0)
    pairs, times = np.unique(objects.category[swapped] * k + columns.suggested[swapped], return_counts=True)
    top = np.argsort(-times, kind="stable")[:5]
    return Summary(
        task="detection",
        n_samples=len(image_ids),
        n_objects=len(objects),
        n_epochs=len(epochs),
        n_classes=k,
        n_runs=1,
        n_flagged=errors,
        by_issue={str(name): int((columns.issue == kind).sum()) for kind, name in enumerate(ISSUES)},
        n_missing=int(is_missing.sum()),
        estimated_missing=round(float(found.confidence.sum()), 1),
        estimated_errors=errors,
        estimated_error_rate=errors / max(len(objects), 1),
        interval=[min(low, errors), max(high, errors)],
        window=[int(epochs[0]), int(epochs[-1])],
        worst_classes=[
            {"label": names[row], "flagged": int(flagged[row]), "samples": int(count[row]), "share": float(share[row])}
            for row in worst
        ],
        worst_pairs=[
            {"given": names[pairs[i] // k], "suggested": names[pairs[i] % k], "flagged": int(times[i])} for i in top
        ],
        notes=list(notes),
    )
