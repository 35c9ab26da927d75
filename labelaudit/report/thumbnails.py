"""Small pictures of the samples, as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.report.media import Media

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]
SIDE = 96  # pixels
MAX_BYTES = 16 * 2**20  # of all thumbnails of a report together
LOSSLESS_SIDE = 32  # up to here PNG is small, and exact
BATCH = 64


@dataclass
class Thumbnails:
    """Thumbnails of some samples.

    Attributes:
        uris: one data URI per sample asked for, None where there is none.
        unreadable: how many images could not be read.
        first_problem: the first of them, and what was wrong with it.
        left_out: how many images were left out to bound the size.
        absent: how many samples have none, although images were given.
    """

    uris: list[str | None]
    unreadable: int = 0
    first_problem: str = ""
    left_out: int = 0
    absent: int = 0

    def notes(self, what: str = "image") -> list[str]:
        """Return what a report says of the images that it does not show."""

        def many(count: int) -> str:
            return f"{count:,} {what}{'s' * (count != 1)}"

        found = []
        if self.left_out:
            found.append(f"{many(self.left_out)} left out to bound the file's size.")
        if self.unreadable:
            found.append(f"{many(self.unreadable)} could not be read (first: {self.first_problem}).")
        if self.absent:
            found.append(f"No {what} was found for {self.absent:,} of the samples shown.")
        return found


def make_thumbnails(
    media: Media, positions: Sequence[int] | Array, *, side: int = SIDE, max_bytes: int = MAX_BYTES
) -> Thumbnails:
    """Make thumbnails of samples, in the order given, until ``max_bytes`` are full."""
    if media.images is None:
        return Thumbnails([None] * len(positions))
    scale = value_range(media.images)

    def one(position: int) -> str | Exception | None:
        try:
            image = media.image(position)
            return None if image is None else data_uri(image, side=side, scale=scale)
        except (OSError, ValueError, TypeError, SyntaxError, Warning) as problem:  # Pillow's, for damaged files
            return problem

    made = Thumbnails([])
    used = 0
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(positions), BATCH):
            if made.left_out:
                rest = len(positions) - start
                made.left_out += rest
                made.uris += [None] * rest
                break
            some = positions[start : start + BATCH]
            for position, found in zip(some, pool.map(one, some), strict=True):
                made.absent += found is None
                if isinstance(found, Exception):
                    made.unreadable += 1
                    made.first_problem = made.first_problem or f"sample {media.ids[position]}: {found}"
                fits = isinstance(found, str) and not made.left_out and used + len(found) <= max_bytes
                made.left_out += isinstance(found, str) and not fits
                made.uris.append(found if isinstance(found, str) and fits else None)
                used += len(found) if isinstance(found, str) and fits else 0
    return made


def data_uri(image: Any, *, side: int = SIDE, scale: tuple[float, float] | None = None) -> str:
    """Return an image (path, bytes, array or PIL image) as a data URI of at most ``side`` pixels a side.

    Raises:
        LabelAuditError: it is no image.
        OSError: the file is missing or damaged.
    """
    picture, kind = thumbnail(image, side=side, scale=scale)
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def thumbnail(image: Any, *, side: int = SIDE, scale: tuple[float, float] | None = None) -> tuple[bytes, str]:
    """Return an image as the bytes of a small file, and their media type; errors as in `data_uri`."""
    from PIL import ImageOps

    picture = eight_bit(ImageOps.exif_transpose(opened(image, scale=scale, side=side)))
    picture.thumbnail((side, side))
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB")
    sink = io.BytesIO()
    if max(picture.size) <= LOSSLESS_SIDE:
        picture.save(sink, "PNG", optimize=True)
        return sink.getvalue(), "image/png"
    if picture.mode == "RGBA":
        picture.save(sink, "WEBP", quality=75)
        return sink.getvalue(), "image/webp"
    picture.save(sink, "JPEG", quality=78, optimize=True)  # as small as WebP here, in a sixth of the time
    return sink.getvalue(), "image/jpeg"


def opened(image: Any, *, scale: tuple[float, float] | None = None, side: int | None = None) -> Image:
    """Return an image as a PIL image, not turned by its EXIF orientation.

    Args:
        image: path, bytes, array or PIL image.
        scale: smallest and largest value, see `as_bytes`.
        side: what it will be shrunk to, so that a JPEG need not be decoded in full.

    Raises:
        LabelAuditError: it is no image.
        OSError: the file is missing or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(image, Image.Image):
        return image.copy()
    if hasattr(image, "__array__"):
        return Image.fromarray(as_bytes(np.asarray(image), scale))
    data = bytes(image) if isinstance(image, (bytes, bytearray)) else Path(image).read_bytes()
    try:
        picture = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as problem:
        raise LabelAuditError(str(problem)) from None
    except UnidentifiedImageError:
        what = "its bytes are" if isinstance(image, (bytes, bytearray)) else f"{image} is"
        raise UnidentifiedImageError(f"{what} no image, or of a kind that Pillow does not know") from None
    if side is not None:
        picture.draft("RGB", (side, side))  # JPEG: decode at a fraction of the size
    return picture


def eight_bit(picture: Image) -> Image:
    """Return a picture of more than 8 bits (16-bit PNG, TIFF of numbers) as bytes, see `as_bytes`; others as they are.

    Pillow's own conversion would take all above 255 for white.
    """
    from PIL import Image

    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return Image.fromarray(as_bytes(np.asarray(picture)))
    return picture


def value_range(images: Any) -> tuple[float, float] | None:
    """Return the smallest and largest value of an array of images; None for anything else."""
    if hasattr(images, "detach"):
        images = images.detach().cpu()
    if isinstance(images, (list, tuple)) or not hasattr(images, "__array__") or hasattr(images, "iloc"):
        return None
    array = np.asarray(images)
    some = array[:: max(len(array) // 500, 1)]
    return (float(np.nanmin(some)), float(np.nanmax(some))) if some.size else None


def as_bytes(image: Array, scale: tuple[float, float] | None = None) -> Array:
    """Return an image as (H, W), (H, W, 3) or (H, W, 4) bytes.

    Args:
        image: (H, W), (H, W, C) or (C, H, W) with C of 1, 3 or 4. Bytes stay as they are, numbers in [0, 1] count
            up to 255, others are stretched from the smallest to the largest.
        scale: smallest and largest value, where they are of all images together.
    """
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[2] not in (1, 3, 4):
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)) or not image.size:
        raise LabelAuditError(f"an image has shape {image.shape}; expected (H, W), (H, W, C), (C, H, W), C of 1, 3, 4")
    low, high = scale or (float(np.nanmin(image)), float(np.nanmax(image)))
    if image.dtype == np.uint8 and high > 1:
        return np.ascontiguousarray(image)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    spread = (np.nan_to_num(image.astype(np.float64)) - low) / ((high - low) or 1)
    return np.ascontiguousarray(np.clip(spread * 255, 0, 255).astype(np.uint8))
