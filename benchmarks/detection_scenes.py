"""Scenes for object detection, composed of real small pictures, and mistakes planted into their boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fashion_mnist import load

KINDS = ("class", "location", "missing", "spurious")
SIDE = 96  # pixels of a scene


@dataclass(frozen=True)
class Recipe:
    """How scenes are made.

    Attributes:
        source: "fashion" (Fashion-MNIST, 10 classes) or "digits" (scikit-learn's, 10 classes).
        objects: fewest and most objects of a scene.
        sizes: smallest and largest side of an object, in pixels.
        overlap: largest share of the smaller of two boxes that the other may cover.
        clutter: pieces of pictures and lines that belong to no class.
        location_iou: smallest and largest IoU of a planted wrong box with the true one.
    """

    source: str
    objects: tuple[int, int]
    sizes: tuple[int, int]
    overlap: float
    clutter: int
    location_iou: tuple[float, float]


RECIPES = {
    "fashion easy": Recipe("fashion", (3, 6), (18, 34), 0.1, 2, (0.4, 0.7)),
    "fashion crowded": Recipe("fashion", (8, 14), (14, 28), 0.4, 6, (0.1, 0.45)),
    "digits easy": Recipe("digits", (3, 6), (14, 26), 0.1, 2, (0.1, 0.45)),
    "digits crowded": Recipe("digits", (8, 14), (12, 24), 0.4, 6, (0.4, 0.7)),
}


@dataclass
class Scenes:
    """Pictures with true boxes, and the boxes as they are given after mistakes were planted.

    Attributes:
        pictures: (n, SIDE, SIDE) uint8.
        image, category, box: of the g given boxes: image number, class number, corners x1, y1, x2, y2.
        error: (g,) "none", "class", "location" or "spurious".
        true_category, true_box: what the given boxes were before; -1 and NaN of spurious ones.
        missing_image, missing_category, missing_box: the boxes that were taken away.
    """

    pictures: np.ndarray
    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    error: np.ndarray
    true_category: np.ndarray
    true_box: np.ndarray
    missing_image: np.ndarray
    missing_category: np.ndarray
    missing_box: np.ndarray


def make(recipe: Recipe, n: int, rate: float, seed: int) -> Scenes:
    """Compose n scenes and plant mistakes into a share ``rate`` of their boxes, a quarter of each kind."""
    rng = np.random.default_rng(seed)
    pool, labels = _pool(recipe.source)
    pictures = np.empty((n, SIDE, SIDE), np.uint8)
    found: list[tuple[int, int, list[float]]] = []
    for number in range(n):
        pictures[number], boxes = _scene(recipe, pool, labels, rng)
        found += [(number, label, box) for label, box in boxes]
    image, category, box = (np.array(part) for part in zip(*found, strict=True))
    return _planted(pictures, image, category, box.astype(float), recipe, rate, rng)


def _pool(source: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Return pictures cut to what is drawn on them, and their labels."""
    if source == "fashion":
        images, labels = load("t10k")
    else:
        from sklearn.datasets import load_digits

        digits = load_digits()
        images, labels = (digits.images * 255 / 16).astype(np.uint8), digits.target
    return [_cut(image) for image in images], labels


def _cut(image: np.ndarray) -> np.ndarray:
    drawn = image > 40
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(image: np.ndarray, high: int, wide: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((wide, high), Image.Resampling.BILINEAR))


def _scene(
    recipe: Recipe, pool: list[np.ndarray], labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, list[tuple[int, list[float]]]]:
    canvas = rng.normal(30, 12, (SIDE, SIDE)).clip(0, 255)
    for _ in range(recipe.clutter):
        _clutter(canvas, pool, rng)
    boxes: list[tuple[int, list[float]]] = []
    for _ in range(rng.integers(recipe.objects[0], recipe.objects[1] + 1)):
        for _attempt in range(30):
            which = rng.integers(len(pool))
            patch = pool[which]
            scale = rng.uniform(*recipe.sizes) / max(patch.shape)
            high, wide = (max(round(side * scale), 5) for side in patch.shape)
            x, y = rng.integers(0, SIDE - wide), rng.integers(0, SIDE - high)
            box = [float(x), float(y), float(x + wide), float(y + high)]
            if all(_covered(box, other) <= recipe.overlap for _, other in boxes):
                drawn = _resized(patch, high, wide) * rng.uniform(0.6, 1)
                part = canvas[y : y + high, x : x + wide]
                np.maximum(part, drawn, out=part)
                boxes.append((int(labels[which]), box))
                break
    return canvas.astype(np.uint8), boxes


def _clutter(canvas: np.ndarray, pool: list[np.ndarray], rng: np.random.Generator) -> None:
    """Draw a quarter of some picture, or a line."""
    if rng.random() < 0.5:
        patch = pool[rng.integers(len(pool))]
        piece = patch[: max(len(patch) // 3, 1), : max(patch.shape[1] // 2, 1)]
        piece = _resized(piece, int(rng.integers(5, 14)), int(rng.integers(5, 14))) * rng.uniform(0.5, 1)
        y, x = rng.integers(0, SIDE - piece.shape[0]), rng.integers(0, SIDE - piece.shape[1])
        part = canvas[y : y + piece.shape[0], x : x + piece.shape[1]]
        np.maximum(part, piece, out=part)
        return
    ends = rng.uniform(0, SIDE - 1, (2, 2))
    along = np.linspace(0, 1, 2 * SIDE)[:, None]
    y, x = (ends[0] + along * (ends[1] - ends[0])).astype(int).T
    canvas[y, x] = rng.uniform(80, 200)


def _covered(first: list[float], second: list[float]) -> float:
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    if wide <= 0 or high <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return wide * high / smaller


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU, (n,), of one box with n others."""
    wide = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    high = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared = wide.clip(0) * high.clip(0)
    area = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    return shared / ((box[2] - box[0]) * (box[3] - box[1]) + area - shared)


def _planted(
    pictures: np.ndarray,
    image: np.ndarray,
    category: np.ndarray,
    box: np.ndarray,
    recipe: Recipe,
    rate: float,
    rng: np.random.Generator,
) -> Scenes:
    n, classes = len(image), int(category.max()) + 1
    quarter = round(rate * n / 4)
    chosen = rng.permutation(n)[: 3 * quarter].reshape(3, quarter)
    given_category, given_box = category.copy(), box.copy()
    error = np.full(n, "none", object)
    for kind, rows in zip(("class", "location", "missing"), chosen, strict=True):
        error[rows] = kind
    given_category[chosen[0]] = (category[chosen[0]] + rng.integers(1, classes, quarter)) % classes
    for row in chosen[1]:
        given_box[row] = _moved(box[row], recipe.location_iou, rng)
    extra_image, extra_box = [], []
    while len(extra_image) < quarter:
        where, like = rng.integers(len(pictures)), box[rng.integers(n)]
        wide, high = (like[2:] - like[:2]) * rng.uniform(0.8, 1.25, 2)
        x, y = rng.uniform(0, SIDE - wide), rng.uniform(0, SIDE - high)
        new = np.array([x, y, x + wide, y + high])
        if iou(new, box[image == where]).max(initial=0) < 0.1:
            extra_image.append(where)
            extra_box.append(new)
    extra_category = rng.choice(category, quarter)
    kept = error != "missing"
    gone = ~kept
    return Scenes(
        pictures=pictures,
        image=np.r_[image[kept], np.array(extra_image, int)],
        category=np.r_[given_category[kept], extra_category],
        box=np.r_[given_box[kept], np.array(extra_box).reshape(-1, 4)],
        error=np.r_[error[kept], np.full(quarter, "spurious", object)],
        true_category=np.r_[category[kept], np.full(quarter, -1)],
        true_box=np.r_[box[kept], np.full((quarter, 4), np.nan)],
        missing_image=image[gone],
        missing_category=category[gone],
        missing_box=box[gone],
    )


def _moved(box: np.ndarray, between: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Shift and stretch a box until its IoU with the old one is in the range and it lies in the picture."""
    size = box[2:] - box[:2]
    while True:
        centre = (box[:2] + box[2:]) / 2 + rng.uniform(-0.7, 0.7, 2) * size
        half = size * rng.uniform(0.65, 1.5, 2) / 2
        new = np.r_[centre - half, centre + half].clip(0, SIDE)
        if (new[2:] - new[:2] > 3).all() and between[0] <= iou(new, box[None])[0] <= between[1]:
            return new
