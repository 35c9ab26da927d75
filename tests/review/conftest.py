"""Sixty small pictures in three classes, twelve with wrong labels, and a run that learned the right ones."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from labelaudit import Recorder

N = 60
NAMES = ["<b>cat</b>", "dog", "owl"]
TRUE = np.arange(N) % 3
WRONG = np.arange(0, N, 5)  # 12 samples
GIVEN = np.where(np.isin(np.arange(N), WRONG), (TRUE + 1 + np.arange(N) % 2) % 3, TRUE)
IDS = [f"<i>{i:02}</i>.png" for i in range(N)]


class Place(NamedTuple):
    """Where things are."""

    run: Path
    images: Path
    labels: Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    from PIL import Image

    rng = np.random.default_rng(0)
    images = tmp_path / "images"
    with Recorder(tmp_path / "run", n_samples=N, sample_ids=IDS, class_names=NAMES) as recorder:
        for epoch in range(4):
            scores = rng.normal(size=(N, 3), scale=0.4)
            scores[np.arange(N), TRUE] += 2 + epoch
            recorder.record(np.arange(N), scores, GIVEN)
            recorder.end_epoch()
    for i, name in enumerate(IDS):
        path = images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = [(200, 60, 60), (60, 160, 60), (60, 60, 200)][TRUE[i]]
        picture = np.zeros((40, 40, 3), np.uint8)
        picture[8:32, 8 : 12 + i % 20] = colour
        Image.fromarray(picture).save(path)
    labels = tmp_path / "labels.csv"
    rows = [f'{name},"{NAMES[label]}",{i}' for i, (name, label) in enumerate(zip(IDS, GIVEN, strict=True))]
    labels.write_text("\n".join(["path,label,number", *rows, ""]))
    return Place(tmp_path / "run", images, labels)
