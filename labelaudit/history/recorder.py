"""The writer of score histories: scores and labels in, one file per epoch out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import encode, manifest, rows, samples
from labelaudit.history.embedding_writer import LAST, EmbeddingWriter, EpochChoice, checked_choice
from labelaudit.history.epoch_writer import EpochWriter
from labelaudit.history.given_ids import GivenIds
from labelaudit.history.samples import Samples

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
TASK = "classification"


class Recorder(EpochWriter):
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
        scores_are: "logits", "probabilities", or "auto": read from the first rows; one column from the first epoch's.
        task: "classification".
        precision: of the stored numbers, "half", "single", or "auto": that of the history that is gone on with, else
            half.
        planted: mistakes planted on purpose, see `plant_mistakes`; the audit then measures itself on them.
        every_n_epochs: noted in the history.
        overwrite: replace a history that is already there, when the first new epoch is written.
        resume: go on after the last epoch of a finished history; an unfinished one is gone on with anyway, with a
            warning where neither this nor ``start_epoch`` says so.
        start_epoch: the epoch training starts with. None: after the last one there. A number above 0: it
            was resumed from a checkpoint, and older recordings of the epochs from there on no longer count
            once the first new one is written. 0: training starts anew, with options of its own, which a finished
            history refuses.
        writer: which of several parallel writers this is (the rank).
        segment: number of this start, the same for all writers; None: the next free one.
        ignore_label: rows with this label are not recorded.
        nan: "raise" refuses rows with NaN scores, "keep" writes them as they are (an audit then says so).
        embedding_epochs: of which epochs `record_embeddings` keeps the vectors: "last", n (epochs 0, n, 2n, ...) or a
            list of epochs.
        n_writers: how many parallel writers there are; an epoch of embeddings counts when it has the files of all.

    Attributes:
        one_column_is: what one column of scores is where ``scores_are`` is "auto" and the caller knows: "logits" or
            "probabilities". Set it before the first `record`.

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
        precision: str = "auto",
        planted: Any = None,
        every_n_epochs: int = 1,
        overwrite: bool = False,
        resume: bool = False,
        start_epoch: int | None = None,
        writer: int = 0,
        segment: int | None = None,
        ignore_label: int | None = None,
        nan: str = "raise",
        embedding_epochs: EpochChoice = LAST,
        n_writers: int = 1,
    ) -> None:
        checked_choice(embedding_epochs)
        rows.one_of("keep", keep, ("auto", "summary", "scores"))
        rows.one_of("scores_are", scores_are, ("auto", "logits", "probabilities"))
        rows.one_of("task", task, (TASK,))
        rows.one_of("precision", precision, ("auto", *rows.PRECISIONS))
        rows.one_of("nan", nan, ("raise", "keep"))
        length = n_samples.get("train") if isinstance(n_samples, Mapping) else n_samples
        self._true_labels = None if planted is None else samples.true_labels_of(planted, length)
        given = GivenIds(sample_ids, self._true_labels, splits={"train", *held_out}, n_samples=length)
        self._class_names = None if class_names is None else rows.unique_names(class_names)
        self._keep, self._scores_are, self._precision = keep, scores_are, precision
        self._every, self._ignore, self._nan = every_n_epochs, ignore_label, nan
        self._scratch = encode.Scratch()
        self.one_column_is = "auto"
        self._undecided: list[tuple[Array, Array, Array, str]] | None = None  # batches that either kind of score fits
        super().__init__(
            path,
            n_samples=n_samples,
            given=given,
            task=task,
            overwrite=overwrite,
            resume=resume,
            start_epoch=start_epoch,
            writer=writer,
            segment=segment,
        )
        self._embeddings = EmbeddingWriter(self._folder, embedding_epochs, self.segment, writer, n_writers)

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
        if self._undecided is not None and encode.scores_kind(scores_) != facts.scores_are:
            facts = self._take_for_logits()
        encode.check_scores(scores_, ids_, facts.scores_are)
        self._check_rows(ids_, labels_, facts, split)
        self._given.check(ids_, split)
        packed, broken = encode.packed(
            scores_,
            labels_,
            scores_are=facts.scores_are,
            keep=facts.keep,
            dtype=rows.PRECISIONS[facts.precision],
            scratch=self._scratch,
        )
        if self._nan == "raise" and broken.any():
            raise LabelAuditError(
                f"scores hold NaN or infinity in {int(broken.sum())} of {len(ids_)} rows (first: sample "
                f"{ids_[broken][0]}): training has diverged, or the scores are not the model's output"
            )
        if self._manifest is None:
            self._manifest = self._begin(facts)
        self._given.note_kind(split, text=ids_.dtype.kind not in "iu")
        if self._undecided is not None:
            self._undecided.append((ids_.copy(), scores_.copy(), labels_.copy(), split))
        self._open.setdefault(split, rows.OpenEpoch()).add(ids_, labels_, packed)

    def record_embeddings(self, ids: Any, vectors: Any, *, split: str = "train") -> None:
        """Take a batch's feature vectors, beside its scores. Of a sample that comes twice in an epoch the last counts.

        Kept in half precision, with the epochs that ``embedding_epochs`` names; `History.embeddings` gives them back.

        Args:
            ids: (n,) as in `record`.
            vectors: (n, d) numbers.
            split: "train", "val", ...

        Raises:
            LabelAuditError: lengths differ, or d is not what it was in the epoch's batches before.
        """
        self._embeddings.record(ids, vectors, split, self._lengths.get(split))

    def end_epoch(self, epoch: int | None = None, *, split: str = "train", whole: bool = True) -> int:
        """Write the epoch's file, and that of its embeddings; see `EpochWriter.end_epoch`."""
        self._undecided = None
        if split not in self._open:
            self._embeddings.refuse_alone(split)
        number = super().end_epoch(epoch, split=split, whole=whole)
        self._embeddings.thin_out(split)
        if self._n_parts and whole:
            self._embeddings.remove_parts(split, up_to=number)
        return number

    def _write_beside(self, number: int, split: str, *, whole: bool) -> None:
        self._embeddings.write(number, split, whole=whole)

    def discard_epoch(self, *, split: str = "train") -> None:
        """Forget the rows of an epoch that will not be finished."""
        super().discard_epoch(split=split)
        self._embeddings.discard(split)
        if self._undecided is not None:
            self._undecided = [batch for batch in self._undecided if batch[3] != split]

    def save_part(self, epoch: int | None = None, *, split: str = "train") -> str | None:
        """Keep the rows of the open epoch, with their embeddings; see `EpochWriter.save_part`."""
        self._undecided = None
        name = super().save_part(epoch, split=split)
        if name is not None:
            self._embeddings.save_part(name, split)
        return name

    def load_part(self, name: str, *, split: str = "train") -> bool:
        """Go on with the rows that `save_part` kept; see `EpochWriter.load_part`."""
        there = super().load_part(name, split=split)
        if there:
            self._embeddings.load_part(name, split)
        return there

    def close(self, *, finished: bool = True) -> None:
        """End the recording; see `EpochWriter.close`."""
        super().close(finished=finished)
        self._embeddings.close()

    def _facts(self, scores: Array, ids: Array) -> manifest.Manifest:
        """Return the manifest, made from these rows where there is none yet."""
        n_classes = max(scores.shape[1], 2)
        there = self._manifest or self._superseded
        if there is not None and n_classes != there.n_classes:
            raise LabelAuditError(
                f"got scores of {n_classes} classes, but {self._folder.url} has {there.n_classes}. "
                "Name another folder or pass overwrite=True"
            )
        if self._manifest is not None:
            return self._manifest
        kind = self.one_column_is if self._scores_are == "auto" and scores.shape[1] == 1 else self._scores_are
        if kind == "auto":
            kind = encode.scores_kind(scores)
            if scores.shape[1] == 1 and kind == "probabilities":
                self._undecided = []  # logits may lie in [0, 1] for some batches
        self._check_classes(n_classes)
        small = n_classes <= encode.KEEP_SCORES_UP_TO
        positions = ids.dtype.kind in "iu" and any(self._lengths.values())
        return manifest.Manifest(
            task=TASK,
            n_classes=n_classes,
            class_names=self._class_names,
            keep=("scores" if small else "summary") if self._keep == "auto" else self._keep,
            precision="half" if self._precision == "auto" else self._precision,
            scores_are=kind,
            keys="position" if positions else "id",
            every_n_epochs=self._every,
            left_out=self._left_out,
        )

    @property
    def _left_out(self) -> dict[str, Any]:
        """The class that is not recorded; a negative label is none."""
        return {"ignore_label": self._ignore if self._ignore is not None and self._ignore >= 0 else None}

    def _check_classes(self, n_classes: int) -> None:
        if self._class_names is not None and len(self._class_names) != n_classes:
            raise LabelAuditError(
                f"class_names has {len(self._class_names)} names, the scores have {n_classes} classes"
            )
        if self._true_labels is not None:
            samples.refuse_true_labels(self._true_labels, n_classes)

    def _going_on(self, before: manifest.Manifest) -> manifest.Manifest:
        self._check_classes(before.n_classes)
        names = self._class_names or before.class_names
        asked = {
            "keep": before.keep if self._keep == "auto" else self._keep,
            "scores_are": before.scores_are if self._scores_are == "auto" else self._scores_are,
            "precision": before.precision if self._precision == "auto" else self._precision,
            "class_names": names if before.class_names is not None else None,
            **self._left_out,
        }
        manifest.refuse_other_options(before, asked, self._folder.url)
        return before.with_(class_names=names)

    def _take_for_logits(self) -> manifest.Manifest:
        """Record the first epoch's batches anew: its one column of scores has left [0, 1]."""
        assert self._manifest is not None
        self._manifest = self._manifest.with_(scores_are="logits")
        batches, self._undecided = self._undecided or [], None
        self._open.clear()
        for ids, scores, labels, split in batches:
            self.record(ids, scores, labels, split=split)
        return self._manifest

    def _check_rows(self, ids: Array, labels: Array, facts: manifest.Manifest, split: str) -> None:
        outside = (labels < 0) | (labels >= facts.n_classes)
        if outside.any():
            raise LabelAuditError(
                f"label {labels[outside][0]} of sample {ids[outside][0]} is out of range: the scores have "
                f"{facts.n_classes} classes, 0 to {facts.n_classes - 1}. If it marks samples to leave out, pass "
                f"ignore_label={labels[outside][0]}"
            )
        length = self._lengths.get(split)
        if ids.dtype.kind in "iu" and length is not None:
            beyond = (ids < 0) | (ids >= length)
            if beyond.any():
                raise LabelAuditError(f"sample {ids[beyond][0]} is no position in a {split} set of {length:,} samples")

    def _read_samples(self, split: str) -> Samples:
        return samples.read(self._folder, split)

    def _known_rows(self, known: Samples, seen: Samples, split: str) -> npt.NDArray[np.bool_]:
        return rows.known_rows(known, seen, split)

    def _join_samples(self, known: Samples, fresh: Samples) -> Samples:
        return samples.merge([known, fresh], self._folder.url)

    def _waiting_rows(self, part: pa.Table, presented: int) -> rows.OpenEpoch:
        return rows.waiting_rows(part, presented)
