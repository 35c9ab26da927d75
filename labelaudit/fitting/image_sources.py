"""Where a training reads its pixels: a memory-mapped file, the image files themselves, or memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.fitting.decode import Range, Unreadable, decode

Array = npt.NDArray[Any]


@dataclass
class CachedImages:
    """Pixels from a memory-mapped file.

    Attributes:
        file: (rows, H, W, C) uint8, nothing else.
        shape: (H, W, C).
        rows: (n,) which row each image is.
    """

    file: Path
    shape: tuple[int, int, int]
    rows: Array

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, positions: Sequence[int]) -> Array:
        """Return (m, H, W, C) uint8."""
        mapped = np.memmap(self.file, np.uint8, "r").reshape(-1, *self.shape)
        return np.asarray(mapped[self.rows[np.asarray(positions, np.intp)]])


@dataclass
class DecodedImages:
    """Pixels decoded from the files each time; of deep images, 0 to 255 is that range."""

    paths: list[Path]
    shape: tuple[int, int, int]
    deep: Range | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, positions: Sequence[int]) -> Array:
        """Return (m, H, W, C) uint8.

        Raises:
            LabelAuditError: a file was damaged or removed since it was checked.
        """
        found = np.empty((len(positions), *self.shape), np.uint8)
        for row, position in enumerate(positions):
            try:
                found[row] = decode(self.paths[position], self.shape[0], self.shape[2] == 1, self.deep)
            except Unreadable as problem:
                raise LabelAuditError(
                    f"{self.paths[position]} was readable before and is not any more: {problem}"
                ) from None
        return found


@dataclass
class ArrayImages:
    """Pixels that are in memory."""

    pixels: Array

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.pixels.shape[1:]

    def read(self, positions: Sequence[int]) -> Array:
        """Return (m, H, W, C) uint8."""
        found: Array = self.pixels[np.asarray(positions, np.intp)]
        return found


Images = CachedImages | DecodedImages | ArrayImages
