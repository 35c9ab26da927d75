"""How far should look-alikes count in an audit? What chose the weight in labelaudit/auditing/look_alikes.py.

    python benchmarks/neighbour_weight.py        # about 10 minutes on 2 cores

Ten UCI tables that detection_quality.py does not use, with planted mistakes of many kinds, each trained
on and recorded. The ranking gets the neighbours' log ratio, times a constant, times a power of their measured
reliability. Printed for each: the change of the average precision, its mean, its second and tenth percentile, and the
mean on the data set that it serves worst; by the network's own last features and by the inputs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import quality_data
import quality_noise
import quality_training
import torch
from fit_training import unsure
from sklearn.metrics import average_precision_score

import labelaudit
from labelaudit.analyzers.accumulator import accumulate
from labelaudit.auditing import verdict
from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.clues import Clues
from labelaudit.auditing.evidence import Evidence
from labelaudit.auditing.experience import by_experience
from labelaudit.auditing.look_alikes import look_alikes, reliability
from labelaudit.auditing.reading import Reading, read_labels
from labelaudit.auditing.window import plan

TABLES = ("optdigits", "texture", "letter", "magic", "segment", "vehicle", "phoneme", "vowel", "ring", "twonorm")
NOISES = (
    ("symmetric", 0.01),
    ("symmetric", 0.05),
    ("symmetric", 0.1),
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("pair", 0.2),
    ("confusion", 0.1),
    ("confusion", 0.2),
    ("instance", 0.1),
    ("instance", 0.3),
    ("unsure", 2.0),
    ("unsure", 3.0),
)
RELABELLED = 0.7  # of "unsure" noise
CONSTANTS, POWERS = (0.25, 0.5, 0.75, 1.0, 1.5), (0, 1, 2, 3)


def read_history(
    dataset: quality_data.Dataset, given: np.ndarray, regime: str
) -> tuple[Reading, np.ndarray, np.ndarray, np.ndarray]:
    """Train, record, and return the reading, the ranking, probabilities of being wrong, and the last features."""
    training = (quality_training.REGIMES[regime], dataset.features, given, dataset.n_classes, 0)
    with tempfile.TemporaryDirectory() as folder:
        quality_training.record(Path(folder), *training)
        history = labelaudit.open_history(folder)
        planned = plan(history)
        (evidence,) = accumulate(history, [partial(Evidence, uses=planned.uses)])
        assert isinstance(evidence, Evidence)
        read = read_labels(*evidence.averages(), history.labels)
        clues = Clues.of(read, evidence.log_ratios(), planned.glances)
        experience = by_experience(clues)
        score = verdict.ranking(clues, experience.order)
        probability = along_ranking(score, verdict.wrong(clues, experience.odds))
        return read, score, probability, quality_training.last_features(*training)


def gains(
    read: Reading, ranked: np.ndarray, probability: np.ndarray, vectors: np.ndarray, wrong: np.ndarray
) -> dict[tuple[float, int], float]:
    """Return the change of the average precision by each constant and power."""
    given = read.labels
    embeddings = labelaudit.Embeddings.from_arrays(vectors)
    ratio = look_alikes(embeddings, np.arange(len(given)), given, len(read.model.matrix)).votes.log_ratio(
        given, read.other
    )
    trust = reliability(ratio, probability)
    before = average_precision_score(wrong, ranked)
    return {
        (constant, power): average_precision_score(wrong, ranked + constant * trust**power * ratio) - before
        for constant in CONSTANTS
        for power in POWERS
    }


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="runs/detection_quality", help="cache of data sets")
    parser.add_argument("--tables", nargs="+", default=TABLES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for number, name in enumerate(options.tables):
        dataset = quality_data.load(name, Path(options.folder))
        for turn, (kind, rate) in enumerate(NOISES):
            if kind != "unsure" and not quality_noise.fits(False, dataset.n_classes, kind, rate):
                continue
            regime = list(quality_training.REGIMES)[(number + turn) % len(quality_training.REGIMES)]
            if kind == "unsure":
                given = unsure(dataset, rate, RELABELLED, np.random.default_rng([number, turn]))
            else:
                given = quality_noise.given_labels(dataset, kind, rate, 0)
            *found_of, features = read_history(dataset, given, regime)
            for source, vectors in (("last features", features), ("inputs", dataset.features)):
                found = gains(*found_of, vectors, given != dataset.labels)
                rows += [{"table": name, "by": source, "weight": key, "gain": gain} for key, gain in found.items()]
        print(name, file=sys.stderr)
    table = pd.DataFrame(rows)
    print("| by | constant | power of the reliability | mean | 2nd percentile | 10th percentile | worst data set |")
    print("|---|---|---|---|---|---|---|")
    for (source, (constant, power)), of in table.groupby(["by", "weight"], sort=False):
        worst = of.groupby("table")["gain"].mean()
        print(
            f"| {source} | {constant} | {power} | {of['gain'].mean():+.4f} | {of['gain'].quantile(0.02):+.4f} | "
            f"{of['gain'].quantile(0.1):+.4f} | {worst.idxmin()} {worst.min():+.4f} |"
        )


if __name__ == "__main__":
    main()
