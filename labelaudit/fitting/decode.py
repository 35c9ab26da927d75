"""One image file to pixels, whatever its mode; what is wrong with it is a sentence, never a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Array = npt.NDArray[Any]
MAX_PIXELS = 89_478_485  # Pillow's own bound for what may be an attack
GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


class Head(NamedTuple):
    """What a file's head says, without decoding it; deep: a pixel may have more than 8 bits."""

    width: int
    height: int
    grey: bool
    deep: bool


class Range(NamedTuple):
    """Lowest and highest value of deep images, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, values: Array) -> Range:
        """Return the range of an image's finite values."""
        finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        return cls(low, high, values.dtype.kind in "iu")

    def joined(self, other: Range) -> Range:
        """Return the range of both."""
        return Range(min(self.low, other.low), max(self.high, other.high), self.whole and other.whole)


class Unreadable(Exception):  # noqa: N818  # a finding, not an error of ours
    """Why an image cannot be used."""


def read_head(path: Path) -> Head:
    """Return size and kind of an image.

    Raises:
        Unreadable: it is none, or a huge one.
    """
    try:
        with Image.open(path) as image:
            _bounded(image)
            return Head(*image.size, image.mode in GREY, _deep(image))
    except Exception as problem:  # noqa: BLE001  # a damaged file raises whatever it likes
        raise Unreadable(_why(path, problem)) from None


def read_range(path: Path) -> Range:
    """Return the range of a deep image.

    Raises:
        Unreadable: it is damaged, cut off, or huge.
    """
    try:
        with Image.open(path) as image:
            _bounded(image)
            return Range.of(np.asarray(image))
    except Exception as problem:  # noqa: BLE001  # a damaged file raises whatever it likes
        raise Unreadable(_why(path, problem)) from None


def decode(path: Path, side: int, grey: bool, deep: Range | None = None) -> Array:
    """Return an image as (side, side, C) uint8, turned as its EXIF data say, transparency on white.

    Args:
        path: the file.
        side: pixels a side; the image is stretched to a square.
        grey: C is 1, else 3 (RGB).
        deep: what 0 to 255 is of a deep image; default its own range.

    Raises:
        Unreadable: it is damaged, cut off, or huge.
    """
    try:
        with Image.open(path) as image:
            _bounded(image)
            image.draft("L" if grey else "RGB", (side, side))  # JPEG: decoded at a half or less where that suffices
            found = _plain(ImageOps.exif_transpose(image), grey, deep)
            if found.size != (side, side):
                found = found.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3.0)
            pixels = np.asarray(found)
            return pixels[..., None] if pixels.ndim == 2 else pixels
    except Exception as problem:  # noqa: BLE001  # a damaged file raises whatever it likes
        raise Unreadable(_why(path, problem)) from None


def _bounded(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(f"{image.width:,} x {image.height:,} pixels are more than {MAX_PIXELS:,}: make it smaller")


def _deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _plain(image: Image.Image, grey: bool, deep: Range | None) -> Image.Image:
    if _deep(image):
        values = np.asarray(image)
        image = Image.fromarray(_eight_bits(values, deep or Range.of(values)))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        image = Image.new("RGBA", opaque.size, "white")
        image.alpha_composite(opaque)
    return image.convert("L" if grey else "RGB")


def _eight_bits(values: Array, deep: Range) -> Array:
    """Return pixels as 0 to 255: whole numbers of that range as they are, others stretched from lowest to highest."""
    if deep.whole and deep.low >= 0 and deep.high <= 255:
        return values.astype(np.uint8)
    low, high = deep.low, deep.high
    clean = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.rint((np.clip(clean, low, high) - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _why(path: Path, problem: Exception) -> str:
    if isinstance(problem, Unreadable):
        return str(problem)
    if isinstance(problem, FileNotFoundError):
        return "there is no such file"
    if isinstance(problem, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {MAX_PIXELS:,} pixels: make it smaller"
    try:
        if path.stat().st_size == 0:
            return "the file is empty"
    except OSError as unstattable:
        return str(unstattable.strerror)
    if isinstance(problem, UnidentifiedImageError):
        return "no image, or of a kind that Pillow does not know"
    said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return said if isinstance(problem, OSError) else f"damaged ({said})"
