"""Where a command may write: found out before its work, not after it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from labelaudit.errors import LabelAuditError


def check_file(option: str, place: str | None) -> None:
    """Refuse a file's name, where one was given, that is a folder's or lies below a file.

    Raises:
        LabelAuditError: it is a folder.
        NotADirectoryError: a part of its path is a file.
    """
    if place and "://" not in place:
        if Path(place).is_dir():
            raise LabelAuditError(f"{option} {place} is a folder; name a file")
        _check_parents(place)


def check_folder(option: str, place: str | None) -> None:
    """Refuse a folder's name, where one was given, that is a file's or lies below a file.

    Raises:
        LabelAuditError: it is a file.
        NotADirectoryError: a part of its path is a file.
    """
    if place and "://" not in place:
        if Path(place).is_file():
            raise LabelAuditError(f"{option} {place} is a file; name a folder")
        _check_parents(place)


def _check_parents(place: str) -> None:
    nearest = next((parent for parent in Path(place).parents if parent.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
