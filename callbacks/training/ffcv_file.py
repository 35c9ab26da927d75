"""FFCV itself, if it can be imported, and the file that it reads: every image's pixels, decoded and resized."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelaudit.callbacks.patch import Patch
from labelaudit.callbacks.training.images import Source
from labelaudit.errors import LabelAuditError

CHUNK = 1 << 22  # bytes read at once
PAGE = 1 << 23  # FFCV's own page size; an image must fit into one


@contextlib.contextmanager
def torch_threads_kept() -> Iterator[None]:
    """FFCV sets torch's number of threads where it sets its own; the training keeps what it has."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def need_ffcv() -> None:
    """Import FFCV.

    Raises:
        LabelAuditError: it cannot be imported; says why, and what to type.
    """
    try:
        with torch_threads_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own imports
            import_module("ffcv.loader")
            import_module("ffcv.writer")
    except (ImportError, OSError, RuntimeError, AttributeError) as problem:
        first = " ".join(str(problem).split()) or type(problem).__name__
        raise LabelAuditError(
            f"fast_loader: ffcv expects FFCV, which cannot be imported here ({first}). Type: apt-get install "
            "libopencv-dev libturbojpeg0-dev pkg-config; then: pip install ffcv opencv-python numba. Or leave it to "
            "labelaudit's own cache, with fast_loader: true"
        ) from None


def ffcv_file(source: Source, folder: Path) -> Path:
    """Return the file of all images, written if there is none of these pixels that is whole.

    Its name holds a checksum of the pixels and one of the file.

    Args:
        source: of n images.
        folder: where it lies; made if absent.

    Raises:
        LabelAuditError: the disk has no room for it.
    """
    pixels = 0
    shape = source.read([0]).shape[1:]
    step = max(CHUNK // int(np.prod(shape)), 1)
    for start in range(0, len(source), step):
        pixels = zlib.crc32(source.read(range(start, min(start + step, len(source)))).tobytes(), pixels)
    start_of_name = f"images-{'x'.join(map(str, (len(source), *shape)))}-{pixels:08x}-"
    for old in [*folder.glob("*.beton"), *folder.glob("*.beton.unfinished")]:  # the latter of a run that was killed
        if old.name.startswith(start_of_name) and old.name == f"{start_of_name}{_checksum(old):08x}.beton":
            return old
        old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = len(source) * int(np.prod(shape)) + PAGE, shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise LabelAuditError(
            f"FFCV's file of the images takes {needed / 1e9:,.1f} GB, {folder} has {free / 1e9:,.1f} GB free. Name "
            "another results_path, a smaller image_size, or do without: fast_loader: true"
        )
    unfinished = folder / f"images.{uuid.uuid4().hex[:8]}.beton.unfinished"
    try:
        _write(source, shape, unfinished)
        return unfinished.replace(folder / f"{start_of_name}{_checksum(unfinished):08x}.beton")
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


class _Rows:
    """What FFCV's writer asks for: an image and its position."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        return self.source.read([position])[0], int(position)


def _write(source: Source, shape: tuple[int, ...], file: Path) -> None:
    fields: Any = import_module("ffcv.fields")
    module: Any = import_module("ffcv.writer")
    writer = module.DatasetWriter(
        str(file),
        {"image": fields.NDArrayField(np.dtype("uint8"), shape), "position": fields.IntField()},
        page_size=max(PAGE, 1 << int(np.prod(shape)).bit_length()),
        num_workers=1,
    )
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings(), _watched(module):
        warnings.simplefilter("ignore")  # on its fork beside threads; its bar is not shown either
        try:
            writer.from_indexed_dataset(_Rows(source))
        except BaseException:
            with contextlib.suppress(AttributeError, OSError):
                writer.metadata_sm.unlink()  # shared memory
            raise
    with file.open("rb") as written:
        os.fsync(written.fileno())


@contextlib.contextmanager
def _watched(module: Any) -> Iterator[None]:
    """FFCV's writer waits for ever for a process of its own that has failed; here it looks at it while it waits."""
    started: list[tuple[Any, Any]] = []

    def process(original: Callable[..., Any]) -> Callable[..., Any]:
        def made(target: Any, args: Any) -> Any:
            started.append((original(target=target, args=args), args[0]))
            return started[-1][0]

        return made

    def sleep(original: Callable[..., Any]) -> Callable[..., Any]:
        def waited(seconds: float) -> None:
            original(seconds)
            for child, queue in started:
                if child.exitcode:
                    queue.cancel_join_thread()  # nobody reads the rest of it
                    raise LabelAuditError(
                        f"FFCV could not write its file of the images: its process ended with {child.exitcode}. Is "
                        "there room on the disk and in memory? To do without: fast_loader: true"
                    )

        return waited

    patches = Patch(module, "Process", process), Patch(module, "sleep", sleep)
    try:
        yield
    finally:
        for patch in patches:
            patch.undo()


def _checksum(file: Path) -> int:
    found = 0
    with file.open("rb") as data:
        while block := data.read(CHUNK):
            found = zlib.crc32(block, found)
    return found
