"""Small networks for detection_quality.py: a history recorded in flight, and predictions out of five folds."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from torch import nn
from torch.nn import functional as F

import labelaudit

FOLDS = 5


@dataclass(frozen=True)
class Regime:
    """How a network is trained; batches of 64."""

    hidden: tuple[int, ...]
    epochs: int
    adam: bool
    rate: float
    decay: float = 0.0
    cosine: bool = False


REGIMES = {
    "short": Regime((64,), 5, True, 2e-3),
    "medium": Regime((128, 128), 25, False, 0.03, 5e-4, cosine=True),
    "memorising": Regime((128, 128), 50, True, 3e-3),
}


class Training:
    """A training run that yields after every epoch what the network said of each sample before learning from it."""

    def __init__(self, regime: Regime, features: np.ndarray, labels: np.ndarray, n_classes: int, seed: int) -> None:
        self.regime, self.n_classes = regime, n_classes
        self.features, self.labels = torch.from_numpy(features), torch.from_numpy(labels)
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        sizes = (features.shape[1], *regime.hidden)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))
        parameters = self.net.parameters()
        self.optimizer = (
            torch.optim.Adam(parameters, regime.rate, weight_decay=regime.decay, fused=True)
            if regime.adam
            else torch.optim.SGD(parameters, regime.rate, momentum=0.9, weight_decay=regime.decay)
        )

    def epoch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Train one epoch; return the order of the samples and their logits."""
        if self.regime.cosine:
            for group in self.optimizer.param_groups:
                group["lr"] = self.regime.rate * (1 + np.cos(np.pi * number / self.regime.epochs)) / 2
        order = torch.randperm(len(self.labels), generator=self.generator)
        seen = []
        for batch in order.split(64):
            logits = self.net(self.features[batch])
            seen.append(logits.detach())
            self.optimizer.zero_grad()
            F.cross_entropy(logits, self.labels[batch]).backward()
            self.optimizer.step()
        return order.numpy(), torch.cat(seen).numpy()

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return (m, K) predictions for other samples."""
        with torch.no_grad():
            return self.net(torch.from_numpy(features)).softmax(dim=1).numpy()


def record(folder: Path, regime: Regime, features: np.ndarray, given: np.ndarray, n_classes: int, seed: int) -> None:
    """Train on the given labels and record a history. It holds no true labels."""
    training = Training(regime, features, given, n_classes, seed)
    with labelaudit.Recorder(folder, n_samples=len(given), keep="scores", scores_are="logits", overwrite=True) as out:
        for number in range(regime.epochs):
            order, logits = training.epoch(number)
            out.record(order, logits, given[order])
            out.end_epoch(number)


def last_features(regime: Regime, features: np.ndarray, given: np.ndarray, n_classes: int, seed: int) -> np.ndarray:
    """Train as `record` does; return the input of the last layer after the last epoch, (n, h) half precision."""
    training = Training(regime, features, given, n_classes, seed)
    for number in range(regime.epochs):
        training.epoch(number)
    with torch.no_grad():
        return training.net[:-1](training.features).half().numpy()


def out_of_fold(
    regime: Regime, features: np.ndarray, given: np.ndarray, n_classes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train on each four fifths; return (n, K) predictions of the last epoch, and means over the epochs."""
    last = np.zeros((len(given), n_classes), np.float32)
    mean = np.zeros_like(last)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = list(folds.split(features, given))
    for inside, outside in splits:
        training = Training(regime, features[inside], given[inside], n_classes, seed)
        for number in range(regime.epochs):
            training.epoch(number)
            last[outside] = training.probabilities(features[outside])
            mean[outside] += last[outside] / regime.epochs
    return last, mean
