"""The recorder for a plain PyTorch loop."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from labelaudit.callbacks.background import BackgroundRecorder
from labelaudit.callbacks.captured_embeddings import CapturedEmbeddings, flat
from labelaudit.callbacks.options import check_numbers, one_of, refuse_unknown
from labelaudit.callbacks.prepared_loader import FollowedPrepared, is_prepared
from labelaudit.callbacks.ranks import answer_of_rank_zero
from labelaudit.callbacks.sample_ids import Ids, Positions, follow
from labelaudit.callbacks.step_scores import check_batch
from labelaudit.errors import LabelAuditError
from labelaudit.history import Recorder
from labelaudit.history.embedding_writer import checked_choice, wanted
from labelaudit.history.folder import fixed_place

__all__ = ["TorchRecorder"]

_OPTIONS = (
    *("class_names", "sample_ids", "held_out", "keep", "scores_are", "task", "precision", "planted", "overwrite"),
    *("resume", "ignore_label", "nan"),
)  # that go to the history's writer as they are


class TorchRecorder:
    """Records what a model predicts in a plain PyTorch loop, with copies that wait for no device.

    Under `torch.distributed` make it on every rank after `init_process_group`; each rank writes its own files.

    Args:
        path: folder of the history (made if absent), or an fsspec URL.
        start_epoch: number of the first epoch. None: 0, or on after the last epoch of an unfinished history.
        subset_ids: ids in a `Subset` are positions in it ("position") or in the dataset under it ("underlying").
        every_n_epochs: record epochs 0, n, 2n, ...
        on_error: if the history can't be written, "raise" stops training, "warn" goes on without recording.
        max_pending_mib: scores that may wait for the writer, in MiB; `record` waits while there are more.
        embeddings: keep every sample's feature vector as well, of the model given to `watch`: the name of a submodule
            whose output it is, or "auto", the input of the last linear layer.
        embedding_epochs: of which epochs: "last" (each replaces the one before), n (epochs 0, n, 2n, ...) or a list.
        options: class_names, sample_ids, keep, scores_are, precision, planted, overwrite, resume, ignore_label, nan: as
            of `labelaudit.Recorder`, but labels of -100 are ignored and NaN scores are kept.

    Example:
        >>> import tempfile, torch, labelaudit
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> model = torch.nn.Linear(4, 3)
        >>> loader = DataLoader(TensorDataset(torch.randn(10, 4), torch.arange(10) % 3), batch_size=4, shuffle=True)
        >>> folder = tempfile.mkdtemp()
        >>> with TorchRecorder(folder) as recorder:
        ...     loader = recorder.attach(loader)
        ...     for epoch in range(2):
        ...         for x, y in loader:
        ...             logits = model(x)
        ...             recorder.record(logits, y)
        ...         _ = recorder.end_epoch()
        >>> labelaudit.open_history(folder).epoch(1).num_rows
        10
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        start_epoch: int | None = None,
        subset_ids: str = "position",
        every_n_epochs: int = 1,
        on_error: str = "raise",
        max_pending_mib: float = 64,
        embeddings: str | None = None,
        embedding_epochs: int | list[int] | str = "last",
        **options: Any,
    ) -> None:
        one_of("subset_ids", (subset_ids,), ("position", "underlying"))
        one_of("on_error", (on_error,), ("raise", "warn"))
        check_numbers(every_n_epochs, max_pending_mib)
        refuse_unknown(options, _OPTIONS, "TorchRecorder and TrainerRecorder")
        self.path = fixed_place(path)
        self._embeddings = None if embeddings is None else CapturedEmbeddings(embeddings)
        self._watching, self._keeps_embeddings = False, False
        self._embedding_epochs = embedding_epochs
        self._start, self._every = start_epoch, every_n_epochs
        self._unwind = subset_ids == "underlying"
        self._on_error, self._max_pending_mib = on_error, max_pending_mib
        self._options = {
            "ignore_label": -100,
            "nan": "keep",
            "every_n_epochs": every_n_epochs,
            "embedding_epochs": checked_choice(embedding_epochs),
            **options,
        }
        self.n_samples: dict[str, int | None] = {}  # of each split's dataset, where known
        self._loaders: dict[str, tuple[Any, Positions]] = {}
        self._used: dict[str, int] = {}  # batches of the split's loader whose ids were used
        self._epochs: dict[str, int] = {}
        self._part: str | None = None
        self._writer: BackgroundRecorder | None = None

    def attach(self, loader: Iterable[Any], *, split: str = "train") -> Any:
        """Return a loader of the same batches in the same order, whose samples' ids `record` knows.

        Raises:
            LabelAuditError: the loader is no DataLoader of a map-style dataset.
        """
        try:
            followed = FollowedPrepared(loader) if is_prepared(loader) else follow(loader)
        except LabelAuditError as error:
            wrapped = (
                "" if isinstance(loader, DataLoader) else "Attach the DataLoader before something wraps it, or pass"
            )
            raise LabelAuditError(
                f"{error.args[0].split(':')[0]}. {wrapped or 'Pass'} the ids: recorder.record(..., ids=ids)"
            ) from None
        self._loaders[split] = followed, Positions(followed, unwind=self._unwind)
        self.n_samples[split] = self._loaders[split][1].n_samples
        self._used[split] = followed.n_made
        return followed

    def watch(self, model: nn.Module) -> None:
        """Take the embeddings of every batch from this model; before its first compiled call.

        Raises:
            LabelAuditError: embeddings= was not passed, or names no submodule.
        """
        if self._embeddings is None:
            raise LabelAuditError(
                "watch() is for embeddings. Pass TorchRecorder(..., embeddings='auto'), or a submodule's name"
            )
        self._embeddings.attach(model)
        self._embeddings.begin()
        self._watching = True

    def record(
        self, scores: Tensor, labels: Tensor, *, ids: Any = None, embeddings: Tensor | None = None, split: str = "train"
    ) -> None:
        """Take a batch of predictions. A sample that comes twice in an epoch counts as it came last.

        Args:
            scores: (n, classes) logits or probabilities; (n,) or (n, 1) for a binary score of class 1.
            labels: (n,) class numbers, those of the dataset.
            ids: (n,) positions in the dataset or your own ids; None: the batch that the attached loader gave last.
            embeddings: (n, d) feature vectors; None: those of the model that is watched, if one is.
            split: "train", "val", ...

        Raises:
            LabelAuditError: ids, scores and labels don't fit each other, or the batch isn't known.
        """
        ids = self._ids_of_last_batch(split) if ids is None else ids
        check_batch(ids, scores, labels)
        writer = self._writer or self._open()
        writer.check()
        epoch = self._epoch(split)
        if epoch % self._every == 0:
            writer.add(ids, scores.detach(), labels, split=split)
            if embeddings is not None or self._embeddings is not None:
                self._record_embeddings(ids, scores, embeddings, epoch, split)

    def _record_embeddings(self, ids: Any, scores: Tensor, given: Tensor | None, epoch: int, split: str) -> None:
        if given is None and not self._watching:
            raise LabelAuditError(
                "the model whose embeddings to keep is unknown. Type recorder.watch(model) before it runs, or pass the"
                " vectors: recorder.record(..., embeddings=vectors)"
            )
        if not wanted(self._embedding_epochs, epoch):
            return
        if given is None:
            assert self._embeddings is not None
            given = self._embeddings.take(scores, len(scores))
            self._embeddings.begin()
        self._keeps_embeddings = True
        assert self._writer is not None
        self._writer.add_embeddings(ids, flat(given.detach()), split=split)

    def end_epoch(self, *, split: str = "train", whole: bool = True) -> int:
        """Write the epoch and return its number, once it is on disk.

        `whole=False`: training stopped within the epoch; rows kept by `state_dict` stay, for a run resumed from there.
        """
        writer = self._writer or self._open()
        epoch = self._epoch(split)
        writer.end_epoch(epoch, split=split, whole=whole)
        writer.wait()
        writer.check()
        self._epochs[split] = epoch + 1
        return epoch

    def state_dict(self) -> dict[str, Any]:
        """What to save in a checkpoint: the epoch and, in the middle of one, where its rows so far are kept."""
        if self._writer is None:
            return {"epoch": self._start, "part": self._part}
        epoch = self._epoch("train")
        return {"epoch": epoch, "part": self._writer.save_part(epoch, split="train")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the checkpoint was saved. Before the first `record`."""
        self._start, self._part = state["epoch"], state["part"]
        self._options["resume"] = True
        if self._start is not None:
            self._options["overwrite"] = False  # the older epochs belong to the run that goes on

    def close(self, *, finished: bool = True) -> None:
        """End the recording; `finished` says that the training came to its end."""
        writer, self._writer = self._writer, None
        if self._embeddings is not None:
            self._embeddings.detach()
            self._watching = False
        if writer is not None:
            if finished and self._keeps_embeddings and dist.is_available() and dist.is_initialized():
                dist.barrier()  # all have their last embeddings: those before can go
            writer.close(finished=finished)
            writer.check()

    def __enter__(self) -> TorchRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)

    def _epoch(self, split: str) -> int:
        return self._epochs.get(split, self._start or 0)

    def _open(self) -> BackgroundRecorder:
        together = dist.is_available() and dist.is_initialized()

        def broadcast(answer: Any) -> Any:
            answers = [answer]
            if together:
                dist.broadcast_object_list(answers)
            return answers[0]

        segment = answer_of_rank_zero(lambda: Recorder.next_segment(self.path), broadcast)
        try:
            recorder = Recorder(
                self.path,
                n_samples=self.n_samples or None,
                start_epoch=self._start,
                writer=dist.get_rank() if together else 0,
                n_writers=dist.get_world_size() if together else 1,
                segment=segment,
                **self._options,
            )
        finally:  # where it fails, too: the others wait
            if together:
                dist.barrier()  # every rank has looked at the folder before one writes to it
        self._start = recorder.next_epoch
        self._writer = BackgroundRecorder(recorder, max_pending_mib=self._max_pending_mib, on_error=self._on_error)
        self._writer.try_out()
        if self._part is not None and not self._writer.load_part(self._part, split="train"):
            warnings.warn(f"the rows recorded before the checkpoint ({self._part}) are no longer there", stacklevel=3)
        return self._writer

    def _ids_of_last_batch(self, split: str) -> Ids:
        if split not in self._loaders:
            raise LabelAuditError(
                f"which samples these are is unknown: no {split} loader is attached. Type"
                f" loader = recorder.attach(loader, split={split!r}) before the loop, or pass ids="
            )
        loader, positions = self._loaders[split]
        new = loader.n_made - self._used[split]
        self._used[split] = loader.n_made
        if not loader.n_made:
            raise LabelAuditError(
                f"the {split} loader that attach() returned gave no batch: the loop goes over another one, such as"
                " accelerator.prepare() makes. Attach that one, loader = recorder.attach(accelerator.prepare(loader)),"
                " or pass ids="
            )
        if new != 1:
            raise LabelAuditError(
                f"the {split} loader gave {new} batches since the last record(), so it is unknown which one this is."
                " Record every batch once, when it is used; where batches are fetched ahead or skipped, pass ids="
            )
        return positions(loader.take_newest_ids())
