"""Random trainings with planted mistakes, for fit_experience.py: of every kind, length and strength that people use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import quality_noise
import torch
from quality_data import Dataset
from sklearn.model_selection import KFold
from torch import nn
from torch.nn import functional as F

from labelaudit import History, Recorder, open_history

KINDS = {  # beside "absent" and "people"
    "none": 0.22,
    "symmetric": 0.23,
    "pair": 0.1,
    "confusion": 0.12,
    "instance": 0.1,
    "ambiguous": 0.1,
    "unsure": 0.13,
}
OF_MANY = {"symmetric": 0.45, "pair": 0.1, "confusion": 0.15, "instance": 0.1, "people": 0.2}
MANY = (0.25, 0.48)
MOST_OF_TWO = 0.4  # of two classes
HIDDEN = ((), (64,), (128,), (128, 128), (256, 256), (512, 256))
SMALLEST = 700  # samples
LEAST_LONG_TAILED = 400  # samples, else all are kept
PIXELS = 14
SAMPLE_EPOCHS = 90_000  # no training passes more samples than this; a convolutional one a third


@dataclass(frozen=True)
class Planted:
    """A training set: features (n, d), given and true labels (n,), and the kind of mistakes."""

    features: np.ndarray
    given: np.ndarray
    true: np.ndarray
    kind: str

    @property
    def wrong(self) -> np.ndarray:
        """Which labels are wrong, (n,)."""
        return self.given != self.true


def plant(dataset: Dataset, rng: np.random.Generator, kind: str | None = None, *, many: bool = False) -> Planted:
    """Draw a part of a data set, change its features or not, and plant mistakes of a kind, by default a random one.

    "absent", of three classes or more: all labels of some class are wrong, and no sample is really of it. ``many``: the
    rate is between those of MANY, and the kind one of OF_MANY.
    """
    most = len(dataset.labels)
    size = max(int(log_uniform(rng, min(SMALLEST, most), most)), min(8 * dataset.n_classes, most))
    kept = np.sort(rng.permutation(most)[:size])
    features, change = dataset.features[kept], rng.random()
    if change < 0.12:  # columns that say nothing: easier to learn by heart
        features = np.hstack([features, rng.normal(size=(size, int(rng.integers(20, 250))))])
    elif change < 0.24:
        weights = rng.normal(size=(features.shape[1], int(rng.integers(100, 400))))
        features = np.maximum(features @ weights / np.sqrt(len(weights)) + rng.normal(), 0)
    part = Dataset(dataset.name, features.astype(np.float32), dataset.labels[kept], dataset.probabilities[kept])
    return plant_in(part, rng, kind, many=many)


def plant_in(part: Dataset, rng: np.random.Generator, kind: str | None = None, *, many: bool = False) -> Planted:
    """Plant mistakes, as `plant` does, in all of a data set."""
    if many:
        return _with_many(part, rng)
    if kind == "absent" and part.n_classes > 2:
        return _without_a_class(part, rng)
    if kind != "people":
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind in ("pair", "confusion") and part.n_classes == 2:
        kind = "symmetric"
    return Planted(part.features, _given(part, kind, rng), part.labels, kind)


def long_tailed(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """Draw a part whose classes differ in size, log-normally, at least some eight samples each."""
    relative = np.exp(rng.uniform(0.5, 1.5) * rng.normal(size=dataset.n_classes))
    size = np.bincount(dataset.labels, minlength=dataset.n_classes)
    share = np.maximum(relative / relative.max(), np.minimum(8 / np.maximum(size, 1), 1))
    kept = np.flatnonzero(rng.random(len(dataset.labels)) < share[dataset.labels])
    if len(kept) < LEAST_LONG_TAILED:
        return dataset
    return Dataset(dataset.name, dataset.features[kept], dataset.labels[kept], dataset.probabilities[kept])


def _without_a_class(part: Dataset, rng: np.random.Generator) -> Planted:
    """Leave out the samples of a class, and give its label to some of one or two other classes."""
    of_others = rng.permutation(part.n_classes)
    kept = np.flatnonzero(part.labels != of_others[0])
    labels = part.labels[kept]
    wrong = np.isin(labels, of_others[1 : int(rng.integers(2, 4))]) & (rng.random(len(kept)) < rng.uniform(0.1, 0.45))
    return Planted(part.features[kept], np.where(wrong, of_others[0], labels), labels, "absent")


def _with_many(part: Dataset, rng: np.random.Generator) -> Planted:
    """Plant many mistakes."""
    kind, rate = str(rng.choice(list(OF_MANY), p=list(OF_MANY.values()))), rng.uniform(*MANY)
    if part.n_classes == 2:
        kind, rate = "symmetric" if kind in ("pair", "confusion") else kind, min(rate, MOST_OF_TWO)
    given = quality_noise.given_labels(part, kind, rate, int(rng.integers(1 << 30)))
    return Planted(part.features, given, part.labels, kind)


def _given(part: Dataset, kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "none":
        return part.labels
    if kind == "unsure":
        return unsure(part, log_uniform(rng, 1, 4), rng.uniform(0.3, 1), rng)
    most = 0.3 if kind != "symmetric" or part.n_classes == 2 else 0.45
    if kind == "people":
        return quality_noise.by_people(part, round(log_uniform(rng, 0.02, 0.4) * len(part.labels)), rng)
    rate = log_uniform(rng, 0.005 if kind == "symmetric" else 0.02, most)
    return quality_noise.given_labels(part, kind, rate, int(rng.integers(1 << 30)))


def unsure(dataset: Dataset, temperature: float, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return (n,) labels of which a share was given by someone less sure than a linear model of the true labels."""
    belief = (dataset.probabilities + 1e-9) ** (1 / temperature)
    belief /= belief.sum(axis=1, keepdims=True)
    said = (belief.cumsum(axis=1) < rng.random((len(belief), 1))).sum(axis=1).clip(0, dataset.n_classes - 1)
    return np.where(rng.random(len(belief)) < share, said, dataset.labels)


