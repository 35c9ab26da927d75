"""What fast_loader is worth: an epoch over the data loader alone, images decoded each time or read from the cache.

With FFCV installed, an epoch with fast_loader: ffcv too (its first, which compiles its pipeline, is not counted).

    python benchmarks/fit_loader.py               # 6,000 JPEGs of 224 x 224, about 2 minutes on 2 cores

The loaders are those that `labelaudit fit` trains with; each is timed three times in turn, the median counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelaudit import LabelAuditError
from labelaudit.callbacks.training.ffcv_file import need_ffcv
from labelaudit.callbacks.training.ffcv_loader import FfcvFold, FfcvImages
from labelaudit.callbacks.training.images import FoldData, ImageDataset
from labelaudit.fitting.image_cache import prepare
from labelaudit.fitting.image_list import read_images


def write_jpegs(root: Path, n: int, side: int) -> None:
    """Write smooth colour pictures with some noise, about as large as photographs of that size."""

    def one(number: int) -> None:
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        noisy = (pixels + random.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(root / str(number % 10) / f"{number:05d}.jpg", quality=85)

    for label in range(10):
        (root / str(label)).mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(n)))


def seconds_of_an_epoch(data: FoldData) -> float:
    """Go through all training batches."""
    started, seen = time.perf_counter(), 0
    for images, _ in data.train_dataloader():
        seen += len(images)
    assert seen == len(data.train_positions)
    return time.perf_counter() - started


def ffcv_is_there() -> bool:
    """Say whether FFCV can be imported."""
    try:
        need_ffcv()
    except LabelAuditError:
        return False
    return True


def main() -> None:
    """Write, decode once, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--workers", type=int, default=0, help="processes that read (default 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_jpegs(root / "data", options.images, options.side)
        size = sum(file.stat().st_size for file in (root / "data").rglob("*.jpg")) / options.images
        print(f"{options.images:,} JPEGs of {options.side} x {options.side}, {size / 1000:.0f} kB each on average")
        loaders: dict[str, FoldData] = {}
        for kind in ("decoded each time", "fast_loader", *(["ffcv"] if ffcv_is_there() else [])):
            started = time.perf_counter()
            arguments: dict[str, Any] = {"image_size": options.side, "largest": options.side, "colour": True}
            fast, cache = kind != "decoded each time", root / f"cache-{kind}"
            images, source, _ = prepare(read_images(root / "data"), cache, fast=fast, progress=False, **arguments)
            everything = np.arange(len(images))
            read_from: Any = source
            if kind == "ffcv":
                read_from = FfcvImages(source, cache, batch_size=32, num_workers=options.workers)
            print(f"{kind}: made ready in {time.perf_counter() - started:.1f} s, once")
            loaders[kind] = (FfcvFold if kind == "ffcv" else FoldData)(
                ImageDataset(read_from, images.labels),
                everything,
                everything[:0],
                batch_size=32,
                num_workers=options.workers,
                augment="none",
                seed=(0, 0),
            )
        if "ffcv" in loaders:
            seconds_of_an_epoch(loaders["ffcv"])
        times: dict[str, list[float]] = {kind: [] for kind in loaders}
        for _ in range(3):
            for kind, data in loaders.items():
                times[kind].append(seconds_of_an_epoch(data))
        medians = {kind: statistics.median(found) for kind, found in times.items()}
        for kind, found in times.items():
            print(f"{kind}: {medians[kind]:.2f} s an epoch ({', '.join(f'{one:.2f}' for one in sorted(found))})")
        if "ffcv" in medians:
            print(f"ffcv is {medians['fast_loader'] / medians['ffcv']:.1f} times as fast as fast_loader")
        print(f"fast_loader is {medians['decoded each time'] / medians['fast_loader']:.1f} times as fast")


if __name__ == "__main__":
    main()
