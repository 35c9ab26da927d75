"""Folders of small pictures that a network learns within an epoch or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelaudit.fitting.fitted import Fitted
from labelaudit.fitting.fitting import fit

SIDE = 12
CLASSES = ["bar", "corner", "dot"]
TINY = {"n_repeats": 2, "num_epochs": 3, "batch_size": 16, "progress": False}


def picture(label: int, random: np.random.Generator) -> np.ndarray:
    """A bright bar, corner or dot on noise, (SIDE, SIDE) uint8."""
    pixels = random.integers(0, 60, (SIDE, SIDE))
    if label == 0:
        pixels[:, 4:8] += 180
    elif label == 1:
        pixels[:5, :5] += 180
    else:
        pixels[7:11, 7:11] += 180
    return pixels.astype(np.uint8)


def write_tree(root: Path, per_class: int = 20, wrong: int = 0, seed: int = 0) -> dict[str, str]:
    """Write ROOT/CLASS/NAME.png; return {file: true class} of the first pictures of each class, put into the next."""
    random, planted = np.random.default_rng(seed), {}
    for label, name in enumerate(CLASSES):
        for i in range(per_class):
            given = CLASSES[(label + (i < wrong)) % len(CLASSES)]
            file = root / given / f"{name}{i:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(label, random)).save(file)
            if given != name:
                planted[f"{given}/{file.name}"] = name
    return planted


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """120 pictures of three classes, six of them in a wrong folder. Not to be changed."""
    root = tmp_path_factory.mktemp("pictures") / "data"
    return root, write_tree(root, per_class=40, wrong=2)


@pytest.fixture(scope="session")
def fitted(tree: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A finished run on `tree`. Not to be changed."""
    results = tmp_path_factory.mktemp("run") / "results"
    return fit(data_path=tree[0], results_path=results, **TINY)
