"""The runs that a history is made of: one on disk, or arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, embedding_files, layout, samples
from labelaudit.history.epoch_rows import EpochRows
from labelaudit.history.folder import Folder
from labelaudit.history.manifest import NAME as MANIFEST
from labelaudit.history.manifest import Manifest, read_manifest
from labelaudit.history.part import SUMMARY, EpochPart, part_of_tables
from labelaudit.history.rows import FinishedEpoch
from labelaudit.history.samples import Samples

Array = npt.NDArray[Any]
IN_MEMORY = "(in memory)"
ROOM_OF_TASK = {"detection": "labelaudit.detection.store.history"}  # has the task's RUN and HISTORY


class Run(Protocol):
    """One training run, as analyzers read it."""

    url: str
    manifest: Manifest
    splits: tuple[str, ...]

    def samples(self, split: str) -> Samples:
        """The samples table, in dataset order."""

    def epochs(self, split: str) -> list[int]:
        """Numbers of the recorded epochs, ascending."""

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """One epoch's predictions, rows numbered as in the samples table."""


class StoredRun:
    """A run on disk or in an object store.

    Raises:
        LabelAuditError: the folder holds no history, no finished epoch, or one that cannot be read.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder, self.url = folder, folder.url
        if MANIFEST not in folder.names():
            raise LabelAuditError(_what_is_there(folder))
        self.manifest = read_manifest(folder)
        splits = folder.folders("epochs")
        self._files = {
            split: layout.current_files(layout.list_files(folder, layout.epochs_folder(split))) for split in splits
        }
        self.splits = tuple(sorted((s for s in splits if self._files[s]), key=lambda s: (s != "train", s)))
        self._samples: dict[str, Samples] = {}
        self._verified: set[str] = set()

    def samples(self, split: str) -> Samples:
        """Return the samples table, sorted by position or integer id; string ids as first seen."""
        if split not in self._samples:
            found = samples.named(samples.read(self.folder, split))
            self._refuse_no_samples(split, len(found))
            hashed = found.ids is not None and self.manifest.keys == "id"
            self._samples[split] = found if hashed else found.take(np.argsort(found.keys, kind="stable"))
        return self._samples[split]

    def epochs(self, split: str) -> list[int]:
        """Return the numbers of the recorded epochs."""
        return list(self._files.get(split, ()))

    def files(self, split: str) -> list[str]:
        """Return the epoch files that count, below the folder."""
        of_epochs = self._files.get(split, {}).values()
        return [f"{layout.epochs_folder(split)}/{file.name}" for files in of_epochs for file in files]

    def epoch_files(self, split: str, epoch: int) -> list[layout.EpochFile]:
        """Return an epoch's files that count, in the writers' order."""
        return self._files[split][epoch]

    def embedding_files(self, split: str) -> dict[int, list[layout.EpochFile]]:
        """Return the files of recorded embeddings by epoch, those that count."""
        recorded = [file for files in self._files.get(split, {}).values() for file in files]
        return embedding_files.counted_files(self.folder, split, recorded)

    def tables(self, split: str, epoch: int) -> list[pa.Table]:
        """Read and check an epoch's files, one table per writer."""
        tables = []
        for file in self._files[split][epoch]:
            name = f"{layout.epochs_folder(split)}/{file.name}"
            where, verified = f"{self.url}/{name} (epoch {epoch})", name in self._verified
            try:
                data = self.folder.read(name)
            except FileNotFoundError:
                raise LabelAuditError(
                    f"{where} is no longer where it was when the history was opened: it was moved or replaced. Open it "
                    "again"
                ) from None
            header, table = arrow_file.decode(data, where, verified=verified, spare=True)
            self._verified.add(name)
            if (header["epoch"], header["split"]) != (epoch, split):
                raise LabelAuditError(
                    f"{self.url}/{name} holds epoch {header['epoch']} of split {header['split']}: it was renamed. "
                    "Give the file its name back"
                )
            tables.append(table)
        return tables

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """Return an epoch's predictions."""
        keys = self.samples(split).keys
        tables = self.tables(split, epoch)
        for file, table in zip(self._files[split][epoch], tables, strict=True):
            self._refuse_other_columns(file, table, split)
        try:
            return part_of_tables(tables, keys, self.manifest.n_classes)
        except KeyError:
            raise self._unnamed(split, epoch) from None

    def epoch_rows(self, split: str, epoch: int, presented: int) -> EpochRows:
        """Return an epoch's rows as they would be written to one file."""
        part, table = self.open_epoch(split, epoch), self.samples(split)
        rows = np.arange(len(part)) if part.rows is None else part.rows
        order = np.argsort(table.keys[rows], kind="stable")
        columns = {
            name: np.stack([of_class[order] for of_class in column]) if name == "scores" else column[order]
            for name, column in part.columns.items()
        }
        return FinishedEpoch(table.take(rows[order]), columns, presented, order)

    def n_rows(self, split: str, epoch: int) -> int:
        """Return how many samples an epoch saw, once its files are found to be whole."""
        return len(self.open_epoch(split, epoch))

    def _refuse_other_columns(self, file: layout.EpochFile, table: pa.Table, split: str) -> None:
        """Refuse a file of a history with other classes, or of which something else was kept."""
        n_classes, keep = self.manifest.n_classes, self.manifest.keep
        found = {name for name in table.column_names if name.startswith("score_") or name in SUMMARY}
        if found != (set(SUMMARY) if keep == "summary" else {f"score_{k}" for k in range(n_classes)}):
            shown = ", ".join(sorted(found)[:4]) + (", ..." if len(found) > 4 else "")
            raise LabelAuditError(
                f"{self.url}/{layout.epochs_folder(split)}/{file.name} is of another history: it holds "
                f'{shown or "no scores"}, and {MANIFEST} says {n_classes} classes, keep="{keep}". Put it where it was'
            )

    def _refuse_no_samples(self, split: str, found: int) -> None:
        if not found and split in self.splits:
            raise LabelAuditError(
                f"{self.url} holds epochs of {split}, but samples/{split}, which names their samples, is missing or "
                "empty. Restore it from a copy, or record again"
            )

    def _unnamed(self, split: str, epoch: int) -> LabelAuditError:
        return LabelAuditError(
            f"{self.url}: epoch {epoch} holds samples that samples/{split} does not name; a file is missing there. "
            "Restore it from a copy, or record again"
        )


