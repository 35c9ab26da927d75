"""A thread that writes a history, so that a training step only has to hand over what it computed."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history.epoch_writer import EpochWriter, SupersededError


class WriterThread:
    """A history's writer behind a queue. All methods are for the training thread and none waits for a device.

    Args:
        writer: is called from the thread only.
        on_error: "raise" stops training at the next `check()`, "warn" lets it go on without recording.
    """

    def __init__(self, writer: EpochWriter, *, on_error: str = "raise") -> None:
        self._to = writer
        self._on_error = on_error
        self._tasks: deque[Callable[[], Any]] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._reported = False
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="labelaudit-writer", daemon=True)
        self._thread.start()

    def try_out(self) -> None:
        """Find out whether files can be written at all, rather than after an epoch; see `check`."""
        self._put(self._to.check_writable)
        self.wait()
        self.check()

    def end_epoch(self, epoch: int, *, split: str, whole: bool = True) -> None:
        """Write the split's epoch, once everything before is done."""
        self._hand_over(split)
        self._put(lambda: self._to.end_epoch(epoch, split=split, whole=whole))

    def save_part(self, epoch: int, *, split: str) -> str | None:
        """Write the rows of an epoch that goes on, and return the name of the part once it is on disk."""
        names: list[str | None] = []
        self._hand_over(split)
        self._put(lambda: names.append(self._to.save_part(epoch, split=split)))
        self.wait()
        return names[0] if names else None

    def load_part(self, name: str, *, split: str) -> bool:
        """Go on with the rows of a part; False if it is not there. Before the first `add` only."""
        return self._to.load_part(name, split=split)

    def discard_epoch(self, *, split: str) -> None:
        """Forget the rows of an epoch that will not be finished."""
        self._forget(split)
        self._put(lambda: self._to.discard_epoch(split=split))

    def wait(self) -> None:
        """Return when everything handed over is on disk."""
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks)

    def close(self, *, finished: bool) -> None:
        """Write what is left, mark the history, and end the thread."""
        self._put(lambda: self._to.close(finished=finished))
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

    def _hand_over(self, split: str) -> None:
        """Queue what is not in the queue yet."""

    def _forget(self, split: str) -> None:
        """Let go of what is not in the queue yet."""

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
    """Raise what kept the history from being written ("raise"), or say that recording stopped ("warn").

    A training that another one in its folder has superseded goes on in any case: the mistake was the other one's.
    """
    hint = "the epochs finished before are whole"
    if on_error == "warn" or isinstance(error, SupersededError):
        warnings.warn(f"training goes on, recording stopped: {error} ({hint})", stacklevel=3)
        return
    if isinstance(error, LabelAuditError):
        raise error
    raise LabelAuditError(
        f"the history could not be written: {error!r}; {hint}. To train on without recording when that happens, pass"
        " on_error='warn'"
    ) from error
