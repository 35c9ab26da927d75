"""Images read by FFCV (https://ffcv.io): the batches of the own cache, which a thread of FFCV reads ahead.

FFCV is told the order that the batches come in. Batches, their order and so the weights are those without it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler, SequentialSampler, Subset

from labelaudit.callbacks.training.ffcv_file import ffcv_file, torch_threads_kept
from labelaudit.callbacks.training.images import (
    Array,
    Batches,
    Fetched,
    FoldData,
    ImageDataset,
    ShuffledPositions,
    Source,
    as_batch,
)
from labelaudit.errors import LabelAuditError


class FfcvImages:
    """A `Source` that FFCV reads too, from a file of its own.

    Args:
        source: of n images; what is asked for out of order comes from there.
        folder: of FFCV's file.
        batch_size: images that FFCV reads at once.
        num_workers: threads of FFCV, at least one.

    Raises:
        LabelAuditError: the disk has no room for the file.
    """

    def __init__(self, source: Source, folder: Path, *, batch_size: int, num_workers: int) -> None:
        self.source = source
        self.order: Array = np.empty(0, np.int64)
        decoders: Any = import_module("ffcv.fields.decoders")
        tensor: Any = import_module("ffcv.transforms").ToTensor
        with torch_threads_kept():
            self._loader = import_module("ffcv.loader").Loader(
                str(ffcv_file(source, folder)),
                batch_size,
                num_workers=min(max(num_workers, 1), import_module("numba").config.NUMBA_NUM_THREADS),
                os_cache=True,  # memory-mapped
                drop_last=False,
                pipelines={
                    "image": [decoders.NDArrayDecoder(), tensor()],
                    "position": [decoders.IntDecoder(), tensor()],
                },
            )
        self._loader.traversal_order = self  # FFCV 1.0 refuses an order of one's own among its arguments

    def __len__(self) -> int:
        return len(self.source)

    def read(self, positions: Sequence[int]) -> Array:
        """Return (m, H, W, C) uint8."""
        return self.source.read(positions)

    def sample_order(self, epoch: int) -> Array:
        """Say to FFCV which positions come; the number that it counts is not the training's epoch."""
        return self.order

    def ahead(self, order: Array) -> Any:
        """Return FFCV's iterator over images (b, H, W, C) and positions (b, 1) in this order.

        A batch is overwritten some time after the next one is asked for.
        """
        self.order = order
        coming = iter(self._loader)
        while coming.is_alive() and coming.output_queue.empty():
            time.sleep(0.001)
        if coming.output_queue.empty():  # to ask for a batch would be to wait for ever
            raise LabelAuditError("FFCV cannot read here (its own message is above); do without: fast_loader: true")
        return coming


class FfcvPart(Subset[Any]):
    """Part of a data set whose rows are fetched in an order that was said before.

    Args:
        dataset: all of it; its source is `FfcvImages`.
        positions: (m,) of the part.
    """

    def __init__(self, dataset: ImageDataset, positions: Array) -> None:
        super().__init__(dataset, positions.tolist())
        self._source: Any = dataset.source
        self._targets = dataset.targets
        self._positions = np.asarray(positions, np.int64)
        self._ahead: Any = None
        self._coming: Iterator[Fetched] = iter(())

    def begin(self, rows: list[int]) -> None:
        """Let FFCV read these rows of the part, in this order."""
        if self._ahead is not None:
            self._ahead.close()  # an epoch that was broken off
        with torch_threads_kept():
            self._ahead = self._source.ahead(self._positions[rows])
            first = list(itertools.islice(self._ahead, 1))  # FFCV's thread has set torch's threads by then
        self._coming = itertools.chain(first, self._ahead)

    def __getitems__(self, rows: list[int]) -> Fetched:  # type: ignore[override]  # a whole batch, not a list
        positions, missing = torch.from_numpy(self._positions[rows]), len(rows)
        parts: list[Fetched] = []
        for pixels, found in self._coming:
            missing -= len(found)
            parts.append((pixels.clone(), found.clone()) if missing > 0 else (pixels, found))
            if missing <= 0:
                break
        if not torch.equal(torch.cat([found for _, found in parts]).flatten(), positions):
            raise RuntimeError("FFCV read other images than it was asked for")
        return parts[0][0] if len(parts) == 1 else torch.cat([pixels for pixels, _ in parts]), self._targets[positions]


class Announced(Sampler[list[int]]):
    """Batches whose order is said before the first of them is fetched."""

    def __init__(self, batches: Batches | BatchSampler, part: FfcvPart) -> None:
        self.batches, self.part = batches, part
        self.sampler: Any = batches.sampler  # Lightning says the epoch to it

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        batches = list(self.batches)
        if batches:
            self.part.begin([row for batch in batches for row in batch])
        yield from batches


class FfcvFold(FoldData):
    """`FoldData` of `FfcvImages`."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled batches."""
        order = ShuffledPositions(len(self.train_positions), self.seed)
        return self._read(self.train_positions, Batches(order, self.batch_size))

    def in_order(self, positions: Array) -> DataLoader[Any]:
        """Return some images in batches, without shuffling."""
        rows = SequentialSampler(range(len(positions)))
        return self._read(positions, BatchSampler(rows, 2 * self.batch_size, drop_last=False))

    def _read(self, positions: Array, batches: Batches | BatchSampler) -> DataLoader[Any]:
        part = FfcvPart(self.dataset, positions)
        return DataLoader(part, batch_sampler=Announced(batches, part), collate_fn=as_batch)
