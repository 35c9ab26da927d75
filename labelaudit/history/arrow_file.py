"""One Arrow IPC file with a checksum over every byte of it.

The CRC-32 stands in the schema's metadata, which Arrow writes at the start of the file and again in its
footer. It is computed over the whole file with zeros in those two places, so a flipped bit, a hole or a
missing tail is found wherever it is, and any Arrow reader still opens the file.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc

from labelaudit.errors import LabelAuditError

_MARK = b"crc32="
_ZEROS = b"00000000"
_HEADER_KEY = b"labelaudit"


def encode(columns: dict[str, pa.Array], header: dict[str, Any], *, compress: bool = False) -> bytearray:
    """Return the bytes of an Arrow IPC file.

    Args:
        columns: arrays of one length, by name.
        header: small facts about the file, kept as JSON in the schema's metadata.
        compress: zstd for the columns; only for files that are not memory-mapped.
    """
    table = pa.table(columns).replace_schema_metadata(_metadata(header))
    sink = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression="zstd" if compress else None)
    with ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    data = bytearray(sink.getvalue())
    _seal(data)
    return data


@contextlib.contextmanager
def encoded(batches: Iterator[dict[str, pa.Array]], header: dict[str, Any], *, place: str) -> Iterator[mmap.mmap]:
    """Give the bytes of an Arrow IPC file that may be larger than memory: they lie in a temporary file.

    Args:
        batches: columns of one length, by name, some rows at a time; at least one.
        header: small facts about the file.
        place: the folder of the temporary file, if it is a local one; it has no name there.
    """
    with tempfile.TemporaryFile(dir=place if os.path.isdir(place) else None) as file:
        first = pa.table(next(batches)).replace_schema_metadata(_metadata(header))
        with pa.PythonFile(file, "w") as sink, ipc.new_file(sink, first.schema) as writer:
            writer.write_table(first)
            for columns in batches:
                writer.write_table(pa.table(columns).replace_schema_metadata(first.schema.metadata))
            writer.close()
            file.flush()
            with mmap.mmap(file.fileno(), 0) as data:
                _seal(data)
                yield data


def _metadata(header: dict[str, Any]) -> dict[bytes, Any]:
    return {_HEADER_KEY: json.dumps(header, sort_keys=True), b"checksum": _MARK + _ZEROS}


def _seal(data: bytearray | mmap.mmap) -> None:
    """Put the checksum of a file's bytes into its two places."""
    digits = b"%08x" % zlib.crc32(data)
    for place in _places(data):
        data[place : place + len(digits)] = digits


def decode(
    data: memoryview, where: str, *, verified: bool = False, spare: bool = False
) -> tuple[dict[str, Any], pa.Table]:
    """Check the bytes of a file and return its header and its table (not copied).

    Args:
        data: all bytes of the file.
        where: the file's name, for the error.
        verified: the checksum was found to fit before.
        spare: whether the rest can be read when this file is deleted, so that the error may say so.

    Raises:
        LabelAuditError: the file is cut short, damaged, or no file of ours.
    """
    if not verified and not _is_whole(data):
        raise LabelAuditError(
            f"{where} is damaged: its checksum does not fit its {len(data):,} bytes. "
            f"Restore it from a copy{', or delete that file to go on without it' if spare else ''}"
        )
    table = ipc.open_file(pa.py_buffer(data)).read_all()
    return json.loads(table.schema.metadata[_HEADER_KEY]), table


def header(data: memoryview) -> dict[str, Any]:
    """Return the small facts that a file was written with; the file is not checked."""
    return json.loads(ipc.open_file(pa.py_buffer(data)).schema.metadata[_HEADER_KEY])


def _places(data: bytearray | memoryview | mmap.mmap) -> list[int]:
    """Offsets of the checksum's digits: at the start (schema) and at the end (footer)."""
    head = bytes(data[:65536]).find(_MARK)
    tail_start = max(len(data) - 1_048_576, 0)
    tail = bytes(data[tail_start:]).rfind(_MARK)
    if head < 0 or tail < 0 or tail_start + tail == head:
        return []
    return [head + len(_MARK), tail_start + tail + len(_MARK)]


def _is_whole(data: memoryview) -> bool:
    places = _places(data)
    if len(places) != 2:
        return False
    first, second = places
    width = len(_ZEROS)
    crc = zlib.crc32(data[:first])
    crc = zlib.crc32(_ZEROS, crc)
    crc = zlib.crc32(data[first + width : second], crc)
    crc = zlib.crc32(_ZEROS, crc)
    crc = zlib.crc32(data[second + width :], crc)
    digits = b"%08x" % crc
    return bytes(data[first : first + width]) == digits == bytes(data[second : second + width])
