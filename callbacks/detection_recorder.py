"""The recorder of detections for Lightning."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from labelaudit.callbacks.detection_thread import DetectionThread
from labelaudit.callbacks.found_boxes import (
    described,
    find_detections,
    find_targets,
    flat_boxes,
    image_ids,
    on_host,
    sizes_of,
)
from labelaudit.callbacks.inference_pass import drawn_batches, length_of, refuse_sharded
from labelaudit.callbacks.lightning_base import rank_zero_info, refuse_dataloader_iter
from labelaudit.callbacks.options import one_of
from labelaudit.callbacks.recording_callback import RecordingCallback
from labelaudit.callbacks.trainer_ids import TrainerIds
from labelaudit.detection.store.writer import DetectionWriter
from labelaudit.errors import LabelAuditError

__all__ = ["DetectionRecorder"]


class DetectionRecorder(RecordingCallback):
    """Records what a detector draws on every training image, while Lightning trains it.

    Where `training_step` returns detections (torchvision-style: one dict per image with boxes, scores and labels, as
    the step's ``detections`` or ``preds``), those are recorded at the cost of a copy. Where it returns only losses, as
    torchvision's detectors do, the images are run through the model once more after every n-th epoch, in evaluation
    mode: about the cost of a validation pass over the training images. Training is the same bit for bit either way.

    Args:
        path: folder of the history (made if absent), or an fsspec URL.
        source: where detections come from, "step" (what training_step returns), "pass" (an inference pass after the
            epoch), or "auto": the step's where it returns any.
        every_n_epochs: record epochs 0, n, 2n, ...
        splits: "train", and "val" for what `validation_step` returns in every validation pass.
        class_names: one name per label, from label 0; or {label: name}.
        id_key: where each target holds its image's id; None: an image's id is its position in the dataset. In a pass,
            positions also stand in where the targets hold no such key.
        sample_ids: your own id for each position, such as a file path; id_key is not looked at then.
        targets: the ground truth, one dict with boxes and labels per image: a key of what the step returns or of the
            batch, or a function `(outputs, batch) -> list of dicts`. None: whatever looks like it.
        adapter: a function `(outputs, batch) -> list of dicts` for detections of another form, such as
            `coco_results` and `ultralytics_results`.
        predict: for the pass, a function `(module, batch) -> outputs`. None: the module's own `predict_step`, else its
            forward on the images of the batch.
        loader: for the pass, a DataLoader of the images to audit; None: the training dataset. Give one without random
            augmentation where the training dataset augments: every epoch must see the boxes alike.
        box_format: of detections and targets, "xyxy", "xywh" or "cxcywh", in pixels.
        min_score: detections below this confidence are not kept.
        max_detections: the most confident ones kept per image.
        precision: of the stored scores, "single", "half", or "auto": single, or that of the history that is resumed.
        overwrite: replace a finished history in `path`.
        on_error: if the history can't be written, "raise" stops training, "warn" goes on without recording.
        max_pending_mib: detections that may wait for the writer, in MiB; training waits while there are more.
        subset_ids: positions in a `Subset` are positions in it ("position") or in the dataset under it ("underlying").

    Raises:
        LabelAuditError: for unknown options; in the first batch if detections or ground truth can't be found; when the
            ground truth of an image changes between epochs.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        source: str = "auto",
        every_n_epochs: int = 1,
        splits: Sequence[str] = ("train",),
        class_names: Sequence[str] | Mapping[int, str] | None = None,
        id_key: str | None = "image_id",
        sample_ids: Sequence[Any] | None = None,
        targets: str | Callable[[Any, Any], Any] | None = None,
        adapter: Callable[[Any, Any], Any] | None = None,
        predict: Callable[[Any, Any], Any] | None = None,
        loader: Any = None,
        box_format: str = "xyxy",
        min_score: float = 0.0,
        max_detections: int = 300,
        precision: str = "auto",
        overwrite: bool = False,
        on_error: str = "raise",
        max_pending_mib: float = 64,
        subset_ids: str = "position",
    ) -> None:
        super().__init__(
            path,
            splits=splits,
            every_n_epochs=every_n_epochs,
            overwrite=overwrite,
            on_error=on_error,
            max_pending_mib=max_pending_mib,
        )
        one_of("source", (source,), ("auto", "step", "pass"))
        one_of("box_format", (box_format,), ("xyxy", "xywh", "cxcywh"))
        one_of("precision", (precision,), ("auto", "single", "half"))
        one_of("subset_ids", (subset_ids,), ("position", "underlying"))
        self._source, self._loader, self._predict = source, loader, predict
        self._targets, self._adapter = targets, adapter
        self._id_key = None if sample_ids is not None else id_key
        self._unwind = subset_ids == "underlying"
        self._positions = TrainerIds(id_key=None, unwind_subsets=self._unwind)
        self._lengths: dict[str, int | None] | None = None  # of the datasets, where positions are the ids
        self._options: dict[str, Any] = {
            "class_names": class_names,
            "sample_ids": sample_ids,
            "box_format": box_format,
            "min_score": min_score,
            "max_detections": max_detections,
            "precision": precision,
            "every_n_epochs": every_n_epochs,
        }
        self._by_pass: bool | None = None  # None: not known before the first step
        self._drawn: int | None = None  # epoch of the last pass
        self._said_cost = self._said_unseen = False
        self._recorded: set[str] = set()  # splits of which a step has returned detections
        self._epoch_started = 0.0

    # Life of a run

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Follow the loaders, where positions are the ids."""
        self._state, self._recorded, self._said_unseen, self._drawn = {}, set(), False, None
        if stage == "fit" and not trainer.fast_dev_run and self._id_key is None:
            followed = [split for split in self._splits if split == "val" or self._source != "pass"]
            self._positions.attach(trainer, followed)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the history."""
        if not trainer.fast_dev_run:
            refuse_dataloader_iter(pl_module)
            self._by_pass = None if self._source == "auto" else self._source == "pass"
            self._lengths = None if self._id_key is not None else self._positions.lengths() or {}
            if self._lengths is not None and (self._source == "pass" or self._loader is not None):
                self._lengths["train"] = length_of(self._images(trainer), unwind=self._unwind)
            self._start(trainer)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the clock."""
        self._epoch_started = time.monotonic()

    # Batches

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hand over the step's detections; after the epoch's last step draw them, where steps give none."""
        if not self._wanted("train", trainer):
            return
        self._writer.check()
        if self._by_pass is None and (outputs or trainer.is_last_batch):  # a step that skips its batch returns nothing
            self._by_pass = find_detections(outputs, batch, None) is None
        if self._by_pass is False:
            self._open["train"] = trainer.current_epoch
            self._commit("train", outputs, batch, may_skip=pl_module.automatic_optimization)
        if trainer.is_last_batch:  # not in on_train_epoch_end: a checkpoint may be saved before that
            if self._by_pass:
                self._draw_all(trainer, pl_module)
            self._end_epoch("train")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End an epoch that stopped before its last batch; one that does so to end the training is not drawn."""
        left_out = self._by_pass and self._drawn != trainer.current_epoch and not trainer.should_stop
        if left_out and self._wanted("train", trainer):
            self._draw_all(trainer, pl_module)
        super().on_train_epoch_end(trainer, pl_module)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Hand over what validation_step drew."""
        if self._wanted("val", trainer) and not trainer.sanity_checking:
            self._open["val"] = trainer.current_epoch
            self._commit("val", outputs, batch)

    # What the hooks do

    def _wanted(self, split: str, trainer: Any) -> bool:
        """Whether the epoch is recorded."""
        return self._writer is not None and split in self._splits and trainer.current_epoch % self._every_n_epochs == 0

    def _make_writer(self, start: dict[str, Any]) -> DetectionWriter:
        return DetectionWriter(self.path, n_samples=self._lengths, **start, **self._options)

    def _make_thread(self, writer: Any) -> DetectionThread:
        return DetectionThread(writer, max_pending_mib=self._max_pending_mib, on_error=self._on_error)

    def _commit(self, split: str, outputs: Any, batch: Any, *, may_skip: bool = False) -> None:
        """Hand over what a step drew. One that returns nothing may have skipped its batch, once others did not."""
        self._writer.check()
        may_skip = not outputs and (may_skip or split in self._recorded)
        step = "training_step" if split == "train" else "validation_step"
        try:
            detections = find_detections(outputs, batch, self._adapter)
        except (LookupError, TypeError, AttributeError):  # of an adapter that is given nothing
            if not may_skip:
                raise
            detections = None
        if detections is None and may_skip:
            if not self._said_unseen:
                self._said_unseen = True
                warnings.warn(
                    f"{step} returned nothing in epoch {self._open[split]}, so nothing was recorded of that batch."
                    " Further such batches are not reported",
                    stacklevel=2,
                )
            return
        if detections is None:
            raise LabelAuditError(
                f"{step} returned {described(outputs)}, and no detections in it. Return "
                "{'loss': ..., 'detections': [{'boxes', 'scores', 'labels'}, ...]}, pass adapter="
                + (", or source='pass' for an inference pass after the epoch" if split == "train" else "")
            )
        targets = find_targets(outputs, batch, self._targets)
        ids = self._positions.take() if self._id_key is None else image_ids(targets, self._id_key)
        if ids is None:
            raise LabelAuditError(
                f"the targets hold no {self._id_key!r}: they are {described(targets)}. Put the image's id there, name "
                "its key with id_key='...', or pass id_key=None for positions in the dataset"
            )
        self._writer.add(ids, *flat_boxes(detections, targets), sizes_of(batch, len(targets)), split=split)
        self._recorded.add(split)

    def _draw_all(self, trainer: Any, module: Any) -> None:
        """Run the images through the model, this process's share of them."""
        refuse_sharded(trainer)
        began, self._drawn = time.monotonic(), trainer.current_epoch
        self._open["train"] = self._drawn
        seen: set[Any] = set()
        passing = drawn_batches(trainer, module, self._images(trainer), self._predict, unwind=self._unwind)
        with closing(passing) as drawn:
            for positions, outputs, batch in drawn:
                detections = find_detections(outputs, batch, self._adapter)
                if detections is None:
                    raise LabelAuditError(
                        f"the inference pass gave {described(outputs)}, which are no detections: expected one dict with"
                        " boxes, scores and labels per image. Pass predict=lambda module, batch: ..., or adapter="
                    )
                targets = find_targets(outputs, batch, self._targets)
                found = None if self._id_key is None else image_ids(targets, self._id_key)
                ids = positions if found is None else on_host(found)
                if len(ids) != len(targets):
                    raise LabelAuditError(
                        f"the dataset makes whole batches, so the positions of its images are unknown. Put each image's"
                        f" id into its target as {self._id_key!r}"
                    )
                self._refuse_shared_ids(ids, seen)
                self._writer.add(ids, *flat_boxes(detections, targets), sizes_of(batch, len(targets)), split="train")
        self._say_cost(time.monotonic() - began, began - self._epoch_started, len(seen))

    def _images(self, trainer: Any) -> Any:
        """Return the loader of the images that the pass runs over."""
        return trainer.train_dataloader if self._loader is None else self._loader

    def _refuse_shared_ids(self, ids: Any, seen: set[Any]) -> None:
        new = set(ids.tolist())
        if len(new) < len(ids) or new & seen:
            shared = next(iter(new & seen), ids[0])
            raise LabelAuditError(
                f"two images have the id {shared} under {self._id_key!r}. Give every image its own, or pass id_key=None"
                " for positions in the dataset"
            )
        seen |= new

    def _say_cost(self, seconds: float, training: float, n_images: int) -> None:
        if not self._said_cost:
            self._said_cost = True
            rank_zero_info(
                f"DetectionRecorder: no detections from training_step, so {n_images:,} training images went through the"
                f" model once more: {seconds:.1f} s, after an epoch of {training:.1f} s."
                f" every_n_epochs={self._every_n_epochs} sets how often."
            )

    def _leave(self) -> None:
        self._positions.detach()
