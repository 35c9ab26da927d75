"""Fit the trees and the networks of labelaudit/auditing/experience.py.

    python benchmarks/fit_experience.py --write    # some six hours on 2 cores; writes both files

Some 12,300 trainings on 55 data sets (fit_data.py), on others that are drawn anew (fit_drawn.py), and on more pictures
(fit_pictures.py), small and large, short and long, most of them with planted mistakes of some kind and rate, each read
as an audit reads it. Boosted trees (here) and networks (fit_networks.py) learn which of the samples are wrong. Printed:
how the audit does on data sets that they were not fitted on (four groups left out in turn), beside a cut at the noise
matrix alone. Trainings are kept in the folder, so a second call only fits; --no-table skips the groups, which take half
of the time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import fit_data
import fit_drawn
import fit_networks
import fit_pictures
import fit_training
import numpy as np
import torch
from quality_data import Dataset
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

import labelaudit
from labelaudit.analyzers.accumulator import accumulate
from labelaudit.auditing import experience, verdict
from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.clues import COLUMNS, Clues
from labelaudit.auditing.evidence import Evidence
from labelaudit.auditing.reading import Reading, read_labels
from labelaudit.auditing.set_networks import SetNetworks
from labelaudit.auditing.trees import MOST_LEAVES, Trees
from labelaudit.auditing.window import plan

CROSS_VALIDATED = 12  # every so many jobs are a cross-validation, read with what its models left out of training
ABSENT = 29  # every so many have a class whose labels are all wrong
BY_PEOPLE = 5900  # from this one on the mistakes are those of people with a poor view
LONG_TAILED = 20_000  # from this one on the classes differ in size, and every fifth has mistakes of people
MODERN = 30_000  # from this one on in more modern ways; every seventh long-tailed, every fourth by people
DRAWN = 35_000  # from this one on of sets that are drawn anew, every third in more modern ways, every fourth by people
OF_PICTURES = 40_000  # from this one on convolutional networks on pictures, every third with mistakes of people
LONG = 41_000  # from this one on for more than 60 epochs
MANY = (range(10_000, 11_300), range(36_400, 36_700), range(42_000, 42_100))  # a quarter of the labels or more is wrong
SAMPLES = 200  # of each history, to fit trees on
GROUPS = 4  # of data sets, left out in turn
HOPELESS = ("friends", "friends_embedded", "contraceptive", "german", "led7digit")
HOPELESS_WEIGHT = 0.4  # data whose classes no model can tell apart teach that nothing can be known
PEOPLE_WEIGHT = 2  # mistakes of people are what most users have
MANY_WEIGHT = (0.5, 0.5, 1, 1)  # to each of the networks: the more, the bolder they grow everywhere
PICTURES_WEIGHT = 3  # convolutional networks, too, and the trainings of them are few
FLAGGED = (2, 5, 8)  # columns of the table


@dataclass(frozen=True)
class Case:
    """A history, read: what is known of its samples, and which labels are wrong, (n,)."""

    job: int
    name: str
    kind: str
    clues: Clues
    wrong: np.ndarray


def jobs() -> list[int]:
    """Return the numbers of all trainings.

    Embedded texts are not among the long-tailed ones, nor hopeless data among those of MANY.
    """
    names = fit_data.NAMES
    tables, *of_others = MANY
    tailed = range(LONG_TAILED, LONG_TAILED + 2000)
    return sorted(
        [
            *range(7300),
            *(job for job in tables if names[job % len(names)] not in HOPELESS),
            *(job for job in tailed if names[job % len(names)] not in fit_data.EMBEDDED),
            *range(MODERN, MODERN + 1000),
            *range(DRAWN, DRAWN + 1400),
            *range(OF_PICTURES, OF_PICTURES + 600),
            *range(LONG, LONG + 150),
            *chain(*of_others),
        ]
    )


def on_one_core() -> None:
    """Let a worker use one core."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def read_case(job: int, folder: Path) -> Case:
    """Train on planted mistakes and read the history, or read what an earlier call kept of it."""
    file = folder / "fit_cases" / f"{job:05d}.npz"
    if not file.exists():
        name, planted, reading, clues = trained(job, folder)
        kind = "nothing learned" if reading.notes else planted.kind
        file.parent.mkdir(parents=True, exist_ok=True)
        partly = file.with_suffix(f".{os.getpid()}.npz")
        in_brief = {name: as_kept(value) for name, value in vars(clues).items()}
        np.savez_compressed(partly, name=name, kind=kind, wrong=planted.wrong, **in_brief)
        partly.replace(file)
    with np.load(file) as arrays:
        clues = Clues(*(arrays[name] for name in Clues.__dataclass_fields__))
        return Case(job, str(arrays["name"]), str(arrays["kind"]), clues, arrays["wrong"])


