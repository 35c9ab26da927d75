"""A loader that Hugging Face's accelerate has prepared, followed through the DataLoader inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelaudit.callbacks.sample_ids import Ids, follow
from labelaudit.errors import LabelAuditError


def is_prepared(loader: Any) -> bool:
    """Say whether accelerate has prepared a loader: then it holds the one that fetches."""
    return hasattr(loader, "base_dataloader")


class FollowedPrepared:
    """The batches of a prepared loader in the same order, and `take_newest_ids` for each; the loader stays as it is.

    Accelerate fetches a batch ahead and moves it to the device, so batches are told by their order.

    Raises:
        LabelAuditError: for a loader whose batches are not those of the DataLoader inside it, one for one.
    """

    def __init__(self, prepared: Any) -> None:
        kind = type(prepared)
        if kind.__name__ != "DataLoaderShard" or prepared.__dict__.get("skip_batches"):
            raise LabelAuditError(f"a {kind.__name__} of accelerate joins, skips or deals out batches")
        self._inner = follow(prepared.base_dataloader)
        self._prepared = object.__new__(kind)
        self._prepared.__dict__.update(prepared.__dict__, base_dataloader=self._inner)
        self._ids: Ids | None = None
        self.n_made = 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self._prepared:
            self._ids = self._inner.take_oldest_ids()
            self.n_made += 1
            yield batch

    def __len__(self) -> int:
        return len(self._prepared)

    def __getattr__(self, name: str) -> Any:
        if name == "_prepared":
            raise AttributeError(name)
        return getattr(self._prepared, name)

    def take_newest_ids(self) -> Ids:
        """Positions of the samples of the batch handed out last, (n,)."""
        assert self._ids is not None
        return self._ids
