"""An inference pass in the middle of training that the training does not notice."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Subset

from labelaudit.callbacks.found_boxes import images_of
from labelaudit.errors import LabelAuditError

SHARDED = ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy")


@contextmanager
def untouched(trainer: Any, module: nn.Module) -> Iterator[None]:
    """Evaluate without gradients; afterwards modes, buffers, random states and the Trainer's stage are as before."""
    modes = [(one, one.training) for one in module.modules()]
    buffers = [
        (one, name, buffer, buffer._version, buffer.clone())
        for one in module.modules()
        for name, buffer in one._buffers.items()
        if buffer is not None
    ]
    stage, drawn = trainer.state.stage, _random_states()
    try:
        trainer.predicting = True  # so that hooks of the user's see no training
        module.eval()
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            yield
    finally:
        trainer.state.stage = stage
        for one, mode in modes:
            one.training = mode
        with torch.no_grad():
            for one, name, buffer, version, before in buffers:
                one._buffers[name] = buffer
                if buffer._version != version:
                    buffer.copy_(before)
        _set_random_states(drawn)


def _random_states() -> tuple[Any, ...]:
    of_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), of_devices  # noqa: NPY002


def _set_random_states(states: tuple[Any, ...]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])
    if states[3] is not None:
        torch.cuda.set_rng_state_all(states[3])


def pass_loader(loader: Any, *, rank: int, world_size: int) -> DataLoader[Any]:
    """Return a loader of every world_size-th image of another loader's dataset, from `rank` on, in the dataset's order.

    Raises:
        LabelAuditError: it is no DataLoader of a map-style dataset.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        what = type(loader.dataset if isinstance(loader, DataLoader) else loader).__name__
        raise LabelAuditError(
            f"an inference pass over {what} is not possible: it is not a map-style dataset in one DataLoader. Pass "
            "loader= with a DataLoader of the images to audit, or let training_step return detections"
        )
    dataset: Any = loader.dataset
    batched = loader.batch_size or getattr(loader.batch_sampler, "batch_size", 1)
    return DataLoader(
        dataset,
        batch_size=None if loader.batch_sampler is None else batched,
        sampler=range(rank, len(dataset), world_size),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=torch.Generator().manual_seed(0),
    )


def _underlying(dataset: Any, positions: Any) -> Any:
    while isinstance(dataset, Subset):
        positions, dataset = np.asarray(dataset.indices)[positions], dataset.dataset
    return positions


def length_of(loader: Any, *, unwind: bool) -> int | None:
    """Return how many positions the ids of a pass over a loader's dataset can have; None where it has no length."""
    dataset: Any = getattr(loader, "dataset", None)
    while unwind and isinstance(dataset, Subset):
        dataset = dataset.dataset
    return len(dataset) if hasattr(dataset, "__len__") else None


def refuse_sharded(trainer: Any) -> None:
    """A forward pass of a sharded model needs all processes in step, on batches of their own."""
    if type(trainer.strategy).__name__ in SHARDED:
        raise LabelAuditError(
            f"an inference pass under {type(trainer.strategy).__name__} is not supported. Let training_step return "
            "detections, or record the validation pass: splits=('val',)"
        )


def drawn_batches(
    trainer: Any, module: Any, loader: Any, predict: Callable[[Any, Any], Any] | None, *, unwind: bool = False
) -> Generator[tuple[Any, Any, Any]]:
    """Yield positions (n,), what the module draws and the batch, of this process's share of a loader's images.

    Args:
        trainer: in a training epoch.
        module: is evaluated by `predict`, its own predict_step, or its forward on the images.
        loader: see `pass_loader`.
        predict: a function `(module, batch) -> outputs`, or None.
        unwind: positions in a Subset are positions in the dataset under it.
    """
    batches = pass_loader(loader, rank=trainer.global_rank, world_size=trainer.world_size)
    sampled = iter(batches.sampler)
    own = type(module).predict_step.__module__.split(".")[0] not in ("lightning", "pytorch_lightning")
    with untouched(trainer, module):
        for index, batch in enumerate(batches):
            here = trainer.strategy.batch_to_device(batch)
            if predict is not None:
                outputs = predict(module, here)
            else:
                outputs = module.predict_step(here, index) if own else module(images_of(here))
            positions = np.fromiter(itertools.islice(sampled, batches.batch_size or 1), np.int64)
            yield _underlying(batches.dataset, positions) if unwind else positions, outputs, batch