def trained(job: int, folder: Path) -> tuple[str, fit_training.Planted, Reading, Clues]:
    """Train on planted mistakes; return the data set's name, what was planted, and the history, read."""
    rng = np.random.default_rng([2026, job])
    if job >= OF_PICTURES:
        name = fit_pictures.NAMES[job % len(fit_pictures.NAMES)]
        dataset, long = fit_pictures.load(name, folder), LONG <= job < LONG + 150
        part = fit_pictures.part_of(dataset, rng, long=long)
        planted = fit_training.plant_in(part, rng, kind_of(job), many=has_many(job))
        found = fit_pictures.history(planted, dataset.n_classes, rng, long=long)
        return name, planted, *read_found(found, planted.given)
    part, modern = _part_of(job, folder, rng)
    planted = fit_training.plant(part, rng, kind_of(job), many=has_many(job))
    if turn_of(job) % CROSS_VALIDATED != CROSS_VALIDATED - 1:
        found = fit_training.history(planted, part.n_classes, rng, modern=modern)
        return part.name, planted, *read_found(found, planted.given)
    with tempfile.TemporaryDirectory() as place:
        history = fit_training.cross_validation(planted, part.n_classes, rng, Path(place))
        return part.name, planted, *read(history)


def _part_of(job: int, folder: Path, rng: np.random.Generator) -> tuple[Dataset, bool]:
    """Return what a training draws its samples from, and whether it is a modern one."""
    if job >= DRAWN:
        return fit_drawn.draw(fit_drawn.NAMES[job % len(fit_drawn.NAMES)], rng), turn_of(job) % 3 == 0
    dataset = fit_data.load(fit_data.NAMES[job % len(fit_data.NAMES)], folder)
    modern = job >= MODERN or (has_many(job) and job % 3 == 0)
    tailed = job % 7 == 0 if modern else job >= LONG_TAILED
    return fit_training.long_tailed(dataset, rng) if tailed else dataset, modern


def has_many(job: int) -> bool:
    """Say whether a quarter of the labels or more is wrong in a training."""
    return any(job in of_many for of_many in MANY)


def turn_of(job: int) -> int:
    """Return the number that says which kind of mistakes and of training has its turn, whatever the data set."""
    if job >= OF_PICTURES:
        return job // len(fit_pictures.NAMES)
    return job // len(fit_drawn.NAMES) if job >= DRAWN else job


def kind_of(job: int) -> str | None:
    """Return the kind of mistakes of a training, None for a random one."""
    turn = turn_of(job)
    if job >= OF_PICTURES:
        return "people" if turn % 3 == 0 else "absent" if turn % ABSENT == 1 else None
    every = 4 if job >= MODERN else 5
    if turn % every == 0 if job >= LONG_TAILED else job >= BY_PEOPLE:
        return "people"
    return "absent" if turn % ABSENT == ABSENT - 1 else None


def as_kept(values: np.ndarray) -> np.ndarray:
    """Return clues in single precision, classes as short whole numbers."""
    return values.astype(np.int16 if values.dtype.kind in "iu" else np.float32)


def read(history: labelaudit.History) -> tuple[Reading, Clues]:
    """Read a history as an audit does."""
    planned = plan(history)
    (evidence,) = accumulate(history, [partial(Evidence, uses=planned.uses)])
    assert isinstance(evidence, Evidence)
    reading = read_labels(*evidence.averages(), history.labels)
    return reading, Clues.of(reading, evidence.log_ratios(), planned.glances)


