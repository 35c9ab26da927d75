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
_BLOCK = 16 << 20  # bytes of vectors that are put in order at once


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

    def order(self) -> tuple[Array, Array]:
        """Return the different keys, ascending, and the row of each in which it came last."""
        keys = np.concatenate(self._keys)
        order = np.argsort(keys, kind="stable")
        last = np.append(keys[order][1:] != keys[order][:-1], True)
        return keys[order][last], order[last]

    def scale(self) -> float:
        """What stored numbers are to be multiplied with: a power of two."""
        return float(2.0 ** int(np.concatenate(self._exponents).max()))

    def batches(self, keys: Array, rows: Array) -> Iterator[dict[str, pa.Array]]:
        """Yield the columns of the file, some rows at a time."""
        assert self.width is not None
        exponents = np.concatenate(self._exponents)
        less = exponents - exponents.max()
        everything = self._everything()
        small = not len(keys) or (keys[0] >= -(2**31) and keys[-1] < 2**31)
        step = max(_BLOCK // (2 * self.width), 1)
        for start in range(0, len(rows), step):
            here = rows[start : start + step]
            vectors = everything[here]
            if less[here].any():
                vectors = np.ldexp(vectors, less[here][:, None].astype(np.int32)).astype(np.float16)
            shown = keys[start : start + step]
            yield {
                "sample": pa.array(shown.astype(np.int32) if small else shown),
                "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), self.width),
            }

    def _everything(self) -> Array:
        assert self.width is not None
        if self._file is None:
            return np.concatenate(self._chunks)
        self._file.flush()
        return np.memmap(self._file, np.float16, "r").reshape(-1, self.width)


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
