"""Labels with planted mistakes, and boxes as a middling detector would draw them over some epochs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

WIDTH, HEIGHT = 640, 480


class Simulated(NamedTuple):
    truth: pd.DataFrame
    detections: pd.DataFrame
    error: np.ndarray
    missing: pd.DataFrame


def simulate(n_images: int = 60, epochs: int = 3, seed: int = 0, rate: float = 0.2) -> Simulated:
    """Nothing here knows the audit: boxes on a grid, jittered detections with low confidences, misses and noise."""
    rng = np.random.default_rng(seed)
    cells = np.array([(x, y) for x in range(10, 600, 120) for y in range(10, 440, 110)], float)
    image = np.repeat(np.arange(n_images), 8)
    place = np.concatenate([rng.permutation(len(cells))[:8] for _ in range(n_images)])
    size = rng.uniform(50, 95, (len(image), 2))
    box = np.concatenate([cells[place] + rng.uniform(0, 10, (len(image), 2)), size], axis=1)
    kind = rng.integers(0, 3, len(image))
    drawn = pd.concat([_epoch(image, kind, box, epoch, rng) for epoch in range(epochs)], ignore_index=True)
    quarter = round(rate * len(image) / 4)
    chosen = rng.permutation(len(image))[: 3 * quarter].reshape(3, quarter)
    error = np.full(len(image), "none", object)
    for name, rows in zip(("class", "location", "missing"), chosen, strict=True):
        error[rows] = name
    given, moved = kind.copy(), box.copy()
    given[chosen[0]] = (kind[chosen[0]] + rng.integers(1, 3, quarter)) % 3
    moved[chosen[1], :2] += rng.choice([-1, 1], (quarter, 2)) * 0.35 * size[chosen[1]]
    extra_image = rng.integers(0, n_images, quarter)
    free = [rng.choice(np.setdiff1d(np.arange(len(cells)), place[image == of])) for of in extra_image]
    extra = np.concatenate([cells[free] + 5, rng.uniform(50, 95, (quarter, 2))], axis=1)
    kept = error != "missing"
    truth = _frame(
        np.r_[image[kept], extra_image], np.r_[given[kept], rng.integers(0, 3, quarter)], np.r_[moved[kept], extra]
    )
    return Simulated(
        truth,
        drawn,
        np.r_[error[kept], np.full(quarter, "spurious", object)],
        _frame(image[~kept], kind[~kept], box[~kept]),
    )


def _frame(image: np.ndarray, kind: np.ndarray, box: np.ndarray) -> pd.DataFrame:
    sides = dict(zip("xywh", box.T, strict=True))
    return pd.DataFrame({"image_id": image, "category": np.array(["ant", "bee", "fly"])[kind], **sides})


def _epoch(image: np.ndarray, kind: np.ndarray, box: np.ndarray, epoch: int, rng: np.random.Generator) -> pd.DataFrame:
    found = rng.random(len(image)) < 0.85
    seen = np.where(rng.random(len(image)) < 0.9, kind, rng.integers(0, 3, len(image)))
    jitter = box + rng.normal(0, 5, box.shape)
    hits = _frame(image[found], seen[found], jitter[found]).assign(score=rng.uniform(0.25, 0.6, found.sum()))
    noise = len(image) // 4
    corner = rng.uniform(0, 1, (noise, 2)) * (WIDTH - 80, HEIGHT - 80)
    stray = _frame(rng.choice(image, noise), rng.integers(0, 3, noise), np.c_[corner, rng.uniform(30, 80, (noise, 2))])
    return pd.concat([hits, stray.assign(score=rng.uniform(0.05, 0.35, noise))]).assign(epoch=epoch)
