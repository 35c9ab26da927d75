"""The recorder for Lightning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from labelaudit.callbacks.background import BackgroundRecorder, report_error
from labelaudit.callbacks.captured_embeddings import CapturedEmbeddings
from labelaudit.callbacks.captured_scores import CapturedScores
from labelaudit.callbacks.given_labels import check_labels
from labelaudit.callbacks.lightning_base import Callback, one_of, refuse_dataloader_iter
from labelaudit.callbacks.trainer_ids import TrainerIds
from labelaudit.errors import LabelAuditError
from labelaudit.history import Recorder
from labelaudit.history.embedding_writer import checked_choice, wanted

__all__ = ["PredictionRecorder"]


class PredictionRecorder(Callback):
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
        scores_are: "logits", "probabilities", or "auto": told from their values.
        planted: mistakes planted on purpose, {position: true label}; the audit then measures itself.
        on_error: if the history can't be written, "raise" stops training, "warn" goes on without recording.
        max_pending_mib: scores that may wait for the writer, in MiB; training waits while there are more.
        subset_ids: ids in a `Subset` are positions in it ("position") or in the dataset under it ("underlying").
        held_out: training and validation set are `Subset`s of one dataset: validation predicts what is left out of
            training. It is recorded as split "val", with positions and ids of that dataset; read the runs of a
            cross-validation together with `labelaudit.open_history([...], held_out="val")`.
        precision: "half" or "single", of the stored numbers.
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
        precision: str = "half",
        ignore_label: int | None = -100,
        embeddings: str | None = None,
        embedding_epochs: int | list[int] | str = "last",
    ) -> None:
        super().__init__()
        splits = (splits,) if isinstance(splits, str) else tuple(splits)
        if held_out:
            splits, subset_ids = ("train", "val"), "underlying"
        one_of("on_error", (on_error,), ("raise", "warn"))
        one_of("subset_ids", (subset_ids,), ("position", "underlying"))
        one_of("keep", (keep,), ("auto", "summary", "scores"))
        one_of("scores_are", (scores_are,), ("auto", "logits", "probabilities"))
        one_of("precision", (precision,), ("half", "single"))
        one_of("task", (task,), ("classification",))
        one_of("splits", splits, ("train", "val"))
        if every_n_epochs < 1 or max_pending_mib <= 0:
            raise LabelAuditError(
                "every_n_epochs must be 1 or more and max_pending_mib above 0,"
                f" not {every_n_epochs} and {max_pending_mib}"
            )
        self.path = path
        self._splits = splits
        self._every_n_epochs = every_n_epochs
        self._on_error, self._max_pending_mib = on_error, max_pending_mib
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
        self._overwrite = overwrite
        self._ids = TrainerIds(id_key=id_key, unwind_subsets=subset_ids == "underlying")
        self._captured = CapturedScores(scores, labels)
        self._embeddings = None if embeddings is None else CapturedEmbeddings(embeddings)
        self._embedding_epochs = embedding_epochs
        self._labels = labels
        self._writer: BackgroundRecorder | None = None
        self._open: dict[str, int] = {}  # split -> epoch whose rows are being recorded
        self._state: dict[str, Any] = {}  # of a checkpoint that is resumed from, or of an exception
        self._state_key = self._generate_state_key(path=os.fspath(path))

    # Life of a run

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Follow the loaders."""
        self._state = {}
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
            try:
                self._writer = self._open_history(trainer)
            except OSError as error:
                report_error(error, self._on_error)
            self._go_on_with_part(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Mark the history finished."""
        if self._embeddings is not None and self._writer is not None:
            trainer.strategy.barrier("labelaudit")  # all have their last embeddings: those before can go
        self._close(finished=True)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Leave Trainer and torch as they were."""
        self._leave()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Keep the finished epochs, and leave no trace elsewhere."""
        try:
            self._state = self.state_dict()  # for whoever saves a checkpoint on exceptions
            self._close(finished=False)
        except LabelAuditError as error:  # must not hide the exception that ended training
            if error is not exception:
                warnings.warn(str(error), stacklevel=2)

    # Checkpoints

    @property
    def state_key(self) -> str:
        """Each recorder has a state of its own."""
        return self._state_key

    def state_dict(self) -> dict[str, Any]:
        """In the middle of an epoch: where its rows so far are kept. Writes them."""
        if self._writer is None or "train" not in self._open:
            return self._state
        epoch = self._open["train"]
        part = self._writer.save_part(epoch, split="train")
        return {} if part is None else {"epoch": epoch, "part": part}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember where the rows are kept."""
        self._state = state_dict

    # Batches

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Watch the step."""
        self._begin("train", trainer)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """What is computed from here on is not the step's."""
        if pl_module.automatic_optimization:
            self._captured.end_step()
            if self._embeddings is not None and self._embeddings.armed:
                self._embeddings.end_step()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hand over the step's scores."""
        self._commit("train", outputs, batch)
        if trainer.is_last_batch:  # not in on_train_epoch_end: a checkpoint may be saved before that
            self._end_epoch("train")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End an epoch that stopped before its last batch."""
        self._end_epoch("train", whole=False)

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Watch the step."""
        self._begin("val", trainer)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Hand over the step's scores."""
        self._commit("val", outputs, batch)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End the validation pass."""
        self._end_epoch("val")

    # What the hooks do

    def _open_history(self, trainer: Any) -> BackgroundRecorder:
        resumed = trainer.ckpt_path is not None or trainer.current_epoch > 0
        overwrite = self._overwrite and not resumed  # the older epochs belong to the run that goes on
        recorder = Recorder(
            self.path,
            overwrite=overwrite,
            resume=resumed,
            n_samples=self._ids.lengths(),
            start_epoch=trainer.current_epoch if resumed else 0,
            writer=trainer.global_rank,
            n_writers=trainer.world_size,
            segment=trainer.strategy.broadcast(Recorder.next_segment(self.path)),
            **self._options,
        )
        trainer.strategy.barrier("labelaudit")  # every rank has looked at the folder before one writes to it
        return BackgroundRecorder(
            recorder,
            max_pending_mib=self._max_pending_mib,
            on_error=self._on_error,
            first_rows=self._check_first_labels,
        )

    def _check_first_labels(self, ids: Any, labels: Any, split: str) -> None:
        given = self._ids.given_labels(ids, split)
        if given is not None and not callable(self._labels):
            kept = labels != self._options["ignore_label"]
            check_labels(labels[kept], given[kept], ids[kept])

    def _go_on_with_part(self, trainer: Any) -> None:
        state, self._state = self._state, {}
        if self._writer is None or state.get("epoch") != trainer.current_epoch:
            return
        if self._writer.load_part(state["part"], split="train"):
            self._open["train"] = state["epoch"]
        else:
            warnings.warn(
                f"training goes on in the middle of epoch {state['epoch']}, and the rows recorded before the checkpoint"
                f" ({state['part']}) are no longer in {self.path}: this epoch's history has the rest only",
                stacklevel=2,
            )

    def _begin(self, split: str, trainer: Any) -> None:
        if self._writer is None or split not in self._splits or trainer.sanity_checking:
            return
        epoch = trainer.current_epoch
        if epoch % self._every_n_epochs == 0:
            self._open[split] = epoch
            self._captured.begin()
            if self._embeddings is not None and wanted(self._embedding_epochs, epoch):
                self._embeddings.begin()

    def _commit(self, split: str, outputs: Any, batch: Any) -> None:
        if self._writer is None or not self._captured.armed:
            return
        self._writer.check()
        ids = self._ids.take()
        scores, labels = self._captured.take(outputs, batch, len(ids), lambda: self._ids.given_labels(ids, split))
        self._writer.add(ids, scores, labels, split=split)
        if self._embeddings is not None and self._embeddings.armed:
            self._writer.add_embeddings(ids, self._embeddings.take(scores, len(ids)), split=split)

    def _end_epoch(self, split: str, *, whole: bool = True) -> None:
        epoch = self._open.pop(split, None)
        if self._writer is None or epoch is None:
            return
        self._writer.end_epoch(epoch, split=split, whole=whole)
        self._writer.wait()  # so a checkpoint or a message never outlives its epoch, and no worker forks meanwhile
        self._writer.check()

    def _close(self, *, finished: bool) -> None:
        self._leave()
        writer, self._writer = self._writer, None
        if writer is None:
            return
        for split in self._open:
            writer.discard_epoch(split=split)
        self._open = {}
        writer.close(finished=finished)
        writer.check()

    def _leave(self) -> None:
        self._ids.detach()
        self._captured.detach()
        if self._embeddings is not None:
            self._embeddings.detach()
