"""Ways into a history: a path, several paths, or arrays."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import encode
from labelaudit.history.folder import open_folder
from labelaudit.history.foreign import is_foreign, open_foreign
from labelaudit.history.history import History
from labelaudit.history.manifest import Manifest
from labelaudit.history.rows import as_array, integer_labels, one_of, unique_ids, unique_names
from labelaudit.history.runs import ROOM_OF_TASK, HeldOutRun, MemoryRun, Run, StoredRun, open_run
from labelaudit.history.samples import Samples, refuse_true_labels, true_labels_of

PathLike = str | os.PathLike[str]


def open_history(path: PathLike | History | Sequence[PathLike | History], *, held_out: str | None = None) -> History:
    """Open a history for reading.

    Args:
        path: the folder or fsspec URL a recorder wrote, or a ``.npz`` file with ``scores`` (or ``pred_probs``, or
            ``logits``), ``labels`` and, if you like, ``sample_ids`` and ``class_names``. Also what other tools wrote: a
            folder with dataset-cartography's ``dynamics_epoch_*.jsonl``, AUM's ``full_aum_records.csv``, InterpretDL's
            ``stats.pkl``; see `labelaudit.history.foreign.open_foreign`. Or a list of those, or of histories:
            runs on the same samples and labels.
        held_out: name of the split, such as "val", under which runs recorded samples of the same data set that they
            left out of training. They are read beside the others, each as a run of its own that nobody memorised:
            for cross-validated runs, where every sample is held out by some run and trained on by the others.

    Raises:
        LabelAuditError: nothing readable is there; what was found is said. Or a run trained on what it is said to
            have held out.
    """
    named = (str, os.PathLike, History)
    paths = [path] if isinstance(path, named) else list(path) if isinstance(path, Iterable) else [path]
    if not paths:
        raise LabelAuditError("open_history got an empty list; name at least one run")
    runs: list[Run] = []
    for one in paths:
        if isinstance(one, History):
            runs += one.trained if held_out is not None else one.runs_read
        elif not isinstance(one, (str, os.PathLike)):
            raise LabelAuditError(
                f"a {type(one).__name__} names no history; expected a path, a history, or a list of those. Of arrays: "
                "labelaudit.history_from_arrays(scores, labels)"
            )
        elif is_npz(Path(one)):
            runs += _from_npz(Path(one)).runs_read
        elif "://" not in os.fspath(one) and is_foreign(Path(one)):
            runs += open_foreign(Path(one)).runs_read
        else:
            run = open_run(open_folder(one))
            if not run.splits:
                raise LabelAuditError(f"{run.url} holds no finished epoch yet; let training go on, or run it again")
            runs.append(run)
    tasks = {run.manifest.task for run in runs}
    if len(tasks) > 1:
        raise LabelAuditError(f"these runs are of several tasks, {' and '.join(sorted(tasks))}: audit them apart")
    if tasks != {"classification"}:
        if held_out is not None:
            raise LabelAuditError(f"held_out= is about classification, and these runs are of {tasks.pop()}")
        of_task: type[History] = import_module(ROOM_OF_TASK[tasks.pop()]).HISTORY
        return of_task(runs)
    if held_out is not None:
        runs += _held_out_runs(runs, held_out)
    return History(sorted(runs, key=lambda run: isinstance(run, HeldOutRun)))


def _held_out_runs(runs: Sequence[Run], split: str) -> list[Run]:
    named = [run for run in runs if isinstance(run, StoredRun) and split in run.splits and split != "train"]
    found: list[Run] = [HeldOutRun(run, split) for run in named]
    if not found:
        names = sorted({name for run in runs for name in run.splits})
        raise LabelAuditError(f"no run holds predictions under held_out={split!r}; recorded splits: {', '.join(names)}")
    return found


def history_from_arrays(
    scores: Any,
    labels: Any,
    *,
    scores_are: str = "auto",
    sample_ids: Sequence[Any] | None = None,
    class_names: Sequence[str] | None = None,
    planted: Any = None,
) -> History:
    """Return a history of arrays in memory (not copied to half precision).

    Args:
        scores: (epochs, samples, classes) logits or probabilities; (samples, classes) is one epoch.
        labels: (samples,) given labels, 0 to K - 1.
        scores_are: "logits", "probabilities" or "auto" (rows in [0, 1] that sum to 1 are probabilities, whose
            logarithms, floored at ln 1e-12, then stand for the logits).
        sample_ids: (samples,) the user's ids.
        class_names: one name per class.
        planted: see `plant_mistakes`.

    Raises:
        LabelAuditError: shapes do not fit, labels are out of range, scores are NaN or no probabilities.

    Example:
        >>> scores = [[[0.2, 0.8], [0.9, 0.1]], [[0.1, 0.9], [0.8, 0.2]]]
        >>> history_from_arrays(scores, [1, 0]).mean_scores().round(2).tolist()
        [[0.15000000596046448, 0.8500000238418579], [0.8500000238418579, 0.15000000596046448]]
    """
    one_of("scores_are", scores_are, ("auto", "logits", "probabilities"))
    cube = _cube(scores)
    given = integer_labels(np.atleast_1d(as_array(labels, "labels")))
    epochs, n, n_classes = cube.shape
    if given.shape != (n,):
        raise LabelAuditError(
            f"lengths differ: scores have shape {cube.shape} (epochs, samples, classes), labels {given.shape}; "
            f"expected {n:,} labels"
        )
    if cube.size == 0:
        raise LabelAuditError(f"scores have shape {cube.shape}: there is nothing to read")
    if np.isnan(cube).any():
        epoch, row, _ = (int(axis[0]) for axis in np.nonzero(np.isnan(cube)))
        raise LabelAuditError(f"scores hold NaN (first: epoch {epoch}, sample {row}); leave those epochs out")
    n_classes = max(n_classes, 2)
    if given.min() < 0 or given.max() >= n_classes:
        worst = int(given.min()) if given.min() < 0 else int(given.max())
        raise LabelAuditError(f"label {worst} is out of range: scores have {n_classes} classes, 0 to {n_classes - 1}")
    if class_names is not None and len(class_names) != n_classes:
        raise LabelAuditError(f"class_names has {len(class_names)} names, the scores have {n_classes} classes")
    kind = encode.scores_kind(cube.reshape(epochs * n, -1)) if scores_are == "auto" else scores_are
    ids = None if sample_ids is None else unique_ids(sample_ids)
    if ids is not None and len(ids) != n:
        raise LabelAuditError(f"sample_ids has {len(ids):,} entries, the scores have {n:,} samples")
    logits = []
    for epoch in cube:
        encode.check_scores(epoch, np.arange(n) if ids is None else ids, kind)
        logits.append(encode.as_logits(epoch, kind))
    true = None if planted is None else true_labels_of(planted, n)
    if true is not None:
        refuse_true_labels(true, n_classes)
    table = Samples(np.arange(n, dtype=np.int64), given.astype(np.int32), ids, true)
    names = None if class_names is None else unique_names(class_names)
    facts = Manifest("classification", n_classes, names, "scores", "single", kind, "position", {"train": n})
    return History([MemoryRun(logits, table, facts.with_(finished=True))])


def _cube(scores: Any) -> npt.NDArray[np.floating[Any]]:
    if isinstance(scores, (list, tuple)) and scores and np.ndim(scores[0]) == 2:
        shapes = [np.shape(epoch) for epoch in scores]
        for epoch, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise LabelAuditError(
                    f"epochs differ in shape: epoch 0 has {shapes[0]} (samples, classes), epoch {epoch} has {shape}. "
                    "Every epoch needs the same samples; labelaudit.Recorder takes epochs that saw only some"
                )
    try:
        cube = np.asarray(scores)
    except ValueError:
        raise LabelAuditError("epochs differ in shape; expected (epochs, samples, classes) numbers") from None
    if cube.dtype.kind in "iub":
        cube = cube.astype(np.float64)
    if cube.ndim == 2:
        cube = cube[None]
    if cube.ndim != 3 or cube.dtype.kind != "f":
        raise LabelAuditError(
            f"scores have shape {cube.shape} and type {cube.dtype}; expected (epochs, samples, classes) numbers"
        )
    return cube


def is_npz(path: Path) -> bool:
    """Return whether a path names a NumPy archive."""
    return path.name.endswith(".npz") and not path.is_dir()


def _from_npz(path: Path) -> History:
    if not path.is_file():
        raise LabelAuditError(f"there is no file {path}")
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as problem:
        raise LabelAuditError(f"{path} cannot be read as a NumPy archive without pickles: {problem}") from None
    name = next((name for name in ("scores", "pred_probs", "logits") if name in arrays), None)
    if name is None or "labels" not in arrays:
        raise LabelAuditError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; expected scores (or pred_probs) and labels"
        )
    names, ids = arrays.get("class_names"), arrays.get("sample_ids")
    try:
        return history_from_arrays(
            arrays[name],
            arrays["labels"],
            scores_are={"pred_probs": "probabilities", "logits": "logits"}.get(name, "auto"),
            sample_ids=None if ids is None else ids.tolist(),
            class_names=None if names is None else [str(name) for name in names],
        )
    except LabelAuditError as problem:
        raise LabelAuditError(f"{path}, {name}: {problem}") from None
