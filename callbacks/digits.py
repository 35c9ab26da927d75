"""The demo's training: a small network on 8 x 8 digits, under Lightning, with the recorder attached."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from labelaudit.callbacks.lightning import PredictionRecorder
from labelaudit.callbacks.quiet_lightning import quiet_lightning

if TYPE_CHECKING:
    import lightning.pytorch as pl
else:
    pl = import_module("lightning.pytorch" if find_spec("lightning") else "pytorch_lightning")


class DigitsNet(pl.LightningModule):
    """Two hidden layers of 128; its step returns the loss only, so the recorder finds the scores by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, 10) logits of (n, 8, 8) images."""
        logits: torch.Tensor = self.net(images)
        return logits

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain momentum."""
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


class _EpochBar(pl.Callback):
    """A bar over epochs on standard error."""

    def __init__(self, epochs: int) -> None:
        self.bar = tqdm(total=epochs, desc="training", unit="epoch", dynamic_ncols=True)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.bar.update()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.bar.close()


def train(
    history: str | os.PathLike[str],
    images: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.integer[Any]],
    planted: Mapping[int, int],
    *,
    epochs: int,
    seed: int,
    progress: bool,
) -> None:
    """Train on digits and record the history.

    Args:
        history: where the history goes; an earlier one there is replaced.
        images: (n, 8, 8) pixels, 0 to 16.
        labels: (n,) given labels.
        planted: {position: true label} of the mistakes planted in them.
        epochs: epochs to train.
        seed: of weights and batch order.
        progress: show a bar on standard error.
    """
    torch.manual_seed(seed)
    data = TensorDataset(torch.from_numpy(images).float() / 16, torch.from_numpy(labels).long())
    loader = DataLoader(data, batch_size=64, shuffle=True)
    recorder = PredictionRecorder(
        history, class_names=[str(digit) for digit in range(10)], planted=planted, overwrite=True
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small only wait for each other on more
    try:
        with quiet_lightning(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # 1,797 small rows need none
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning's own use of a torch name
            trainer = pl.Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                callbacks=[recorder, *([_EpochBar(epochs)] if progress else [])],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(DigitsNet(), loader)
    finally:
        torch.set_num_threads(threads)
