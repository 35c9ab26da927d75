"""Mild changes to training images that leave what they show as it is."""

from __future__ import annotations

import torch
from torch.nn import functional as F

KINDS = ("none", "shift", "flip")
SHIFT = 14  # images move by up to a fourteenth of their side


def augmented(images: torch.Tensor, kind: str, random: torch.Generator) -> torch.Tensor:
    """Return changed images, (n, C, H, W).

    Args:
        images: the images.
        kind: "none"; "shift": moved by up to a fourteenth of their side, edges repeated; "flip": that, and half of
            them mirrored left to right.
        random: a generator on the CPU: the same draws on any device.
    """
    if kind == "none":
        return images
    n, _, height, width = images.shape
    reach_y, reach_x = max(height // SHIFT, 1), max(width // SHIFT, 1)
    down = torch.randint(0, 2 * reach_y + 1, (n, 1), generator=random)
    right = torch.randint(0, 2 * reach_x + 1, (n, 1), generator=random)
    columns = right + torch.arange(width)
    if kind == "flip":
        mirrored = torch.rand((n, 1), generator=random) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows, columns = (down + torch.arange(height)).to(images.device), columns.to(images.device)
    padded = F.pad(images, (reach_x, reach_x, reach_y, reach_y), mode="replicate")
    each = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
