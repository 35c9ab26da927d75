"""Writes a history's embeddings: one file per epoch, whole or not at all, and only of the epochs that are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, layout
from labelaudit.history.embedding_files import stored
from labelaudit.history.folder import Folder
from labelaudit.history.layout import EpochFile
from labelaudit.history.rows import as_array, checked_ids
from labelaudit.history.samples import keys_of, numbers
from labelaudit.history.waiting_vectors import WaitingVectors

Array = npt.NDArray[Any]
LAST = "last"

EpochChoice = str | int | Sequence[int]  # "last", every n-th, or these


def checked_choice(epochs: Any) -> EpochChoice:
    """Return a valid choice of epochs.

    Raises:
        LabelAuditError: it is none.
    """
    whole = isinstance(epochs, (list, tuple, range)) and all(isinstance(e, int) and e >= 0 for e in epochs)
    if epochs == LAST or whole or (isinstance(epochs, int) and not isinstance(epochs, bool) and epochs > 0):
        return epochs
    raise LabelAuditError(
        f"embedding_epochs={epochs!r} is unknown; expected 'last', a number n (epochs 0, n, 2n, ...) or a list of "
        "epochs"
    )


def wanted(epochs: EpochChoice, epoch: int) -> bool:
    """Return whether an epoch's embeddings are to be recorded; with "last" every one may be the last.

    >>> wanted("last", 3), wanted(5, 10), wanted([1, 2], 3)
    (True, True, False)
    """
    if isinstance(epochs, str):
        return True
    return epoch % epochs == 0 if isinstance(epochs, int) else epoch in epochs


class EmbeddingWriter:
    """Collects an epoch's vectors and writes their file.

    With "last", the file of each epoch replaces those before it, never before all writers' files of the new one stand.

    Args:
        folder: the history's.
        epochs: which epochs.
        segment: number of this start.
        writer: which of several parallel writers this is.
        n_writers: how many there are.
    """

    def __init__(self, folder: Folder, epochs: EpochChoice, segment: int, writer: int, n_writers: int) -> None:
        self._folder, self._epochs = folder, checked_choice(epochs)
        self._segment, self._writer, self._n_writers = segment, writer, n_writers
        self._open: dict[str, WaitingVectors] = {}
        self._written: set[str] = set()  # splits that this writer has a file of

    def record(self, ids: Any, vectors: Any, split: str, length: int | None) -> None:
        """Take a batch: ids (n,), vectors (n, d); `length` is the split's number of samples, where known."""
        ids, vectors = checked_ids(ids), as_array(vectors, "embeddings")
        if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.shape[1]:
            raise LabelAuditError(
                f"embeddings have shape {vectors.shape} and type {vectors.dtype}; expected (samples, features) numbers"
            )
        if ids.shape != (len(vectors),):
            raise LabelAuditError(f"lengths differ: ids have shape {ids.shape}, embeddings {vectors.shape}")
        if not len(ids):
            return
        if ids.dtype.kind in "iu" and length is not None and (ids.min() < 0 or ids.max() >= length):
            wrong = ids[(ids < 0) | (ids >= length)][0]
            raise LabelAuditError(f"sample {wrong} is no position in a {split} set of {length:,} samples")
        waiting = self._open.setdefault(split, WaitingVectors(self._folder.url))
        if waiting.width not in (None, vectors.shape[1]):
            raise LabelAuditError(
                f"embeddings had {waiting.width} features before and now have {vectors.shape[1]}; name a module whose "
                "output has the same size in every batch"
            )
        waiting.add(keys_of(ids)[0], vectors)

    def write(self, epoch: int, split: str, *, whole: bool) -> None:
        """Put the epoch's file in place; the rows are kept until `discard`.

        With "last", an epoch in which training stopped (not `whole`) does not replace one that saw every sample.
        """
        waiting = self._open.get(split)
        if waiting is None or not wanted(self._epochs, epoch):
            return
        if not whole and self._epochs == LAST and self._folder.names(layout.embeddings_folder(split)):
            return
        file = EpochFile(epoch, self._segment, self._writer)
        header = {"split": split, "epoch": epoch, "segment": self._segment, "writer": self._writer}
        self._put(f"{layout.embeddings_folder(split)}/{file.name}", waiting, {**header, "writers": self._n_writers})
        self._written.add(split)

    def refuse_alone(self, split: str) -> None:
        """Refuse an epoch that has embeddings and no scores; they are forgotten."""
        if split in self._open:
            self.discard(split)
            raise LabelAuditError(
                f"there are {split} embeddings of this epoch and no scores: record(ids, scores, labels) the same "
                "samples, then end the epoch"
            )

    def _put(self, name: str, waiting: WaitingVectors, header: dict[str, Any]) -> None:
        facts = {**header, "scale": waiting.scale()}
        with arrow_file.encoded(waiting.batches(), facts, place=self._folder.url) as data:
            self._folder.write(name, data)

    def discard(self, split: str) -> None:
        """Forget the rows of an epoch."""
        waiting = self._open.pop(split, None)
        if waiting is not None:
            waiting.close()

    def thin_out(self, split: str) -> None:
        """With "last": remove the files that an epoch of which no writer's file is missing makes superfluous."""
        if self._epochs != LAST or split not in self._written:
            return
        room = layout.embeddings_folder(split)
        files = layout.list_files(self._folder, room)
        writers = Counter(file.epoch for file in files if file.segment == self._segment)
        whole = [epoch for epoch, found in writers.items() if found >= self._n_writers]
        for file in files if whole else ():
            of_earlier_start = file.segment < self._segment and self._writer in (0, file.writer)
            if of_earlier_start or (file.writer == self._writer and file.epoch < max(whole)):
                self._folder.remove(f"{room}/{file.name}")

    def close(self) -> None:
        """Forget open rows, and remove what is superfluous now that the other writers may be at their end, too."""
        for split in list(self._open):
            self.discard(split)
        for split in self._written:
            self.thin_out(split)

    # Parts of epochs

    def save_part(self, name: str, split: str) -> None:
        """Keep the rows so far beside those of the part of this name."""
        if split in self._open:
            self._put(self._part(name, split), self._open[split], {"split": split, "part": name})

    def load_part(self, name: str, split: str) -> None:
        """Go on with the rows that `save_part` kept, if it kept any."""
        path = self._part(name, split)
        try:
            data = self._folder.read(path)
        except FileNotFoundError:
            return
        header, table = arrow_file.decode(data, f"{self._folder.url}/{path}", spare=True)
        waiting = self._open[split] = WaitingVectors(self._folder.url)
        row, keys = 0, numbers(table["sample"]).astype(np.int64)
        for chunk in table["embedding"].chunks:
            part = np.multiply(stored(chunk), np.float32(header["scale"]))
            waiting.add(keys[row : row + len(part)], part)
            row += len(part)

    def remove_parts(self, split: str, *, up_to: int) -> None:
        """Remove this writer's parts of the epochs up to `up_to`."""
        ending = self._part("", split).rpartition("/")[2]
        for name in self._folder.names(layout.parts_folder(split)):
            if name.endswith(ending) and name[1:6].isdigit() and int(name[1:].split("-")[0]) <= up_to:
                self._folder.remove(f"{layout.parts_folder(split)}/{name}")

    def _part(self, name: str, split: str) -> str:
        return f"{layout.parts_folder(split)}/{name}-w{self._writer:04d}-embeddings.arrow"
