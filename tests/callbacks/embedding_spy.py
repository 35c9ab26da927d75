"""A tiny network with convolutions that remembers the features of every sample it was trained on."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from spy import K, N, features_and_labels
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from labelaudit import open_history

WIDE = 6


def images(**options: Any) -> DataLoader[Any]:
    """Column 0 of the features is the sample's position."""
    x, y = features_and_labels()
    options = {"batch_size": 8, "shuffle": True, **options}
    return DataLoader(TensorDataset(x, y), **options)


class Net(lightning.LightningModule):
    """`seen[split][epoch][position]` holds the features (WIDE,) that the head was given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, WIDE, 2, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.3)
        self.side = nn.Linear(WIDE, 4)  # a linear layer that is not the head
        self.head = nn.Linear(WIDE, K)
        self.seen: dict[str, Any] = {"train": defaultdict(dict), "val": defaultdict(dict)}

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.conv(x[:, 1:].reshape(-1, 1, 2, 2))).flatten(1)

    def logits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.drop(self.features(x))
        return features, self.head(features) + 0 * self.side(features).sum()

    def step(self, split: str, batch: Any) -> torch.Tensor:
        x, y = batch
        features, logits = self.logits(x)
        for position, row in zip(x[:, 0].long().tolist(), features.detach().float().numpy(), strict=True):
            self.seen[split][self.current_epoch][position] = row.copy()
        return nn.functional.cross_entropy(logits, y)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.step("train", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.3)


class NetWithVal(Net):
    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return None if self.trainer.sanity_checking else self.step("val", batch)


def assert_kept(path: Any, seen: dict[int, Any], *, split: str = "train", epoch: int | None = None, n: int = N) -> None:
    """The history holds what the head was given in its last epoch, in dataset order."""
    found = open_history(path).embeddings(split, epoch=epoch)
    expected = seen[max(seen) if epoch is None else epoch]
    assert found.sample_ids.tolist() == sorted(expected)
    assert len(found) == n
    np.testing.assert_allclose(found.vectors, [expected[i] for i in sorted(expected)], rtol=1e-3, atol=1e-6)
