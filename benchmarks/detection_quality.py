"""How well mistakes are found: labelaudit, every single statistic, cleanlab, aum, FiftyOne on the same training runs.

Rows are data x noise x rate; each is repeated with several seeds, and the seeds take turns in how long and how hard the
network is trained (quality_training.py), from five epochs to memorising. Histories are recorded in flight. What is made
is kept in a folder and used again; only labelaudit is always run anew.

    python benchmarks/detection_quality.py              # one summary table
    python benchmarks/detection_quality.py --rows       # and every row
    python benchmarks/detection_quality.py --methods    # and every method
    python benchmarks/detection_quality.py --ablation   # and the verdict less each of its parts
    python benchmarks/detection_quality.py --quick      # digits only
    python benchmarks/detection_quality.py --unseen     # other data sets, that played no part in making the method

It needs `pip install cleanlab aum` and Debian's dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "runs" / "detection_quality"


@dataclass(frozen=True)
class Case:
    """One training run with a given data set, noise and seed."""

    data: str
    kind: str
    rate: float
    regime: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.data}-{self.kind}{self.rate * 100:.0f}-{self.regime}-{self.seed}"


def cases(names: list[str], seeds: int, quick: bool, folder: Path) -> Iterator[Case]:
    """Yield every case; this also prepares the data sets."""
    import quality_data
    from quality_noise import NOISES, fits
    from quality_training import REGIMES

    few = {("none", 0.0), ("symmetric", 0.1), ("pair", 0.2)}
    for name in names:
        data = quality_data.load(name, folder)
        for kind, rate in NOISES:
            if fits(data.raters is not None, data.n_classes, kind, rate) and (not quick or (kind, rate) in few):
                for seed in range(seeds):
                    yield Case(name, kind, rate, list(REGIMES)[(seed + 1) % len(REGIMES)], seed)


def run(case: Case, folder: Path, ablation: bool) -> list[dict[str, Any]]:
    """Train unless that is done, and score every method."""
    import numpy as np
    import pandas as pd
    import quality_data
    import torch
    from quality_ablation import variants, with_embeddings
    from quality_metrics import scored
    from quality_noise import given_labels
    from quality_peers import ours, peers
    from quality_training import REGIMES, last_features, out_of_fold, record

    import labelaudit

    torch.set_num_threads(1)
    place = folder / "histories" / case.name
    data = quality_data.load(case.data, folder)
    given = given_labels(data, case.kind, case.rate, case.seed)
    kept = place / "peers.parquet"
    seed = zlib.crc32(case.name.encode()) % (1 << 31)
    training = (REGIMES[case.regime], data.features, given, data.n_classes, seed)
    if not kept.exists():
        shutil.rmtree(place, ignore_errors=True)
        record(place / "history", *training)
        history = labelaudit.open_history(place / "history")
        rows = [scored(found, given, data.labels) for found in peers(history, out_of_fold(*training))]
        pd.DataFrame(rows).to_parquet(place / "peers.tmp")
        (place / "peers.tmp").rename(kept)
    history = labelaudit.open_history(place / "history")
    assert np.array_equal(history.labels, given)
    findings = [ours(history)]
    if ablation:
        if not (place / "features.npy").exists():
            np.save(place / "features.npy", last_features(*training))
        embeddings = {"the network's last features": np.load(place / "features.npy"), "the inputs": data.features}
        findings += [*variants(history), *with_embeddings(history, embeddings)]
    rows = [scored(found, given, data.labels) for found in findings] + pd.read_parquet(kept).to_dict("records")
    return [asdict(case) | row for row in rows]


def run_all(every: list[Case], folder: Path, jobs: int, ablation: bool) -> list[dict[str, Any]]:
    """Run the cases in processes of one thread each."""
    rows: dict[str, list[dict[str, Any]]] = {}
    started = time.perf_counter()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run, case, folder, ablation): case for case in every}
        for done in as_completed(waiting):
            case = waiting[done]
            rows[case.name] = done.result()
            print(f"{time.perf_counter() - started:5.0f} s  {len(rows)}/{len(every)}  {case.name}", file=sys.stderr)
    return [row for case in every for row in rows[case.name]]


def main() -> None:
    """Parse options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", help="only these data sets")
    parser.add_argument("--unseen", action="store_true", help="the data sets kept apart from making the method")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="digits, three kinds of noise, one seed")
    parser.add_argument("--rows", action="store_true", help="print every row too")
    parser.add_argument("--methods", action="store_true", help="print every method too")
    parser.add_argument("--ablation", action="store_true", help="also run labelaudit less each part of its verdict")
    parser.add_argument("--fresh", action="store_true", help="train again")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="keeps data, histories and results.parquet")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4), help="processes")
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    import pandas as pd
    import quality_data
    import quality_report

    if options.fresh:
        shutil.rmtree(options.folder / "histories", ignore_errors=True)
    usual = quality_data.UNSEEN if options.unseen else quality_data.NAMES
    names = options.data or (["digits"] if options.quick else list(usual))
    every = list(cases(names, 1 if options.quick else options.seeds, options.quick, options.folder))
    results = pd.DataFrame(run_all(every, options.folder, options.jobs, options.ablation))
    results.to_parquet(options.folder / ("results_unseen.parquet" if options.unseen else "results.parquet"))
    rows = quality_report.by_row(results)
    print(quality_report.summary(rows))
    if options.rows:
        print("\n" + quality_report.all_rows(rows))
    if options.ablation:
        print("\n" + quality_report.ablation(results))
    if options.methods:
        print("\n" + quality_report.all_methods(results))


if __name__ == "__main__":
    main()
