"""A network as a LightningModule: normalised images in, AdamW with one cycle of the learning rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from labelaudit.callbacks.training.lightning_names import pl

WARM_UP = 0.2  # of the steps the learning rate rises; then it falls to nothing
WEIGHT_DECAY = 1e-4
Batch = tuple[torch.Tensor, torch.Tensor]


def generalised_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, power: float) -> torch.Tensor:
    """Return the mean of (1 - p ** power) / power, where p is the probability of the label.

    Power 0 is cross-entropy, 1 the mean absolute error. In between, a sample pulls with p ** power of its pull under
    cross-entropy, so that labels which the network finds hard to believe, many of them wrong, are learned less.

    Args:
        logits: (n, K).
        labels: (n,) class numbers.
        power: 0 to 1.

    Source: Zhang and Sabuncu, NeurIPS 2018, arXiv:1805.07836.
    """
    minus_log_p = nn.functional.cross_entropy(logits, labels, reduction="none" if power else "mean")
    return -torch.expm1(-power * minus_log_p).mean() / power if power else minus_log_p


class ImageClassifier(pl.LightningModule):
    """Trains a network on (images, labels).

    Args:
        net: (n, C, H, W) to (n, K) logits.
        learning_rate: the highest of the cycle.
        mean: of the pixels, 0 to 1, of each channel, (C,).
        deviation: their standard deviation, (C,).
        loss_power: q of `generalised_cross_entropy`, 0 to below 1; 0: cross-entropy. Where labels are drawn with
            probabilities P, that loss is lowest at probabilities proportional to P ** (1 / (1 - q)); so the logits are
            returned times 1 - q, as logits of P.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        net: nn.Module,
        learning_rate: float,
        mean: torch.Tensor,
        deviation: torch.Tensor,
        loss_power: float = 0.0,
    ) -> None:
        super().__init__()
        self.net, self.learning_rate, self.loss_power = net, learning_rate, loss_power
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("deviation", deviation[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits of (n, C, H, W) images from 0 to 1."""
        logits: torch.Tensor = self.net((images - self.mean) / self.deviation)
        return logits * (1 - self.loss_power) if self.loss_power else logits

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch, and what the recorder asks for."""
        images, labels = batch
        logits = self(images)
        loss = generalised_cross_entropy(logits / (1 - self.loss_power), labels, self.loss_power)
        return {"loss": loss, "logits": logits, "targets": labels}

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
