"""Pictures on disk as class folders, some of them in a wrong one: what benchmarks of `labelaudit fit` start from."""

from __future__ import annotations

import sys
from pathlib import Path

import fashion_mnist
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from labelaudit import plant_mistakes

NOISES = ("confusion", "likeness", "symmetric", "pair", "none")


def pictures(name: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return (n, H, W) uint8 images, (n,) labels and class names of "fashion", "digits", or an .npz file of X and y."""
    if name == "fashion":
        images, labels = fashion_mnist.load()
        classes = fashion_mnist.CLASSES
    elif name == "digits":
        digits = load_digits()
        images, labels = (digits.images * 15.9).astype(np.uint8), digits.target
        classes = [str(digit) for digit in range(10)]
    elif Path(name).suffix == ".npz":
        with np.load(name) as file:
            images, labels = file["X"], file["y"]
        images, classes = images.reshape(len(images), *images.shape[1:3]), [str(k) for k in range(labels.max() + 1)]
    else:
        sys.exit(f"there is no data set {name!r}; expected fashion, digits or a .npz file with X and y")
    chosen = np.random.default_rng(seed).permutation(len(labels))[:n]
    return images[chosen], labels[chosen].astype(np.int64), classes


def given_labels(images: np.ndarray, labels: np.ndarray, noise: str, rate: float, seed: int) -> np.ndarray:
    """Return labels of which a share is wrong.

    "confusion": every class has one look-alike, drawn at random, that takes three quarters of its mistakes
    (`plant_mistakes`). "likeness": classes are confused as often as a linear model of the pictures confuses them, so
    mistakes are made where they are hardest to see.
    """
    if noise == "none":
        return labels.copy()
    if noise != "likeness":
        return plant_mistakes(labels, rate, noise, seed).labels
    flat = images.reshape(len(images), -1) / 255
    model = LogisticRegression(max_iter=1000, tol=0.01)
    probabilities = cross_val_predict(model, flat, labels, cv=3, method="predict_proba")
    confusion = np.zeros((labels.max() + 1,) * 2)
    np.add.at(confusion, labels, probabilities)
    return plant_mistakes(labels, rate, "confusion", seed, confusion=confusion).labels


def write_folders(root: Path, images: np.ndarray, given: np.ndarray, classes: list[str]) -> list[str]:
    """Write ROOT/CLASS/NUMBER.png and return the files in the images' order, relative to the root."""
    names = []
    for number, (image, label) in enumerate(zip(images, given, strict=True)):
        name = f"{classes[label]}/{number:06d}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name)
        names.append(name)
    return names
