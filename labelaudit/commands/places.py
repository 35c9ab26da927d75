"""Where a command may write, found out before its work and not after it; and what --images names."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

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


def images_named(place: str | None) -> Any:
    """Return what --images names: a folder, or an array from a file.

    Raises:
        LabelAuditError: the file holds no array that is read without pickles.
    """
    if place is None or not place.endswith(".npy"):
        return place
    import numpy as np

    try:
        return np.load(place, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as problem:
        raise LabelAuditError(f"{place} cannot be read as a NumPy array without pickles: {problem}") from None
