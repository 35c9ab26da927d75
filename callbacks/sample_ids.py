"""Which samples are in a batch: ids that travel with the data and are taken off before anyone else sees it."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset
from torch.utils.data._utils.pin_memory import pin_memory

from labelaudit.errors import LabelAuditError

Ids = NDArray[Any]  # (n,) integers, or whatever a sampler draws
_IN_FLIGHT = 4  # batches between the loader and the step: the current one and what the loop prefetches


class Tagged:
    """Data and the positions of its samples in the dataset, between a worker and the loader."""

    def __init__(self, ids: Ids, data: Any) -> None:
        self.ids, self.data = ids, data

    def pin_memory(self) -> Tagged:
        """The data as the loader would pin it without the recorder."""
        return Tagged(self.ids, pin_memory(self.data))  # type: ignore[no-untyped-call]


class TaggingDataset(Dataset[Any]):
    """A map-style dataset whose samples come with their positions. Everything else is the dataset's own."""

    def __init__(self, dataset: Any) -> None:
        object.__setattr__(self, "_tagged_dataset", dataset)

    def __getitems__(self, positions: Sequence[Any]) -> Tagged:
        dataset = self._tagged_dataset
        if getattr(dataset, "__getitems__", None):
            data = dataset.__getitems__(positions)
        else:
            data = [dataset[position] for position in positions]
        return Tagged(np.asarray(positions), data)

    def __getitem__(self, position: Any) -> Tagged:  # a loader without automatic batching: one position or many
        return Tagged(np.atleast_1d(np.asarray(position)), self._tagged_dataset[position])

    def __len__(self) -> int:
        return len(self._tagged_dataset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tagged_dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._tagged_dataset, name, value)

    # isinstance() in the user's code answers as without the recorder
    __class__: Any = property(lambda self: self._tagged_dataset.__class__)

    def __reduce__(self) -> tuple[Any, ...]:
        return TaggingDataset, (self._tagged_dataset,)


class TaggingCollate:
    """The user's collate function, with the ids passing by it."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self.collate = collate

    def __call__(self, fetched: Tagged) -> Tagged:
        """Collate the data alone."""
        return Tagged(fetched.ids, self.collate(fetched.data))


class _PlainIterator:
    """Hands out the user's batches and remembers the ids of the last few."""

    def __init__(self, tagged: Iterator[Tagged]) -> None:
        self._tagged = tagged
        self.in_flight: deque[tuple[Any, Ids]] = deque(maxlen=_IN_FLIGHT)

    def __iter__(self) -> _PlainIterator:
        return self

    def __next__(self) -> Any:
        tagged = next(self._tagged)
        self.in_flight.append((tagged.data, tagged.ids))
        return tagged.data

    def __len__(self) -> int:
        return len(self._tagged)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name == "_tagged":
            raise AttributeError(name)
        return getattr(self._tagged, name)


class FollowedLoader:
    """Mixed into a copy of the user's loader: the same batches in the same order, and `ids_of` for each of them."""

    _labelaudit_iterators: weakref.WeakSet[_PlainIterator]

    def __iter__(self) -> _PlainIterator:
        iterator = _PlainIterator(super().__iter__())  # type: ignore[misc]
        self._labelaudit_iterators.add(iterator)
        return iterator

    def ids_of(self, batch: Any) -> Ids | None:
        """Positions of the samples of the batch to be used next, (n,); None if this loader did not make it."""
        for iterator in self._labelaudit_iterators:
            for made, ids in iterator.in_flight:
                if made is batch:
                    while iterator.in_flight[0][0] is not batch:  # used long ago
                        iterator.in_flight.popleft()
                    return ids
        return None


def follow(loader: Any) -> Any:
    """A copy of a DataLoader that knows its batches' ids. The user's own loader stays as it is.

    Raises:
        LabelAuditError: for an iterable dataset, or a loader that is no DataLoader: their samples have no positions.
    """
    if isinstance(loader, FollowedLoader):
        return loader
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        what = type(loader.dataset if isinstance(loader, DataLoader) else loader).__name__
        raise LabelAuditError(
            f"samples of {what} have no position: it is not a map-style dataset in a DataLoader."
            " Put an id into every sample and name its place in the batch: PredictionRecorder(..., id_key='id')."
        )
    cls = type(loader)
    copy: Any = object.__new__(type(cls.__name__, (FollowedLoader, cls), {"__module__": cls.__module__}))
    copy.__dict__.update(loader.__dict__)
    copy.__dict__.update(
        dataset=TaggingDataset(loader.dataset),
        collate_fn=TaggingCollate(loader.collate_fn),
        _iterator=None,
        _labelaudit_iterators=weakref.WeakSet(),
    )
    return copy


class Positions:
    """Turns a loader's ids into positions of the underlying dataset: a Subset's, unless `unwind`, stay its own."""

    def __init__(self, loader: Any, *, unwind: bool) -> None:
        self._indices: list[Ids] = []
        dataset = vars(loader.dataset)["_tagged_dataset"]
        while unwind and isinstance(dataset, Subset):
            self._indices.append(np.asarray(dataset.indices))
            dataset = dataset.dataset
        self.n_samples: int | None = len(dataset) if hasattr(dataset, "__len__") else None

    def __call__(self, ids: Ids) -> Ids:
        """Positions (n,) for ids (n,)."""
        for indices in self._indices:
            ids = indices[ids]
        return ids
