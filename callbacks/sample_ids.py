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

from labelaudit.callbacks.given_labels import given_labels
from labelaudit.errors import LabelAuditError

Ids = NDArray[Any]  # (n,) integers, or whatever a sampler draws
_IN_FLIGHT = 4  # batches between the loader and the step: what the loop prefetches


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
        return type(self), (self._tagged_dataset,)


class BatchTaggingDataset(TaggingDataset):
    """Only what a loader fetches for a batch comes with its positions; a single sample is the dataset's own."""

    def __getitem__(self, position: Any) -> Any:
        return self._tagged_dataset[position]


class TaggingCollate:
    """The user's collate function, with the ids passing by it."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self.collate = collate

    def __call__(self, fetched: Tagged) -> Tagged:
        """Collate the data alone."""
        return Tagged(fetched.ids, self.collate(fetched.data))


class _PlainIterator:
    """A loader's own iterator, that hands out the user's batches and remembers the ids of the last few."""

    def __init__(self, tagged: Any, notes: _Notes) -> None:
        self._tagged, self._notes = tagged, notes
        self.recent: deque[tuple[Any, Ids]] = deque(maxlen=_IN_FLIGHT)
        notes.iterators.add(self)

    def __iter__(self) -> _PlainIterator:
        return self

    def __next__(self) -> Any:
        tagged = next(self._tagged)
        self.recent.append((tagged.data, tagged.ids))
        self._notes.made += 1
        self._notes.newest = self.recent
        return tagged.data

    def __len__(self) -> int:
        return len(self._tagged)

    def __getattr__(self, name: str) -> Any:
        if name == "_tagged":
            raise AttributeError(name)
        return getattr(self._tagged, name)

    # whoever shuts the workers down asks isinstance()
    __class__: Any = property(lambda self: self._tagged.__class__)


class _Notes:
    """What a loader's iterators have made: how many batches, and which of them may be in use."""

    def __init__(self) -> None:
        self.iterators: weakref.WeakSet[_PlainIterator] = weakref.WeakSet()
        self.made = 0
        self.askers = 1  # recorders that follow the loader
        self.newest: deque[tuple[Any, Ids]] | None = None

    def take(self, batch: Any) -> Ids | None:
        newest, alone = self.newest, self.askers == 1  # whoever uses a batch holds it: no need to, once all have asked
        if alone and newest and newest[0][0] is batch:  # the usual, quickly
            return newest.popleft()[1]
        for iterator in self.iterators:
            for place, (made, ids) in enumerate(iterator.recent):
                if made is batch:
                    for _ in range(place + alone):  # older ones will not come any more
                        iterator.recent.popleft()
                    return ids
        return None


class FollowedLoader:
    """Mixed into a copy of the user's loader: the same batches in the same order, and `ids_of` for each of them."""

    _labelaudit_notes: _Notes
    dataset: Any
    collate_fn: Any

    def _get_iterator(self) -> Any:
        """Tag what the iterator reads, and only that: whoever looks at the loader sees the user's own dataset."""
        own = {"dataset": self.dataset, "collate_fn": self.collate_fn}
        self.__dict__.update(dataset=TaggingDataset(self.dataset), collate_fn=TaggingCollate(self.collate_fn))
        try:
            return _PlainIterator(super()._get_iterator(), self._labelaudit_notes)  # type: ignore[misc]
        finally:
            self.__dict__.update(own)

    def __iter__(self) -> Any:
        iterator = super().__iter__()  # type: ignore[misc]
        if type(iterator) is _PlainIterator:
            return iterator
        return self._labelaudit_changed(iterator)

    def _labelaudit_changed(self, iterator: Iterator[Any]) -> Iterator[Any]:
        """Batches of a loader whose own `__iter__` changes them: still known if it makes one of one."""
        notes = self._labelaudit_notes
        one_of_one = True
        while True:
            before = notes.made
            try:
                batch = next(iterator)
            except StopIteration:
                return
            one_of_one = one_of_one and notes.made == before + 1
            if one_of_one and notes.newest is not None:
                notes.newest[-1] = batch, notes.newest[-1][1]
            yield batch

    @property
    def n_made(self) -> int:
        """Batches handed out so far."""
        return self._labelaudit_notes.made

    def take_newest_ids(self) -> Ids:
        """Positions of the samples of the batch handed out last, (n,). None of the batches is kept alive for more."""
        newest = self._labelaudit_notes.newest
        assert newest is not None
        ids = newest[-1][1]
        newest.clear()
        return ids

    def take_oldest_ids(self) -> Ids:
        """Positions of the samples of the earliest batch handed out whose were not taken, (n,)."""
        newest = self._labelaudit_notes.newest
        assert newest is not None
        return newest.popleft()[1]

    def ids_of(self, batch: Any) -> Ids | None:
        """Positions of the samples of the batch to be used next, (n,); None if this loader did not make it."""
        return self._labelaudit_notes.take(batch)


def follow(loader: Any) -> Any:
    """A copy of a DataLoader that knows its batches' ids. The user's own loader stays as it is.

    Raises:
        LabelAuditError: for an iterable dataset, or a loader that is no DataLoader: their samples have no positions.
    """
    if isinstance(loader, FollowedLoader):
        loader._labelaudit_notes.askers += 1
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
    copy.__dict__.update(_iterator=None, _labelaudit_notes=_Notes())
    return copy


class Positions:
    """Turns a loader's ids into positions of the underlying dataset: a Subset's, unless `unwind`, stay its own."""

    def __init__(self, loader: Any, *, unwind: bool) -> None:
        self._indices: list[Ids] = []
        dataset = loader.dataset
        while unwind and isinstance(dataset, Subset):
            self._indices.append(np.asarray(dataset.indices))
            dataset = dataset.dataset
        root, inner = dataset, []
        while isinstance(root, Subset):
            inner.append(np.asarray(root.indices))
            root = root.dataset
        self.n_samples: int | None = len(dataset) if hasattr(dataset, "__len__") else None
        self._labels: Any = given_labels(root)
        self._of_subset = inner
        for indices in reversed(inner):
            self._labels = None if self._labels is None else self._labels[indices]

    def labels(self, positions: Ids) -> Any:
        """The dataset's own labels (n,) of positions (n,); None where it does not show them."""
        return None if self._labels is None else self._labels[positions]

    def refuse_others(self, before: Positions, split: str) -> None:
        """Refuse a reloaded dataset where positions mean other samples than before: of another size, another Subset.

        Raises:
            LabelAuditError: so it is.
        """
        mine, theirs = self._of_subset, before._of_subset
        same = len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))
        now, then = self.n_samples, before.n_samples
        if not same or (now is not None and then is not None and now != then):
            what = "is another Subset" if mine and theirs else f"has {now} samples and had {then}"
            raise LabelAuditError(
                f"the {split} set that was reloaded {what}: positions would no longer mean the same samples. Put an id"
                " into every sample and name its place in the batch, id_key='id'"
                + ("; or pass subset_ids='underlying' for positions in the dataset under it" if mine and theirs else "")
            )

    def __call__(self, ids: Ids) -> Ids:
        """Positions (n,) for ids (n,)."""
        for indices in self._indices:
            ids = indices[ids]
        return ids
