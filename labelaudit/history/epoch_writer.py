"""What the recorders of all tasks share: a folder, its samples table, and one file per epoch, whole or not at all."""

from __future__ import annotations

import datetime
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, layout, manifest, saved_part
from labelaudit.history.epoch_rows import EpochRows, SampleRows, WaitingRows
from labelaudit.history.folder import Folder, open_folder
from labelaudit.history.layout import EpochFile

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Self


class EpochWriter(ABC):
    """One writer of a history. A task's recorder adds how rows are checked (`record`) and what a sample is.

    Args:
        path: a folder (made if absent) or an fsspec URL.
        n_samples: length of the dataset, or {split: length}; checked against an earlier run's.
        task: what is recorded; an earlier history in the folder must be of the same.
        overwrite: replace a history that is already there.
        resume: go on after the last epoch of a finished history.
        start_epoch: the epoch training starts with, as of `Recorder`.
        writer: which of several parallel writers this is (the rank).
        segment: number of this start, the same for all writers; None: the next free one.

    Attributes:
        segment: number of this start.
        next_epoch: what `end_epoch` calls the next epoch.

    Raises:
        LabelAuditError: the folder holds something that may not be replaced.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        n_samples: int | Mapping[str, int | None] | None,
        task: str,
        overwrite: bool,
        resume: bool,
        start_epoch: int | None,
        writer: int,
        segment: int | None,
    ) -> None:
        self._folder: Folder = open_folder(path)
        self._lengths = dict(n_samples) if isinstance(n_samples, Mapping) else {"train": n_samples}
        self._task, self._writer = task, writer
        self._open: dict[str, Any] = {}  # split -> WaitingRows
        self._known: dict[str, Any] = {}  # split -> SampleRows
        self._manifest: manifest.Manifest | None = None
        self._manifest_written = False
        self._to_remove: list[str] = []
        self._n_parts = len(self._folder.folders("parts"))  # not 0: there is something to remove
        self._check_what_is_there(overwrite, resume, start_epoch, segment)

    # What a task's recorder adds

    @abstractmethod
    def _read_samples(self, split: str) -> SampleRows:
        """Return the samples that an earlier start has written."""

    @abstractmethod
    def _known_rows(self, known: Any, seen: Any, split: str) -> npt.NDArray[np.bool_]:
        """Say which of the seen samples are known, (n,); refuse one of which something else is known."""

    @abstractmethod
    def _join_samples(self, known: Any, fresh: Any) -> SampleRows:
        """Return both tables as one."""

    @abstractmethod
    def _waiting_rows(self, part: pa.Table, presented: int) -> WaitingRows:
        """Return the rows of a saved part, which stand for that many presentations."""

    @abstractmethod
    def _complete(self, fresh: Any, split: str) -> None:
        """Add to samples that are seen for the first time what the user said of them."""

    # The folder

    def _check_what_is_there(self, overwrite: bool, resume: bool, start: int | None, segment: int | None) -> None:
        url = self._folder.url
        splits = self._folder.folders("epochs")
        files = _files(self._folder)
        last = max(layout.current_files(files), default=-1)
        newest = max((file.segment for file in files), default=-1)
        self.segment = newest + 1 if segment is None else segment
        self.next_epoch = last + 1 if start is None else start
        if not files or overwrite:
            self.next_epoch = start or 0
            self._to_remove = layout.data_files(self._folder) if self._writer == 0 else []
            return
        self._manifest = manifest.read_manifest(self._folder)
        if self._manifest.task != self._task:
            raise LabelAuditError(
                f"{url} holds a history of {self._manifest.task}, this is {self._task}. Name another folder or pass "
                "overwrite=True"
            )
        if self._manifest.finished and not resume and not start:
            raise LabelAuditError(
                f"{url} already holds a finished history of {last + 1} epochs. To replace it pass "
                "overwrite=True; to keep it name another folder, or resume training from its checkpoint"
            )
        for split, length in self._lengths.items():
            before = self._manifest.n_samples.get(split)
            if None not in (before, length) and before != length:
                raise LabelAuditError(
                    f"{url} was recorded on a {split} set of {before:,} samples, this one has {length:,}: "
                    "positions would no longer mean the same samples. Name another folder or pass overwrite=True"
                )
        for split in splits:
            self._known[split] = self._read_samples(split)

    def check_writable(self) -> None:
        """Try whether files can be put in the folder; nothing is left there.

        Raises:
            OSError: they can't.
        """
        self._folder.check_writable()

    @staticmethod
    def next_segment(path: str | os.PathLike[str]) -> int:
        """Return the number of the next start in a folder; parallel writers must share it."""
        return max((file.segment for file in _files(open_folder(path))), default=-1) + 1

    @staticmethod
    def recorded_epochs(path: str | os.PathLike[str]) -> list[int]:
        """Return the numbers of the epochs that a folder holds, of any split."""
        return list(layout.current_files(_files(open_folder(path))))

    def _begin(self, facts: manifest.Manifest) -> manifest.Manifest:
        """Begin a new history with these facts, once its first rows are known to be good."""
        for name in self._to_remove:
            self._folder.remove(name)
        self._to_remove = []
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._manifest = facts.with_(task=self._task, n_samples=self._lengths, created=now)
        return self._manifest

    # Epochs

    def end_epoch(self, epoch: int | None = None, *, split: str = "train", whole: bool = True) -> int:
        """Write the epoch's file, whole or not at all, and return the epoch's number.

        Nothing is written when no rows were recorded. `whole=False` says that training stopped within the epoch: what
        `save_part` kept of it stays, for a run that is resumed from there.

        Raises:
            LabelAuditError: a sample's label differs from the one recorded before.
            OSError: the disk is full or may not be written; the rows are kept, call again to retry.
        """
        number = self.next_epoch if epoch is None else epoch
        waiting = self._open.get(split)
        if waiting is None or self._manifest is None:
            return number
        finished: EpochRows = waiting.finished()
        if not self._manifest_written:
            self._manifest = self._manifest.with_(finished=False)
            self._manifest.write(self._folder)
            self._manifest_written = True
        file = EpochFile(number, self.segment, self._writer)
        self._write_new_samples(finished, split, file)
        header = {
            "split": split,
            "epoch": number,
            "segment": self.segment,
            "writer": self._writer,
            "rows": len(finished.samples),
            "presented": finished.presented,
        }
        data = arrow_file.encode(finished.arrow_columns(), header, compress=not finished.dense)
        self._folder.write(f"{layout.epochs_folder(split)}/{file.name}", data)
        self.discard_epoch(split=split)
        if self._n_parts and whole:
            saved_part.remove(self._folder, split, self._writer, up_to=number)
        self.next_epoch = number + 1
        return number

    def _write_new_samples(self, epoch: EpochRows, split: str, file: EpochFile) -> None:
        seen = epoch.samples
        known = self._known.get(split)
        new = np.ones(len(seen), bool) if known is None else ~self._known_rows(known, seen, split)
        if not new.any():
            return
        new_rows = np.flatnonzero(new)
        if seen.ids is not None:  # strings have no order of their own: the order of arrival is kept
            new_rows = new_rows[np.argsort(epoch.arrival[new_rows])]
        fresh = seen.take(new_rows)
        self._complete(fresh, split)
        data = arrow_file.encode(fresh.columns(), {"split": split, "epoch": file.epoch}, compress=True)
        self._folder.write(f"{layout.samples_folder(split)}/{file.name}", data)
        self._known[split] = fresh if known is None else self._join_samples(known, fresh)

    def discard_epoch(self, *, split: str = "train") -> None:
        """Forget the rows of an epoch that will not be finished."""
        self._open.pop(split, None)

    # Parts of epochs

    def save_part(self, epoch: int | None = None, *, split: str = "train") -> str | None:
        """Keep the rows of the open epoch beside the history, for a run that is resumed in the middle of it.

        Returns:
            What to pass to `load_part`, the same for all parallel writers; None when no rows are waiting.

        Raises:
            OSError: the disk is full or may not be written.
        """
        waiting = self._open.get(split)
        if waiting is None or self._manifest is None:
            return None
        name = saved_part.name_of(self.next_epoch if epoch is None else epoch, self.segment, self._n_parts)
        saved_part.write(self._folder, split, name, self._writer, waiting.finished(), self._manifest)
        self._n_parts += 1
        return name

    def load_part(self, name: str, *, split: str = "train") -> bool:
        """Go on with the rows that `save_part` kept; they count as presented first.

        Returns:
            Whether the part is there: it goes when its epoch is finished.

        Raises:
            LabelAuditError: the part is damaged, or was recorded with other options.
        """
        try:
            part, presented, facts = saved_part.read(self._folder, split, name, self._writer, self._manifest)
        except FileNotFoundError:
            return False
        self._manifest = self._manifest or facts
        self._open[split] = self._waiting_rows(part, presented)
        self._n_parts += 1
        return True

    # The end

    def close(self, *, finished: bool = True) -> None:
        """End the recording; ``finished`` says that the training came to its end.

        Rows recorded since the last `end_epoch` are forgotten.
        """
        self._open.clear()
        if self._manifest is not None and self._manifest_written and finished and self._writer == 0:
            self._manifest = self._manifest.with_(finished=True)
            self._manifest.write(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)


def _files(folder: Folder) -> list[EpochFile]:
    return [f for split in folder.folders("epochs") for f in layout.list_files(folder, layout.epochs_folder(split))]
