"""The embeddings that a recorder kept, in the order of a run's samples table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import embedding_files
from labelaudit.history.runs import Run, StoredRun

Array = npt.NDArray[Any]


def epochs_with_embeddings(run: Run, split: str) -> list[int]:
    """Return the numbers of the epochs whose embeddings are there."""
    return sorted(run.embedding_files(split)) if isinstance(run, StoredRun) else []


def first_with_embeddings(runs: Sequence[Run], split: str) -> int:
    """Return which run is the first that holds embeddings; 0 where none does."""
    return next((number for number, run in enumerate(runs) if epochs_with_embeddings(run, split)), 0)


def chosen_epoch(run: Run, split: str, epoch: int | None) -> int:
    """Return the epoch meant: default the newest whose embeddings are whole.

    Raises:
        LabelAuditError: no embeddings were recorded, or none of that epoch.
    """
    files = run.embedding_files(split) if isinstance(run, StoredRun) else {}
    if not files or not isinstance(run, StoredRun):
        raise LabelAuditError(
            f"{run.url} holds no {split} embeddings. Record them while the model trains: "
            'PredictionRecorder(path, embeddings="auto"), or recorder.record_embeddings(ids, vectors); '
            "of a finished model: labelaudit.Embeddings.from_model(model, dataloader)"
        )
    if epoch is None:
        return embedding_files.newest_whole(run.folder, split, files)
    if epoch not in files:
        kept = ", ".join(map(str, sorted(files)))
        raise LabelAuditError(
            f"{run.url} holds no {split} embeddings of epoch {epoch}; there are those of {kept}. "
            f"To keep more, record with embedding_epochs=[{epoch}] or every n epochs"
        )
    return epoch


def read_embeddings(run: Run, split: str, epoch: int) -> tuple[Array, Array]:
    """Return rows of the samples table (m,), ascending, and features (m, d), single precision.

    Samples that are not in the table (their label was ignored) are left out, and so are, with a warning, those whose
    features are not finite.
    """
    assert isinstance(run, StoredRun)
    keys, vectors = embedding_files.read(run.folder, split, run.embedding_files(split)[epoch])
    known = run.samples(split).keys
    order = np.argsort(known, kind="stable")
    place = order[np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)]
    finite = np.isfinite(vectors.sum(axis=1)) | np.isfinite(vectors).all(axis=1)
    kept = np.flatnonzero((known[place] == keys) & finite)
    if not finite.all():
        warnings.warn(
            f"{run.url}: {int((~finite).sum()):,} of {len(keys):,} {split} embeddings of epoch {epoch} hold NaN or "
            "infinity and are left out",
            stacklevel=4,
        )
    kept = kept[np.argsort(place[kept], kind="stable")]
    if len(kept) == len(keys) and (np.diff(kept) == 1).all():
        return place, vectors
    return place[kept], vectors[kept]
