"""A small detector without anchors (after CenterNet, Zhou et al. 2019), trained under Lightning on a CPU."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

STRIDE = 4
TOP = 40  # boxes of an image, at most
LEAST = 0.05  # score of a box, at least
SHIFT = 6  # pixels that a picture is moved by, at most


class Pictures(Dataset[dict[str, Any]]):
    """Scenes with the maps that the detector learns."""

    def __init__(self, pictures: np.ndarray, image: np.ndarray, category: np.ndarray, box: np.ndarray, classes: int):
        self.pictures, self.classes = pictures, classes
        self.boxes = [box[image == number] for number in range(len(pictures))]
        self.categories = [category[image == number] for number in range(len(pictures))]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a picture, moved by some pixels and darker or brighter, with its maps."""
        right, down = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
        moved = np.roll(self.pictures[index], (down, right), (0, 1))
        picture = torch.from_numpy(moved).float()[None] / 255 * (0.8 + 0.4 * torch.rand(1))
        return {"picture": picture, "index": index, **self._maps(index, np.array([right, down]))}

    def _maps(self, index: int, shift: np.ndarray) -> dict[str, torch.Tensor]:
        side = self.pictures.shape[1] // STRIDE
        heat = np.zeros((self.classes, side, side), np.float32)
        edges, where = np.zeros((4, side, side), np.float32), np.zeros((side, side), np.float32)
        grid = np.arange(side)
        for given, kind in zip(self.boxes[index], self.categories[index], strict=True):
            corners = (given + np.tile(shift, 2)) / STRIDE
            x, y = (corners[:2] + corners[2:]) / 2
            if not (0 <= x < side and 0 <= y < side):
                continue
            column, row = (min(int(at), side - 1) for at in (x, y))
            spread = np.maximum(corners[2:] - corners[:2], 1) * 0.12 + 0.3
            bump = (
                np.exp(-((grid - column) ** 2) / (2 * spread[0] ** 2))[None]
                * np.exp(-((grid - row) ** 2) / (2 * spread[1] ** 2))[:, None]
            )
            np.maximum(heat[kind], bump, out=heat[kind])
            near = bump > 0.6
            rows, columns = np.nonzero(near)
            middle = np.stack([columns + 0.5, rows + 0.5])
            edges[:, rows, columns] = np.concatenate([middle - corners[:2, None], corners[2:, None] - middle])
            where[near] = 1
        return {"heat": torch.from_numpy(heat), "edges": torch.from_numpy(edges), "where": torch.from_numpy(where)}


class Block(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return as many maps as there were."""
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(x + self.norms[1](self.second(y)))


class Detector(pl.LightningModule):
    """Predicts, on a grid of STRIDE pixels, the class of an object's middle and the way to its four edges."""

    def __init__(self, classes: int, width: int = 40, steps: int = 1000) -> None:
        super().__init__()
        self.steps = steps
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            Block(width, 1), Block(width, 2), Block(width, 1),
        )  # fmt: skip
        self.heat, self.edges = nn.Conv2d(width, classes, 1), nn.Conv2d(width, 4, 1)
        nn.init.constant_(self.heat.bias, -4.0)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of every class and the way to the edges, in cells, on the grid."""
        seen = self.body(picture)
        return self.heat(seen), F.softplus(self.edges(seen)) * 2

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the focal loss of the middles and the mean error of the edges, in cells."""
        logits, edges = self(batch["picture"])
        heat, where = batch["heat"], batch["where"]
        p = torch.sigmoid(logits)
        peak = (heat > 0.99).float()
        hit = -F.logsigmoid(logits) * (1 - p) ** 2 * peak
        miss = -F.logsigmoid(-logits) * p**2 * (1 - heat) ** 4 * (1 - peak)
        place = ((edges - batch["edges"]).abs().mean(dim=1) * where).sum() / where.sum().clamp(min=1)
        return (hit.sum() + miss.sum()) / peak.sum().clamp(min=1) + place

    def configure_optimizers(self) -> Any:
        """Return AdamW with one cycle of the learning rate."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=4e-3, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.no_grad()
    def detect(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the boxes of all pictures: image, category, box (corners) and score."""
        was_training = self.training
        self.eval()
        parts = []
        for start in range(0, len(pictures), 64):
            logits, edges = self(torch.from_numpy(pictures[start : start + 64]).float()[:, None] / 255)
            parts.append(_decoded(logits, edges, start))
        self.train(was_training)
        names = ("image", "category", "box", "score")
        return {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}


def _decoded(logits: torch.Tensor, edges: torch.Tensor, start: int) -> tuple[np.ndarray, ...]:
    p = torch.sigmoid(logits)
    p = p * (F.max_pool2d(p, 3, stride=1, padding=1) == p)
    n, _, high, wide = p.shape
    score, place = p.flatten(1).topk(TOP, dim=1)
    kind, cell = place // (high * wide), place % (high * wide)
    middle = torch.stack([cell % wide, cell // wide], dim=-1) + 0.5
    way = edges.flatten(2).transpose(1, 2).gather(1, cell[..., None].expand(-1, -1, 4))
    box = torch.cat([middle - way[..., :2], middle + way[..., 2:]], dim=-1) * STRIDE
    image = torch.arange(start, start + n)[:, None].expand_as(score)
    kept = score >= LEAST
    return tuple(part[kept].numpy() for part in (image, kind, box, score))


class Keep(pl.Callback):
    """Keeps what the detector draws on some pictures after every epoch."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures, self.epochs = pictures, []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the boxes."""
        self.epochs.append(pl_module.detect(self.pictures))


def train(
    pictures: np.ndarray,
    image: np.ndarray,
    category: np.ndarray,
    box: np.ndarray,
    watched: np.ndarray,
    *,
    epochs: int = 20,
    seed: int = 0,
) -> list[dict[str, np.ndarray]]:
    """Train on pictures with given boxes; return what is drawn on the watched pictures, epoch by epoch."""
    pl.seed_everything(seed, verbose=False)
    data = Pictures(pictures, image, category, box, int(category.max()) + 1)
    loader = DataLoader(data, batch_size=16, shuffle=True)
    model, keep = Detector(data.classes, steps=epochs * len(loader)), Keep(watched)
    pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[keep],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(model, loader)
    return keep.epochs
