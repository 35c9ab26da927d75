"""A cross-validated run: what is left out of training is recorded under the ids of the one data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import labelaudit
from labelaudit.callbacks import PredictionRecorder

N, EPOCHS = 24, 2
LABELS = torch.arange(N) % 2
IDS = [f"file {i}" for i in range(N)]


class Net(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 2)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_held_out_samples_keep_position_id_and_true_label(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(N, 3), LABELS)
    held = [23, 1, 8, 4]
    kept = [i for i in range(N) if i not in held]
    recorder = PredictionRecorder(tmp_path / "run", sample_ids=IDS, held_out=True, planted={1: 0, 2: 1})
    pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[recorder],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(
        Net(),
        DataLoader(Subset(data, kept), batch_size=5, shuffle=True),
        DataLoader(Subset(data, held), batch_size=3),
    )
    history = labelaudit.open_history(tmp_path / "run")
    assert history.ids("train").tolist() == [IDS[i] for i in kept]
    assert history.ids("val").tolist() == [IDS[i] for i in sorted(held)]
    whole = labelaudit.open_history(tmp_path / "run", held_out="val")
    assert whole.sample_ids.tolist() == IDS
    np.testing.assert_array_equal(whole.labels, LABELS.numpy())
    assert whole.true_labels is not None
    assert whole.true_labels[[1, 2, 3]].tolist() == [0, 1, -1]
    for epoch in range(EPOCHS):
        table = whole.epoch(epoch, run=1).to_pandas()
        assert table["sample_id"].tolist() == [IDS[i] for i in sorted(held)]
        assert table["given_label"].tolist() == LABELS[sorted(held)].tolist()
