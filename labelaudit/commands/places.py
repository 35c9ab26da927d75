"""Where a command may write: found out before its work, not after it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from labelaudit.errors import LabelAuditError


def check_place(option: str, place: str | None, kind: str) -> None:
    """Refuse the name of a "file" that is a folder's, of a "folder" that is a file's, or one below a file.

    Raises:
        LabelAuditError: it is the other kind.
        NotADirectoryError: a part of its path is a file.
    """
    if not place or "://" in place:
        return
    there = Path(place)
    if there.exists() and there.is_dir() != (kind == "folder"):
        raise LabelAuditError(f"{option} {place} is a {'file' if kind == 'folder' else 'folder'}; name a {kind}")
    nearest = next((parent for parent in there.parents if parent.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
