"""How long matching and a whole audit take, and in how much memory: python benchmarks/detection_speed.py [IMAGES]."""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from labelaudit.detection import Detections, Objects, audit_epochs
from labelaudit.detection.matching import match

SIDE, CLASSES, LABELS, DRAWN = 640, 20, 8, 20


def boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    size = rng.uniform(30, 150, (n, 2))
    corner = rng.uniform(0, 1, (n, 2)) * (SIDE - size)
    return np.concatenate([corner, corner + size], axis=1)


def data(n_images: int, seed: int = 0) -> tuple[Objects, Detections]:
    """Return 8 labels an image, and 20 detections: 8 near the labels, 12 anywhere."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(n_images), LABELS)
    box, category = boxes(rng, len(image)), rng.integers(0, CLASSES, len(image))
    stray = n_images * (DRAWN - LABELS)
    drawn = Detections.of(
        np.concatenate([image, np.repeat(np.arange(n_images), DRAWN - LABELS)]),
        np.concatenate([category, rng.integers(0, CLASSES, stray)]),
        np.concatenate([box + rng.normal(0, 5, box.shape), boxes(rng, stray)]),
        np.concatenate([rng.uniform(0.3, 0.9, len(image)), rng.uniform(0.05, 0.4, stray)]),
    )
    return Objects.of(image, category, box), drawn


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=int, nargs="?", default=100_000)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    objects, drawn = data(options.images)
    print(f"{options.images:,} images, {len(objects):,} labels, {len(drawn):,} detections; {peak():.2f} GiB")
    start = time.perf_counter()
    found = match(objects, drawn)
    print(f"matching: {time.perf_counter() - start:.1f} s, {(found >= 0).sum():,} matches, peak {peak():.2f} GiB")
    start = time.perf_counter()
    audit = audit_epochs(
        objects,
        ((epoch, drawn) for epoch in range(options.epochs)),
        image_ids=range(options.images),
        category_names=range(CLASSES),
        image_sizes=np.full((options.images, 2), SIDE),
    )
    print(f"audit of {options.epochs} epochs: {time.perf_counter() - start:.1f} s, peak {peak():.2f} GiB")
    print(audit)


if __name__ == "__main__":
    main()