def read_found(found: np.ndarray, given: np.ndarray) -> tuple[Reading, Clues]:
    """Read probabilities (E, n, K), of which a training that diverged leaves NaN."""
    found = np.nan_to_num(found, nan=1 / found.shape[2])
    return read(labelaudit.history_from_arrays(found, given, scores_are="probabilities"))


def columns(clues: Clues) -> np.ndarray:
    """Return what the trees are fitted on, (n, len(COLUMNS))."""
    n = len(clues.log_ratio)
    return np.column_stack([*clues.of_samples(), *(np.full(n, value) for value in clues.of_set())])


def fit(cases: list[Case]) -> HistGradientBoostingClassifier:
    """Fit the trees; every history has the weight that `weight_of` says, however long it is.

    Those with classes of different sizes, modern ones and drawn sets are left out: from the first, trees learn to take
    a class whose labels are all wrong for a rare one.
    """
    known, wrong, weight = [], [], []
    for case in cases:
        if LONG_TAILED <= case.job < OF_PICTURES:
            continue
        rows = np.random.default_rng(0).permutation(len(case.wrong))[:SAMPLES]
        known.append(columns(case.clues)[rows])
        wrong.append(case.wrong[rows])
        weight.append(np.full(len(rows), weight_of(case) / len(rows)))
    trees = HistGradientBoostingClassifier(
        max_iter=320,
        learning_rate=0.06,
        max_leaf_nodes=MOST_LEAVES,
        min_samples_leaf=100,
        l2_regularization=5,
        monotonic_cst=[int(name == experience.SUSPICION) for name in COLUMNS],
        early_stopping=False,
        random_state=0,
    )
    weights = np.concatenate(weight)
    return trees.fit(np.concatenate(known), np.concatenate(wrong), sample_weight=weights / weights.mean())


def weight_of(case: Case) -> float:
    """Return the weight of a history."""
    found = HOPELESS_WEIGHT if case.name in HOPELESS else 1
    return found * (PEOPLE_WEIGHT if case.kind == "people" else 1) * (PICTURES_WEIGHT if case.job >= OF_PICTURES else 1)


def as_numbers(fitted: HistGradientBoostingClassifier) -> Trees:
    """Return the fitted trees as plain arrays."""
    tests: list[tuple[int, float, int]] = []
    tests_of, values = [], []
    for (grown,) in fitted._predictors:
        before, leaves = len(tests), []
        _walk(grown.nodes, 0, tests, leaves)
        tests_of.append(len(tests) - before)
        values.append(leaves + [0.0] * (MOST_LEAVES - len(leaves)))
    feature, threshold, ruled_out = zip(*tests, strict=True)
    return Trees(
        tests_of=np.array(tests_of, np.uint8),
        feature=np.array(feature, np.uint8),
        threshold=np.array(threshold, np.float32),
        ruled_out=np.array(ruled_out, np.uint8),
        value=np.array(values, np.float32),
        start=float(fitted._baseline_prediction.item()),
    )


def _walk(nodes: np.ndarray, at: int, tests: list[tuple[int, float, int]], leaves: list[float]) -> None:
    """Append the tests at and below a node, and the leaves' values from left to right."""
    node = nodes[at]
    if node["is_leaf"]:
        leaves.append(float(node["value"]))
        return
    first = len(leaves)
    _walk(nodes, int(node["left"]), tests, leaves)
    to_the_left = (1 << len(leaves)) - (1 << first)
    tests.append((int(node["feature_idx"]), float(node["num_threshold"]), to_the_left))
    _walk(nodes, int(node["right"]), tests, leaves)


def found_by(case: Case, score: np.ndarray, each: np.ndarray) -> tuple[float, float, float]:
    """Return average precision, F1 and the share flagged, by a ranking and probabilities of single samples."""
    probability, wrong = along_ranking(score, each), case.wrong
    flagged = probability > verdict.best_cut(probability, verdict.lowest_cut(case.clues.clear_agreeing))
    precision = average_precision_score(wrong, score) if wrong.any() else np.nan
    return precision, float(2 * (flagged & wrong).sum() / max(flagged.sum() + wrong.sum(), 1)), float(flagged.mean())