def open_run(folder: Folder) -> StoredRun:
    """Return the run in a folder, of whatever task it is.

    Raises:
        LabelAuditError: the folder holds no history, no finished epoch, or one that cannot be read.
    """
    run = StoredRun(folder)
    if run.manifest.task == "classification":
        return run
    if run.manifest.task in ROOM_OF_TASK:
        of_task: type[StoredRun] = import_module(ROOM_OF_TASK[run.manifest.task]).RUN
        return of_task(folder)
    raise LabelAuditError(
        f"{run.url} is a history of {run.manifest.task}, which this labelaudit does not read. "
        "Type: pip install --upgrade labelaudit"
    )


def _what_is_there(folder: Folder) -> str:
    path = Path(folder.url)
    if path.is_file():
        hint = "name the folder it lies in" if path.suffix == ".jsonl" else "name the folder of a history"
        return f"{path} is a file that is no history: {hint}"
    names, folders = folder.names(), folder.folders()
    if "epochs" in folders:
        return f"{folder.url} has epoch files but no {MANIFEST}: restore it, or record again"
    below = [name for name in folders if MANIFEST in folder.names(name)]
    if below:
        return f"{folder.url} is no history, but {folder.url}/{below[0]} is one: name that"
    what = "is empty or does not exist" if not names and not folders else f"has no {MANIFEST}"
    return (
        f"no history: {folder.url} {what}. Expected the folder that PredictionRecorder or labelaudit.Recorder "
        "wrote, with at least one finished epoch"
    )


class MemoryRun:
    """A run of arrays: scores (E, n, K), labels (n,)."""

    def __init__(self, logits: Sequence[Array], table: Samples, manifest: Manifest) -> None:
        self.url, self.manifest = IN_MEMORY, manifest
        self.splits: tuple[str, ...] = ("train",)
        self._logits, self._table = logits, table

    def samples(self, split: str) -> Samples:
        """Return the samples table."""
        return self._table if split in self.splits else self._table.take(np.arange(0))

    def epochs(self, split: str) -> list[int]:
        """Return 0 to E - 1."""
        return list(range(len(self._logits))) if split in self.splits else []

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """Return one epoch, not copied."""
        columns = {"scores": list(self._logits[epoch].T)}
        return EpochPart(None, columns, self.manifest.n_classes)


class HeldOutRun:
    """The samples that a run left out of training, as its model predicted them in each epoch: a run of its own.

    It stands for "train" in a history, so that these predictions are read beside those of runs that trained on the
    samples.

    Args:
        run: the run.
        split: under which name it recorded them, as `held_out` then says.

    Raises:
        LabelAuditError: the run trained on one of them.
    """

    def __init__(self, run: StoredRun, split: str) -> None:
        self.run, self.held_out = run, split
        self.url, self.manifest = run.url, run.manifest
        self.splits: tuple[str, ...] = ("train",)
        trained_on, held = run.samples("train"), run.samples(split)
        both = np.isin(held.keys, trained_on.keys)
        if both.any():
            where = held.keys if held.ids is None else held.ids
            raise LabelAuditError(
                f"{run.url} trained on {int(both.sum()):,} samples of its split {split!r} (first: {where[both][0]}): "
                "they are not held out. Leave held_out= out"
            )

    def samples(self, split: str) -> Samples:
        """Return the table of the samples held out."""
        held = self.run.samples(self.held_out)
        return held if split in self.splits else held.take(np.arange(0))

    def epochs(self, split: str) -> list[int]:
        """Return the numbers of the epochs in which they were predicted."""
        return self.run.epochs(self.held_out) if split in self.splits else []

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """Return one epoch."""
        return self.run.open_epoch(self.held_out, epoch)


class AlignedRun:
    """A run among several: its rows numbered as in the table that all of them share."""

    def __init__(self, run: Run, rows: Array) -> None:
        self.run, self._rows = run, rows

    @cached_property
    def _ascending(self) -> bool:
        return bool(np.all(np.diff(self._rows) > 0))

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """Return one epoch with shared row numbers."""
        part = self.run.open_epoch(split, epoch)
        rows = self._rows[: len(part)] if part.rows is None else self._rows[part.rows]
        if self._ascending:
            return EpochPart(rows, part.columns, part.n_classes, part.shifted)
        order = np.argsort(rows, kind="stable")
        columns = {
            name: [c[order] for c in column] if name == "scores" else column[order]
            for name, column in part.columns.items()
        }
        return EpochPart(rows[order], columns, part.n_classes, part.shifted)