@dataclass(frozen=True)
class Training:
    """How a network is trained."""

    hidden: tuple[int, ...]
    pictures: bool  # a small convolutional network instead
    dropout: float
    adam: bool
    rate: float
    decay: float
    cosine: bool
    batch: int
    epochs: int
    after: bool  # predictions of a pass after each epoch, not those on the way
    seed: int
    normalised: bool = False  # layers are normalised over the batch
    shaken: float = 0.0  # noise on features, in their deviations; pictures are moved by up to a pixel instead
    smoothing: float = 0.0  # of the given labels

    def network(self, n_features: int, n_classes: int) -> nn.Module:
        """Return a fresh network."""
        if self.pictures:
            layers: list[nn.Module] = [nn.Unflatten(1, (1, PIXELS, PIXELS))]
            for before, width in ((1, 12), (12, 24)):
                normed = [nn.BatchNorm2d(width)] if self.normalised else []
                layers += [nn.Conv2d(before, width, 3, padding=1), *normed, nn.ReLU(), nn.MaxPool2d(2)]
            return nn.Sequential(*layers, nn.Flatten(), nn.Linear(24 * 9, 64), nn.ReLU(), nn.Linear(64, n_classes))
        layers, width = [], n_features
        for after in self.hidden:
            normed = [nn.BatchNorm1d(after)] if self.normalised else []
            layers += [nn.Linear(width, after), *normed, nn.ReLU(), nn.Dropout(self.dropout)]
            width = after
        return nn.Sequential(*layers, nn.Linear(width, n_classes))

    def run(
        self, features: np.ndarray, given: np.ndarray, n_classes: int, others: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train; return the probabilities of every epoch, (E, n, K), of the samples and (E, m, K) of others."""
        torch.manual_seed(self.seed)
        net = self.network(features.shape[1], n_classes)
        x, y = torch.from_numpy(features), torch.from_numpy(given)
        asked = torch.from_numpy(features[:0] if others is None else others)
        optimizer = (
            torch.optim.Adam(net.parameters(), self.rate, weight_decay=self.decay)
            if self.adam
            else torch.optim.SGD(net.parameters(), self.rate, momentum=0.9, weight_decay=self.decay)
        )
        found, of_others = (np.empty((self.epochs, len(of), n_classes), np.float32) for of in (x, asked))
        for epoch in range(self.epochs):
            if self.cosine:
                for group in optimizer.param_groups:
                    group["lr"] = self.rate * (1 + np.cos(np.pi * epoch / self.epochs)) / 2
            for batch in torch.randperm(len(y)).split(self._batch_of(len(y))):
                logits = net(self._shaken(x[batch]))
                found[epoch, batch.numpy()] = logits.detach().softmax(dim=1).numpy()
                optimizer.zero_grad()
                F.cross_entropy(logits, y[batch], label_smoothing=self.smoothing).backward()
                nn.utils.clip_grad_norm_(net.parameters(), 10.0)
                optimizer.step()
            net.eval()
            with torch.no_grad():
                if self.after:
                    found[epoch] = net(x).softmax(dim=1).numpy()
                of_others[epoch] = net(asked).softmax(dim=1).numpy()
            net.train()
        return found, of_others

    def _batch_of(self, n: int) -> int:
        """Return a size of batches; normalising needs two samples in the last one, too."""
        batch = self.batch
        while self.normalised and n % batch == 1:
            batch += 1
        return batch

    def _shaken(self, features: torch.Tensor) -> torch.Tensor:
        """Return features as a training with augmentation sees them."""
        if not self.shaken:
            return features
        if not self.pictures:
            return features + self.shaken * torch.randn_like(features)
        down, right = torch.randint(-1, 2, (2,)).tolist()
        return features.view(-1, PIXELS, PIXELS).roll((down, right), (1, 2)).flatten(1)


def history(planted: Planted, n_classes: int, rng: np.random.Generator, *, modern: bool = False) -> np.ndarray:
    """Train at random; return probabilities (E, n, K): recorded, or out of five folds (of the last or every epoch).

    A modern training normalises its layers, or shakes what it sees, or smooths the labels, or does all of it.
    """
    training = _draw(planted, rng)
    if modern:
        training = _modernised(training, rng)
    how = rng.random()
    if how < 0.8:
        return training.run(planted.features, planted.given, n_classes)[0]
    found = np.empty((training.epochs, len(planted.given), n_classes), np.float32)
    for inside, outside in KFold(5, shuffle=True, random_state=training.seed).split(planted.features):
        x, y = planted.features, planted.given
        found[:, outside] = training.run(x[inside], y[inside], n_classes, others=x[outside])[1]
    return found if how < 0.84 else found[-1:]


def cross_validation(planted: Planted, n_classes: int, rng: np.random.Generator, folder: Path) -> History:
    """Train two to four times at random, each without a part; record what every model says of both parts."""
    training, x, y = _draw(planted, rng), planted.features, planted.given
    places = []
    folds = KFold(int(rng.integers(2, 5)), shuffle=True, random_state=training.seed)
    for inside, outside in folds.split(x):
        places.append(folder / str(len(places)))
        found, of_others = training.run(x[inside], y[inside], n_classes, others=x[outside])
        with Recorder(places[-1], n_samples=len(y), held_out=["val"], scores_are="probabilities") as recorder:
            for of_inside, of_outside in zip(found, of_others, strict=True):
                for split, rows, said in (("train", inside, of_inside), ("val", outside, of_outside)):
                    recorder.record(rows, np.nan_to_num(said, nan=1 / n_classes), y[rows], split=split)
                    recorder.end_epoch(split=split)
    return open_history(places, held_out="val")


def _draw(planted: Planted, rng: np.random.Generator) -> Training:
    n, pictures = len(planted.given), planted.features.shape[1] == PIXELS**2 and rng.random() < 0.4
    adam = rng.random() < 0.55
    longest = max(int(SAMPLE_EPOCHS * (0.3 if pictures else 1) / n), 6)
    return Training(
        hidden=HIDDEN[rng.choice(len(HIDDEN), p=(0.1, 0.15, 0.2, 0.3, 0.15, 0.1))],
        pictures=pictures,
        dropout=0.3 if rng.random() < 0.15 else 0.0,
        adam=adam,
        rate=log_uniform(rng, 5e-4, 5e-3) if adam else log_uniform(rng, 0.01, 0.15),
        decay=rng.choice((0, 5e-4, 5e-3), p=(0.55, 0.35, 0.1)),
        cosine=rng.random() < 0.35,
        batch=min(int(rng.choice((16, 32, 64, 128))), max(n // 20, 8)),
        epochs=min(int(log_uniform(rng, 1.6, 60)), longest),
        after=rng.random() < 0.35,
        seed=int(rng.integers(1 << 30)),
    )


def _modernised(training: Training, rng: np.random.Generator) -> Training:
    return replace(
        training,
        normalised=rng.random() < 0.7,
        shaken=rng.uniform(0.1, 0.6) if rng.random() < 0.6 else 0.0,
        smoothing=rng.uniform(0.02, 0.15) if rng.random() < 0.3 else 0.0,
    )


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
