"""Feature vectors of many batches on their way from the training step to the writer thread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

_CHUNK_BYTES = 8 << 20  # as of scores: every hand-over costs turns at the interpreter lock


class EmbeddingQueue:
    """Copies a batch's vectors into a buffer, and hands full buffers to the thread. No method waits for a device.

    Args:
        submit: puts a task into the thread's queue.
        wait_until: (ready) returns when ready() is true or the thread has nothing more to do.
        record: is called in the thread with ids, vectors and split.
        limit: bytes that all buffers together may have, at least one each.
    """

    def __init__(
        self,
        submit: Callable[[Callable[[], Any]], None],
        wait_until: Callable[[Callable[[], bool]], None],
        record: Callable[[Any, Any, str], None],
        limit: int,
    ) -> None:
        self._submit, self._wait_until, self._record = submit, wait_until, record
        self._limit = limit
        self._open: dict[str, _Buffer] = {}
        self._spare: list[_Buffer] = []
        self._held = 0

    def add(self, ids: Any, vectors: Tensor, split: str) -> None:
        """Take a batch: ids (n,), vectors (n, d). The tensor may change afterwards."""
        buffer = self._open.get(split)
        if buffer is None or not buffer.takes(vectors):
            self.hand_over(split)
            buffer = self._open[split] = self._buffer(vectors)
        buffer.add(ids, vectors)

    def hand_over(self, split: str) -> None:
        """Give the thread what is there, before it writes an epoch."""
        buffer = self._open.pop(split, None)
        if buffer is not None:
            buffer.seal()
            self._submit(lambda: self._pass_on(buffer, split))

    def discard(self, split: str) -> None:
        """Forget what was not handed over."""
        buffer = self._open.pop(split, None)
        if buffer is not None:
            self._recycle(buffer)

    def _pass_on(self, buffer: _Buffer, split: str) -> None:
        try:
            self._record(*buffer.arrays(), split)
        finally:
            self._recycle(buffer)

    def _recycle(self, buffer: _Buffer) -> None:
        buffer.clear()
        self._spare.append(buffer)

    def _buffer(self, vectors: Tensor) -> _Buffer:
        row = vectors.element_size() * math.prod(vectors.shape[1:])
        rows = max(min(_CHUNK_BYTES, self._limit // 4) // max(row, 1), len(vectors))
        self._wait_until(lambda: bool(self._spare) or self._held + rows * row <= self._limit)
        while self._spare:
            spare = self._spare.pop()
            if spare.takes(vectors):
                return spare
            self._held -= spare.n_bytes
        buffer = _Buffer(vectors, rows)
        self._held += buffer.n_bytes
        return buffer


class _Buffer:
    """Rows of several batches, on the device of the first one until the buffer is sealed."""

    def __init__(self, vectors: Tensor, rows: int) -> None:
        with torch.inference_mode(False):  # one made in a validation step serves training steps too
            self._rows = torch.empty((rows, *vectors.shape[1:]), dtype=vectors.dtype, device=vectors.device)
        self.n_bytes = self._rows.numel() * self._rows.element_size()
        self._on_host: Tensor | None = None
        self._copied: torch.cuda.Event | None = None
        self.clear()

    def clear(self) -> None:
        self.filled = 0
        self._ids: list[Any] = []

    def takes(self, vectors: Tensor) -> bool:
        mine = self._rows
        return (
            self.filled + len(vectors) <= len(mine)
            and vectors.shape[1:] == mine.shape[1:]
            and vectors.dtype == mine.dtype
            and vectors.device == mine.device
        )

    def add(self, ids: Any, vectors: Tensor) -> None:
        start, self.filled = self.filled, self.filled + len(vectors)
        with torch.no_grad():
            self._rows[start : self.filled].copy_(vectors)
        self._ids.append(_copied(ids) if isinstance(ids, Tensor) else ids)

    def seal(self) -> None:
        """From a GPU: start one copy to pinned memory, in stream order."""
        if self._rows.is_cuda:
            if self._on_host is None:
                self._on_host = torch.empty_like(self._rows, device="cpu", pin_memory=True)
            self._on_host[: self.filled].copy_(self._rows[: self.filled], non_blocking=True)
            self._copied = torch.cuda.current_stream(self._rows.device).record_event()

    def arrays(self) -> tuple[Any, Any]:
        """Ids (m,) and vectors (m, d), in half precision where that holds them. Only the thread calls this."""
        if self._copied is not None:
            self._copied.synchronize()
        vectors = (self._rows if self._on_host is None else self._on_host)[: self.filled].cpu()
        ids = np.concatenate([np.asarray(part).reshape(-1) for part in self._ids])
        if vectors.dtype in (torch.float16, torch.bfloat16, torch.float32):
            vectors = vectors.float()
            low, high = (float(bound) for bound in torch.aminmax(vectors))
            if 2.0**-8 <= max(-low, high) < 2.0**15:  # NaN is not
                vectors = vectors.half()  # NumPy takes 30 times as long for this
        return ids, vectors.numpy()


def _copied(ids: Tensor) -> Tensor:
    """A copy on the host that later in-place changes don't reach, made without waiting for the device."""
    ids = ids.detach()
    if ids.is_cuda:
        return torch.empty(ids.shape, dtype=ids.dtype, pin_memory=True).copy_(ids, non_blocking=True)
    return ids.clone()
