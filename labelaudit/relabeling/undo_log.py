"""The undo log: JSON lines with checksums, each on disk before the change that it describes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import open_folder

FORMAT = "labelaudit undo log"
FORMAT_VERSION = 1


def checked_line(record: dict[str, Any]) -> bytes:
    """Return a record as one line of JSON that ends with its own checksum."""
    text = json.dumps(record, ensure_ascii=True)
    return f'{text[:-1]}, "crc": "{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (end of the line in bytes, record); a last line that was cut off is left out.

    Raises:
        LabelAuditError: a line before the last is damaged.
    """
    data = path.read_bytes()
    end = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        end += len(line)
        record = _record(line)
        if record is None:
            if end == len(data) and not line.endswith(b"\n"):
                return
            raise LabelAuditError(
                f"{path} is damaged in line {number}: its checksum does not fit. Restore it from a copy"
            )
        yield end, record


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        checksum = record.pop("crc")
    except (ValueError, KeyError, AttributeError):
        return None
    return record if checked_line(record) == line and checksum else None


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


class UndoLog:
    """Appends records; each is on disk when `write` returns.

    Raises:
        LabelAuditError: the file exists, or its folder does not.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self.check(path)
        self._file = path.open("xb")
        self.path = path
        self.write({"format": FORMAT, "format_version": FORMAT_VERSION, "target": str(target.resolve())})
        sync_folder(path.parent)

    @staticmethod
    def check(path: Path) -> None:
        """Refuse a place where no log can be begun."""
        if os.path.lexists(path):
            raise LabelAuditError(f"{path} exists; name a new file for the undo log")
        if not path.parent.is_dir():
            raise LabelAuditError(f"there is no folder {path.parent} for the undo log {path.name}; make it first")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        self._file.write(checked_line(record))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def sync_folder(path: Path) -> None:
    """Put a folder's entries on disk, where the system can."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_file(path: Path, data: bytes, log: UndoLog, name: str = "") -> None:
    """Replace a file's content in one step, after the old content went into the log; a symbolic link stays one.

    ``name`` is the file's path below the log's target, where that is a folder.
    """
    old = path.read_bytes()
    packed = base64.b64encode(zlib.compress(old, 6)).decode()
    record = {"op": "replace", "old_sha256": digest(old), "new_sha256": digest(data), "old": packed}
    log.write({**record, "file": name} if name else record)
    _put(path, data)


def _put(path: Path, data: bytes) -> None:
    path = path.resolve()
    mode = path.stat().st_mode
    open_folder(path.parent).write(path.name, data)
    path.chmod(mode & 0o7777)


def move_file(root: Path, source: str, target: str, log: UndoLog) -> None:
    """Move a file of a tree to a place that is free, after saying so in the log."""
    log.write({"op": "move", "from": source, "to": target, "sha256": file_digest(root / source)})
    rename_to_free(root / source, root / target)


def rename_to_free(source: Path, target: Path) -> None:
    """Rename a file; a file that is at the target already is never replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)  # unlike a rename, this fails where something is there
        source.unlink()
    except FileExistsError:
        raise LabelAuditError(f"{target} appeared while files were moved; nothing was overwritten") from None
    except OSError:  # a file system without hard links
        if target.exists():
            raise LabelAuditError(f"{target} appeared while files were moved; nothing was overwritten") from None
        source.rename(target)
    sync_folder(target.parent)


def undo_relabel(log: str | os.PathLike[str]) -> int:
    """Undo what `relabel` did in place, also where it was killed half-way; a second call finds nothing to do.

    Args:
        log: the undo log that it wrote.

    Returns:
        Number of files put back.

    Raises:
        LabelAuditError: the log is damaged, its target was moved, or a file was changed since; such a file stays as it
            is, and the others are put back first.
    """
    path = Path(log)
    if not path.is_file():
        raise LabelAuditError(f"there is no undo log {path}")
    start = f'{{"format": "{FORMAT}"'.encode()
    with path.open("rb") as file:
        ours = file.read(len(start)) == start
    records = [record for _, record in read_lines(path)] if ours else []
    if not records or records[0]["format_version"] > FORMAT_VERSION:
        raise LabelAuditError(
            f"{path} is no undo log of this version of labelaudit; name the .undo-....jsonl that --in-place wrote"
        )
    target = Path(records[0]["target"])
    if not os.path.lexists(target):
        raise LabelAuditError(
            f"{target}, which {path} is about, is no longer there: put it back under that name, then undo"
        )
    done, refused = 0, []
    for record in reversed(records[1:]):
        if record["op"] == "mkdir":
            if (target / record["folder"]).is_dir() and not any((target / record["folder"]).iterdir()):
                (target / record["folder"]).rmdir()
            continue
        replaced = record["op"] == "replace"
        restored = _restore(target / record.get("file", ""), record) if replaced else _move_back(target, record)
        if isinstance(restored, str):
            refused.append(restored)
        else:
            done += restored
    if refused:
        raise LabelAuditError(
            f"put back {done:,} files; {len(refused):,} stay as they are, since they were changed after relabelling "
            f"(first: {refused[0]})"
        )
    return done


def _restore(target: Path, record: dict[str, Any]) -> bool | str:
    current = file_digest(target) if target.is_file() else None
    if current == record["old_sha256"]:
        return False
    if current != record["new_sha256"]:
        return str(target)
    _put(target, zlib.decompress(base64.b64decode(record["old"])))
    return True


def _move_back(root: Path, record: dict[str, Any]) -> bool | str:
    source, target = root / record["from"], root / record["to"]
    if not target.exists():
        return False if source.exists() else str(target)
    if source.exists():
        if not source.samefile(target):
            return False if file_digest(source) == record["sha256"] else str(source)
        target.unlink()  # killed between the two halves of the move
        return True
    if file_digest(target) != record["sha256"]:
        return str(target)
    rename_to_free(target, source)
    return True
