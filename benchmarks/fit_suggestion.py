"""Fit how surely the likeliest other class is the right one, where a label is wrong (suggestion.py).

    python benchmarks/fit_suggestion.py    # some 5 minutes on 2 cores

Trainings as those of fit_experience.py, other draws, each judged as an audit does. Of the wrong labels that it flags, a
logistic regression learns which have the best other class for their true one, by its lead over the next. Printed: the
coefficients, and how often suggestions are right on data sets that were left out of the regression.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fit_data
import fit_training
import numpy as np
from fit_experience import GROUPS, on_one_core, read
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

import labelaudit
from labelaudit.auditing import verdict
from labelaudit.auditing.suggestion import SURE_OF_CLASS, trust

FEW = 5  # found mistakes; a training with fewer says little


@dataclass(frozen=True)
class Case:
    """The wrong labels that an audit found: by how much a class leads, (m,), and whether it is the true one, (m,)."""

    name: str
    trust: float
    lead: np.ndarray
    right: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(m, 2): the lead, and the lead times the logarithm of the trust."""
        return np.column_stack([self.lead, self.lead * np.log(self.trust)])


def find(job: int, folder: Path) -> Case | None:
    """Train on planted mistakes and judge; None where there is next to nothing to learn from."""
    name = fit_data.NAMES[job % len(fit_data.NAMES)]
    dataset = fit_data.load(name, folder)
    rng = np.random.default_rng([2027, job])
    planted = fit_training.plant(dataset, rng)
    if dataset.n_classes == 2 or not planted.wrong.any():
        return None
    scores = np.nan_to_num(fit_training.history(planted, dataset.n_classes, rng), nan=1 / dataset.n_classes)
    reading, clues = read(labelaudit.history_from_arrays(scores, planted.given, scores_are="probabilities"))
    suspected = verdict.judge(reading, clues).flagged
    found = suspected & planted.wrong
    if found.sum() < FEW:
        return None
    right = reading.other[found] == planted.true[found]
    return Case(name, trust(reading.lead, reading.log_ratio, suspected), reading.lead[found], right)


def fit(cases: list[Case]) -> LogisticRegression:
    """Fit on found mistakes; a training weighs as the root of how many it has."""
    weight = np.concatenate([np.full(len(case.lead), len(case.lead) ** -0.5) for case in cases])
    known = np.concatenate([case.known for case in cases])
    return LogisticRegression(C=1e4).fit(known, np.concatenate([case.right for case in cases]), sample_weight=weight)


def main() -> None:
    """Train, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/detection_quality"), help="cache of data and trainings"
    )
    parser.add_argument("--histories", type=int, default=600)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    for name in fit_data.NAMES:
        fit_data.load(name, options.folder)
    with ProcessPoolExecutor(options.workers, initializer=on_one_core) as workers:
        found = workers.map(partial(find, folder=options.folder), range(options.histories), chunksize=4)
        cases = [case for case in found if case is not None]
    fitted = fit(cases)
    lead, times_trust = fitted.coef_[0]
    print(f"{len(cases)} trainings: ({lead:.2f} + {times_trust:.2f} ln t) lead {fitted.intercept_[0]:+.2f}\n")
    names = np.array([case.name for case in cases])
    offered, right = [], []
    for inside, outside in GroupKFold(GROUPS).split(names, groups=names):
        of_others = fit([cases[i] for i in inside])
        for i in outside:
            sure = of_others.predict_proba(cases[i].known)[:, 1] >= SURE_OF_CLASS
            offered.append(sure.mean())
            right.append(cases[i].right[sure].mean() if sure.any() else np.nan)
    print(f"left out: a suggestion for {np.mean(offered):.0%} of the mistakes found, right {np.nanmean(right):.1%}")


if __name__ == "__main__":
    main()
