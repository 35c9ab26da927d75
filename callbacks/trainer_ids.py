"""The ids of the batch that a Lightning Trainer is about to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from labelaudit.callbacks.patch import Patch
from labelaudit.callbacks.sample_ids import Ids, Positions, follow
from labelaudit.errors import LabelAuditError


class TrainerIds:
    """Follows the loaders of some splits, from `attach` to `detach`.

    Args:
        id_key: where the batch holds its ids, a key or an index; None: the recorder finds the positions itself.
        unwind_subsets: a Subset's ids are positions in the dataset under it.
    """

    def __init__(self, *, id_key: str | int | None, unwind_subsets: bool) -> None:
        self._id_key = id_key
        self._unwind = unwind_subsets
        self._patches: list[Patch] = []
        self._loaders: dict[str, _Split] = {}
        self._ids: Any = None

    def attach(self, trainer: Any, splits: Sequence[str]) -> None:
        """Take part where the strategy hands a loader to the loop, and where the loop begins to use a batch."""

        def split_now() -> str:
            return "val" if trainer.sanity_checking or trainer.validating else "train"

        def process(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def process_dataloader(loader: Any) -> Any:
                loader = original(loader)
                split = split_now()
                if self._id_key is None and split in splits:
                    loader = follow(loader)
                    epoch = trainer.current_epoch
                    before = self._loaders.get(split)
                    if before is None or before.epoch != epoch:  # or they were reloaded
                        self._loaders[split] = _Split(epoch, split, before)
                    self._loaders[split].add(loader, Positions(loader, unwind=self._unwind))
                return loader

            return process_dataloader

        def convert(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def convert_input(batch: Any) -> Any:
                self._ids = self._find(batch)
                return original(batch)

            return convert_input

        self.detach()
        self._patches = [
            Patch(trainer.strategy, "process_dataloader", process),
            Patch(trainer.precision_plugin, "convert_input", convert),
        ]

    def detach(self) -> None:
        """Leave the Trainer as it was."""
        for patch in self._patches:
            patch.undo()
        self._patches, self._loaders, self._ids = [], {}, None

    def take(self) -> Any:
        """Ids of the current batch, (n,).

        Raises:
            LabelAuditError: they are unknown.
        """
        ids, self._ids = self._ids, None
        if ids is not None:
            return ids
        if self._id_key is not None:
            raise LabelAuditError(
                f"the batch holds no ids under id_key={self._id_key!r}. Name a key or an index of the batch"
                " as the loader makes it, or leave id_key out for positions in the dataset"
            )
        raise LabelAuditError(
            "the batch is not the one that the DataLoader made, so the ids of its samples are unknown."
            " Put an id into every sample and name its place in the batch: id_key='id'"
        )

    def lengths(self) -> dict[str, int | None] | None:
        """Samples in each split's dataset; None where ids come from the batch."""
        if self._id_key is not None:
            return None
        return {split: loaders.n_samples for split, loaders in self._loaders.items()}

    def given_labels(self, ids: Any, split: str) -> Any:
        """The dataset's own labels (n,) of ids (n,); None where they are not to be had."""
        loaders = self._loaders[split].loaders if split in self._loaders else []
        return loaders[0][1].labels(ids) if len(loaders) == 1 else None

    def _find(self, batch: Any) -> Any:
        if self._id_key is not None:
            return _under_key(batch, self._id_key)
        ids = self._find_one(batch)
        if ids is None and isinstance(batch, (Mapping, list, tuple)):  # one batch from each of several loaders
            parts = batch.values() if isinstance(batch, Mapping) else batch
            found = [part for part in (self._find_one(part) for part in parts) if part is not None]
            ids = np.concatenate(found) if found else None
        return ids

    def _find_one(self, batch: Any) -> Ids | None:
        for split in self._loaders.values():
            for loader, positions, offset in split.loaders:
                ids = loader.ids_of(batch)
                if ids is not None:
                    return positions(ids) + offset if offset else positions(ids)
        return None


class _Split:
    """The loaders of a split since some epoch. Where there are several, the next one's samples are counted on."""

    def __init__(self, epoch: int, split: str, before: _Split | None) -> None:
        self.epoch, self._split = epoch, split
        self._before = [] if before is None else [positions for _, positions, _ in before.loaders]
        self.loaders: list[tuple[Any, Positions, int]] = []
        self.n_samples = 0

    def add(self, loader: Any, positions: Positions) -> None:
        """The next loader.

        Raises:
            LabelAuditError: it took the place of one whose positions meant other samples.
        """
        if len(self.loaders) < len(self._before):
            positions.refuse_others(self._before[len(self.loaders)], self._split)
        self.loaders.append((loader, positions, self.n_samples))
        self.n_samples += positions.n_samples or 0


def _under_key(batch: Any, key: str | int) -> Any:
    """`batch[key]` or `batch.key`, None where there is no such thing; `keys` and `index` of a container are methods."""
    try:
        return batch[int(key) if isinstance(batch, (list, tuple)) and not hasattr(batch, "_fields") else key]
    except (KeyError, IndexError, TypeError, ValueError):
        found = getattr(batch, str(key), None)
        return None if callable(found) else found
