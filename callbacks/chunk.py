"""Rows of many batches in one buffer, on their way from the training step to the writer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelaudit.errors import LabelAuditError


class Chunk:
    """Copies of scores, labels and ids of many batches. Nothing but `arrays` waits for a device.

    Scores stay on their device until the chunk is sealed; from CUDA they then go to pinned memory as one copy in
    stream order. A chunk is used again after `clear`: fresh memory for every batch would cost page faults.

    Args:
        scores: the first batch's, (n,) or (n, classes): shape, type and device of the buffer.
        labels: the first batch's, (n,) or (n, 1).
        n_bytes: size of the buffer; it holds at least the first batch.
    """

    def __init__(self, scores: Tensor, labels: Tensor, n_bytes: int) -> None:
        self.n_bytes = self.size_for(scores, labels, n_bytes)
        self.rows = self.n_bytes // _row_bytes(scores, labels)
        with torch.inference_mode(False):  # a buffer made in a validation step serves training steps too
            self._scores = torch.empty((self.rows, *scores.shape[1:]), dtype=scores.dtype, device=scores.device)
            self._labels = torch.empty((self.rows, *labels.shape[1:]), dtype=labels.dtype, device=labels.device)
        self._on_host: list[Tensor] = []
        self._copied: torch.cuda.Event | None = None
        self.clear()

    @staticmethod
    def size_for(scores: Tensor, labels: Tensor, n_bytes: int) -> int:
        """Bytes of a buffer of about `n_bytes` for such batches."""
        row = _row_bytes(scores, labels)
        return row * max(len(scores), n_bytes // row)

    def clear(self) -> None:
        """Forget the rows."""
        self.filled = 0
        self._ids: list[Any] = []
        self._staged: tuple[Tensor, Tensor] | None = None

    def fits(self, scores: Tensor, labels: Tensor) -> bool:
        """Whether the empty chunk is of this batch's kind and has room for it."""
        return (
            len(scores) <= self.rows
            and scores.shape[1:] == self._scores.shape[1:]
            and labels.shape[1:] == self._labels.shape[1:]
            and (scores.dtype, labels.dtype) == (self._scores.dtype, self._labels.dtype)
            and (scores.device, labels.device) == (self._scores.device, self._labels.device)
        )

    def stage(self, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor] | None:
        """Copy a batch to where the next one goes and return the two copies; None if of another kind or too long.

        It becomes part of the chunk when `add` is called with these copies, and gives way to the next one else.
        """
        if not scores.shape:  # the squeezed score of a batch of one
            return None
        stop = self.filled + scores.shape[0]
        room, label_room = self._scores[self.filled : stop], self._labels[self.filled : stop]
        if (
            room.shape != scores.shape
            or label_room.shape != labels.shape
            or room.dtype is not scores.dtype
            or label_room.dtype is not labels.dtype
            or room.device != scores.device
            or label_room.device != labels.device
        ):
            return None
        room.copy_(scores.detach())
        label_room.copy_(labels.detach())
        self._staged = room, label_room
        return self._staged

    def add(self, ids: Any, scores: Tensor, labels: Tensor) -> bool:
        """Take a batch, staged or not; return False if it is of another kind or too long for the room left."""
        is_staged = self._staged is not None and scores is self._staged[0] and labels is self._staged[1]
        if not is_staged and self.stage(scores, labels) is None:
            return False
        self._staged = None
        self._ids.append(_to_host(ids) if isinstance(ids, Tensor) else ids)
        self.filled += scores.shape[0]
        return True

    def seal(self) -> None:
        """Start the copy to the host, in stream order."""
        if not self._scores.is_cuda:
            return
        if not self._on_host:
            self._on_host = [torch.empty_like(t, device="cpu", pin_memory=True) for t in (self._scores, self._labels)]
        for host, device in zip(self._on_host, (self._scores, self._labels), strict=True):
            host[: self.filled].copy_(device[: self.filled], non_blocking=True)
        self._copied = torch.cuda.current_stream(self._scores.device).record_event()

    def arrays(self) -> tuple[Any, Any, Any]:
        """ids, scores, labels as arrays, valid until `clear`. Only the writer thread calls this: it may wait."""
        if self._copied is not None:
            self._copied.synchronize()
        scores, labels = self._on_host or (self._scores, self._labels)
        ids = np.concatenate([np.asarray(part).reshape(-1) for part in self._ids])
        return ids, _numbers(scores[: self.filled]), _whole_numbers(labels[: self.filled])


def _row_bytes(scores: Tensor, labels: Tensor) -> int:
    return max(sum(t.element_size() * math.prod(t.shape[1:]) for t in (scores, labels)), 1)


def _to_host(ids: Tensor) -> Tensor:
    """A copy that later in-place changes don't reach, made without waiting for the device."""
    ids = ids.detach()
    if ids.is_cuda:
        host = torch.empty(ids.shape, dtype=ids.dtype, pin_memory=True)
        return host.copy_(ids, non_blocking=True)
    return ids.clone()


def _numbers(tensor: Tensor) -> Any:
    tensor = tensor.cpu()
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()


def _whole_numbers(labels: Tensor) -> Any:
    """Labels (n,) as integers; a binary loss has them as floats of shape (n,) or (n, 1)."""
    array = _numbers(labels).reshape(len(labels))
    if array.dtype.kind != "f":
        return array
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise LabelAuditError(
            f"labels are mixed: {array[whole != array][0]:.4g} is no class. Mixup and CutMix change the labels;"
            " pass where the batch holds the given ones, labels='key' or labels=lambda outputs, batch: batch[1]"
        )
    return whole
