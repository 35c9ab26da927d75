"""Images checked once and, with fast_loader, decoded and resized once into one memory-mapped file."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import statistics
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image
from tqdm import tqdm

from labelaudit.errors import LabelAuditError
from labelaudit.fitting.decode import Head, Range, Unreadable, decode, read_head, read_range
from labelaudit.fitting.image_list import ImageList
from labelaudit.fitting.image_sources import ArrayImages, CachedImages, DecodedImages, Images
from labelaudit.history.folder import open_folder

Array = npt.NDArray[Any]
VERSION = 2
SMALL, LARGE = 64, 224  # largest side chosen by itself for the built-in network, and for others
AHEAD = 256  # images being read ...
AHEAD_BYTES = 16 << 20  # ... or fewer, where their pixels take more
THREADS = min(os.cpu_count() or 1, 8)


def prepare(
    images: ImageList,
    folder: Path,
    *,
    image_size: int | None,
    largest: int,
    colour: bool,
    fast: bool,
    progress: bool,
) -> tuple[ImageList, Images, str]:
    """Check every image, and decode all of them once where ``fast``.

    Args:
        images: what there is.
        folder: where the cache lies; used again as long as no file has another size, time or name.
        image_size: side to resize to; None: the middle side of the images, but not above ``largest``.
        largest: see there.
        colour: make three channels of grey images too.
        fast: write the cache.
        progress: show a bar on standard error.

    Returns:
        The readable images, where their pixels come from, and one sentence on how.

    Raises:
        LabelAuditError: no image can be read, or the disk has no room for the cache.
    """
    if images.arrays is not None:
        pixels = _sized(images.arrays, image_size, colour)
        return images, ArrayImages(pixels), f"{_size(pixels.shape[1:])}, in memory"
    key = _fingerprint(images, image_size, largest, colour, fast)
    found = _index(folder, key)
    again = found is not None
    if found is None:
        found = _check(images, folder, image_size, largest, colour, fast, progress)
        open_folder(folder).write("index.json", json.dumps({"key": key, **found}).encode())
    unreadable: dict[str, str] = found["unreadable"]
    if len(unreadable) == len(images):
        name, why = next(iter(unreadable.items()))
        raise LabelAuditError(f"none of {len(images):,} images can be read (first: {name}: {why})")
    shape = (found["side"], found["side"], found["channels"])
    kept = images.without(unreadable)
    kept.content = found["content"]
    if not fast:
        return (
            kept,
            DecodedImages([kept.path(i) for i in range(len(kept))], shape, found["deep"] and Range(*found["deep"])),
            f"{_size(shape)}, decoded each time",
        )
    row_of = {name: row for row, name in enumerate(name for name in images.ids if name not in found["no_head"])}
    rows = np.array([row_of[name] for name in kept.ids], np.intp)
    how = f"{_size(shape)}, {'decoded before' if again else 'decoded once'} ({found['bytes'] / 1e6:,.1f} MB)"
    return kept, CachedImages(folder / "images.bin", shape, rows), how


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]} x {shape[1]} pixels, {'grey' if shape[2] == 1 else 'colour'}"


def _fingerprint(images: ImageList, *options: Any) -> str:
    """Return a digest of all files' names, sizes and times, and of how they are to be decoded."""
    digest = hashlib.sha256(repr((VERSION, PIL.__version__, *options)).encode())
    for position, name in enumerate(images.ids):
        try:
            facts = os.stat(images.path(position))
            digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
        except (OSError, ValueError):
            digest.update(f"{name}\0missing\n".encode())
    return digest.hexdigest()


def _index(folder: Path, key: str) -> dict[str, Any] | None:
    """Return what an earlier check found, if nothing has changed and the cache is whole."""
    try:
        found: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if found["key"] != key:
            return None
        if found["bytes"] is not None and found["crc"] != _checksum(folder / "images.bin"):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _checksum(file: Path) -> int:
    found = 0
    with file.open("rb") as data:
        while block := data.read(1 << 22):
            found = zlib.crc32(block, found)
    return found


