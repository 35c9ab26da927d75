"""The MNIST seed's experiment on Fashion-MNIST: every 100th label wrong, find them from the training history.

The seed (InterpretDL's forgetting events) trains a ResNet-50 on MNIST for 100 epochs and reports recall 0.887,
precision 0.801, F1 0.842. Here: a small convolutional network, `--epochs` epochs, under Lightning, on the CPU.

    python benchmarks/seed_forgetting.py                  # all 60,000 pictures
    python benchmarks/seed_forgetting.py --samples 6000 --epochs 6
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings

import fashion_mnist
import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import labelaudit
from labelaudit.callbacks import PredictionRecorder


class Net(pl.LightningModule):
    """Two strided convolutions and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Momentum, as in the seed."""
        return torch.optim.SGD(self.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)


def every_100th_wrong(labels: np.ndarray, seed: int) -> tuple[np.ndarray, dict[int, int]]:
    """Give every 100th sample a uniformly drawn wrong label, as the seed does."""
    rng = np.random.default_rng(seed)
    wrong, chosen = labels.copy(), np.arange(0, len(labels), 100)
    wrong[chosen] = (labels[chosen] + rng.integers(1, 10, len(chosen))) % 10
    return wrong, {int(i): int(labels[i]) for i in chosen}


def main() -> None:
    """Train, audit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--history", help="keep the history in this folder")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*|.*LeafSpec.*")
    torch.manual_seed(options.seed)
    images, true = fashion_mnist.load("train")
    images, true = images[: options.samples], true[: options.samples]
    given, planted = every_100th_wrong(true, options.seed)
    data = TensorDataset(torch.from_numpy(images[:, None].astype(np.float32) / 255), torch.from_numpy(given))
    folder = options.history or tempfile.mkdtemp(prefix="labelaudit-")
    recorder = PredictionRecorder(folder, class_names=fashion_mnist.CLASSES, planted=planted, overwrite=True)
    trainer = pl.Trainer(
        max_epochs=options.epochs, accelerator="cpu", callbacks=[recorder], logger=False,
        enable_checkpointing=False, enable_model_summary=False,
    )  # fmt: skip
    started = time.perf_counter()
    trainer.fit(Net(), DataLoader(data, batch_size=128, shuffle=True))
    trained = time.perf_counter() - started
    started = time.perf_counter()
    audit = labelaudit.audit(folder)
    audited = time.perf_counter() - started
    found = audit.measured
    assert found is not None
    print(f"\n{audit.summary}\n")
    print(f"{'':44}{'recall':>9}{'precision':>11}{'F1':>7}")
    print(f"{'seed: MNIST, ResNet-50, 100 epochs':44}{0.887:9.3f}{0.801:11.3f}{0.842:7.3f}")
    name = f"labelaudit: Fashion-MNIST, CNN, {options.epochs} epochs"
    print(f"{name:44}{found.recall:9.3f}{found.precision:11.3f}{found.f1:7.3f}")
    print(
        f"{len(planted):,} planted of {len(true):,}; F1 at the true number {found.f1_at_n:.3f}, average precision "
        f"{found.average_precision:.3f}, {found.n_suggestions:,} suggestions, right "
        f"{found.correction_accuracy:.1%}"
    )
    print(f"training {trained:.0f} s, audit {audited:.1f} s; history: {folder}")


if __name__ == "__main__":
    main()
