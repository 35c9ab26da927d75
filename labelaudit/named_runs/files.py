"""The files of a named run: their sizes and checksums."""

from __future__ import annotations

import zlib
from typing import Any

from labelaudit.history.folder import Folder

Files = dict[str, dict[str, Any]]  # name -> {"bytes", "crc32"}


def described(folder: Folder) -> Files:
    """Return size and checksum of every file in a folder."""
    return {name: _facts(folder, name) for name in folder.names()}


def problems(folder: Folder, files: Files) -> list[str]:
    """Return one line for each file that is missing or no longer what it was."""
    there, found = set(folder.names()), []
    for name, facts in files.items():
        if name not in there:
            found.append(f"{folder.url}/{name} is missing")
        elif _facts(folder, name) != facts:
            found.append(f"{folder.url}/{name} is damaged: its checksum does not fit")
    return found


def _facts(folder: Folder, name: str) -> dict[str, Any]:
    data = folder.read(name)
    return {"bytes": len(data), "crc32": f"{zlib.crc32(data):08x}"}
