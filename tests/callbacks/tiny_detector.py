"""A tiny detector in torchvision's manner: losses while it trains, boxes in evaluation mode."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from labelaudit import open_history
from labelaudit.detection.store.history import DetectionHistory

N, SIDE, BOXES = 21, 24, 3  # the last batch of 4 has one image


class Scenes(Dataset[Any]):
    """Pictures of noise with bright squares; pixel (0, 0) holds the picture's number. Some have no square."""

    def __init__(self, n: int = N, *, image_id: bool = True, jitter: bool = False) -> None:
        self.n, self.image_id, self.jitter = n, image_id, jitter

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        random = np.random.default_rng(index)
        image = torch.tensor(random.normal(size=(1, SIDE, SIDE)), dtype=torch.float32)
        low = random.integers(0, SIDE - 10, (index % 3, 2)) + (int(torch.randint(5, ())) if self.jitter else 0)
        boxes = torch.tensor(np.concatenate([low, low + 9], axis=1), dtype=torch.float32)
        for x1, y1, x2, y2 in boxes.int().tolist():
            image[0, y1:y2, x1:x2] += 3
        image[0, 0, 0] = index
        target = {"boxes": boxes, "labels": torch.tensor(random.integers(1, 4, len(low)))}
        return image, target | ({"image_id": 100 + index} if self.image_id else {})


def collate(samples: list[Any]) -> Any:
    return tuple(zip(*samples, strict=True))


def scenes(dataset: Any = None, **options: Any) -> DataLoader[Any]:
    options = {"batch_size": 4, "shuffle": True, "collate_fn": collate, **options}
    return DataLoader(Scenes() if dataset is None else dataset, **options)


class TinyDetector(lightning.LightningModule):
    """`said[split][epoch][picture]` is what it drew, as it saw it itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.LazyLinear(30)
        )
        self.net(torch.zeros(2, 1, SIDE, SIDE))  # makes the lazy layer
        self.said: dict[str, dict[int, dict[int, Any]]] = {"train": {}, "val": {}}
        self.order: list[list[int]] = []

    def forward(self, images: Any) -> Any:
        out = self.net(torch.stack(list(images))).reshape(-1, BOXES, 10)
        found = []
        for image, rows in zip(images, out, strict=True):
            keep = rows[:, 4].sigmoid() > 0.45
            rows = rows[keep]
            boxes = torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4].exp()], dim=1)
            drawn = {"boxes": boxes, "scores": rows[:, 4].sigmoid(), "labels": rows[:, 5:].argmax(dim=1)}
            found.append(drawn)
            self.note("train", image, drawn)
        return found

    def note(self, split: str, image: Tensor, drawn: dict[str, Tensor]) -> None:
        drawn = {name: value.detach().clone() for name, value in drawn.items()}
        self.said[split].setdefault(self.current_epoch, {})[int(image[0, 0, 0])] = drawn

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        images, targets = batch
        self.order.append([int(image[0, 0, 0]) for image in images])
        out = self.net(torch.stack(list(images)))
        wanted = torch.tensor([float(target["boxes"].sum()) for target in targets])
        return nn.functional.mse_loss(out.mean(dim=1), wanted / 30)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class StepDetector(TinyDetector):
    """One whose steps return what it draws."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return {"loss": loss, "detections": self(batch[0])}


class ValDetector(StepDetector):
    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        if self.trainer.sanity_checking:
            return None
        drawn = super().forward(batch[0])
        for image, one in zip(batch[0], drawn, strict=True):
            self.note("val", image, one)
        return drawn


def assert_drawn(path: Any, said: dict[int, Any], ids: Any, split: str = "train", n: int = N) -> None:
    """The history holds what the module drew, and the ground truth: each epoch, each picture, each number."""
    history = open_history(path)
    assert isinstance(history, DetectionHistory)
    assert history.n_epochs == len(said)
    for epoch, pictures in said.items():
        rows = {row["sample_id"]: row for row in history.epoch(epoch, split=split).to_pylist()}
        assert sorted(rows) == sorted(ids(picture) for picture in range(n))
        for picture, drawn in pictures.items():
            row, (_, target) = rows[ids(picture)], Scenes()[picture]
            for name, column in (("boxes", "boxes"), ("scores", "scores"), ("labels", "labels")):
                expected = drawn[name].float().numpy()
                got = np.array(row[column], np.float32).reshape(expected.shape)
                np.testing.assert_array_equal(got, expected)
            assert row["given_labels"] == target["labels"].tolist()
            assert row["given_boxes"] == target["boxes"].tolist()
