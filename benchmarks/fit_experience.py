"""Fit the trees of labelaudit/auditing/experience.py.

    python benchmarks/fit_experience.py --write    # about an hour on 2 cores; writes the trees

Some 3,400 trainings on 36 data sets (fit_data.py), small and large, short and long, most of them with planted
mistakes of some kind and rate, each read as an audit reads it. Boosted trees learn which of the samples are wrong.
Printed: how the audit does on data sets that the trees were not fitted on (four groups left out in turn), beside a cut
at the noise matrix alone. Trainings are kept in the folder, so a second call only fits.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fit_data
import fit_training
import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

import labelaudit
from labelaudit.analyzers.accumulator import accumulate
from labelaudit.auditing import experience, verdict
from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.clues import COLUMNS, Clues
from labelaudit.auditing.evidence import Evidence
from labelaudit.auditing.reading import read_labels
from labelaudit.auditing.trees import Trees
from labelaudit.auditing.window import plan

SAMPLES = 300  # of each history, to fit on
GROUPS = 4  # of data sets, left out in turn
HOPELESS = ("friends", "contraceptive", "german", "led7digit")  # data whose classes no model can tell apart ...
HOPELESS_WEIGHT = 0.4  # ... teach that every disagreement is doubt


@dataclass(frozen=True)
class Case:
    """A history, read: what is known of its samples, what ranks them (m,) and which labels are wrong (m,)."""

    name: str
    kind: str
    clues: Clues
    score: np.ndarray
    wrong: np.ndarray


def on_one_core() -> None:
    """Let a worker use one core."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def read_case(job: int, folder: Path) -> Case:
    """Train on planted mistakes and read the history, or read what an earlier call kept of it."""
    file = folder / "fit_cases" / f"{job:05d}.npz"
    if not file.exists():
        name = fit_data.NAMES[job % len(fit_data.NAMES)]
        rng = np.random.default_rng([2026, job])
        dataset = fit_data.load(name, folder)
        planted = fit_training.plant(dataset, rng)
        probabilities = fit_training.history(planted, dataset.n_classes, rng)
        history = labelaudit.history_from_arrays(
            np.nan_to_num(probabilities, nan=1 / dataset.n_classes), planted.given, scores_are="probabilities"
        )
        planned = plan(history)
        (evidence,) = accumulate(history, [partial(Evidence, uses=planned.uses)])
        assert isinstance(evidence, Evidence)
        read = read_labels(*evidence.averages(), history.labels)
        rows = planned.glances[0].rows
        kind = "nothing learned" if read.notes else planted.kind
        clues = {name: value.astype(np.float32) for name, value in vars(Clues.of(read, planned.glances)).items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        partly = file.with_suffix(f".{os.getpid()}.npz")
        score = verdict.ranking(read)[rows]
        np.savez_compressed(partly, name=name, kind=kind, score=score, wrong=planted.wrong[rows], **clues)
        partly.replace(file)
    with np.load(file) as arrays:
        clues = Clues(*(arrays[name] for name in Clues.__dataclass_fields__))
        return Case(str(arrays["name"]), str(arrays["kind"]), clues, arrays["score"], arrays["wrong"])


def fit(cases: list[Case]) -> HistGradientBoostingClassifier:
    """Fit the trees; every history weighs the same, those of hopeless data less."""
    columns, wrong, weight = [], [], []
    for case in cases:
        rows = np.random.default_rng(0).permutation(len(case.wrong))[:SAMPLES]
        columns.append(case.clues.columns()[rows])
        wrong.append(case.wrong[rows])
        weight.append(np.full(len(rows), (HOPELESS_WEIGHT if case.name in HOPELESS else 1) / len(rows)))
    trees = HistGradientBoostingClassifier(
        max_iter=250,
        learning_rate=0.05,
        max_leaf_nodes=12,
        min_samples_leaf=100,
        l2_regularization=5,
        monotonic_cst=[int(name == experience.SUSPICION) for name in COLUMNS],
        early_stopping=False,
        random_state=0,
    )
    weights = np.concatenate(weight)
    return trees.fit(np.concatenate(columns), np.concatenate(wrong), sample_weight=weights / weights.mean())


def as_numbers(fitted: HistGradientBoostingClassifier) -> Trees:
    """Return the fitted trees as plain arrays."""
    of_trees = [trees[0].nodes for trees in fitted._predictors]
    roots = np.cumsum([0, *(len(nodes) for nodes in of_trees[:-1])])
    nodes = np.concatenate(of_trees)
    first = np.repeat(roots, [len(of_tree) for of_tree in of_trees])
    leaf, itself = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
    return Trees(
        roots=roots.astype(np.int32),
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16),
        threshold=np.where(leaf, np.inf, nodes["num_threshold"]).astype(np.float32),
        left=np.where(leaf, itself, nodes["left"] + first).astype(np.int32),
        right=np.where(leaf, itself, nodes["right"] + first).astype(np.int32),
        value=nodes["value"].astype(np.float32),
        start=float(fitted._baseline_prediction.item()),
    )


def found_by(case: Case, probability: np.ndarray, cut: float) -> tuple[float, float]:
    """Return F1 and the share flagged."""
    flagged = along_ranking(case.score, probability) > cut
    return float(2 * (flagged & case.wrong).sum() / max(flagged.sum() + case.wrong.sum(), 1)), float(flagged.mean())


def main() -> None:
    """Train, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/detection_quality"), help="cache of data and trainings"
    )
    parser.add_argument("--histories", type=int, default=3400)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true", help="write labelaudit/auditing/experience.npz")
    options = parser.parse_args()
    for name in fit_data.NAMES:
        fit_data.load(name, options.folder)
    cases = []
    with ProcessPoolExecutor(options.workers, initializer=on_one_core) as workers:
        for case in workers.map(partial(read_case, folder=options.folder), range(options.histories), chunksize=4):
            cases.append(case)
            if len(cases) % 100 == 0:
                print(f"{len(cases):,} of {options.histories:,} histories", file=sys.stderr)
    cases = [case for case in cases if case.kind != "nothing learned"]
    names = np.array([case.name for case in cases])
    rows = []
    for inside, outside in GroupKFold(GROUPS).split(names, groups=names):
        trees = as_numbers(fit([cases[i] for i in inside]))
        for i in outside:
            probability = experience.probability(cases[i].clues, trees)
            by_matrix = 1 / (1 + np.exp(-cases[i].clues.by_matrix))
            alone, learned = (
                found_by(cases[i], by_matrix, 0.5),
                found_by(cases[i], probability, 1 / (1 + verdict.LEANING)),
            )
            ideal = np.argsort(-cases[i].score, kind="stable")[: cases[i].wrong.sum()]
            rows.append((cases[i].kind, *alone, *learned, cases[i].wrong[ideal].mean() if len(ideal) else np.nan))
    print("| mistakes | F1, matrix alone | F1, on sets left out | F1 at the true count | flagged, alone | flagged |")
    print("|---|---|---|---|---|---|")
    for kind in fit_training.KINDS:
        f1, flagged, with_f1, with_flagged, ideal = np.mean([row[1:] for row in rows if row[0] == kind], axis=0)
        numbers = f"{flagged:.2%} | {with_flagged:.2%} |"
        print(f"| {kind} | {' |  | ' if kind == 'none' else f'{f1:.3f} | {with_f1:.3f} | {ideal:.3f}'} | {numbers}")
    if options.write:
        as_numbers(fit(cases)).save(experience.FILE)
        print(f"{experience.FILE}: {experience.FILE.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
