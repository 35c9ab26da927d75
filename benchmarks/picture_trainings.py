"""Convolutional networks on Fashion-MNIST, augmented or not, short and long: how well are the mistakes ranked and cut?

    python benchmarks/picture_trainings.py                # some 8 minutes on one core
    python benchmarks/picture_trainings.py --samples 600 --epochs 6 61

The pictures are those of its test part, which fit_experience.py never sees (it sees others of the same ten classes);
the last labeller, a random forest that learned from 400 blurred pictures, is of no kind that it knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import fashion_mnist
import fit_pictures
import numpy as np
import pandas as pd
import quality_noise
import torch
from fit_training import PIXELS
from quality_data import Dataset
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

import labelaudit

BY_HEART = {"adam": True, "rate": 1e-3, "cosine": False, "decay": 0.0}
AUGMENTED = {"rate": 0.05, "shaken": 1.0, "mirrored": True}
MISTAKES = (
    *(("none", 0.0), ("symmetric", 0.01), ("symmetric", 0.1), ("symmetric", 0.4), ("pair", 0.2)),
    *(("people", 0.1), ("people", 0.2), ("forest", 0.1), ("forest", 0.3)),
)
CLEAN = "clean flagged"
TAUGHT = 400  # pictures that the forest learned from


def pictures(part: str, n: int, rng: np.random.Generator) -> Dataset:
    """Draw n pictures of a part of Fashion-MNIST, PIXELS * PIXELS each."""
    images, labels = fashion_mnist.load(part)
    kept = rng.permutation(len(labels))[:n]
    small = images[kept].reshape(-1, PIXELS, 2, PIXELS, 2).mean(axis=(2, 4)).reshape(len(kept), -1)
    features = ((small - small.mean()) / small.std()).astype(np.float32)
    return Dataset("clothes", features, labels[kept], np.eye(10)[labels[kept]])


def by_forest(dataset: Dataset, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return labels of which a share is what a random forest says that saw few pictures, blurred."""
    taught = pictures("train", TAUGHT, rng)

    def view(features: np.ndarray) -> np.ndarray:
        blurred = features.reshape(-1, PIXELS // 2, 2, PIXELS // 2, 2).mean(axis=(2, 4)).reshape(len(features), -1)
        return blurred + 0.4 * rng.normal(size=blurred.shape)

    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=int(rng.integers(1 << 30)))
    belief = forest.fit(view(taught.features), taught.labels).predict_proba(view(dataset.features)) ** 1.5
    belief /= belief.sum(axis=1, keepdims=True)
    said = (belief.cumsum(axis=1) < rng.random((len(belief), 1))).sum(axis=1).clip(0, 9)
    given, mistakes = dataset.labels.copy(), rng.permutation(np.flatnonzero(said != dataset.labels))
    mistakes = mistakes[: round(rate * len(given))]
    given[mistakes] = said[mistakes]
    return given


def given_labels(dataset: Dataset, kind: str, rate: float, seed: int) -> np.ndarray:
    """Return (n,) labels with mistakes of a kind."""
    rng = np.random.default_rng([seed, round(1000 * rate)])
    if kind == "forest":
        return by_forest(dataset, rate, rng)
    return dataset.labels if kind == "none" else quality_noise.given_labels(dataset, kind, rate, seed)


def statistics(found: np.ndarray, given: np.ndarray) -> dict[str, np.ndarray]:
    """Return single statistics of probabilities (E, n, K), (n,) each, high is suspicious."""
    rows = np.arange(len(given))
    own = found[:, rows, given]
    others = found.copy()
    others[:, rows, given] = -1
    margin = np.log(others.max(axis=2) + 1e-6) - np.log(own + 1e-6)
    return {"AUM": margin.mean(axis=0), "confidence": -own.mean(axis=0), "forgetting": _forgetting(found, given)}


def _forgetting(found: np.ndarray, given: np.ndarray) -> np.ndarray:
    right = found.argmax(axis=2) == given
    events = (right[:-1] & ~right[1:]).sum(axis=0)
    return np.where(right.any(axis=0), events, len(found))


def measured(dataset: Dataset, given: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Audit a history, (E, n, K); return what the tables show."""
    wrong = given != dataset.labels
    history = labelaudit.history_from_arrays(found, given, scores_are="probabilities")
    samples = labelaudit.audit(history).samples
    flagged, suspicion = samples["is_label_issue"].to_numpy(), 1 - samples["label_quality"].to_numpy()
    if not wrong.any():
        return {CLEAN: float(flagged.mean())}

    def precision(score: np.ndarray) -> float:
        return float(average_precision_score(wrong, score))

    def f1(flagged: np.ndarray) -> float:
        return float(2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum()))

    first = np.argsort(-suspicion, kind="stable")[: wrong.sum()]
    return {
        "AP": precision(suspicion),
        **{name: precision(score) for name, score in statistics(found, given).items()},
        "F1 at the cut": f1(flagged),
        "F1 at the true count": float(wrong[first].mean()),
    }


def markdown(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a table."""
    yield " | ".join(["| training", *table.columns]) + " |"
    yield "|---" * (table.shape[1] + 1) + "|"
    for name, *values in table.itertuples():
        yield " | ".join([f"| {name}", *(f"{value:.3f}" for value in values)]) + " |"


def main() -> None:
    """Train, audit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, nargs=2, default=(20, 80), metavar=("SHORT", "LONG"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    short, long = options.epochs
    trainings = {
        f"learned by heart, {short} epochs": {**BY_HEART, "epochs": short},
        f"augmented, {short} epochs": {**AUGMENTED, "epochs": short},
        f"augmented, {long} epochs": {**AUGMENTED, "epochs": long},
    }
    rows = []
    for seed in range(options.seeds):
        dataset = pictures("t10k", options.samples, np.random.default_rng(seed))
        for kind, rate in MISTAKES:
            given = given_labels(dataset, kind, rate, seed)
            for name, settings in trainings.items():
                training = fit_pictures.training(batch=64, seed=seed, normalised=True, widths=(16, 32, 64), **settings)
                found = training.run(dataset.features, given, dataset.n_classes)[0]
                row = {"training": name, "mistakes": f"{kind} {rate:.0%}" if rate else kind}
                rows.append({**row, **measured(dataset, given, found)})
    table = pd.DataFrame(rows)
    of_kind = table.groupby(["training", "mistakes"], sort=False).mean(numeric_only=True)
    of_kind[CLEAN] = of_kind.pop(CLEAN)
    print(of_kind.round(3).to_string(na_rep=""), end="\n\n")
    print("\n".join(markdown(of_kind.groupby(level=0, sort=False).mean())))


if __name__ == "__main__":
    main()
