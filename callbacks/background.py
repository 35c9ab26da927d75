"""A thread that writes the history, so that a training step only has to hand over what it computed."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelaudit.errors import LabelAuditError
from labelaudit.history import Recorder

_CHUNK_BYTES = 1 << 20  # rows are handed over in chunks: waking the thread for every batch would cost more


class BackgroundRecorder:
    """A Recorder behind a bounded queue. All methods are for the training thread and none waits for a device.

    Args:
        recorder: is called from the writer thread only.
        max_pending_mib: scores and labels that may wait to be written, in MiB; `add` blocks while there are more.
        on_error: "raise" stops training at the next `check()`, "warn" lets it go on without recording.
    """

    def __init__(self, recorder: Recorder, *, max_pending_mib: float = 64, on_error: str = "raise") -> None:
        self._recorder = recorder
        self._limit = int(max_pending_mib * (1 << 20))
        self._chunk_limit = min(_CHUNK_BYTES, self._limit // 4)
        self._on_error = on_error
        self._chunks: dict[str, _Chunk] = {}
        self._tasks: deque[tuple[int, Callable[[], Any]]] = deque()
        self._pending = 0
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._reported = False
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="labelaudit-writer", daemon=True)
        self._thread.start()

    def add(self, ids: Any, scores: Tensor, labels: Tensor, *, split: str) -> None:
        """Record a batch: ids (n,), scores (n,) or (n, classes), labels (n,). The tensors may change afterwards."""
        chunk = self._chunks.setdefault(split, _Chunk())
        chunk.add(ids, scores, labels)
        if chunk.n_bytes >= self._chunk_limit:
            self._hand_over(split)

    def end_epoch(self, epoch: int, *, split: str) -> None:
        """Write the split's epoch, once everything before is done."""
        self._hand_over(split)
        self._put(0, lambda: self._recorder.end_epoch(epoch, split=split))

    def discard_epoch(self, *, split: str) -> None:
        """Forget the rows of an epoch that will not be finished."""
        self._chunks.pop(split, None)
        self._put(0, lambda: self._recorder.discard_epoch(split=split))

    def wait(self) -> None:
        """Return when everything handed over is on disk."""
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks)

    def close(self, *, finished: bool) -> None:
        """Write what is left, mark the history, and end the thread."""
        self._put(0, lambda: self._recorder.close(finished=finished))
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
        hint = "the epochs finished before are whole"
        if self._on_error == "warn":
            warnings.warn(f"training goes on, recording stopped: {error} ({hint})", stacklevel=2)
            return
        if isinstance(error, LabelAuditError):
            raise error
        raise LabelAuditError(
            f"the history could not be written: {error!r}; {hint}. To train on without recording when that"
            " happens, pass on_error='warn'"
        ) from error

    def _hand_over(self, split: str) -> None:
        chunk = self._chunks.pop(split, None)
        if chunk is None:
            return
        chunk.seal()
        self._put(chunk.n_bytes, lambda: self._recorder.record(*chunk.arrays(), split=split))

    def _put(self, n_bytes: int, task: Callable[[], Any]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._pending or self._pending + n_bytes <= self._limit)
            self._pending += n_bytes
            self._tasks.append((n_bytes, task))
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks or self._stopped)
                if not self._tasks:
                    return
                n_bytes, task = self._tasks[0]
            try:
                if self._error is None:
                    task()
            except Exception as error:  # noqa: BLE001  reported by check() in the training thread
                self._error = error
            del task
            with self._changed:
                self._tasks.popleft()
                self._pending -= n_bytes
                self._changed.notify_all()


class _Chunk:
    """Batches on their way to the writer."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._ids: list[Any] = []
        self._scores: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._device: torch.device | None = None
        self._copied: torch.cuda.Event | None = None

    def add(self, ids: Any, scores: Tensor, labels: Tensor) -> None:
        self._ids.append(_to_host(ids) if isinstance(ids, Tensor) else ids)
        self._scores.append(_to_host(scores))
        self._labels.append(_to_host(labels))
        self.n_bytes += scores.nbytes + labels.nbytes
        if scores.is_cuda:
            self._device = scores.device

    def seal(self) -> None:
        """Mark the point on the device's stream where all copies are done."""
        if self._device is not None:
            self._copied = torch.cuda.current_stream(self._device).record_event()

    def arrays(self) -> tuple[Any, Any, Any]:
        """ids, scores, labels as arrays. Only the writer thread calls this: it waits for the device."""
        if self._copied is not None:
            self._copied.synchronize()
        ids = np.concatenate([np.asarray(part).reshape(-1) for part in self._ids])
        return ids, _numbers(torch.cat(self._scores)), _whole_numbers(torch.cat(self._labels))


def _to_host(tensor: Tensor) -> Tensor:
    """A copy that later in-place changes don't reach, made without waiting for the device.

    From CUDA it goes to pinned memory in stream order; from other devices the writer thread fetches it.
    """
    tensor = tensor.detach()
    if tensor.is_cuda:
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return host.copy_(tensor, non_blocking=True)
    return tensor.clone()


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
