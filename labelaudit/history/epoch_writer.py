"""What the recorders of all tasks share: a folder, its samples table, and one file per epoch, whole or not at all."""

from __future__ import annotations

import datetime
import operator
import os
import warnings
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
from labelaudit.history.given_ids import GivenIds, refuse_no_positions
from labelaudit.history.layout import EpochFile

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Self


class SupersededError(LabelAuditError):
    """Another training has begun in the folder since: what this one writes from now on would not count."""


class EpochWriter(ABC):
    """One writer of a history. A task's recorder adds how rows are checked (`record`) and what a sample is.

    Args:
        path: a folder (made if absent) or an fsspec URL.
        n_samples: length of the dataset, or {split: length}; checked against an earlier run's.
        given: what the user says of the samples; checked against what was said in an earlier run.
        task: what is recorded; an earlier history in the folder must be of the same.
        overwrite: replace a history that is already there.
        resume: go on after the last epoch of a finished history, or without a warning of an unfinished one.
        start_epoch: the epoch training starts with, as of `Recorder`.
        writer: which of several parallel writers this is (the rank).
        segment: number of this start, the same for all writers; None: the next free one.

    Attributes:
        segment: number of this start.

    Raises:
        LabelAuditError: the folder holds something that may not be replaced.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        n_samples: int | Mapping[str, int | None] | None,
        given: GivenIds,
        task: str,
        overwrite: bool,
        resume: bool,
        start_epoch: int | None,
        writer: int,
        segment: int | None,
    ) -> None:
        self._folder: Folder = open_folder(path)
        self._lengths = dict(n_samples) if isinstance(n_samples, Mapping) else {"train": n_samples}
        self._given, self._task, self._writer = given, task, writer
        self._open: dict[str, Any] = {}  # split -> WaitingRows
        self._known: dict[str, Any] = {}  # split -> SampleRows
        self._next: dict[str, int] = {}  # split -> number of its next epoch, once one was ended
        self._manifest: manifest.Manifest | None = None
        self._superseded: manifest.Manifest | None = None  # of an unfinished history that is begun anew
        self._manifest_written = False
        self._in_parts: set[str] = set()  # splits whose open epoch a part was saved of
        self._to_remove: list[str] = []
        self._n_parts = saved_part.next_number(self._folder)  # not 0: there is something to remove
        self._seen = _files(self._folder)  # epoch files, of before and its own
        start = None if start_epoch is None else _epoch_number(start_epoch)
        self._check_what_is_there(overwrite, resume, start, segment)
        # SampleRows of an earlier start of which more is known now
        self._restated: dict[str, Any] = given.compare(self._known, self._folder.url)
        self._known |= self._restated
        self._say_where_it_goes_on(asked=resume or start is not None)

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

    def _going_on(self, before: manifest.Manifest) -> manifest.Manifest:
        """Return the manifest of a history that this start goes on with; refuse options that do not fit it."""
        return before

    def _write_beside(self, number: int, split: str, *, whole: bool) -> None:
        """Write what belongs to an epoch and counts once its file stands."""
        return

    # The folder

    def _check_what_is_there(self, overwrite: bool, resume: bool, start: int | None, segment: int | None) -> None:
        url = self._folder.url
        if os.path.isfile(url):
            raise LabelAuditError(f"{url} is a file; a history is a folder. Name another path")
        splits = self._folder.folders("epochs")
        files = [file for _, file in self._seen]
        last = max(layout.current_files(files), default=-1)
        newest = max((file.segment for file in files), default=-1)
        self.segment = newest + 1 if segment is None else segment
        self._first = last + 1 if start is None else start
        if not files or overwrite:
            self._first = start or 0
            if self._writer == 0:
                # The manifest first: what a kill in between leaves must not read like a whole history.
                old = [manifest.NAME] if manifest.NAME in self._folder.names() else []
                self._to_remove = old + layout.data_files(self._folder)
            return
        if manifest.NAME not in self._folder.names():
            raise LabelAuditError(
                f"{url} has epoch files but no {manifest.NAME}: restore it from a copy, name another folder, or pass "
                "overwrite=True"
            )
        before = manifest.read_manifest(self._folder)
        if before.task != self._task:
            raise LabelAuditError(
                f"{url} holds a history of {before.task}, this is {self._task}. Name another folder or pass "
                "overwrite=True"
            )
        if before.finished and not resume and not start:
            raise LabelAuditError(
                f"{url} already holds a finished history of {last + 1} epochs. To replace it pass "
                "overwrite=True; to keep it name another folder, or resume training from its checkpoint"
            )
        for split, length in self._lengths.items():
            length_before = before.n_samples.get(split)
            if None not in (length_before, length) and length_before != length:
                raise LabelAuditError(
                    f"{url} was recorded on a {split} set of {length_before:,} samples, this one has {length:,}: "
                    "positions would no longer mean the same samples. Name another folder or pass overwrite=True"
                )
        for split in splits:
            self._known[split] = self._read_samples(split)
            refuse_no_positions(self._known[split], self._lengths.get(split), split, url)
        if start == 0:  # every epoch there will be superseded
            self._superseded = before
        else:
            self._manifest = self._going_on(before)
            if before.keys == "position":  # what is no position was not meant as one
                known = {split: length for split, length in self._lengths.items() if length is not None}
                self._lengths = {**before.n_samples, **known}

    def _say_where_it_goes_on(self, *, asked: bool) -> None:
        """Warn, once for all parallel writers, where a start goes on with an unfinished history unasked."""
        joins = any(file.segment >= self.segment for _, file in self._seen)  # the others of this start write already
        if self._manifest is not None and not asked and self._writer == 0 and not joins:
            warnings.warn(
                f"{self._folder.url} holds epochs up to {self._first - 1} of a training that did not come to its end, "
                f"and this one goes on with epoch {self._first}. Where the model begins anew pass overwrite=True (or "
                "start_epoch=0); where it goes on from its checkpoint pass resume=True, or call load_state_dict() "
                "where the recorder has it",
                stacklevel=4,
            )

    def check_writable(self) -> None:
        """Try whether files can be put in the folder; nothing is left there.

        Raises:
            OSError: they can't.
        """
        self._folder.check_writable()

    @staticmethod
    def next_segment(path: str | os.PathLike[str]) -> int:
        """Return the number of the next start in a folder; parallel writers must share it."""
        return max((file.segment for _, file in _files(open_folder(path))), default=-1) + 1

    @staticmethod
    def recorded_epochs(path: str | os.PathLike[str]) -> list[int]:
        """Return the numbers of the epochs that a folder holds, of any split."""
        return list(layout.current_files([file for _, file in _files(open_folder(path))]))

    def _begin(self, facts: manifest.Manifest) -> manifest.Manifest:
        """Begin a new history with these facts, once its first rows are known to be good. Nothing is written."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._manifest = facts.with_(task=self._task, n_samples=self._lengths, created=now)
        return self._manifest

    def _make_room(self) -> None:
        """Remove the history that is overwritten, right before the first file of the new one is written."""
        for name in self._to_remove:
            self._folder.remove(name)
        self._to_remove = []

    # Epochs

    @property
    def next_epoch(self) -> int:
        """Number of the epoch after the newest one that was ended."""
        return max(self._next.values(), default=self._first)

    def _number(self, epoch: int | None, split: str) -> int:
        """Return the number of an epoch; None: the split's next one."""
        return self._next.get(split, self._first) if epoch is None else _epoch_number(epoch)

    def end_epoch(self, epoch: int | None = None, *, split: str = "train", whole: bool = True) -> int:
        """Write the epoch's file, whole or not at all, and return the epoch's number; None: the split's next one.

        Nothing is written when no rows were recorded. `whole=False` says that training stopped within the epoch: what
        `save_part` kept of it stays, for a run that is resumed from there.

        Raises:
            LabelAuditError: a sample's label differs from the one recorded before, or `epoch` is no number.
            OSError: the disk is full or may not be written; the rows are kept, call again to retry.
        """
        number = self._number(epoch, split)
        waiting = self._open.get(split)
        if waiting is None or self._manifest is None:
            return number
        finished: EpochRows = waiting.finished()
        fresh = self._new_samples(finished, split)
        file = EpochFile(number, self.segment, self._writer)
        self._refuse_another_training(file, split)
        header = {
            "split": split,
            "epoch": number,
            "segment": self.segment,
            "writer": self._writer,
            "rows": len(finished.samples),
            "presented": finished.presented,
        }
        data = arrow_file.encode(finished.arrow_columns(), header, compress=not finished.dense)
        self._make_room()
        if not self._manifest_written:
            self._manifest = self._manifest.with_(finished=False)
            if not self._is_said(self._manifest):
                self._manifest.write(self._folder)
            self._manifest_written = True
        if fresh is not None:
            self._write_samples(fresh, split, file)
        self._write_beside(number, split, whole=whole)
        self._seen.add((split, file))
        self._folder.write(f"{layout.epochs_folder(split)}/{file.name}", data)
        self.discard_epoch(split=split)
        if self._n_parts and whole:
            saved_part.remove(self._folder, split, self._writer, up_to=number)
        self._next[split] = number + 1
        return number

    def _refuse_another_training(self, file: EpochFile, split: str) -> None:
        """Refuse to write an epoch where another training writes as well."""
        others = self._written_by_others()
        if self._is_superseded(others):
            raise SupersededError(
                f"another training has begun in {self._folder.url}: its epochs count now, and those of this one no "
                "longer do. Nothing more is written here. Give every training a folder of its own"
            )
        if (split, file) in others:
            raise LabelAuditError(
                f"another training is writing to {self._folder.url}, too: epoch {file.epoch} of {split} is there "
                "already. Give every training a folder of its own"
            )

    def _written_by_others(self) -> set[tuple[str, EpochFile]]:
        """Return the epoch files, by split, that others have put there since this start began."""
        return _files(self._folder) - self._seen

    def _is_superseded(self, others: set[tuple[str, EpochFile]]) -> bool:
        """Say whether a newer start is among the others."""
        return any(file.segment > self.segment for _, file in others)

    def _is_said(self, facts: manifest.Manifest) -> bool:
        """Say whether another writer's manifest holds these facts already; writer 0 may have called it finished."""
        if self._writer == 0 or manifest.NAME not in self._folder.names():
            return False
        there = manifest.read_manifest(self._folder)
        return there.with_(finished=facts.finished, created=facts.created) == facts

    def _new_samples(self, epoch: EpochRows, split: str) -> SampleRows | None:
        """Return the samples to write: those seen for the first time, and those of which more is known now."""
        seen = epoch.samples
        known = self._known.get(split)
        new = np.ones(len(seen), bool) if known is None else ~self._known_rows(known, seen, split)
        if not new.any():
            return self._restated.get(split)
        new_rows = np.flatnonzero(new)
        if seen.ids is not None:  # strings have no order of their own: the order of arrival is kept
            new_rows = new_rows[np.argsort(epoch.arrival[new_rows])]
        fresh = seen.take(new_rows)
        self._given.complete(fresh, known, split, self._folder.url)
        restated = self._restated.get(split)
        return fresh if restated is None else self._join_samples(restated, fresh)

    def _write_samples(self, fresh: SampleRows, split: str, file: EpochFile) -> None:
        data = arrow_file.encode(fresh.columns(), {"split": split, "epoch": file.epoch}, compress=True)
        self._folder.write(f"{layout.samples_folder(split)}/{file.name}", data)
        known = self._known.get(split)
        self._known[split] = fresh if known is None else self._join_samples(known, fresh)
        self._restated.pop(split, None)

    def discard_epoch(self, *, split: str = "train") -> None:
        """Forget the rows of an epoch that will not be finished."""
        self._open.pop(split, None)
        self._in_parts.discard(split)

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
        name = saved_part.name_of(self._number(epoch, split), self.segment, self._n_parts)
        finished: EpochRows = waiting.finished()
        self._make_room()
        saved_part.write(self._folder, split, name, self._writer, finished, self._manifest)
        self._n_parts += 1
        self._in_parts.add(split)
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
        self._manifest = self._manifest or self._going_on(facts)
        self._open[split] = self._waiting_rows(part, presented)
        self._given.note_kind(split, text="sample_id" in part.column_names)
        self._n_parts += 1
        return True

    # The end

    def close(self, *, finished: bool = True) -> None:
        """End the recording; ``finished`` says that the training came to its end.

        Rows recorded since the last `end_epoch` are forgotten; where the training came to its end, a warning says so.
        """
        unwritten = self.take_unwritten()
        marks = finished and self._manifest_written and self._writer == 0
        if self._manifest is not None and marks and not self._is_superseded(self._written_by_others()):
            self._manifest = self._manifest.with_(finished=True)
            self._manifest.write(self._folder)
        if finished:
            self.say_unwritten(unwritten)

    def take_unwritten(self) -> list[str]:
        """Forget the rows of epochs that were not ended, and return the splits whose rows are kept nowhere."""
        splits = sorted(self._open.keys() - self._in_parts)
        self._open.clear()
        return splits

    def say_unwritten(self, splits: list[str]) -> None:
        """Warn that rows of these splits were never written."""
        if splits:
            warnings.warn(
                f"{self._folder.url}: rows of {' and '.join(splits)} were recorded and never written, for no epoch was"
                " ended after them. Call end_epoch() after an epoch's last batch (with split= but for train)",
                stacklevel=3,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)


def _epoch_number(epoch: Any) -> int:
    try:
        number = operator.index(epoch)
    except TypeError:
        number = -1
    if number < 0:
        raise LabelAuditError(f"epoch {epoch!r} is no number of an epoch; expected an integer, 0 or more")
    return number


def _files(folder: Folder) -> set[tuple[str, EpochFile]]:
    """Return all epoch files, each with its split."""
    splits = folder.folders("epochs")
    return {(split, file) for split in splits for file in layout.list_files(folder, layout.epochs_folder(split))}
