"""What happens beside the training itself: seeds, a progress bar, the estimated time, accuracy and early stopping."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from labelaudit.callbacks.training.images import FoldData
from labelaudit.callbacks.training.lightning_names import pl

PATIENCE = 3  # epochs without a better validation accuracy, then a repeat ends


class SeedEachEpoch(pl.Callback):
    """Whatever a network draws (dropout) depends on seed and epoch only, so that a resumed training draws the same."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.seed = tuple(seed)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Seed torch in front of the first step."""
        if batch_idx == 0:
            words = np.random.SeedSequence([*self.seed, trainer.current_epoch, 2]).generate_state(1, np.uint64)
            torch.manual_seed(int(words[0] >> np.uint64(1)))


class EpochEnds(pl.Callback):
    """Tells how the training goes on: each batch, and the seconds of each epoch with its held-out pass."""

    def __init__(self, on_batch: Callable[[], None], on_epoch: Callable[[int, float], None]) -> None:
        self._on_batch, self._on_epoch = on_batch, on_epoch
        self._since = 0.0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        if batch_idx == 0:
            self._since = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """One batch more."""
        self._on_batch()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Say how long it took."""
        self._on_epoch(trainer.current_epoch, time.perf_counter() - self._since)


class TrackEval(pl.Callback):
    """Accuracy on the training and the validation images after each epoch; ends a repeat that no longer improves.

    Args:
        data: the images.
        val: (v,) positions that are neither trained on nor held out.
        say: takes epoch, training accuracy and validation accuracy.
    """

    def __init__(self, data: FoldData, val: Any, say: Callable[[int, float, float], None]) -> None:
        self._data, self._val, self._say = data, val, say
        self.best, self.best_epoch = -1.0, 0

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Evaluate, say, and stop when there was nothing better for some epochs."""
        train = self._accuracy(pl_module, self._data.train_positions)
        val = self._accuracy(pl_module, self._val)
        epoch = trainer.current_epoch
        self._say(epoch, train, val)
        if val > self.best:
            self.best, self.best_epoch = val, epoch
        trainer.should_stop = trainer.should_stop or epoch - self.best_epoch >= PATIENCE

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]

    def _accuracy(self, pl_module: Any, positions: Any) -> float:
        was_training, right = pl_module.training, 0
        pl_module.eval()
        with torch.no_grad():
            for images, labels in self._data.in_order(positions):
                found = pl_module(images.to(pl_module.device)).argmax(dim=1).cpu()
                right += int((found == labels).sum())
        pl_module.train(was_training)
        return right / max(len(positions), 1)
