"""Scores of many batches on their way to the history, in chunks that a thread reduces and writes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from labelaudit.callbacks.chunk import Chunk
from labelaudit.callbacks.embedding_queue import EmbeddingQueue
from labelaudit.callbacks.writer_thread import WriterThread
from labelaudit.errors import LabelAuditError
from labelaudit.history import Recorder

# Rows are handed over in chunks. While the thread works on one, both threads want the interpreter lock some dozens of
# times, and whoever waits for it sleeps: the larger the chunks, the rarer. The last one of an epoch is waited for.
_CHUNK_BYTES = 8 << 20


class BackgroundRecorder(WriterThread):
    """A Recorder behind a bounded queue. All methods are for the training thread and none waits for a device.

    Args:
        recorder: is called from the writer thread only.
        max_pending_mib: scores and labels that may wait to be reduced, in MiB; `add` waits where there are more. The
            thread itself needs about 8 MiB, and keeps the columns of the open epoch.
        on_error: "raise" stops training at the next `check()`, "warn" lets it go on without recording.
        first_rows: is called with ids, labels and split of each split's first batch, in the thread.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        max_pending_mib: float = 64,
        on_error: str = "raise",
        first_rows: Callable[[Any, Any, str], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._first_rows = first_rows
        self._seen: set[str] = set()  # splits whose first batch was handed over
        self._limit = int(max_pending_mib * (1 << 20))
        self._chunk_limit = min(_CHUNK_BYTES, self._limit // 4)
        self._chunks: dict[str, Chunk] = {}  # being filled, by split
        self._spare: deque[Chunk] = deque()
        self._held = 0  # bytes of all chunks there are
        self._embeddings = EmbeddingQueue(self._put, self._wait_until, self._record_embeddings, self._limit)
        super().__init__(recorder, on_error=on_error)

    def add(self, ids: Any, scores: Tensor, labels: Tensor, *, split: str) -> None:
        """Record a batch: ids (n,), scores (n,) or (n, classes), labels (n,). The tensors may change afterwards."""
        if self._error is not None:
            return
        chunk = self._chunks.get(split)
        if chunk is None or not chunk.add(ids, scores, labels):
            _refuse_other_number(ids, len(scores))
            self._hand_over_scores(split)
            chunk = self._chunks[split] = self._new_chunk(scores, labels)
            chunk.add(ids, scores, labels)
        if split not in self._seen:  # what is wrong with the rows is wrong with the first: don't wait for a full chunk
            self._seen.add(split)
            self._hand_over_scores(split, first=True)

    def has_rows(self, split: str) -> bool:
        """Whether a batch of the split was ever added."""
        return split in self._seen

    def stage(self, scores: Tensor, labels: Tensor, *, split: str) -> tuple[Tensor, Tensor] | None:
        """Copy a batch's scores and labels now; the copies may then be passed to `add`. None: not now."""
        chunk = self._chunks.get(split)
        return None if chunk is None else chunk.stage(scores, labels)

    def add_embeddings(self, ids: Any, vectors: Tensor, *, split: str) -> None:
        """Record a batch's vectors (n, d), beside its scores. The tensors may change afterwards."""
        if self._error is None:
            self._embeddings.add(ids, vectors, split)

    def _new_chunk(self, scores: Tensor, labels: Tensor) -> Chunk:
        """A chunk that takes this batch, once the bound on memory allows it."""
        n_bytes = Chunk.size_for(scores, labels, self._chunk_limit)
        with self._changed:
            while True:
                spare = self._fitting_spare(scores, labels)
                if spare is not None:
                    return spare
                if self._held + n_bytes <= self._limit or not self._tasks:
                    break
                self._changed.wait()
            self._held += n_bytes
        return Chunk(scores, labels, n_bytes)

    def _fitting_spare(self, scores: Tensor, labels: Tensor) -> Chunk | None:
        while self._spare:
            spare = self._spare.popleft()
            if spare.fits(scores, labels):
                return spare
            self._held -= spare.n_bytes
        return None

    def _recycle(self, chunk: Chunk) -> None:
        chunk.clear()
        with self._changed:
            self._spare.append(chunk)
            self._changed.notify_all()

    def _forget(self, split: str) -> None:
        chunk = self._chunks.pop(split, None)
        if chunk is not None:
            self._recycle(chunk)
        self._embeddings.discard(split)

    def _hand_over(self, split: str) -> None:
        self._hand_over_scores(split)
        self._embeddings.hand_over(split)

    def _hand_over_scores(self, split: str, *, first: bool = False) -> None:
        chunk = self._chunks.pop(split, None)
        if chunk is not None:
            chunk.seal()
            self._put(lambda: self._record(chunk, split, first))

    def _record(self, chunk: Chunk, split: str, first: bool) -> None:
        try:
            ids, scores, labels = chunk.arrays()
            if first and self._first_rows is not None:
                self._first_rows(ids, labels, split)
            self._recorder.record(ids, scores, labels, split=split)
        finally:
            self._recycle(chunk)

    def _record_embeddings(self, ids: Any, vectors: Any, split: str) -> None:
        self._recorder.record_embeddings(ids, vectors, split=split)

    def close(self, *, finished: bool) -> None:
        """Mark the history, end the thread, and say what no epoch was ended for."""
        for split in list(self._chunks):
            self._hand_over_scores(split)
        self.wait()
        unwritten = self._recorder.take_unwritten()
        super().close(finished=finished)
        if finished and self._error is None:
            self._recorder.say_unwritten(unwritten)

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: ready() or not self._tasks)


def _refuse_other_number(ids: Any, n: int) -> None:
    shape = tuple(np.shape(ids))
    if math.prod(shape) != n:
        first = ids[0].tolist() if hasattr(ids[0], "tolist") else ids[0]
        raise LabelAuditError(
            f"a batch of {n} samples has ids of shape {shape} (first: {first!r}), and a sample needs one id, an integer"
            " or text. Where a sampler draws more than positions, put an id into every sample and name its place in the"
            " batch: id_key='id'"
        )
