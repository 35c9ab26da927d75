"""The file of a review: append-only JSON lines with checksums, each on disk before the review goes on."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labelaudit.auditing.fingerprint import fingerprint
from labelaudit.auditing.result import Audit
from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of
from labelaudit.history.samples import check_text
from labelaudit.relabeling.undo_log import checked_line, read_lines, sync_folder
from labelaudit.reviewing.decisions import ACTIONS, FORMAT, FORMAT_VERSION, LABELLED, Words, check_header


class DecisionLog:
    """Appends decisions to a file; each is on disk when `decide` or `undo` returns.

    Args:
        path: the file, made if absent (with its folder); a last line that a kill cut off is dropped.
        audit: the audit under review; a file that was begun for other samples or labels is refused.

    Attributes:
        words: what the records add up to, see `Words`.

    Raises:
        LabelAuditError: the file is damaged, belongs to other labels, or another review has it open.
    """

    def __init__(self, path: str | os.PathLike[str], audit: Audit) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.words = Words()
        self._file = self.path.open("ab+")
        self._lock()
        try:
            self._read(audit)
        except BaseException:
            self._file.close()
            raise

    def _read(self, audit: Audit) -> None:
        size, end = self.path.stat().st_size, 0
        for number, (place, record) in enumerate(read_lines(self.path)):
            end = place
            if number == 0:
                check_header(record, self.path, fingerprint(audit))
            else:
                self.words.apply(record)
        if end < size:
            self._file.truncate(end)
        if end == 0:
            self._write(header_of(audit))
            sync_folder(self.path.parent)

    def _lock(self) -> None:
        with suppress(ImportError):  # no such locks there: then two servers on one file are up to the user
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise LabelAuditError(
                    f"{self.path} is open in another review; use that, or name another file"
                ) from None

    def decide(self, reviewer: str, samples: Sequence[tuple[Any, Any]], action: str, label: Any = None) -> None:
        """Write one decision on one sample, or on several at once.

        Args:
            reviewer: who decides.
            samples: (id, given label) of each.
            action: one of `ACTIONS`.
            label: the new label, for "relabel" and "add".
        """
        one_of("action", action, ACTIONS)
        check_text([reviewer], "reviewer")  # else the file could be written, and never read into a table
        if (action in LABELLED) != (label is not None):
            raise LabelAuditError(f"action {action!r} with label {label!r}; 'relabel' needs a label, others have none")
        time = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        record = {
            "action": action,
            "label": label,
            "reviewer": reviewer,
            "time": time,
            "samples": [*map(list, samples)],
        }
        self._write(record)
        self.words.apply(record)

    def undo(self, reviewer: str) -> list[Any]:
        """Take back a reviewer's last step; return the ids of its samples, none where there is nothing to undo."""
        samples = self.words.last_step(reviewer)
        if not samples:
            return []
        record = {"action": "undo", "reviewer": reviewer}
        self._write(record)
        self.words.apply(record)
        return samples

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(checked_line(record))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file and let go of its lock."""
        self._file.close()


def header_of(audit: Audit) -> dict[str, Any]:
    """Return the first line of a file of decisions: what they are bound to."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fingerprint": fingerprint(audit),
        "history": audit.info.get("history"),
        "class_names": audit.class_names,
    }
