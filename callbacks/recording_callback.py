"""The life of a recording under Lightning: opened and closed with the training, whole epochs, checkpoints."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from labelaudit.callbacks.lightning_base import Callback
from labelaudit.callbacks.options import check_numbers, one_of
from labelaudit.callbacks.ranks import answer_of_rank_zero
from labelaudit.callbacks.writer_thread import WriterThread, report_error
from labelaudit.errors import LabelAuditError
from labelaudit.history.epoch_writer import EpochWriter
from labelaudit.history.folder import fixed_place, is_relative


class RecordingCallback(Callback):
    """What the recorders of all tasks share under Lightning.

    Args:
        path: folder of the history, or an fsspec URL.
        splits: of "train" and "val".
        every_n_epochs: record epochs 0, n, 2n, ...
        overwrite: replace a finished history in `path`.
        on_error: if the history can't be written, "raise" stops training, "warn" goes on without recording.
        max_pending_mib: what may wait for the writer, in MiB.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        splits: Sequence[str],
        every_n_epochs: int,
        overwrite: bool,
        on_error: str,
        max_pending_mib: float,
    ) -> None:
        super().__init__()
        splits = (splits,) if isinstance(splits, str) else tuple(splits)
        one_of("on_error", (on_error,), ("raise", "warn"))
        one_of("splits", splits, ("train", "val"))
        check_numbers(every_n_epochs, max_pending_mib)
        self.path, self._was_relative = fixed_place(path), is_relative(path)
        self._splits = splits
        self._every_n_epochs = every_n_epochs
        self._overwrite = overwrite
        self._on_error, self._max_pending_mib = on_error, max_pending_mib
        self._writer: Any = None  # a WriterThread, while training goes on
        self._n_writers = 1  # ranks of the training
        self._open: dict[str, int] = {}  # split -> epoch whose rows are being recorded
        self._state: dict[str, Any] = {}  # of a checkpoint that is resumed from, or of an exception
        self._state_key = self._generate_state_key(path=os.fspath(path))  # as typed: checkpoints may be moved

    # What a task's recorder adds

    @abstractmethod
    def _make_writer(self, start: dict[str, Any]) -> EpochWriter:
        """Return the history's writer; `start` are its arguments overwrite, resume, start_epoch, writer, segment."""

    @abstractmethod
    def _make_thread(self, writer: EpochWriter) -> WriterThread:
        """Return the thread that writes."""

    def _leave(self) -> None:
        """Leave Trainer and torch as they were."""

    # Life of a run

    def _start(self, trainer: Any) -> None:
        """Open the history when training starts."""
        try:
            self._writer = self._open_history(trainer)
        except OSError as error:
            report_error(error, self._on_error)
        if self._writer is not None:
            self._writer.try_out()
        self._go_on_with_part(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Mark the history finished."""
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

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End an epoch that stopped before its last batch."""
        self._end_epoch("train", whole=False)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End the validation pass."""
        self._end_epoch("val")

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

    # What the hooks do

    def _open_history(self, trainer: Any) -> WriterThread:
        resumed = trainer.ckpt_path is not None or trainer.current_epoch > 0
        self._n_writers = trainer.world_size
        place, segment = answer_of_rank_zero(
            lambda: (self.path, EpochWriter.next_segment(self.path)), trainer.strategy.broadcast
        )
        if self._was_relative:  # Lightning starts the other ranks where rank 0 stands now
            self.path = place
        try:
            writer = self._make_writer(
                {
                    "overwrite": self._overwrite and not resumed,  # the older epochs belong to the run that goes on
                    "resume": resumed,
                    "start_epoch": trainer.current_epoch if resumed else 0,
                    "writer": trainer.global_rank,
                    "segment": segment,
                }
            )
        finally:  # where it fails, too: the others wait
            trainer.strategy.barrier("labelaudit")  # every rank has looked at the folder before one writes to it
        return self._make_thread(writer)

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
