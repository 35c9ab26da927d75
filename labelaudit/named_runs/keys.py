"""Keys: names that are legal as file names everywhere and lead nowhere else."""

from __future__ import annotations

import re
from collections.abc import Container

from labelaudit.errors import LabelAuditError

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10))}  # of Windows


def checked_key(key: object) -> str:
    """Return a key that can be used.

    Raises:
        LabelAuditError: it is empty, too long, has other characters, or is a name that some system keeps for itself.

    Example:
        >>> checked_key("umap-2")
        'umap-2'
        >>> checked_key("../umap")
        Traceback (most recent call last):
        ...
        labelaudit.errors.LabelAuditError: key='../umap' can't be a name: ...
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key) or key.endswith("."):
        raise LabelAuditError(
            f"key={key!r} can't be a name: expected 1 to 100 letters a to z, digits, '-', '_' or '.', a letter or "
            "digit first, no '.' last. Type key='my-audit'"
        )
    if key.split(".")[0].lower() in _DEVICES:
        raise LabelAuditError(f"key={key!r} is the name of a device on some systems. Type key='my-{key}'")
    return key


def free_key(name: str, taken: Container[str]) -> str:
    """Return ``name``, or ``name-2``, ``name-3``, ... where it is taken.

    >>> free_key("umap", ["umap", "umap-2"])
    'umap-3'
    """
    number, key = 1, name
    while key in taken:
        number += 1
        key = f"{name}-{number}"
    return key
