"""The recorder for Hugging Face's Trainer."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import TrainerCallback

from labelaudit.callbacks.sample_ids import BatchTaggingDataset, Tagged, TaggingDataset
from labelaudit.callbacks.torch_recorder import TorchRecorder
from labelaudit.errors import LabelAuditError
from labelaudit.history import Recorder
from labelaudit.history.folder import fixed_place

__all__ = ["TrainerRecorder"]

_PARTS = "labelaudit.json"  # in a checkpoint's folder: where the rows of its unfinished epoch are kept


class TrainerRecorder(TrainerCallback):
    """Records what a model predicts for every sample while Hugging Face's Trainer trains it.

    `Trainer(..., callbacks=[TrainerRecorder("runs/x")])` is the whole change. Ids are positions in the train dataset,
    labels are the batch's `labels` before label smoothing takes them away, scores are the `logits` of the model's
    output.

    Args:
        path: folder of the history (made if absent), or an fsspec URL.
        id_key: the column that holds the samples' ids; needed for iterable datasets, and
            `TrainingArguments(remove_unused_columns=False)` with it. None: ids are positions.
        label_key: the column that holds the labels.
        embeddings: keep every sample's feature vector as well: the name of a submodule of the model, whose output it
            is, or "auto", the input of the last linear layer.
        options: as of `TorchRecorder`.

    Raises:
        LabelAuditError: when training begins, if ids can't be had; in the first batch, if labels or logits can't.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        id_key: str | None = None,
        label_key: str = "labels",
        embeddings: str | None = None,
        **options: Any,
    ) -> None:
        TorchRecorder(path, embeddings=embeddings, **options)  # refuses bad options now, not when training begins
        self.path = fixed_place(path)
        self._typed = os.fspath(path)  # what checkpoints call it: they may be moved with it
        self._embeddings = embeddings
        self._id_key, self._label_key, self._options = id_key, label_key, options
        self._recorder: TorchRecorder | None = None
        self._hooks: list[Any] = []
        # Under this key ids and labels (n, 2) travel with a batch from the collate function to the model's forward.
        # Each recorder has its own: others may watch the model too, one whose training was interrupted among them.
        self._tag = f"labelaudit_ids_and_labels_{id(self)}"
        self._now: Tensor | None = None
        self._has_recorded = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Follow the loader, watch the model."""
        self._leave()
        loader, model = kwargs["train_dataloader"], kwargs["model"]
        self._check_columns(args, model)
        resumed = state.global_step > 0
        start: dict[str, Any] = {"start_epoch": int(state.epoch or 0)}
        if resumed:
            start |= {"resume": True, "overwrite": False}  # the older epochs belong to the run that goes on
        self._recorder = TorchRecorder(self.path, embeddings=self._embeddings, **{**self._options, **start})
        self._follow(loader)
        if self._embeddings is not None:
            self._recorder.watch(model)
        if resumed:
            self._go_on_with_part(args, state)
        self._hooks = [
            model.register_forward_pre_hook(self._before_forward, with_kwargs=True),
            model.register_forward_hook(self._after_forward),
        ]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Refuse to train on unrecorded."""
        if not self._has_recorded and self._recorder is not None:
            raise LabelAuditError(
                f"the Trainer made a step, and {type(kwargs['model']).__name__} was not called with the batch that the"
                " loader made, so nothing was recorded. Call model(**inputs) in your compute_loss or training_step, or"
                " record there yourself: labelaudit.callbacks.TorchRecorder"
            )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the epoch, before a checkpoint of it is saved."""
        if self._recorder is not None:
            self._recorder.end_epoch(whole=float(state.epoch).is_integer())

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the rows of the epoch that the checkpoint was saved in, on every rank."""
        if self._recorder is None:
            return
        kept = self._recorder.state_dict()
        file = _parts_file(args, state)
        if state.is_world_process_zero and file.parent.is_dir() and kept["part"] is not None:
            parts = json.loads(file.read_text()) if file.exists() else {}
            file.write_text(json.dumps({**parts, self._typed: kept}))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the history finished, and leave the model as it was."""
        recorder = self._recorder
        self._leave()
        if recorder is not None:
            recorder.close()

    def _go_on_with_part(self, args: Any, state: Any) -> None:
        """Take up the rows recorded before the checkpoint; whole epochs need none."""
        assert self._recorder is not None
        file = _parts_file(args, state)
        kept = json.loads(file.read_text()).get(self._typed) if file.exists() else None
        if kept is not None:
            before = kept["epoch"] < int(state.epoch)  # saved after the epoch's last step, before its end
            if before and kept["epoch"] in Recorder.recorded_epochs(self.path):
                return
            self._recorder.load_state_dict(kept)
            if before:
                self._recorder.end_epoch()
        elif state.epoch != int(state.epoch):
            warnings.warn(
                f"training goes on in the middle of epoch {int(state.epoch)}, and {file} does not say where the rows"
                " recorded before the checkpoint are: this epoch's history has the rest only",
                stacklevel=2,
            )

    def _check_columns(self, args: Any, model: Any) -> None:
        if self._id_key is None or not args.remove_unused_columns:
            return
        if self._id_key not in inspect.signature(model.forward).parameters:
            raise LabelAuditError(
                f"id_key={self._id_key!r}, but remove_unused_columns=True (the Trainer's default) takes that column"
                " out of every batch and would leave nothing to record. Pass"
                " TrainingArguments(remove_unused_columns=False), or leave id_key out for positions in the dataset"
            )

    def _follow(self, loader: Any) -> None:
        loader = getattr(loader, "base_dataloader", loader)  # under accelerate's own
        collate = loader.collate_fn
        if self._id_key is not None:
            loader.__dict__["collate_fn"] = _TagFromBatch(collate, self._tag, self._id_key, self._label_key)
        elif isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset):
            n = len(loader.dataset)  # type: ignore[arg-type]
            batches = loader.batch_sampler is not None  # then no sample is fetched alone
            tagging = BatchTaggingDataset if batches else TaggingDataset
            loader.__dict__["dataset"] = tagging(loader.dataset)  # replaced, as loaders are copied from what they show
            loader.__dict__["collate_fn"] = _TagFromPositions(collate, self._tag, self._label_key)
            assert self._recorder is not None
            self._recorder.n_samples = {"train": n}
        else:
            raise LabelAuditError(
                f"samples of {type(loader.dataset).__name__} have no position. Give every sample an integer id column"
                " and name it: TrainerRecorder(..., id_key='id'), with TrainingArguments(remove_unused_columns=False)"
            )

    def _before_forward(self, model: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._now = kwargs.pop(self._tag, None)
        return args, kwargs

    def _after_forward(self, model: Any, args: Any, output: Any) -> None:
        tag, self._now = self._now, None
        if tag is None or self._recorder is None or not torch.is_grad_enabled():  # evaluation, also of training batches
            return
        logits = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
        if logits is None and isinstance(output, tuple):
            logits = next((part for part in output if isinstance(part, Tensor) and part.ndim == 2), None)
        if logits is None:
            raise LabelAuditError(
                f"the model's output ({type(output).__name__}) has no logits. Let forward return them as 'logits'"
            )
        self._recorder.record(logits, tag[:, 1], ids=tag[:, 0])
        self._has_recorded = True

    def _leave(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._recorder, self._now, self._has_recorded = [], None, None, False


def _parts_file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}" / _PARTS


class _TagFromPositions:
    """The Trainer's collate function, whose batch also says which samples it holds and how they are labelled."""

    def __init__(self, collate: Any, tag: str, label_key: str) -> None:
        self.collate, self.tag, self.label_key = collate, tag, label_key

    def __call__(self, fetched: Any) -> Any:
        if not isinstance(fetched, Tagged):  # samples of somebody who looks at the loader
            return self.collate(fetched)
        return _tagged(self.collate(fetched.data), self.tag, fetched.ids, self.label_key)


