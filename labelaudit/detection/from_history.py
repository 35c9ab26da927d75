"""From a recorded history of detections to an audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from labelaudit.auditing.result import Audit
from labelaudit.detection.auditing import audit_epochs
from labelaudit.detection.boxes import Detections
from labelaudit.detection.store.history import DetectionHistory
from labelaudit.errors import LabelAuditError


def audit_history(
    history: Any,
    *,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    progress: bool = False,
    **thresholds: Any,
) -> Audit:
    """Audit the ground-truth boxes of a history; see `labelaudit.audit`.

    Args:
        history: a `DetectionHistory`.
        split: which split; default "train".
        epochs: numbers of the epochs to read; default all.
        progress: show a progress bar on standard error.
        thresholds: the options of `audit_detections`.

    Raises:
        LabelAuditError: an option is unknown, or there is no such epoch.
    """
    import labelaudit

    table, sizes = history.table(split), history.image_sizes(split)
    names = history.class_names or history.category_ids
    chosen = None if epochs is None else set(epochs)
    if chosen is not None and not chosen & set(history.epochs):
        there = history.epochs
        recorded = f"{len(there)} epochs from {there[0]} to {there[-1]}" if there else "none"
        raise LabelAuditError(
            f"none of these epochs is in {history.path}: {sorted(chosen)[:5]}; recorded: {recorded}. Name some of "
            "them, or leave epochs= out for all"
        )
    info = {
        "history": [run.url for run in history.runs_read],
        "split": split or history.splits[0],
        "labelaudit": labelaudit.__version__,
    }
    try:
        found = audit_epochs(
            history.objects(split),
            _watched(history.iterate(split=split, epochs=chosen), history.n_epochs, progress),
            image_ids=history.ids(split).tolist(),
            category_names=names,
            image_sizes=None if np.isnan(sizes).all() else sizes,
            notes=_notes(history, split, len(table)),
            info=info,
            **thresholds,
        )
    except TypeError as problem:
        if "unexpected keyword" in str(problem):
            raise LabelAuditError(f"an audit of detections has no option {str(problem).split()[-1]}") from None
        raise
    found.history = history
    return found


def _notes(history: DetectionHistory, split: str | None, n_images: int) -> list[str]:
    length = history.runs_read[0].manifest.n_samples.get(split or "train") or 0
    if length > n_images:
        return [f"{length - n_images:,} of {length:,} images were never seen and are not in the tables."]
    return []


def _watched(epochs: Iterator[tuple[int, Detections]], total: int, progress: bool) -> Iterator[tuple[int, Detections]]:
    if not progress:
        return epochs
    from tqdm import tqdm

    return iter(tqdm(epochs, total=total, desc="epochs", unit="epoch", leave=False))
