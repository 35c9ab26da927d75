"""Fit the coefficients of labelaudit/auditing/doubt.py.

    python benchmarks/fit_doubt.py                # about 5 minutes on 2 cores; prints the coefficients

Thirteen data sets (ten UCI tables that detection_quality.py does not use, and three that it does: digits, fashion and
reuters) with planted mistakes of several kinds, and without: each is trained on, recorded and read as an audit reads
it. A logistic regression then tells, among the disagreements that the
noise matrix leaves open, which are planted mistakes. Printed beside it: how the rule does on data sets it
was not fitted on (each left out in turn), against no such rule at all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import quality_data
import quality_noise
import quality_training
import torch
from scipy.optimize import minimize

import labelaudit
from labelaudit.analyzers.accumulator import accumulate
from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.doubt import design
from labelaudit.auditing.evidence import Evidence
from labelaudit.auditing.reading import read_labels
from labelaudit.auditing.window import plan

TABLES = ("optdigits", "texture", "letter", "magic", "segment", "vehicle", "phoneme", "vowel", "ring", "twonorm")
NAMES = (*TABLES, "digits", "fashion", "reuters")
NOISES = (
    ("none", 0.0),
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
WEIGHTS = {"none 0": 3.0, "symmetric 0.01": 3.0}  # false alarms on a clean or nearly clean set are the worst mistakes
RELABELLED = 0.7  # of "unsure" noise
RIDGE = 0.01
SAMPLES = 1000  # of each history


@dataclass
class Case:
    """One history, read: the design (n, 9), the noise matrix's posterior, which labels are wrong."""

    table: str
    noise: str
    design: np.ndarray
    by_matrix: np.ndarray
    log_ratio: np.ndarray
    wrong: np.ndarray


def unsure(dataset: quality_data.Dataset, temperature: float, seed: int) -> np.ndarray:
    """Return (n,) labels of which most were given by someone less sure than a linear model of the true labels."""
    rng = np.random.default_rng(zlib.crc32(f"{dataset.name} unsure {temperature} {seed}".encode()))
    belief = (dataset.probabilities + 1e-9) ** (1 / temperature)
    belief /= belief.sum(axis=1, keepdims=True)
    said = (belief.cumsum(axis=1) < rng.random((len(belief), 1))).sum(axis=1).clip(0, dataset.n_classes - 1)
    return np.where(rng.random(len(belief)) < RELABELLED, said, dataset.labels)


def read_case(dataset: quality_data.Dataset, noise: tuple[str, float], regime: str, seed: int) -> Case:
    """Train on planted mistakes and read the history."""
    given = (
        unsure(dataset, noise[1], seed) if noise[0] == "unsure" else quality_noise.given_labels(dataset, *noise, seed)
    )
    with tempfile.TemporaryDirectory() as folder:
        quality_training.record(
            Path(folder), quality_training.REGIMES[regime], dataset.features, given, dataset.n_classes, seed
        )
        history = labelaudit.open_history(folder)
        (evidence,) = accumulate(history, [partial(Evidence, uses=plan(history).uses)])
        assert isinstance(evidence, Evidence)
        read = read_labels(*evidence.averages(), history.labels)
    return Case(
        dataset.name,
        f"{noise[0]} {noise[1]:g}",
        design(read.log_ratio, read.seen),
        read.posterior.wrong,
        read.log_ratio,
        given != dataset.labels,
    )


def fit(cases: list[Case]) -> np.ndarray:
    """Maximise the likelihood of which labels are wrong, given that either source may make them so."""
    columns, by_matrix, wrong, weight = [], [], [], []
    for case in cases:
        rows = np.random.default_rng(0).permutation(len(case.wrong))[:SAMPLES]
        columns.append(case.design[rows])
        by_matrix.append(np.clip(case.by_matrix[rows], 0, 0.98))
        wrong.append(case.wrong[rows])
        weight.append(np.full(len(rows), WEIGHTS.get(case.noise, 1.0) / len(rows)))
    x, r = np.concatenate(columns), np.concatenate(by_matrix)
    y, w = np.concatenate(wrong).astype(float), np.concatenate(weight)
    w /= w.mean()
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    middle[0], spread[0] = 0, 1
    x = (x - middle) / spread

    def loss(t: np.ndarray) -> tuple[float, np.ndarray]:
        h = 1 / (1 + np.exp(-np.clip(x @ t, -30, 30)))
        right = np.clip((1 - r) * (1 - h), 1e-9, 1 - 1e-9)
        value = -(w * (y * np.log(1 - right) + (1 - y) * np.log(right))).mean() + RIDGE * (t[1:] ** 2).mean()
        slope = -(x.T @ (w * (y * right * h / (1 - right) - (1 - y) * h))) / len(y)
        return value, slope + 2 * RIDGE * np.append(0, t[1:]) / (len(t) - 1)

    found = minimize(loss, np.append(-3.0, np.zeros(x.shape[1] - 1)), jac=True, method="L-BFGS-B").x / spread
    found[0] -= (found[1:] * middle[1:]).sum()
    return found


def score(cases: list[Case], coefficients: np.ndarray | None) -> dict[str, tuple[float, float]]:
    """Return {noise: (mean F1, mean share flagged)}; coefficients None: the noise matrix alone."""
    found: dict[str, list[tuple[float, float]]] = {}
    for case in cases:
        h = np.zeros(len(case.wrong))
        if coefficients is not None:
            h = 1 / (1 + np.exp(-np.clip(case.design @ coefficients, -30, 30)))
        flagged = along_ranking(case.log_ratio, 1 - (1 - case.by_matrix) * (1 - h)) > 0.5
        hits = 2 * (flagged & case.wrong).sum() / max(flagged.sum() + case.wrong.sum(), 1)
        found.setdefault(case.noise, []).append((float(hits), float(flagged.mean())))
    return {noise: (*np.mean(pairs, axis=0),) for noise, pairs in found.items()}


def main() -> None:
    """Train, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="runs/detection_quality", help="cache of data sets")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases, regimes = [], tuple(quality_training.REGIMES)
    for i, name in enumerate(NAMES):
        dataset = quality_data.load(name, Path(options.folder))
        for j, noise in enumerate(NOISES):
            if noise[0] == "unsure" or quality_noise.fits(False, dataset.n_classes, *noise):
                of_noise = regimes if noise[0] == "none" else regimes[(i + j) % len(regimes) :][:1]
                cases += [read_case(dataset, noise, regime, options.seed) for regime in of_noise]
        print(f"{name}: {len(dataset.labels):,} samples, {dataset.n_classes} classes", file=sys.stderr)
    left_out: list[Case] = []
    unseen: dict[str, list[tuple[float, float]]] = {}
    for name in NAMES:
        coefficients = fit([case for case in cases if case.table != name])
        for noise, pair in score([case for case in cases if case.table == name], coefficients).items():
            unseen.setdefault(noise, []).append(pair)
        left_out += [case for case in cases if case.table == name]
    print("COEFFICIENTS = (" + ", ".join(f"{value:.3g}" for value in fit(cases)) + ")\n")
    print("| noise | F1, matrix alone | F1, with doubt, on unseen data sets | flagged, alone | flagged, with doubt |")
    print("|---|---|---|---|---|")
    for noise, (f1, flagged) in score(left_out, None).items():
        with_f1, with_flagged = np.mean(unseen[noise], axis=0)
        print(f"| {noise} | {f1:.3f} | {with_f1:.3f} | {flagged:.3%} | {with_flagged:.3%} |")


if __name__ == "__main__":
    main()
