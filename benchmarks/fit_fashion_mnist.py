"""`labelaudit fit` on pictures in class folders, some of them in a wrong one: how many are found and corrected.

    python benchmarks/fit_fashion_mnist.py                        # 6,000 pictures, 3 repeats of 6 epochs
    python benchmarks/fit_fashion_mnist.py --seeds 0 1 2 3 4      # other pictures, other mistakes
    python benchmarks/fit_fashion_mnist.py --sensitivity 0.7      # correct more of them, less surely
    python benchmarks/fit_fashion_mnist.py --noise likeness       # classes confused as a linear model confuses them

Needs Fashion-MNIST: apt-get install dataset-fashion-mnist. Writes the pictures to disk, runs the whole command, applies
the corrections of a sensitivity (0.9) to a copy, and counts in that copy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from class_folders import NOISES, given_labels, pictures, write_folders

import labelaudit


def measure(options: argparse.Namespace, seed: int, folder: Path) -> dict[str, float]:
    """Run once and return the figures."""
    images, true, classes = pictures(options.data, options.images, seed)
    given = given_labels(images, true, options.noise, options.rate, seed)
    names = write_folders(folder / "data", images, given, classes)
    started = time.perf_counter()
    keys = dict(pair.split("=", 1) for pair in options.keys)
    found = labelaudit.fit(
        data_path=folder / "data",
        results_path=folder / "results",
        n_repeats=options.repeats,
        num_epochs=options.epochs,
        seed=seed,
        sensitivity=options.sensitivity,
        progress=sys.stderr.isatty(),
        **{key: yaml.safe_load(value) for key, value in keys.items()},
    )
    seconds = time.perf_counter() - started
    table = found.corrections.loc[names]
    wrong, flagged = given != true, table["is_label_issue"].to_numpy()
    hits = int((wrong & flagged).sum())
    sure = table["relabel"].to_numpy()
    right = table["corrected_label"].to_numpy()[sure] == np.array(classes)[true[sure]]
    labelaudit.relabel(folder / "data", found.audit, out=folder / "corrected", min_confidence=options.sensitivity)
    corrected = {file.name.split("-")[0]: file.parent.name for file in (folder / "corrected").glob("*/*.png")}
    after = np.mean([corrected[Path(name).name] == classes[label] for name, label in zip(names, true, strict=True)])
    return {
        "seconds": seconds,
        "flagged": int(flagged.sum()),
        "precision": hits / max(int(flagged.sum()), 1),
        "recall": hits / max(int(wrong.sum()), 1),
        "F1": 2 * hits / max(int(flagged.sum() + wrong.sum()), 1),
        f"corrections at {options.sensitivity:g}": int(sure.sum()),
        "right": float(right.mean()) if len(right) else float("nan"),
        "labels right before": float((given == true).mean()),
        "after": float(after),
    }


def main() -> None:
    """Run every seed and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion", help="fashion, digits, or an .npz file with X and y")
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--noise", choices=NOISES, default="confusion")
    parser.add_argument("--rate", type=float, default=0.1, help="share of wrong labels (default 0.1)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--sensitivity", type=float, default=0.9, help="confidence to correct from (default 0.9)")
    parser.add_argument("--keys", nargs="*", default=[], metavar="KEY=VALUE", help="other keys of labelaudit fit")
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(options, seed, Path(folder)))
        if not options.seeds.index(seed):
            print("| seed | " + " | ".join(rows[0]) + " |\n|---" + "|---" * len(rows[0]) + "|")
        print(f"| {seed} | " + " | ".join(_shown(value) for value in rows[-1].values()) + " |", flush=True)
    if len(rows) > 1:
        print("| mean | " + " | ".join(_shown(float(np.mean([row[key] for row in rows]))) for key in rows[0]) + " |")


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.0f}" if value > 1.5 else f"{value:.3f}"


if __name__ == "__main__":
    main()