class _TagFromBatch:
    """The same, with the ids in a column of the batch. The column goes: the model does not know it."""

    def __init__(self, collate: Any, tag: str, id_key: str, label_key: str) -> None:
        self.collate, self.tag, self.id_key, self.label_key = collate, tag, id_key, label_key

    def __call__(self, rows: Any) -> Any:
        batch = self.collate(rows)
        if self.id_key not in batch:
            first = rows[0].get(self.id_key) if rows and isinstance(rows[0], Mapping) else None
            if first is not None and not isinstance(first, int):
                raise LabelAuditError(
                    f"the column {self.id_key!r} holds {first!r}, and the collate function leaves out what is no"
                    " number. Leave id_key out and pass the ids in the dataset's order,"
                    " TrainerRecorder(..., sample_ids=[...]); for an iterable dataset name a column of integers"
                )
            raise LabelAuditError(f"the batch holds {sorted(batch)}, and no ids under id_key={self.id_key!r}")
        return _tagged(batch, self.tag, np.asarray(batch.pop(self.id_key)), self.label_key)


def _tagged(batch: Any, tag: str, ids: Any, label_key: str) -> Any:
    labels = batch.get(label_key)
    if ids.dtype.kind not in "iu" or labels is None or np.shape(labels) != np.shape(ids):
        has = "none" if labels is None else f"of shape {np.shape(labels)}"
        raise LabelAuditError(
            f"a batch needs integer ids (n,) and labels (n,): ids are {ids.dtype} {ids.shape}, labels under"
            f" {label_key!r} are {has}; it holds {sorted(batch)}. Name the column of the labels: label_key='label'"
        )
    numbers = labels if isinstance(labels, Tensor) else np.asarray(labels)
    if isinstance(numbers, np.ndarray) and numbers.dtype.kind not in "biuf":
        raise LabelAuditError(
            f"labels under {label_key!r} are no class numbers: {numbers[0]!r} is among them. Let the dataset or its"
            " collate function give 0, 1, ... (model.config.label2id, say), and pass class_names= for the report"
        )
    given = torch.as_tensor(numbers)  # on the host still: looking at values waits for no device
    classes = given.long()
    if given.is_floating_point() and not torch.equal(classes.to(given.dtype), given):
        one = given[classes != given][0].item()
        raise LabelAuditError(
            f"labels under {label_key!r} are no class numbers: {one:.4g} is among them. What is recorded is"
            " classification, with labels 0, 1, ...; regression has no wrong classes to find. Leave the recorder out,"
            " or name the column of the classes: label_key='label'"
        )
    batch[tag] = torch.stack([torch.as_tensor(ids), classes], dim=1)
    return batch
