"""The built-in network: three convolutions, quick on a CPU, for images of any size."""

from __future__ import annotations

import torch
from torch import nn

POOLED = 2  # cells a side in front of the last layer: a little of where things are, at any image size
LOSS_POWER = 0.4  # of the loss that it is trained with: wrong labels are learned less, see docs/fit.md


def _block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class SmallCNN(nn.Module):
    """Convolutions of w, 2 w and 4 w channels, batch normalisation, and one linear layer.

    Images from 96 pixels a side on are first halved by a convolution with stride 2, as often as needed, so that the
    cost stays near that of small ones.

    Args:
        channels: 1 or 3.
        n_classes: K.
        side: of the images, in pixels.
        width: w.
    """

    def __init__(self, channels: int, n_classes: int, side: int, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while side >= 96:
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels, side = width, side // 2
        layers += [_block(channels, width), nn.MaxPool2d(2, ceil_mode=True)]
        layers += [_block(width, 2 * width), nn.MaxPool2d(2, ceil_mode=True)]
        layers += [_block(2 * width, 4 * width), nn.AdaptiveAvgPool2d(POOLED), nn.Flatten()]
        self.layers = nn.Sequential(*layers, nn.Linear(4 * width * POOLED**2, n_classes))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, K) logits of (n, channels, H, W) images."""
        logits: torch.Tensor = self.layers(images.contiguous(memory_format=torch.channels_last))
        return logits
