"""The writer under every adapter: rows in, one file per epoch out."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, encode, layout, manifest, rows, samples, saved_part
from labelaudit.history.folder import Folder, open_folder
from labelaudit.history.layout import EpochFile
from labelaudit.history.samples import Samples

Array = npt.NDArray[Any]


class Recorder:
    """Records what a model predicts, epoch by epoch, into a history on disk. Needs only NumPy.

    Args:
        path: a folder (made if absent) or an fsspec URL.
        class_names: one name per class.
        sample_ids: the user's own id of every dataset position, (n,).
        n_samples: length of the dataset, or {split: length}; checked against an earlier run's.
        held_out: splits beside "train" whose positions are in the same dataset: samples that this run leaves out of
            training. ``sample_ids`` and ``planted`` hold for them too.
        keep: "scores" (whole vectors), "summary" (8 bytes per sample and epoch), or "auto": whole vectors
            up to 32 classes.
        scores_are: "logits", "probabilities", or "auto": read from the first rows.
        task: "classification".
        precision: "half" or "single", of the stored numbers.
        planted: mistakes planted on purpose, see `plant_mistakes`; the audit then measures itself on them.
        every_n_epochs: noted in the history.
        overwrite: replace a history that is already there.
        resume: go on after the last epoch of a finished history; an unfinished one is gone on with anyway.
        start_epoch: the epoch training starts with. None: after the last one there. A number above 0: it
            was resumed from a checkpoint, and older recordings of the epochs from there on no longer count
            once the first new one is written. 0: training starts anew, which a finished history refuses.
        writer: which of several parallel writers this is (the rank).
        segment: number of this start, the same for all writers; None: the next free one.
        ignore_label: rows with this label are not recorded.
        nan: "raise" refuses rows with NaN scores, "keep" writes them as they are (an audit then says so).

    Raises:
        LabelAuditError: an option is unknown, or the folder holds something that may not be replaced.

    Example:
        >>> import numpy as np, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with Recorder(folder) as r:
        ...     for epoch in range(2):
        ...         r.record([0, 1], scores=np.array([[2.0, 0.0], [0.0, 1.0]]), labels=[0, 0])
        ...         _ = r.end_epoch()
        >>> from labelaudit import open_history
        >>> open_history(folder).n_epochs
        2
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        sample_ids: Sequence[Any] | None = None,
        n_samples: int | Mapping[str, int | None] | None = None,
        held_out: Sequence[str] = (),
        keep: str = "auto",
        scores_are: str = "auto",
        task: str = "classification",
        precision: str = "half",
        planted: Any = None,
        every_n_epochs: int = 1,
        overwrite: bool = False,
        resume: bool = False,
        start_epoch: int | None = None,
        writer: int = 0,
        segment: int | None = None,
        ignore_label: int | None = None,
        nan: str = "raise",
    ) -> None:
        rows.one_of("keep", keep, ("auto", "summary", "scores"))
        rows.one_of("scores_are", scores_are, ("auto", "logits", "probabilities"))
        rows.one_of("task", task, ("classification",))
        rows.one_of("precision", precision, tuple(rows.PRECISIONS))
        rows.one_of("nan", nan, ("raise", "keep"))
        self._folder: Folder = open_folder(path)
        self._lengths = dict(n_samples) if isinstance(n_samples, Mapping) else {"train": n_samples}
        self._sample_ids = None if sample_ids is None else rows.unique_ids(sample_ids)
        self._true_labels = None if planted is None else samples.true_labels_of(planted, self._lengths.get("train"))
        self._class_names = None if class_names is None else [str(name) for name in class_names]
        self._keep, self._scores_are, self._precision = keep, scores_are, precision
        self._task, self._every = task, every_n_epochs
        self._writer, self._ignore, self._nan = writer, ignore_label, nan
        self._one_dataset = {"train", *held_out}
        self._open: dict[str, rows.OpenEpoch] = {}
        self._known: dict[str, Samples] = {}
        self._manifest: manifest.Manifest | None = None
        self._manifest_written = False
        self._to_remove: list[str] = []
        self._n_parts = len(self._folder.folders("parts"))  # not 0: there is something to remove
        self._check_what_is_there(overwrite, resume, start_epoch, segment)

    def _check_what_is_there(self, overwrite: bool, resume: bool, start: int | None, segment: int | None) -> None:
        url = self._folder.url
        splits = self._folder.folders("epochs")
        files = [f for split in splits for f in layout.list_files(self._folder, layout.epochs_folder(split))]
        last = max(layout.current_files(files), default=-1)
        newest = max((file.segment for file in files), default=-1)
        self.segment = newest + 1 if segment is None else segment
        self.next_epoch = last + 1 if start is None else start
        if not files or overwrite:
            self.next_epoch = start or 0
            self._to_remove = layout.data_files(self._folder) if self._writer == 0 else []
            return
        self._manifest = manifest.read_manifest(self._folder)
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
            self._known[split] = samples.read(self._folder, split)

    @staticmethod
    def next_segment(path: str | os.PathLike[str]) -> int:
        """Return the number of the next start in a folder; parallel writers must share it."""
        folder = open_folder(path)
        splits = folder.folders("epochs")
        files = [f for split in splits for f in layout.list_files(folder, layout.epochs_folder(split))]
        return max((file.segment for file in files), default=-1) + 1

    def record(self, ids: Any, scores: Any, labels: Any, *, split: str = "train") -> None:
        """Take a batch of predictions. A sample that comes twice in an epoch counts as it came last.

        Args:
            ids: (n,) positions in the dataset, or the user's own ids (integers or strings).
            scores: (n, K) logits or probabilities; (n,) or (n, 1) for a binary score of class 1.
            labels: (n,) given labels, 0 to K - 1.
            split: "train", "val", ...

        Raises:
            LabelAuditError: lengths differ, a label is out of range, scores are NaN or no probabilities.
        """
        ids_, scores_, labels_ = rows.checked_batch(ids, scores, labels, self._ignore)
        if not len(ids_):
            return
        facts = self._facts(scores_, ids_)
        encode.check_scores(scores_, facts.scores_are)
        logits = encode.as_logits(scores_, facts.scores_are)
        self._check_rows(ids_, logits, labels_, facts, split)
        self._open.setdefault(split, rows.OpenEpoch()).add(ids_, labels_, logits, facts)

    def _facts(self, scores: Array, ids: Array) -> manifest.Manifest:
        """Return the manifest, made from the first rows where there is none yet."""
        if self._manifest is not None:
            n_classes = max(scores.shape[1], 2)
            if n_classes != self._manifest.n_classes:
                raise LabelAuditError(
                    f"got scores of {n_classes} classes, but {self._folder.url} has {self._manifest.n_classes}. "
                    "Name another folder or pass overwrite=True"
                )
            return self._manifest
        kind = encode.scores_kind(scores) if self._scores_are == "auto" else self._scores_are
        n_classes = max(scores.shape[1], 2)
        if self._class_names is not None and len(self._class_names) != n_classes:
            raise LabelAuditError(
                f"class_names has {len(self._class_names)} names, the scores have {n_classes} classes"
            )
        small = n_classes <= encode.KEEP_SCORES_UP_TO
        positions = ids.dtype.kind in "iu" and any(self._lengths.values())
        for name in self._to_remove:
            self._folder.remove(name)
        self._to_remove = []
        self._manifest = manifest.Manifest(
            task=self._task,
            n_classes=n_classes,
            class_names=self._class_names,
            keep=("scores" if small else "summary") if self._keep == "auto" else self._keep,
            precision=self._precision,
            scores_are=kind,
            keys="position" if positions else "id",
            n_samples=self._lengths,
            every_n_epochs=self._every,
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        )
        return self._manifest

    def _check_rows(self, ids: Array, logits: Array, labels: Array, facts: manifest.Manifest, split: str) -> None:
        outside = (labels < 0) | (labels >= facts.n_classes)
        if outside.any():
            raise LabelAuditError(
                f"label {labels[outside][0]} of sample {ids[outside][0]} is out of range: the scores have "
                f"{facts.n_classes} classes, 0 to {facts.n_classes - 1}"
            )
        broken = np.isnan(logits[:, 0])
        if self._nan == "raise" and broken.any():
            raise LabelAuditError(
                f"scores hold NaN or infinity in {int(broken.sum())} of {len(ids)} rows (first: sample "
                f"{ids[broken][0]}): training has diverged, or the scores are not the model's output"
            )
        length = self._lengths.get(split)
        if ids.dtype.kind in "iu" and length is not None:
            beyond = (ids < 0) | (ids >= length)
            if beyond.any():
                raise LabelAuditError(f"sample {ids[beyond][0]} is no position in a {split} set of {length:,} samples")

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
        finished = waiting.finished()
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

    def _write_new_samples(self, epoch: rows.FinishedEpoch, split: str, file: EpochFile) -> None:
        seen = epoch.samples
        known = self._known.get(split)
        new = np.ones(len(seen), bool) if known is None else ~rows.known_rows(known, seen, split)
        if not new.any():
            return
        new_rows = np.flatnonzero(new)
        if seen.ids is not None:  # strings have no order of their own: the order of arrival is kept
            new_rows = new_rows[np.argsort(epoch.arrival[new_rows])]
        fresh = seen.take(new_rows)
        if split in self._one_dataset and fresh.ids is None:
            fresh.ids = rows.by_position(self._sample_ids, fresh.keys, "sample_ids")
            fresh.true_labels = rows.by_position(self._true_labels, fresh.keys, "planted")
        data = arrow_file.encode(fresh.columns(), {"split": split, "epoch": file.epoch}, compress=True)
        self._folder.write(f"{layout.samples_folder(split)}/{file.name}", data)
        self._known[split] = fresh if known is None else samples.merge([known, fresh], self._folder.url)

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
            part, facts = saved_part.read(self._folder, split, name, self._writer, self._manifest)
        except FileNotFoundError:
            return False
        self._manifest = self._manifest or facts
        self._open[split] = part
        self._n_parts += 1
        return True

    def discard_epoch(self, *, split: str = "train") -> None:
        """Forget the rows of an epoch that will not be finished."""
        self._open.pop(split, None)

    def close(self, *, finished: bool = True) -> None:
        """End the recording; ``finished`` says that the training came to its end.

        Rows recorded since the last `end_epoch` are forgotten.
        """
        self._open.clear()
        if self._manifest is not None and self._manifest_written and finished and self._writer == 0:
            self._manifest = self._manifest.with_(finished=True)
            self._manifest.write(self._folder)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)