def compared(case: Case, trees: Trees, networks: SetNetworks) -> tuple[float, ...]:
    """Return what the noise matrix alone finds, what trees, and what both find; the latter's F1 at the true count."""
    clues, wrong = case.clues, case.wrong
    known = clues.of_samples(), clues.of_set()
    by_trees = trees.predict([*known[0], *known[1]], len(wrong))
    by_networks = networks.predict(*known, clues.given, clues.other)
    both = experience.mean_of(by_trees, by_networks)
    found = found_by(case, clues.log_ratio, 1 / (1 + np.exp(-clues.by_matrix)))
    for odds, order in ((by_trees, by_trees), (both, by_networks)):
        found += found_by(case, verdict.ranking(clues, order), verdict.wrong(clues, odds))
    order = np.argsort(-verdict.ranking(clues, by_networks), kind="stable")
    return (*found, float(wrong[order[: wrong.sum()]].mean()) if wrong.any() else np.nan)


def fit_networks_on(cases: list[Case]) -> SetNetworks:
    """Fit the networks."""
    known = [known_of(case) for case in cases]
    weight, many = np.array([(weight_of(case), has_many(case.job)) for case in cases]).T
    return fit_networks.fit(known, [weight * np.where(many, of_many, 1) for of_many in MANY_WEIGHT])


def known_of(case: Case) -> fit_networks.Known:
    """Return a history as the networks are fitted on it."""
    classes = (one.astype(np.int64) for one in (case.clues.given, case.clues.other))
    return fit_networks.Known(columns(case.clues).astype(np.float32), *classes, case.wrong)


def print_table(cases: list[Case]) -> None:
    """Print how well the data sets of each of GROUPS are judged by what the others taught."""
    names = np.array([fit_pictures.KIN.get(case.name, case.name) for case in cases])
    rows = []
    for inside, outside in GroupKFold(GROUPS).split(names, groups=names):
        taught = [cases[i] for i in inside]
        trees, networks = as_numbers(fit(taught)), fit_networks_on(taught)
        rows += [(cases[i].kind, *compared(cases[i], trees, networks)) for i in outside]
    of_one = "AP | F1 | flagged"
    print(
        f"| mistakes | matrix alone: {of_one} | trees: {of_one} | trees and networks: {of_one} | F1 at the true count |"
    )
    print("|---" * 11 + "|")
    for kind in (*fit_training.KINDS, "people", "absent"):
        of_kind = [row[1:] for row in rows if row[0] == kind]
        if not of_kind:
            continue
        found = np.mean(of_kind, axis=0)
        shown = [f"{value:.2%}" if at in FLAGGED else f"{value:.3f}" for at, value in enumerate(found)]
        if kind == "none":
            shown = [value if at in FLAGGED else "" for at, value in enumerate(shown)]
        print(f"| {kind} | {' | '.join(shown)} |")


def main() -> None:
    """Train, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/detection_quality"), help="cache of data and trainings"
    )
    parser.add_argument("--histories", type=int, help="only the first so many")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true", help="write the two files of labelaudit/auditing")
    parser.add_argument("--no-table", action="store_true", help="do not leave groups of data sets out in turn")
    options = parser.parse_args()
    for name in fit_data.NAMES:
        fit_data.load(name, options.folder)
    for name in fit_pictures.NAMES:
        fit_pictures.load(name, options.folder)
    cases, every = [], jobs()[: options.histories]
    with ProcessPoolExecutor(options.workers, initializer=on_one_core) as workers:
        for case in workers.map(partial(read_case, folder=options.folder), every, chunksize=4):
            cases.append(case)
            if len(cases) % 100 == 0:
                print(f"{len(cases):,} of {len(every):,} histories", file=sys.stderr)
    cases = [case for case in cases if case.kind != "nothing learned"]
    if not options.no_table:
        print_table(cases)
    if options.write:
        as_numbers(fit(cases)).save(experience.TREES)
        fit_networks_on(cases).save(experience.NETWORKS)
        for file in (experience.TREES, experience.NETWORKS):
            print(f"{file}: {file.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
