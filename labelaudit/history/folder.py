"""Where a history lies: a local folder or any fsspec URL. A file appears there whole or not at all."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from labelaudit.errors import LabelAuditError

_SHORTENED = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:/(?!/)")  # one letter is a drive


class Folder(Protocol):
    """The few things a history needs of the place it lies in."""

    url: str

    def names(self, sub: str = "") -> list[str]:
        """Names of the files directly in ``sub``, sorted; empty when it does not exist."""

    def folders(self, sub: str = "") -> list[str]:
        """Names of the folders directly in ``sub``, sorted."""

    def read(self, name: str) -> memoryview:
        """All bytes of one file."""

    def write(self, name: str, data: bytes | bytearray | mmap.mmap) -> None:
        """Put a file in place in one step: a reader sees the old file, or the whole new one."""

    def create(self, name: str, data: bytes | bytearray | mmap.mmap) -> None:
        """Put a new file in place in one step; FileExistsError when there is one.

        Of several processes that create one name, one succeeds in a local folder; in an object store the last one may
        replace an earlier one's.
        """

    def remove(self, name: str) -> None:
        """Delete one file; no error when it is not there."""

    def remove_folder(self, sub: str) -> None:
        """Delete a folder if it is empty."""

    def size(self, name: str) -> int:
        """Size of one file in bytes."""

    def check_writable(self) -> None:
        """Raise OSError where files can't be written, as far as that shows without leaving one."""


def open_folder(path: str | os.PathLike[str]) -> Folder:
    """Return the folder behind a local path or a URL such as ``s3://bucket/run`` (not made yet)."""
    text = _text_of(path)
    return _RemoteFolder(text) if _is_remote(text) else _LocalFolder(text.removeprefix("file://"))


def _text_of(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    if _SHORTENED.match(text):
        url = text.replace(":/", ":///" if text.startswith("file") else "://", 1)
        raise LabelAuditError(
            f"{text!r} is a URL that lost a slash, as pathlib.Path takes it off; pass the text {url!r}"
        )
    return text


def _is_remote(text: str) -> bool:
    return "://" in text and not text.startswith("file://")


def is_relative(path: str | os.PathLike[str]) -> bool:
    """Return whether the working directory decides where a path lies.

    >>> [is_relative(path) for path in ("runs/x", "/data/x", "s3://bucket/x")]
    [True, False, False]
    """
    text = os.fspath(path)
    return not _is_remote(text) and not os.path.isabs(text.removeprefix("file://"))


def fixed_place(path: str | os.PathLike[str]) -> str:
    """Return a relative path as an absolute one, which stays where it is when the working directory changes.

    >>> fixed_place("s3://bucket/x"), os.path.isabs(fixed_place("runs/x"))
    ('s3://bucket/x', True)
    """
    text = _text_of(path)
    return str(Path(text.removeprefix("file://")).absolute()) if is_relative(text) else text


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write one file (a local path or a URL) in one step."""
    place = os.fspath(path)
    head, _, name = place.replace(os.sep, "/").rpartition("/")
    open_folder(head or ("/" if place.startswith("/") else ".")).write(name, data)


class _LocalFolder:
    """A folder on this machine; where it is does not change with the working directory."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self.url = str(Path(path))

    def names(self, sub: str = "") -> list[str]:
        folder = self.path / sub
        if not folder.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_file())

    def folders(self, sub: str = "") -> list[str]:
        folder = self.path / sub
        return sorted(e.name for e in os.scandir(folder) if e.is_dir()) if folder.is_dir() else []

    def read(self, name: str) -> memoryview:
        path = self.path / name
        if path.stat().st_size == 0:
            return memoryview(b"")
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def write(self, name: str, data: bytes | bytearray | mmap.mmap) -> None:
        self._put(name, data, lambda unfinished, path: unfinished.replace(path))

    def create(self, name: str, data: bytes | bytearray | mmap.mmap) -> None:
        self._put(name, data, _link)

    def _put(self, name: str, data: bytes | bytearray | mmap.mmap, place: Callable[[Path, Path], object]) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            place(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def remove_folder(self, sub: str) -> None:
        with contextlib.suppress(OSError):  # not empty, or not there
            (self.path / sub).rmdir()

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def check_writable(self) -> None:
        there = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        with tempfile.TemporaryFile(dir=there):
            pass


def _link(unfinished: Path, path: Path) -> None:
    """Give a file its name unless the name is taken."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: what is there is seen, a process at the same moment is not
        if path.exists():
            raise FileExistsError(str(path)) from None
        unfinished.replace(path)
    unfinished.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    """Make a rename survive a power cut, where the system lets a directory be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it; pyarrow's own one where fsspec needs a package more."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError:
        if url.split("://")[0] not in ("s3", "gs", "gcs"):
            raise
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import FileSystem

    file_system, path = FileSystem.from_uri(url)
    return ArrowFSWrapper(file_system), path


class _RemoteFolder:
    """An object store: a put is one step there, so no temporary name is needed."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._fs, self._root = _file_system(self.url)
        except (ImportError, ValueError) as problem:
            raise LabelAuditError(
                f"cannot open {url!r}: {problem}. Use a local folder, or install the fsspec package of that protocol"
            ) from None

    def _full(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def names(self, sub: str = "") -> list[str]:
        return self._entries(sub, "file")

    def folders(self, sub: str = "") -> list[str]:
        return self._entries(sub, "directory")

    def _entries(self, sub: str, kind: str) -> list[str]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._full(sub), detail=True)
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in found if entry["type"] == kind)

    def read(self, name: str) -> memoryview:
        return memoryview(self._fs.cat_file(self._full(name)))

    def write(self, name: str, data: bytes | bytearray | mmap.mmap) -> None:
        full = self._full(name)
        self._fs.makedirs(full.rsplit("/", 1)[0], exist_ok=True)
        self._fs.pipe_file(full, bytes(data))

    def create(self, name: str, data: bytes | bytearray | mmap.mmap) -> None:
        self._fs.invalidate_cache()
        if self._fs.exists(self._full(name)):
            raise FileExistsError(self._full(name))
        self.write(name, data)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._full(name))

    def remove_folder(self, sub: str) -> None:
        with contextlib.suppress(OSError):  # an object store has no folders
            self._fs.rmdir(self._full(sub))

    def size(self, name: str) -> int:
        return int(self._fs.size(self._full(name)))

    def check_writable(self) -> None:
        """An object store says so when a file is put there."""
