"""Images in batches: read by position, shuffled by seed and epoch, augmented on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from labelaudit.callbacks.training.augment import augmented
from labelaudit.callbacks.training.lightning_names import pl

Array = npt.NDArray[Any]
Fetched = tuple[torch.Tensor, torch.Tensor]


class Source(Protocol):
    """Where pixels come from: a memory-mapped cache, or files that are decoded each time."""

    def read(self, positions: Sequence[int]) -> Array:
        """Return (n, H, W, C) uint8."""

    def __len__(self) -> int:
        """Number of images."""


class ImageDataset(Dataset[Any]):
    """Images and given labels; a whole batch is fetched at once.

    Args:
        source: of n images.
        labels: (n,) class numbers.
    """

    def __init__(self, source: Source, labels: Array) -> None:
        self.source = source
        self.targets = torch.from_numpy(np.asarray(labels, np.int64))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, position: int) -> Fetched:
        images, labels = self.__getitems__([position])
        return images[0], labels[0]

    def __getitems__(self, positions: Sequence[int]) -> Fetched:
        return torch.from_numpy(self.source.read(positions)), self.targets[torch.as_tensor(positions)]


def as_batch(fetched: Any) -> list[torch.Tensor]:
    """Return images (n, C, H, W) from 0 to 1, and labels (n,), of what `__getitems__` returned."""
    pixels, labels = fetched
    return [pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255), labels]


class ShuffledPositions(Sampler[int]):
    """An order of n positions that depends on the seed and the epoch only, so that a resumed training goes on with it.

    Lightning calls `set_epoch`.
    """

    def __init__(self, n: int, seed: Sequence[int]) -> None:
        self.n, self.seed, self.epoch = n, tuple(seed), 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng([*self.seed, self.epoch, 1]).permutation(self.n).tolist())


class Batches(Sampler[list[int]]):
    """Batches of positions; a last one of a single image joins the one before, as batch normalisation needs two."""

    def __init__(self, sampler: ShuffledPositions, batch_size: int) -> None:
        self.sampler, self.batch_size = sampler, batch_size

    def __len__(self) -> int:
        n, size = len(self.sampler), self.batch_size
        return max(-(-n // size) - (n % size == 1 and n > size > 1), 1)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        for number in range(len(self)):
            start = number * self.batch_size
            yield order[start:] if number == len(self) - 1 else order[start : start + self.batch_size]


class FoldData(pl.LightningDataModule):
    """Training and held-out part of one data set.

    Args:
        dataset: all of it.
        train: (m,) positions to train on.
        held_out: (h,) positions to predict after each epoch.
        batch_size: images in a batch.
        num_workers: processes that read; 0: the training process.
        augment: see `augmented`.
        seed: of this run's order and augmentation.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        train: Array,
        held_out: Array,
        *,
        batch_size: int,
        num_workers: int,
        augment: str,
        seed: Sequence[int],
    ) -> None:
        super().__init__()
        self.dataset, self.train_positions, self.held_out = dataset, train, held_out
        self.batch_size, self.num_workers = batch_size, num_workers
        self.augment, self.seed = augment, tuple(seed)
        self._random: tuple[int, torch.Generator] | None = None

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled batches."""
        order = ShuffledPositions(len(self.train_positions), self.seed)
        return DataLoader(
            Subset(self.dataset, self.train_positions.tolist()),
            batch_sampler=Batches(order, self.batch_size),
            collate_fn=as_batch,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Return what is held out."""
        return self.in_order(self.held_out)

    def in_order(self, positions: Array) -> DataLoader[Any]:
        """Return some images in batches, without shuffling."""
        return DataLoader(
            Subset(self.dataset, positions.tolist()),
            batch_size=2 * self.batch_size,
            collate_fn=as_batch,
            num_workers=self.num_workers,
        )

    def on_after_batch_transfer(self, batch: list[torch.Tensor], dataloader_idx: int) -> list[torch.Tensor]:
        """Augment training images, on the device."""
        trainer = self.trainer
        if self.augment == "none" or trainer is None or not trainer.training:
            return batch
        epoch = trainer.current_epoch
        if self._random is None or self._random[0] != epoch:
            words = np.random.SeedSequence([*self.seed, epoch, 1]).generate_state(1, np.uint64)
            self._random = epoch, torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
        return [augmented(batch[0], self.augment, self._random[1]), batch[1]]