def _check(
    images: ImageList, folder: Path, image_size: int | None, largest: int, colour: bool, fast: bool, progress: bool
) -> dict[str, Any]:
    """Read all heads, choose size and kind, then decode everything."""
    everything = range(len(images))
    with ThreadPoolExecutor(THREADS) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused by our own bound
        warnings.simplefilter("ignore", UserWarning)  # Pillow's, on odd metadata
        heads = list(
            _in_order(pool, lambda i: _or_why(lambda: read_head(images.path(i))), everything, progress, "reading")
        )
        no_head = {images.ids[i]: head for i, head in enumerate(heads) if isinstance(head, str)}
        sizes = [head for head in heads if isinstance(head, Head)]
        if not sizes:
            facts: dict[str, Any] = {"deep": None, "content": "", "bytes": None, "crc": None}
            return {"unreadable": no_head, "no_head": no_head, "side": 0, "channels": 1, **facts}
        middle = statistics.median_low(max(head.width, head.height) for head in sizes)
        side = image_size or max(min(middle, largest), 8)
        grey = not colour and all(head.grey for head in sizes)
        shape = (side, side, 1 if grey else 3)
        chosen = [i for i in everything if images.ids[i] not in no_head]
        of_deep = [i for i, head in enumerate(heads) if isinstance(head, Head) and head.deep]
        ranges = _in_order(
            pool, lambda i: _or_why(lambda: read_range(images.path(i))), of_deep, progress, "reading ranges"
        )
        found = [one for one in ranges if isinstance(one, Range)]
        deep = functools.reduce(Range.joined, found) if found else None
        ahead = max(min(AHEAD, AHEAD_BYTES // (side * side * shape[2])), 2 * THREADS)
        decoded = _in_order(
            pool,
            lambda i: _or_why(lambda: _with_checksum(images.path(i), side, grey, deep)),
            chosen,
            progress,
            "decoding",
            ahead,
        )
        broken: dict[str, str] = {}
        content = hashlib.sha256()
        facts = _write(folder, shape, len(chosen), _pixels(images, chosen, decoded, shape, broken, content), fast)
    order = {name: i for i, name in enumerate(images.ids)}
    unreadable = dict(sorted({**no_head, **broken}.items(), key=lambda item: order[item[0]]))
    facts = {"deep": deep, "content": content.hexdigest(), **facts}
    return {"unreadable": unreadable, "no_head": no_head, "side": side, "channels": shape[2], **facts}


def _with_checksum(path: Path, side: int, grey: bool, deep: Range | None) -> tuple[Array, int]:
    """Return an image's pixels and the checksum of its file."""
    pixels = decode(path, side, grey, deep)
    try:
        return pixels, _checksum(path)
    except OSError as problem:
        raise Unreadable(str(problem.strerror)) from None


def _pixels(
    images: ImageList,
    chosen: Sequence[int],
    decoded: Iterable[Any],
    shape: tuple[int, int, int],
    broken: dict[str, str],
    content: Any,
) -> Iterator[bytes]:
    """Yield every image's bytes; empty ones for what turns out to be broken, which is noted.

    ``content``, a hash, takes the checksums of the others' files.
    """
    for i, found in zip(chosen, decoded, strict=True):
        if isinstance(found, str):
            broken[images.ids[i]] = found
            yield bytes(shape[0] * shape[1] * shape[2])
        else:
            pixels, crc = found
            content.update(b"%08x" % crc)
            yield pixels.tobytes()


def _write(folder: Path, shape: tuple[int, int, int], n: int, pixels: Iterable[bytes], fast: bool) -> dict[str, Any]:
    """Write the cache, whole or not at all; without ``fast`` only go through the images."""
    if not fast:
        for _ in pixels:
            pass
        return {"bytes": None, "crc": None}
    folder.mkdir(parents=True, exist_ok=True)
    needed = n * shape[0] * shape[1] * shape[2]
    free = shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise LabelAuditError(
            f"the decoded images take {needed / 1e9:,.1f} GB, {folder} has {free / 1e9:,.1f} GB free. Name another "
            "results_path, a smaller image_size, or decode each time: fast_loader: false"
        )
    for old in folder.glob("images.*.unfinished"):  # of a run that was killed
        old.unlink()
    unfinished, crc = folder / f"images.{uuid.uuid4().hex[:8]}.unfinished", 0
    try:
        with unfinished.open("wb") as file:
            for one in pixels:
                file.write(one)
                crc = zlib.crc32(one, crc)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / "images.bin")
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return {"bytes": needed, "crc": crc}


def _or_why(read: Callable[[], Any]) -> Any:
    """Return what was read, or a sentence on why it cannot be."""
    try:
        return read()
    except Unreadable as problem:
        return str(problem)


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[int], Any],
    positions: Sequence[int],
    progress: bool,
    what: str,
    ahead: int = AHEAD,
) -> Iterator[Any]:
    """Yield results in order, a bounded number of them ahead."""
    bar = tqdm(total=len(positions), desc=what, unit="image", disable=not progress, dynamic_ncols=True, leave=False)
    with bar:
        for start in range(0, len(positions), ahead):
            for found in pool.map(work, positions[start : start + ahead]):
                bar.update()
                yield found


def _sized(pixels: Array, image_size: int | None, colour: bool) -> Array:
    """Return arrays of the size and with the channels wanted."""
    if image_size is not None and pixels.shape[1:3] != (image_size, image_size):
        resized = []
        for one in pixels:
            image = Image.fromarray(one[..., 0] if one.shape[2] == 1 else one)
            small = np.asarray(image.resize((image_size, image_size), Image.Resampling.BILINEAR))
            resized.append(small[..., None] if small.ndim == 2 else small)
        pixels = np.stack(resized)
    return np.repeat(pixels, 3, axis=3) if colour and pixels.shape[3] == 1 else pixels
