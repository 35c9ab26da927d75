"""A network as a LightningModule: normalised images in, cross-entropy, AdamW with one cycle of the learning rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from labelaudit.callbacks.training.lightning_names import pl

WARM_UP = 0.2  # of the steps the learning rate rises; then it falls to nothing
WEIGHT_DECAY = 1e-4
Batch = tuple[torch.Tensor, torch.Tensor]


class ImageClassifier(pl.LightningModule):
    """Trains a network on (images, labels).

    Args:
        net: (n, C, H, W) to (n, K) logits.
        learning_rate: the highest of the cycle.
        mean: of the pixels, 0 to 1, of each channel, (C,).
        deviation: their standard deviation, (C,).
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, net: nn.Module, learning_rate: float, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        super().__init__()
        self.net, self.learning_rate = net, learning_rate
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("deviation", deviation[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits of (n, C, H, W) images from 0 to 1."""
        logits: torch.Tensor = self.net((images - self.mean) / self.deviation)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch, and what the recorder asks for."""
        images, labels = batch
        logits = self(images)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits, "targets": labels}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the logits of samples that are not trained on."""
        images, labels = batch
        return {"logits": self(images), "targets": labels}

    def configure_optimizers(self) -> Any:
        """AdamW, its rate once up and down over the whole training (Smith and Topin, arXiv:1708.07120)."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=WEIGHT_DECAY)
        steps = max(int(self.trainer.estimated_stepping_batches), 2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=steps, pct_start=WARM_UP
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
