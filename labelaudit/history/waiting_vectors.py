"""Feature vectors that wait for the end of their epoch, in half precision, in memory or beyond a bound on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]

IN_MEMORY = 256 << 20  # bytes of vectors; those that come later go to a temporary file
_BLOCK = 16 << 20  # bytes of vectors that are read back at once


class WaitingVectors:
    """Vectors of one split and epoch, in the order in which they came.

    Args:
        place: folder for the temporary file, which has no name there; None: where the system keeps such.
        in_memory: bytes of vectors kept in memory.
    """

    def __init__(self, place: str | None = None, in_memory: int = IN_MEMORY) -> None:
        self._place, self._limit = place, in_memory
        self._keys: list[Array] = []
        self._exponents: list[Array] = []
        self._chunks: list[Array] = []
        self._file: IO[bytes] | None = None
        self._bytes = 0
        self.width: int | None = None

    def add(self, keys: Array, vectors: Array) -> None:
        """Take vectors (n, d) of samples with keys (n,)."""
        half, exponent = to_half(vectors)
        self.width = half.shape[1]
        self._keys.append(keys)
        self._exponents.append(np.full(len(keys), exponent, np.int16))
        self._bytes += half.nbytes
        if self._file is None and self._bytes > self._limit:
            self._file = self._spill()
        if self._file is None:
            self._chunks.append(half)
        else:
            self._file.write(np.ascontiguousarray(half).data)

    def _spill(self) -> IO[bytes]:
        place = self._place if self._place is not None and os.path.isdir(self._place) else None
        file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115  until close()
        for chunk in self._chunks:
            file.write(np.ascontiguousarray(chunk).data)
        self._chunks = []
        return file

    def close(self) -> None:
        """Forget the vectors."""
        self._chunks = []
        if self._file is not None:
            self._file.close()

    def rows(self) -> tuple[Array, Array | None]:
        """Return the different keys, as their samples came last, and the rows of those; None for all rows."""
        keys = np.concatenate(self._keys)
        order = np.argsort(keys, kind="stable")
        last = np.append(keys[order][1:] != keys[order][:-1], True)
        if last.all():
            return keys, None
        rows = np.sort(order[last])
        return keys[rows], rows

    def scale(self) -> float:
        """What stored numbers are to be multiplied with: a power of two."""
        return float(2.0 ** int(np.concatenate(self._exponents).max()))

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        """Yield the columns of the file, some rows at a time, in the order in which samples came last."""
        assert self.width is not None
        keys, rows = self.rows()
        exponents = np.concatenate(self._exponents)
        less = exponents - exponents.max()
        small = keys.min(initial=0) >= -(2**31) and keys.max(initial=0) < 2**31
        keys = keys.astype(np.int32) if small else keys
        written = row = 0
        for block in self._blocks():
            here = np.arange(row, row + len(block)) if rows is None else rows[(rows >= row) & (rows < row + len(block))]
            vectors = block if rows is None else block[here - row]
            if less[here].any():
                vectors = np.ldexp(vectors, less[here][:, None].astype(np.int32)).astype(np.float16)
            yield {
                "sample": pa.array(keys[written : written + len(here)]),
                "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), self.width),
            }
            written, row = written + len(here), row + len(block)

    def _blocks(self) -> Iterator[Array]:
        assert self.width is not None
        if self._file is None:
            yield from self._chunks
            return
        self._file.flush()
        everything = np.memmap(self._file, np.float16, "r").reshape(-1, self.width)
        step = max(_BLOCK // (2 * self.width), 1)
        for start in range(0, len(everything), step):
            yield everything[start : start + step]


def to_half(vectors: Array) -> tuple[Array, int]:
    """Return vectors in half precision, divided by a power of two where half's range needs it, and its exponent.

    >>> to_half(np.array([[1e6, 2.0]]))[1]
    5
    >>> to_half(np.array([[1.0, 0.5]]))
    (array([[1. , 0.5]], dtype=float16), 0)
    """
    if vectors.dtype == np.float16:
        return vectors.copy(), 0
    largest = float(np.max(np.abs(vectors), initial=0, where=np.isfinite(vectors)))
    exponent = 0
    if largest and not 2.0**-8 <= largest < 2.0**15:
        exponent = int(np.floor(np.log2(largest))) - 14
        vectors = np.ldexp(vectors, -exponent)
    return vectors.astype(np.float16), exponent
