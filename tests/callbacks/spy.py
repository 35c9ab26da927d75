"""A tiny classifier that remembers, slowly and obviously, what a recorder should have recorded."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from labelaudit import open_history

N, K = 53, 3  # the last batch of 8 has 5 samples


def features_and_labels(n: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    """Column 0 of the features is the sample's position."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator)
    x[:, 0] = torch.arange(n)
    return x, torch.randint(0, K, (n,), generator=generator)


def loader(dataset: Any = None, **options: Any) -> DataLoader[Any]:
    options = {"batch_size": 8, "shuffle": True, **options}
    if options.get("batch_sampler") is not None:
        del options["batch_size"], options["shuffle"]
    return DataLoader(TensorDataset(*features_and_labels()) if dataset is None else dataset, **options)


class Spy(lightning.LightningModule):
    """`said[split][epoch][position]` is (probabilities, label), as the module itself saw them."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, K)
        self.said: dict[str, Any] = {"train": defaultdict(dict), "val": defaultdict(dict)}
        self.batches: list[Any] = []

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x[:, 1:])

    def note(self, split: str, x: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> None:
        self.batches.append(x[:, 0].tolist())
        for position, p, label in zip(x[:, 0].long().tolist(), logits.float().softmax(-1), y.tolist(), strict=True):
            self.said[split][self.current_epoch][position] = (p.detach().numpy(), label)

    def step(self, split: str, batch: Any) -> Any:
        x, y = batch
        logits = self.logits(x)
        self.note(split, x, logits, y)
        return nn.functional.cross_entropy(logits, y)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.step("train", batch)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.3)


class SpyWithVal(Spy):
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return None if self.trainer.sanity_checking else self.step("val", batch)


def trainer(*callbacks: Any, package: Any = lightning, **options: Any) -> Any:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options = {"max_epochs": 2, "accelerator": "cpu", "enable_checkpointing": False, **quiet, **options}
    return package.Trainer(callbacks=list(callbacks), **options)


def assert_recorded(path: Any, said: dict[int, Any], *, ids: Any = None) -> None:
    """The history holds what the module said: each epoch, each sample, each number."""
    history = open_history(path)
    assert history.n_epochs == len(said)
    for epoch, samples in said.items():
        table = history.epoch(epoch).to_pylist()
        got = {row["sample_id"]: row for row in table}
        assert len(got) == len(table)
        assert sorted(got) == sorted(samples if ids is None else (ids[i] for i in samples))
        for position, (p, label) in samples.items():
            row = got[position if ids is None else ids[position]]
            assert row["given_label"] == label
            np.testing.assert_allclose(row["probabilities"], p, atol=2e-3)
