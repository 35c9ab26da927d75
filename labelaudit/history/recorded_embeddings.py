"""The embeddings that a recorder kept, in the order of a run's samples table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import embedding_files
from labelaudit.history.runs import Run, StoredRun

if TYPE_CHECKING:
    from labelaudit.history.history import History

Array = npt.NDArray[Any]


def epochs_with_embeddings(run: Run, split: str) -> list[int]:
    """Return the numbers of the epochs whose embeddings are there."""
    return sorted(run.embedding_files(split)) if isinstance(run, StoredRun) else []


def chosen_run(history: History, split: str, run: int | None, *, stacklevel: int) -> int:
    """Return the number of the run meant: default the first that holds embeddings, 0 where none does.

    Warns where others hold some, too, since those are not read.

    Raises:
        LabelAuditError: there is no such run.
    """
    runs = history.trained
    if run is not None:
        if not 0 <= run < len(runs):
            raise LabelAuditError(f"run {run} is not in {history.path}; there are {len(runs)}, from 0")
        return run
    found = [number for number, one in enumerate(runs) if epochs_with_embeddings(one, split)]
    if len(found) > 1:
        warnings.warn(
            f"{len(found)} runs hold {split} embeddings, each in a space of its own; these are those of run "
            f"{found[0]}, {runs[found[0]].url}. Pass run=, or name another run first, to read others",
            stacklevel=stacklevel,
        )
    return next(iter(found), 0)


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
