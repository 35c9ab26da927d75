"""Write and audit one large history, once: python benchmarks/soak.py FOLDER [--samples 3334000] [--epochs 30]."""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

import labelaudit

CLASSES = 10
BATCH = 100_000


def write(folder: Path, n: int, epochs: int) -> None:
    """Record a history in which one label in twenty is wrong; noise is drawn once and shifted, which is quicker."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, CLASSES, n)
    labels = np.where(rng.random(n) < 0.05, (true + 1) % CLASSES, true)
    noise = rng.standard_normal((BATCH * 2, CLASSES), dtype=np.float32) * 1.5
    with labelaudit.Recorder(folder, n_samples=n, scores_are="logits") as recorder:
        for epoch in range(epochs):
            for low in range(0, n, BATCH):
                rows = np.arange(low, min(low + BATCH, n))
                start = int(rng.integers(BATCH))
                scores = noise[start : start + len(rows)].copy()
                scores[np.arange(len(rows)), true[rows]] += 6 * (1 - np.exp(-(epoch + 1) / 3))
                recorder.record(rows, scores, labels[rows])
            recorder.end_epoch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=3_334_000)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    rows = arguments.samples * arguments.epochs
    steps = {"write": lambda: write(arguments.folder, arguments.samples, arguments.epochs)}
    found: list[labelaudit.Audit] = []
    steps["audit"] = lambda: found.append(labelaudit.audit(arguments.folder))
    for name, step in steps.items():
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name}: {rows:,} rows, {cpu:.1f} s CPU ({cpu / rows * 1e9:.0f} ns a row), {wall:.0f} s wall, ", end="")
        print(f"peak {peak:,.0f} MiB", flush=True)
    files = [path for path in (arguments.folder / "epochs").rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 2**20:,.0f} MiB")
    print(found[0].summary)


if __name__ == "__main__":
    main()
