"""One training run: all but a held-out part of the data, recorded, from the start or from its last checkpoint."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelaudit.callbacks.lightning import PredictionRecorder
from labelaudit.callbacks.quiet_lightning import quiet_lightning
from labelaudit.callbacks.training.epoch_end import EpochEnds, SeedEachEpoch, TrackEval
from labelaudit.callbacks.training.ffcv_loader import FfcvFold, FfcvImages
from labelaudit.callbacks.training.images import FoldData, ImageDataset
from labelaudit.callbacks.training.lightning_names import pl
from labelaudit.callbacks.training.networks import build
from labelaudit.errors import LabelAuditError

_exceptions: Any = pl.utilities.exceptions
FIRST_IMAGES = 1_000  # that mean and deviation of the pixels are taken of


@dataclass(frozen=True)
class Told:
    """What a run tells while it goes on; every function may be called from the training only.

    Attributes:
        batch: after each training batch.
        epoch: takes the epoch's number and its seconds.
        accuracy: takes the epoch's number, training and validation accuracy.
    """

    batch: Callable[[], None]
    epoch: Callable[[int, float], None]
    accuracy: Callable[[int, float, float], None]


def train_repeat(
    source: Any,
    labels: Any,
    split: tuple[Any, Any, Any],
    *,
    history: Path,
    checkpoints: Path,
    sample_ids: Sequence[Any],
    class_names: Sequence[str],
    model_name: str,
    model_weights: str | None,
    learning_rate: float,
    batch_size: int,
    num_epochs: int,
    num_workers: int,
    augment: str,
    device: str,
    seed: Sequence[int],
    told: Told,
    trial: bool = False,
) -> int:
    """Train one network and record it; a run that was killed goes on after its last finished epoch.

    Args:
        source: `Source` of n images.
        labels: (n,) given class numbers.
        split: positions to train on, to predict after each epoch, and (may be empty) to evaluate for early stopping.
        history: folder of the history.
        checkpoints: folder that this run alone may use; gone when it is finished.
        sample_ids: (n,) ids of the images.
        class_names: (K,) names.
        model_name: see `networks.build`.
        model_weights: see there.
        learning_rate: highest learning rate.
        batch_size: images in a batch.
        num_epochs: epochs.
        num_workers: processes that read images.
        augment: "none", "shift" or "flip".
        device: "auto", "cpu", "cuda" or "mps".
        seed: two integers; together they seed everything.
        told: what to tell.
        trial: stop after one batch, and save no checkpoint: what is wrong with the settings is known then.

    Returns:
        The epoch whose held-out predictions count: the last, or the best on the validation images.

    Raises:
        LabelAuditError: there is no such network or device.
    """
    train, held_out, val = split
    data = (FfcvFold if isinstance(source, FfcvImages) else FoldData)(
        ImageDataset(source, labels),
        train,
        np.sort(np.concatenate([held_out, val])),
        batch_size=batch_size,
        num_workers=num_workers,
        augment=augment,
        seed=seed,
    )
    tracked = TrackEval(data, val, told.accuracy) if len(val) and not trial else None
    with quiet_lightning(), torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(int(np.random.SeedSequence([*seed, 0]).generate_state(1)[0]))
        module = build(
            model_name,
            model_weights,
            shape=source.read([0]).shape[1:],
            n_classes=len(class_names),
            learning_rate=learning_rate,
            **_pixels(source, train),
        )
        _quiet()
        _fit(
            module,
            data,
            history,
            checkpoints,
            list(sample_ids),
            list(class_names),
            num_epochs,
            device,
            [
                SeedEachEpoch(seed),
                *([] if tracked is None else [tracked]),
                EpochEnds(told.batch, told.epoch),
            ],
            trial=trial,
        )
    shutil.rmtree(checkpoints, ignore_errors=True)
    return num_epochs - 1 if tracked is None else tracked.best_epoch


def _fit(
    module: Any,
    data: FoldData,
    history: Path,
    checkpoints: Path,
    sample_ids: list[Any],
    class_names: list[str],
    num_epochs: int,
    device: str,
    callbacks: list[Any],
    *,
    trial: bool,
) -> None:
    last = _last_checkpoint(checkpoints)
    recorder = PredictionRecorder(
        history, sample_ids=sample_ids, class_names=class_names, held_out=True, overwrite=True
    )
    saver = pl.callbacks.ModelCheckpoint(
        dirpath=checkpoints, filename="{epoch:05d}", save_on_train_epoch_end=True, enable_version_counter=False
    )
    length: dict[str, Any] = {"max_epochs": num_epochs}
    if trial:
        length = {"max_epochs": 1, "limit_train_batches": 1, "limit_val_batches": 1}
    try:
        trainer = pl.Trainer(
            **length,
            enable_checkpointing=not trial,
            accelerator={"cuda": "gpu"}.get(device, device),
            devices=1,
            callbacks=[recorder, *callbacks, *([] if trial else [saver])],
            logger=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (_exceptions.MisconfigurationException, RuntimeError, ValueError) as problem:  # no such device here
        raise LabelAuditError(f"device {device!r} cannot be used: {str(problem).splitlines()[0]}") from None
    options: dict[str, Any] = {}
    if last is not None and "weights_only" in inspect.signature(trainer.fit).parameters:
        options["weights_only"] = True  # a checkpoint is read as data
    try:
        trainer.fit(module, datamodule=data, ckpt_path=last, **options)
    except SystemExit:  # what Lightning makes of Ctrl-C
        if not trainer.interrupted:
            raise
    if trainer.interrupted:
        raise KeyboardInterrupt


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that can be read; a damaged one is as if it were not there."""
    for file in sorted(folder.glob("*.ckpt"), reverse=True) if folder.is_dir() else []:
        try:
            torch.load(file, map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001  # then the repeat starts anew
            file.unlink()
        else:
            return str(file)
    return None


def _pixels(source: Any, train: Any) -> dict[str, list[float]]:
    """Return mean and standard deviation of each channel over some training images, 0 to 1."""
    chosen = train[:: max(len(train) // FIRST_IMAGES, 1)][:FIRST_IMAGES]
    total, squares, n = 0.0, 0.0, 0
    for start in range(0, len(chosen), 100):
        pixels = source.read(chosen[start : start + 100].tolist()).astype(np.float64) / 255
        total = total + pixels.sum(axis=(0, 1, 2))
        squares = squares + (pixels**2).sum(axis=(0, 1, 2))
        n += pixels[..., 0].size
    mean = np.asarray(total) / n
    deviation = np.sqrt(np.maximum(np.asarray(squares) / n - mean**2, 0))
    return {"mean": mean.tolist(), "deviation": np.maximum(deviation, 0.02).tolist()}


def _quiet() -> None:
    """Silence advice on what is meant as it is."""
    for message in (
        ".*does not have many workers.*",
        ".*Total length of `DataLoader` across ranks is zero.*",  # nothing to hold out: the plan says so
        ".*LeafSpec.*",  # Lightning's own use of a torch name
        ".*tensorboardX.*",
        ".*Checkpoint directory .* exists.*",
        ".*GPU available but not used.*",
        ".*is smaller than the logging interval.*",
        ".*the return value is a dictionary.*",
        ".*Detected call of `lr_scheduler.step.*",
    ):
        warnings.filterwarnings("ignore", message=message)
