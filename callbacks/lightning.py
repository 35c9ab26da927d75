"""The recorder for Lightning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from labelaudit.callbacks.background import BackgroundRecorder
from labelaudit.callbacks.captured_embeddings import CapturedEmbeddings
from labelaudit.callbacks.captured_scores import CapturedScores
from labelaudit.callbacks.given_labels import check_labels
from labelaudit.callbacks.lightning_base import refuse_dataloader_iter
from labelaudit.callbacks.options import one_of
from labelaudit.callbacks.recording_callback import RecordingCallback
from labelaudit.callbacks.step_scores import UnknownStepError
from labelaudit.callbacks.trainer_ids import TrainerIds
from labelaudit.history import Recorder
from labelaudit.history.embedding_writer import checked_choice, wanted

__all__ = ["PredictionRecorder"]


class PredictionRecorder(RecordingCallback):
    """Records what a model predicts for every sample in every epoch, while Lightning trains it.

    Dataset, dataloader and module stay as they are, and training is the same bit for bit. Scores are copied as the
    step computed them and written by a thread, one file per epoch.

    Args:
        path: folder of the history (made if absent), or an fsspec URL.
        id_key: where the batch holds the samples' ids, a key or an index; needed for iterable datasets. None: a
            sample's id is its position in the dataset.
        sample_ids: your own id for each position, such as a file path; it stands in every table.
        scores: (n, classes) or (n,) logits or probabilities of a batch: a key of what the step returns, the name of
            a submodule whose output they are, or a function `(outputs, batch) -> tensor`. None: the step's `logits`,
            `preds` or `scores`, else the input of its loss function, else the output of the module's forward.
        labels: (n,) class numbers: a key of what the step returns or of the batch, or such a function. None: the
            step's `targets`, `labels` or `y`, else the target of its loss function, else what the batch holds, else
            the dataset's `targets` or `labels`.
        class_names: names of the classes, in the order of the scores.
        splits: "train", and "val" for the validation pass of every epoch.
        keep: "scores" (every class's), "summary", or "auto": scores while the classes are few.
        every_n_epochs: record epochs 0, n, 2n, ...
        task: "classification".
        overwrite: replace a finished history in `path`.
        scores_are: "logits", "probabilities", or "auto": told from their values; one column by the loss function that
            takes it.
        planted: mistakes planted on purpose, {position: true label}; the audit then measures itself.
        on_error: if the history can't be written, "raise" stops training, "warn" goes on without recording.
        max_pending_mib: scores that may wait for the writer, in MiB; training waits while there are more.
        subset_ids: ids in a `Subset` are positions in it ("position") or in the dataset under it ("underlying").
        held_out: training and validation set are `Subset`s of one dataset: validation predicts what is left out of
            training. It is recorded as split "val", with positions and ids of that dataset; read the runs of a
            cross-validation together with `labelaudit.open_history([...], held_out="val")`.
        precision: of the stored numbers, "half", "single", or "auto": half, or that of the history that is resumed.
        ignore_label: rows with this label are not recorded; the default of `cross_entropy`.
        embeddings: keep every sample's feature vector as well: the name of a submodule whose output it is, or "auto",
            the input of the last linear layer.
        embedding_epochs: of which epochs: "last" (each replaces the one before), n (epochs 0, n, 2n, ...) or a list.

    Raises:
        LabelAuditError: for unknown options; in the first batch if ids, scores or labels can't be found.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        id_key: str | int | None = None,
        sample_ids: Sequence[Any] | None = None,
        scores: str | Callable[[Any, Any], Tensor] | None = None,
        labels: str | Callable[[Any, Any], Tensor] | None = None,
        class_names: Sequence[str] | None = None,
        splits: Sequence[str] = ("train",),
        keep: str = "auto",
        every_n_epochs: int = 1,
        task: str = "classification",
        overwrite: bool = False,
        scores_are: str = "auto",
        planted: Any = None,
        on_error: str = "raise",
        max_pending_mib: float = 64,
        subset_ids: str = "position",
        held_out: bool = False,
        precision: str = "auto",
        ignore_label: int | None = -100,
        embeddings: str | None = None,
        embedding_epochs: int | list[int] | str = "last",
    ) -> None:
        if held_out:
            splits, subset_ids = ("train", "val"), "underlying"
        super().__init__(
            path,
            splits=splits,
            every_n_epochs=every_n_epochs,
            overwrite=overwrite,
            on_error=on_error,
            max_pending_mib=max_pending_mib,
        )
        one_of("subset_ids", (subset_ids,), ("position", "underlying"))
        one_of("keep", (keep,), ("auto", "summary", "scores"))
        one_of("scores_are", (scores_are,), ("auto", "logits", "probabilities"))
        one_of("precision", (precision,), ("auto", "half", "single"))
        one_of("task", (task,), ("classification",))
        self._options: dict[str, Any] = {
            "class_names": class_names,
            "sample_ids": sample_ids,
            "held_out": ("val",) if held_out else (),
            "keep": keep,
            "scores_are": scores_are,
            "task": task,
            "precision": precision,
            "planted": planted,
            "every_n_epochs": every_n_epochs,
            "nan": "keep",
            "ignore_label": ignore_label,
            "embedding_epochs": checked_choice(embedding_epochs),
        }
        self._ids = TrainerIds(id_key=id_key, unwind_subsets=subset_ids == "underlying")
        self._captured = CapturedScores(scores, labels)
        self._embeddings = None if embeddings is None else CapturedEmbeddings(embeddings)
        self._embedding_epochs = embedding_epochs
        self._labels = labels
        self._last_used: int | None = None  # number of the last batch that manual_backward was called for
        self._said_unseen = False

    # Life of a run

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Follow the loaders."""
        self._state, self._last_used, self._said_unseen = {}, None, False
        if stage == "fit" and not trainer.fast_dev_run:
            self._ids.attach(trainer, self._splits)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Watch the module, before anything of it is compiled."""
        if not trainer.fast_dev_run:
            self._captured.attach(pl_module)
            if self._embeddings is not None:
                self._embeddings.attach(pl_module)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the history."""
        if not trainer.fast_dev_run:
            refuse_dataloader_iter(pl_module)
            self._start(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Mark the history finished."""
        if self._embeddings is not None:  # also where a rank has no writer: barriers must be everybody's
            trainer.strategy.barrier("labelaudit")  # all have their last embeddings: those before can go
        super().on_train_end(trainer, pl_module)

    # Batches

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Watch the step."""
        self._begin("train", trainer)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """What is computed from here on is not the step's."""
        if not self._captured.armed:
            return
        if not pl_module.automatic_optimization:  # several losses may follow
            self._last_used = trainer.fit_loop.total_batch_idx
        elif self._embeddings is None:
            self._captured.end_step(self._stage)
        else:
            self._captured.end_step()
            if self._embeddings.armed:
                self._embeddings.end_step()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hand over the step's scores."""
        if outputs != {}:
            self._commit("train", outputs, batch)
        elif not pl_module.automatic_optimization:
            used = self._last_used == trainer.fit_loop.total_batch_idx
            self._commit_if_seen("train", outputs, batch, batch_idx, used=used)
        elif not self._captured.is_skipped():
            self._commit_if_seen("train", outputs, batch, batch_idx, used=False)
        if trainer.is_last_batch:  # not in on_train_epoch_end: a checkpoint may be saved before that
            self._end_epoch("train")

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Watch the step."""
        self._begin("val", trainer)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Hand over the step's scores."""
        if outputs is None:
            self._commit_if_seen("val", outputs, batch, batch_idx, used=True)
        else:
            self._commit("val", outputs, batch)

    # What the hooks do

    def _make_writer(self, start: dict[str, Any]) -> Recorder:
        return Recorder(self.path, n_samples=self._ids.lengths(), n_writers=self._n_writers, **start, **self._options)

    def _make_thread(self, writer: Any) -> BackgroundRecorder:
        return BackgroundRecorder(
            writer,
            max_pending_mib=self._max_pending_mib,
            on_error=self._on_error,
            first_rows=partial(self._look_at_first_rows, writer),
        )

    def _look_at_first_rows(self, writer: Recorder, ids: Any, labels: Any, split: str) -> None:
        writer.one_column_is = self._captured.scores_are or "auto"
        given = self._ids.given_labels(ids, split)
        if given is not None and not callable(self._labels):
            kept = labels != self._options["ignore_label"]
            check_labels(labels[kept], given[kept], ids[kept])

    def _begin(self, split: str, trainer: Any) -> None:
        if split not in self._open:  # the epoch's first batch
            if self._writer is None or split not in self._splits or trainer.sanity_checking:
                return
            if trainer.current_epoch % self._every_n_epochs != 0:
                return
            self._open[split] = trainer.current_epoch
        self._captured.begin()
        if self._embeddings is not None and wanted(self._embedding_epochs, self._open[split]):
            self._embeddings.begin()

    def _stage(self, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor] | None:
        copies: tuple[Tensor, Tensor] | None = self._writer.stage(scores, labels, split="train")
        return copies

    def _commit(self, split: str, outputs: Any, batch: Any) -> None:
        if self._writer is None or not self._captured.armed:
            return
        self._writer.check()
        ids = self._ids.take()
        scores, labels = self._captured.take(outputs, batch, len(ids), lambda: self._ids.given_labels(ids, split))
        if self._embeddings is not None and self._embeddings.armed:
            self._writer.add_embeddings(ids, self._embeddings.take(scores, len(ids)), split=split)
        self._writer.add(ids, scores, labels, split=split)

    def _commit_if_seen(self, split: str, outputs: Any, batch: Any, batch_idx: int, *, used: bool) -> None:
        """Hand over the scores of a step that returned nothing: it may have skipped its batch.

        `used`: the batch was not skipped. Then its scores must be found, unless others' were.
        """
        try:
            self._commit(split, outputs, batch)
        except (UnknownStepError, LookupError, TypeError, AttributeError):  # the last are of functions of the user's
            if used and not self._writer.has_rows(split):
                raise
            if not self._said_unseen:
                self._said_unseen = True
                warnings.warn(
                    f"nothing was recorded of {split} batch {batch_idx} of epoch {self._open[split]}: the step returned"
                    " nothing, and no loss function or forward pass says what it predicted. Where this is not a batch"
                    " that was left out, return {'logits': ..., 'targets': ...}. Further such batches are not reported",
                    stacklevel=2,
                )

    def _leave(self) -> None:
        self._ids.detach()
        self._captured.detach()
        if self._embeddings is not None:
            self._embeddings.detach()
