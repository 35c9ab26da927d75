"""A thread that writes the history, so that a training step only has to hand over what it computed."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from torch import Tensor

from labelaudit.callbacks.chunk import Chunk
from labelaudit.callbacks.embedding_queue import EmbeddingQueue
from labelaudit.errors import LabelAuditError
from labelaudit.history import Recorder

# Rows are handed over in chunks: waking the thread for every batch would cost more. Larger ones leave the caches, and
# the last one of an epoch is waited for.
_CHUNK_BYTES = 2 << 20
# Chunks are filled in turn. One that the thread has just read lies in the caches of its core, and to write there at
# once would wait for every line of it.
_TURN = 4


class BackgroundRecorder:
    """A Recorder behind a bounded queue. All methods are for the training thread and none waits for a device.

    Args:
        recorder: is called from the writer thread only.
        max_pending_mib: scores and labels that may wait to be reduced, in MiB; `add` waits where there are more. The
            thread itself needs about four times a chunk (2 MiB), and keeps the columns of the open epoch.
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
        self._on_error = on_error
        self._chunks: dict[str, Chunk] = {}  # being filled, by split
        self._spare: deque[Chunk] = deque()  # the one longest unused first
        self._held = 0  # bytes of all chunks there are
        self._tasks: deque[Callable[[], Any]] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._reported = False
        self._stopped = False
        self._embeddings = EmbeddingQueue(self._put, self._wait_until, self._record_embeddings, self._limit)
        self._thread = threading.Thread(target=self._work, name="labelaudit-writer", daemon=True)
        self._thread.start()

    def add(self, ids: Any, scores: Tensor, labels: Tensor, *, split: str) -> None:
        """Record a batch: ids (n,), scores (n,) or (n, classes), labels (n,). The tensors may change afterwards."""
        if self._error is not None:
            return
        chunk = self._chunks.get(split)
        if chunk is None or not chunk.takes(scores, labels):
            self._hand_over(split)
            chunk = self._chunks[split] = self._new_chunk(scores, labels)
        chunk.add(ids, scores, labels)
        if split not in self._seen:  # what is wrong with the rows is wrong with the first: don't wait for a full chunk
            self._seen.add(split)
            self._hand_over(split, first=True)

    def add_embeddings(self, ids: Any, vectors: Tensor, *, split: str) -> None:
        """Record a batch's vectors (n, d), beside its scores. The tensors may change afterwards."""
        if self._error is None:
            self._embeddings.add(ids, vectors, split)

    def end_epoch(self, epoch: int, *, split: str, whole: bool = True) -> None:
        """Write the split's epoch, once everything before is done."""
        self._hand_over(split)
        self._embeddings.hand_over(split)
        self._put(lambda: self._recorder.end_epoch(epoch, split=split, whole=whole))

    def save_part(self, epoch: int, *, split: str) -> str | None:
        """Write the rows of an epoch that goes on, and return the name of the part once it is on disk."""
        names: list[str | None] = []
        self._hand_over(split)
        self._embeddings.hand_over(split)
        self._put(lambda: names.append(self._recorder.save_part(epoch, split=split)))
        self.wait()
        return names[0] if names else None

    def load_part(self, name: str, *, split: str) -> bool:
        """Go on with the rows of a part; False if it is not there. Before the first `add` only."""
        return self._recorder.load_part(name, split=split)

    def discard_epoch(self, *, split: str) -> None:
        """Forget the rows of an epoch that will not be finished."""
        chunk = self._chunks.pop(split, None)
        if chunk is not None:
            self._recycle(chunk)
        self._embeddings.discard(split)
        self._put(lambda: self._recorder.discard_epoch(split=split))

    def wait(self) -> None:
        """Return when everything handed over is on disk."""
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks)

    def close(self, *, finished: bool) -> None:
        """Write what is left, mark the history, and end the thread."""
        self._put(lambda: self._recorder.close(finished=finished))
        self.wait()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def check(self) -> None:
        """Report an error of the thread: raised, or warned of once.

        Raises:
            LabelAuditError: what the thread could not write.
        """
        error = self._error
        if error is None or self._reported:
            return
        self._reported = True
        report_error(error, self._on_error)

    def _new_chunk(self, scores: Tensor, labels: Tensor) -> Chunk:
        """A chunk that takes this batch, once the bound on memory allows it."""
        n_bytes = Chunk.size_for(scores, labels, self._chunk_limit)
        with self._changed:
            while True:
                turn = self._held + n_bytes > min(_TURN * n_bytes, self._limit)
                spare = self._fitting_spare(scores, labels) if turn else None
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
            if spare.takes(scores, labels):
                return spare
            self._held -= spare.n_bytes
        return None

    def _recycle(self, chunk: Chunk) -> None:
        chunk.clear()
        with self._changed:
            self._spare.append(chunk)
            self._changed.notify_all()

    def _hand_over(self, split: str, *, first: bool = False) -> None:
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

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: ready() or not self._tasks)

    def _put(self, task: Callable[[], Any]) -> None:
        with self._changed:
            self._tasks.append(task)
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks or self._stopped)
                if not self._tasks:
                    return
                task = self._tasks[0]
            try:
                if self._error is None:
                    task()
            except Exception as error:  # noqa: BLE001  reported by check() in the training thread
                self._error = error
            del task
            with self._changed:
                self._tasks.popleft()
                self._changed.notify_all()


def report_error(error: Exception, on_error: str) -> None:
    """Raise what kept the history from being written ("raise"), or say that recording stopped ("warn")."""
    hint = "the epochs finished before are whole"
    if on_error == "warn":
        warnings.warn(f"training goes on, recording stopped: {error} ({hint})", stacklevel=3)
        return
    if isinstance(error, LabelAuditError):
        raise error
    raise LabelAuditError(
        f"the history could not be written: {error!r}; {hint}. To train on without recording when that happens, pass"
        " on_error='warn'"
    ) from error
