"""How well each kind of mistake in a detection data set is found: python benchmarks/detection_objects.py.

Scenes of real small pictures, mistakes planted into their boxes, a small detector trained on them (or on the other
half of them: "out of fold"), its boxes after every epoch. labelaudit reads all epochs. FiftyOne's formulas and
cleanlab's ObjectLab read the last one. Average precision, high is good. Some 30 minutes on two cores;
`--keep FOLDER` stores what the detectors drew and reads it again.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from detection_peers import fiftyone, objectlab, ours
from detection_scenes import RECIPES, SIDE, Scenes, make

N_SCENES, N_EPOCHS = 300, 20
COLUMNS = ["class", "location", "missing", "spurious", "overall"]


class Row(NamedTuple):
    """One training; fold: "in", or "out" for boxes drawn by a detector of the other half."""

    recipe: str
    rate: float
    fold: str
    seed: int


ROWS = [
    Row("fashion easy", 0.1, "in", 1),
    Row("fashion easy", 0.05, "in", 3),
    Row("fashion easy", 0.2, "out", 2),
    Row("fashion crowded", 0.1, "in", 1),
    Row("fashion crowded", 0.2, "in", 3),
    Row("fashion crowded", 0.2, "out", 2),
    Row("digits easy", 0.1, "in", 1),
    Row("digits easy", 0.05, "in", 2),
    Row("digits easy", 0.2, "out", 3),
    Row("digits crowded", 0.1, "in", 3),
    Row("digits crowded", 0.05, "in", 4),
    Row("digits crowded", 0.2, "out", 1),
]


def history(row: Row, scenes: Scenes, keep: Path | None) -> pd.DataFrame:
    """Return what the detector drew: epoch, image_id, category, x, y, w, h, score."""
    name = f"{row.recipe}_{row.rate}_{row.fold}_{row.seed}.parquet".replace(" ", "_")
    if keep is not None and (keep / name).exists():
        return pd.read_parquet(keep / name)
    epochs = _trained(row, scenes)
    found = pd.concat([_frame(**drawn).assign(epoch=number) for number, drawn in enumerate(epochs)], ignore_index=True)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        found.to_parquet(keep / name)
    return found


def _trained(row: Row, scenes: Scenes) -> list[dict[str, np.ndarray]]:
    from detection_detector import train

    pictures, labels = scenes.pictures, (scenes.image, scenes.category, scenes.box)
    if row.fold == "in":
        return train(pictures, *labels, pictures, epochs=N_EPOCHS, seed=row.seed)
    half = len(pictures) // 2
    first = scenes.image < half
    left = [part[first] for part in labels]
    right = [part[~first] for part in labels]
    right[0] = right[0] - half
    on_right = train(pictures[:half], *left, pictures[half:], epochs=N_EPOCHS, seed=row.seed)
    on_left = train(pictures[half:], *right, pictures[:half], epochs=N_EPOCHS, seed=row.seed + 1)
    joined = []
    for one, two in zip(on_left, on_right, strict=True):
        two = {**two, "image": two["image"] + half}
        joined.append({name: np.concatenate([one[name], two[name]]) for name in one})
    return joined


def _frame(image: np.ndarray, category: np.ndarray, box: np.ndarray, score: np.ndarray | None = None) -> pd.DataFrame:
    sides = {"x": box[:, 0], "y": box[:, 1], "w": box[:, 2] - box[:, 0], "h": box[:, 3] - box[:, 1]}
    found = pd.DataFrame({"image_id": image, "category": category, **sides}).astype(dict.fromkeys(sides, float))
    return found if score is None else found.assign(score=score.astype(float))


def measure(row: Row, keep: Path | None) -> list[dict[str, object]]:
    """Return one line per method."""
    scenes = make(RECIPES[row.recipe], N_SCENES, row.rate, row.seed)
    truth = _frame(scenes.image, scenes.category, scenes.box)
    drawn = history(row, scenes, keep)
    last = drawn[drawn["epoch"] == drawn["epoch"].max()]
    missing = _frame(scenes.missing_image, scenes.missing_category, scenes.missing_box)
    error = scenes.error.astype(str)
    sizes = dict.fromkeys(range(N_SCENES), (SIDE, SIDE))
    found = {
        "labelaudit": ours(truth, drawn, error, missing, sizes),
        "labelaudit, last epoch only": ours(truth, last, error, missing, sizes),
        "FiftyOne": fiftyone(truth, last, error, missing, 0.95),
        "FiftyOne, no threshold": fiftyone(truth, last, error, missing, 0.0),
        "ObjectLab": objectlab(truth, last, error, missing, None),
        "ObjectLab, thresholds fitted": objectlab(truth, last, error, missing, (0.5, 0.8)),
    }
    return [{**row._asdict(), "method": method, **values} for method, values in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder for what the detectors drew")
    parser.add_argument("--rows", action="store_true", help="print every row as well")
    parser.add_argument("--only", help="only rows whose recipe has this in its name")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    lines: list[dict[str, object]] = []
    for row in ROWS:
        if options.only is None or options.only in row.recipe:
            lines += measure(row, options.keep)
            print(f"{row.recipe}, {row.rate:.0%}, {row.fold} fold, seed {row.seed}: done", flush=True)
    table = pd.DataFrame(lines)
    if options.rows:
        keys = ["recipe", "rate", "fold", "seed", "method"]
        print(table.set_index(keys)[COLUMNS].round(3).to_string())
    print("\nMeans over the rows, average precision:")
    print(table.groupby("method", sort=False)[COLUMNS].mean().round(3).to_string())
    wide = table.pivot_table(index=["recipe", "rate", "fold", "seed"], columns="method", values=COLUMNS)
    others = [name for name in table["method"].unique() if not name.startswith("labelaudit")]
    better = {kind: int((wide[kind]["labelaudit"] > wide[kind][others].max(axis=1)).sum()) for kind in COLUMNS}
    print(f"\nlabelaudit above all others, of {len(wide)} rows:", ", ".join(f"{k} {n}" for k, n in better.items()))
    cut = table[table["method"] == "labelaudit"][["precision", "recall", "missing precision", "missing recall"]].mean()
    print("labelaudit's cut:", ", ".join(f"{name} {value:.2f}" for name, value in cut.items()))


if __name__ == "__main__":
    main()
