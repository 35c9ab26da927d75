"""Made-up data sets for fit_experience.py: clusters, the answers of random networks, letters of matplotlib's fonts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif"),
    *("DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10"),
)
PIXELS = 14
PICTURES = 6000
RAREST = 20  # answers of a random network


def clusters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw classes of one to three Gaussian clusters, of which some lie next to another class's."""
    n_classes = int(np.exp(rng.uniform(np.log(2), np.log(150))))
    n = max(int(np.exp(rng.uniform(np.log(600), np.log(6000)))), 12 * n_classes)
    d, per_class = int(rng.integers(4, 60)), int(rng.integers(1, 4))
    apart = np.exp(rng.uniform(np.log(1.2), np.log(4))) * n_classes**0.1 * np.sqrt(8 / d)
    centres = rng.normal(size=(n_classes, per_class, d)) * apart
    for k in np.flatnonzero(rng.random(n_classes) < 0.4):
        neighbour = centres[(k + 1) % n_classes]
        centres[k] = neighbour + 0.55 * (centres[k] - neighbour)
    shares = rng.dirichlet(np.full(n_classes, rng.choice([1.5, 20.0])))
    labels = np.concatenate([np.repeat(np.arange(n_classes), 8), rng.choice(n_classes, n - 8 * n_classes, p=shares)])
    spread = np.exp(rng.normal(size=d) * 0.2)
    return centres[labels, rng.integers(0, per_class, n)] + rng.normal(size=(n, d)) * spread, labels


def teacher(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Let a random network answer, more or less sure of itself: what it says is true, however surprising."""
    n_classes, d, width = int(rng.integers(2, 13)), int(rng.integers(5, 40)), int(rng.integers(4, 30))
    features = rng.normal(size=(5000, d)) @ np.diag(np.exp(rng.normal(size=d) * 0.5))
    hidden = np.tanh(features @ rng.normal(size=(d, width)) / np.sqrt(d) + rng.normal(size=width))
    logits = hidden @ rng.normal(size=(width, n_classes)) * rng.uniform(1, 3) / np.sqrt(width)
    doubt = np.exp(rng.uniform(np.log(0.01), np.log(0.6)))
    labels = (logits + doubt * rng.gumbel(size=logits.shape)).argmax(axis=1)
    kept = np.bincount(labels, minlength=n_classes)[labels] >= RAREST
    return features[kept], labels[kept]


def letters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw letters and digits: which one is it? "O", "o" and "0" are easily confused."""
    drawn = [(_picture(font, letter, rng), letter) for font, letter in _at_random(rng)]
    return np.stack([picture for picture, _ in drawn]), np.array([letter for _, letter in drawn])


def fonts(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw letters and digits: which font is it?"""
    drawn = [(_picture(font, letter, rng), font) for font, letter in _at_random(rng)]
    return np.stack([picture for picture, _ in drawn]), np.array([font for _, font in drawn])


def _at_random(rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    return ((str(rng.choice(FONTS)), str(rng.choice(list(LETTERS)))) for _ in range(PICTURES))


def _picture(font: str, letter: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a letter somewhat turned, moved and blurred, (PIXELS * PIXELS,)."""
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    size = int(rng.integers(26, 36))
    image = Image.new("L", (56, 56))
    place = tuple(28 + rng.normal(size=2))
    ImageDraw.Draw(image).text(place, letter, fill=255, font=ImageFont.truetype(str(file), size), anchor="mm")
    small = image.rotate(rng.normal() * 5, resample=Image.Resampling.BILINEAR).crop((8, 8, 48, 48))
    found = np.asarray(small.resize((PIXELS, PIXELS), Image.Resampling.BOX), float).ravel()
    return found + rng.normal(size=len(found)) * 8


SETS = {
    **{f"clusters{i}": clusters for i in range(10)},
    **{f"teacher{i}": teacher for i in range(8)},
    "letters": letters,
    "fonts": fonts,
}
