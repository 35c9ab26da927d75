"""How fast histories are read: the audit beside other tools, one table from one run.

    python benchmarks/analysis_speed.py [--rows 10000 100000 1000000] [--repeat 2]
    python benchmarks/analysis_speed.py --rows 30000000 --epochs 30 --only audit

A row is one sample in one epoch; there are 10 epochs (--epochs) and 10 classes, in half precision. Every contender runs
in a process of its own; CPU seconds exclude imports, peak memory includes them. What is not installed is said to be so.
Contenders other than the audit compute six statistics (mean and spread of p, AUM, correctness, mean loss, forgetting).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import analysis_contenders as contenders
import numpy as np

CLASSES = 10
FLOOR = "floor: read and sum"
SLOW_UP_TO = 1_000_000  # rows that are written as JSON lines and as a pickled dict, and handed to slow tools


def write_history(folder: Path, n: int, epochs: int) -> None:
    """Record a history in which one label in twenty is wrong."""
    import labelaudit

    rng = np.random.default_rng(0)
    true = rng.integers(0, CLASSES, n)
    labels = np.where(rng.random(n) < 0.05, (true + 1) % CLASSES, true)
    with labelaudit.Recorder(folder, n_samples=n, scores_are="logits") as recorder:
        for epoch in range(epochs):
            scores = rng.normal(size=(n, CLASSES)).astype(np.float32) * 1.5
            scores[np.arange(n), true] += 6 * (1 - np.exp(-(epoch + 1) / 3))
            recorder.record(np.arange(n), scores, labels)
            recorder.end_epoch()


def measure(name: str, folder: Path, repeat: int) -> dict[str, float | str]:
    """Run one contender in fresh processes; the least CPU and wall time count."""
    found: list[dict[str, float | str]] = []
    for _ in range(repeat):
        command = [sys.executable, __file__, "--contender", name, "--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"reason": done.stderr.strip().splitlines()[-1][:90]}
        found.append(json.loads(done.stdout.splitlines()[-1]))
        if "reason" in found[-1]:
            return found[-1]
    return {key: min(float(one[key]) for one in found) for key in ("cpu", "wall", "peak")}


def run_one(name: str, folder: Path) -> None:
    """Measure one contender in this process and print the figures as JSON."""
    try:
        prepared = contenders.ALL[name](folder)
    except ImportError as missing:
        print(json.dumps({"reason": f"not installed: {missing.name}"}))
        return
    wall, cpu = time.perf_counter(), time.process_time()
    prepared()
    figures = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps(figures | {"peak": contenders.peak_mib()}))


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Return the exponent b of CPU = a * rows^b, over the two largest sizes (the small ones are all start-up)."""
    return math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="contenders whose name has such a word")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        run_one(arguments.contender, arguments.folder)
        return
    chosen = [name for name in contenders.ALL if name == FLOOR or any(word in name for word in arguments.only)]
    results: dict[str, list[dict[str, float | str]]] = {name: [] for name in chosen}
    disk: dict[str, float] = {}
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_history(folder / "history", rows // arguments.epochs, arguments.epochs)
            if rows <= SLOW_UP_TO:
                contenders.write_other_formats(folder)
            for name in chosen:
                if rows > SLOW_UP_TO and name in contenders.SLOW:
                    results[name].append({"reason": f"left out above {SLOW_UP_TO:,} rows"})
                else:
                    results[name].append(measure(name, folder, arguments.repeat))
            disk = contenders.bytes_per_row(folder, rows) or disk
    largest = arguments.rows[-1]
    print(f"| {largest:,} rows | CPU s | of floor | wall s | peak MiB | bytes a row | slope |")
    print("|---|---|---|---|---|---|---|")
    floor = float(results[FLOOR][-1]["cpu"])
    for name, of_sizes in results.items():
        last = of_sizes[-1]
        if "reason" in last:
            print(f"| {name} | {last['reason']} | | | | | |")
            continue
        cpu = [float(one["cpu"]) for one in of_sizes if "cpu" in one]
        grows = f"{slope(arguments.rows, cpu):.2f}" if len(cpu) == len(arguments.rows) > 1 else ""
        print(
            f"| {name} | {cpu[-1]:.3f} | {cpu[-1] / floor:.1f} | {float(last['wall']):.2f} | "
            f"{float(last['peak']):.0f} | {disk.get(contenders.FORMAT.get(name, 'arrow'), math.nan):.1f} | {grows} |"
        )


if __name__ == "__main__":
    main()
