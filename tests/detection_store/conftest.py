"""A recorded detector with planted mistakes, its pictures and its audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw

import labelaudit
from labelaudit import DetectionWriter
from tests.detection.simulated import HEIGHT, WIDTH, simulate

NAMES = ["ant", "bee", "<b>fly</b>"]
DATA = simulate(n_images=40, epochs=3, seed=2)
EPOCHS = 3


class Recorded(NamedTuple):
    run: Path
    pictures: Path
    audit: Any


def name_of(image: int) -> str:
    return f"{image:03d}.png"


def per_image(frame: Any, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Torchvision-style dicts of the 40 images; the third class has markup in its name."""
    found = []
    for image in range(40):
        rows = frame[frame["image_id"] == image]
        low, size = rows[["x", "y"]].to_numpy(), rows[["w", "h"]].to_numpy()
        labels = rows["category"].map({"ant": 0, "bee": 1, "fly": 2}).to_numpy()
        one = {"boxes": np.concatenate([low, low + size], axis=1), "labels": labels}
        found.append(one | {f"{column}s": rows[column].to_numpy() for column in columns})
    return found


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded")
    pictures = folder / "pictures"
    pictures.mkdir()
    truth = per_image(DATA.truth, ())
    for image, one in enumerate(truth):
        picture = Image.new("RGB", (WIDTH, HEIGHT), (40, 60, 90))
        for box in one["boxes"]:
            ImageDraw.Draw(picture).rectangle([round(side) for side in box.tolist()], fill=(200, 180, 60))
        picture.save(pictures / name_of(image))
    ids, sizes = [name_of(image) for image in range(40)], np.tile([WIDTH, HEIGHT], (40, 1))
    with DetectionWriter(folder / "run", class_names=NAMES, n_samples=40, sample_ids=ids) as writer:
        for epoch in range(EPOCHS):
            drawn = DATA.detections[DATA.detections["epoch"] == epoch]
            writer.record(np.arange(40), per_image(drawn, ("score",)), truth, sizes=sizes)
            writer.end_epoch()
    return Recorded(folder / "run", pictures, labelaudit.audit(folder / "run"))
