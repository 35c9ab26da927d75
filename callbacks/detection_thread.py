"""Detections of many batches on their way to the history."""

from __future__ import annotations

import warnings
from typing import Any

from labelaudit.callbacks.found_boxes import on_host
from labelaudit.callbacks.writer_thread import WriterThread
from labelaudit.detection.store.batches import checked_ids
from labelaudit.detection.store.ragged import Ragged
from labelaudit.detection.store.writer import DetectionWriter


class DetectionThread(WriterThread):
    """A DetectionWriter behind a bounded queue; only its thread waits for a device.

    Args:
        writer: is called from the thread only.
        max_pending_mib: what may wait to be written, in MiB; `add` waits where there is more.
        on_error: "raise" stops training at the next `check()`, "warn" lets it go on without recording.
    """

    def __init__(self, writer: DetectionWriter, *, max_pending_mib: float, on_error: str) -> None:
        self._writer = writer
        self._limit = int(max_pending_mib * (1 << 20))
        self._held = 0  # bytes that wait
        super().__init__(writer, on_error=on_error)

    def add(self, ids: Any, drawn: Ragged, truth: Ragged, sizes: Any, *, split: str) -> None:
        """Record n images: ids (n,), boxes flat, sizes (n, 2) or None. The tensors must not change afterwards."""
        if self._error is not None:
            return
        n_bytes = sum(column.nbytes for table in (drawn, truth) for column in table.columns.values())
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks or self._held + n_bytes <= self._limit)
            self._held += n_bytes
        self._put(lambda: self._record(ids, drawn, truth, sizes, split, n_bytes))

    def close(self, *, finished: bool) -> None:
        """Write what is left, end the thread, and say how many detections were none."""
        super().close(finished=finished)
        if self._writer.n_dropped:
            warnings.warn(
                f"{self._writer.n_dropped:,} detections had NaN or infinite boxes or scores and are not in the "
                "history. A detector that draws such boxes has diverged: lower the learning rate, or clip gradients",
                stacklevel=2,
            )

    def _record(self, ids: Any, drawn: Ragged, truth: Ragged, sizes: Any, split: str, n_bytes: int) -> None:
        try:
            on_cpu = [Ragged(t.counts, {name: on_host(c) for name, c in t.columns.items()}) for t in (drawn, truth)]
            self._writer.record_flat(checked_ids(on_host(ids)), *on_cpu, sizes=sizes, split=split)
        finally:
            with self._changed:
                self._held -= n_bytes
                self._changed.notify_all()
