"""Small histories of every kind, and beside each what was put into it, for slow reference implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelaudit import History, Recorder, history_from_arrays, open_history


@dataclass(frozen=True)
class Seen:
    """One presentation of a sample: logits and probabilities as lists of floats."""

    run: int
    epoch: int
    z: list[float]
    p: list[float]

    @property
    def prediction(self) -> int:
        return self.p.index(max(self.p))


@dataclass
class Case:
    """A history, and for each of its samples the presentations and the given label."""

    history: History
    presentations: list[list[Seen]]
    labels: list[int]
    tolerance: float
    name: str

    @property
    def n_classes(self) -> int:
        return self.history.n_classes

    def check(
        self,
        statistic: Callable[..., pd.Series],
        reference: Callable[[list[Seen], int], Any],
        *,
        scale: float = 1.0,
        **options: Any,
    ) -> None:
        """Compare a statistic with its reference; integers and names exactly, numbers within the tolerance."""
        found = statistic(self.history, **options)
        expected = [reference(seen, y) for seen, y in zip(self.presentations, self.labels, strict=True)]
        assert found.index.name == "sample_id"
        assert found.index.tolist() == self.history.sample_ids.tolist()
        assert found.name == statistic.__name__
        if found.dtype.kind == "f":
            tolerance = self.tolerance * scale
            np.testing.assert_allclose(found.to_numpy(), np.array(expected, float), rtol=tolerance, atol=tolerance)
        else:
            assert [None if one is pd.NA else one for one in found.tolist()] == expected


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def presentations_of(z: np.ndarray, mask: np.ndarray, run: int = 0) -> list[list[Seen]]:
    """Return, by sample, what a (E, n, K) array of logits says where mask (E, n)."""
    p = softmax(z)
    return [
        [Seen(run, t, z[t, i].tolist(), p[t, i].tolist()) for t in range(len(z)) if mask[t, i]]
        for i in range(z.shape[1])
    ]


def learning_logits(rng: np.random.Generator, epochs: int, n: int, n_classes: int, labels: np.ndarray) -> np.ndarray:
    """Return (E, n, K) noisy logits that rise for the given label, for some samples for another one."""
    z = rng.normal(size=(epochs, n, n_classes)) + rng.normal(size=(n, n_classes))
    target = np.where(rng.random(n) < 0.8, labels, rng.integers(n_classes, size=n))
    z[:, np.arange(n), target] += np.linspace(0, 4, epochs)[:, None] * rng.random(n)
    return z


def in_memory(name: str, seed: int, epochs: int, n: int, n_classes: int, *, tied: bool = False) -> Case:
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    z = learning_logits(rng, epochs, n, n_classes, labels)
    if tied:
        z = np.round(z)
    everywhere = np.ones((epochs, n), bool)
    return Case(
        history_from_arrays(z, labels, scores_are="logits"),
        presentations_of(z, everywhere),
        labels.tolist(),
        1e-9,
        name,
    )


def recorded(
    name: str,
    folder: Any,
    seed: int,
    epochs: int,
    n: int,
    n_classes: int,
    *,
    share: float,
    tolerance: float,
    **options: Any,
) -> Case:
    """Record a history in which every epoch sees some of the samples."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    z = learning_logits(rng, epochs, n, n_classes, labels)
    mask = rng.random((epochs, n)) < share
    mask[rng.integers(epochs, size=n), np.arange(n)] = True
    with Recorder(folder, n_samples=n, scores_are="logits", **options) as recorder:
        for t in range(epochs):
            for batch in np.array_split(rng.permutation(np.flatnonzero(mask[t])), 3):
                recorder.record(batch, z[t, batch], labels[batch])
            recorder.end_epoch(t)
    return Case(open_history(folder), presentations_of(z, mask), labels.tolist(), tolerance, name)


def two_runs(name: str, folder: Any, *, n_classes: int = 4, keep: str = "scores", tolerance: float = 2e-6) -> Case:
    """Record two runs with string ids, of which each saw samples that the other did not."""
    rng = np.random.default_rng(5)
    ids = np.array([f"image-{i}" for i in range(30)], dtype=object)
    labels = dict(zip(ids, rng.integers(n_classes, size=30), strict=True))
    seen: dict[str, list[Seen]] = {one: [] for one in ids}
    for run, (low, high, epochs) in enumerate([(0, 22, 5), (10, 30, 3)]):
        of_run = rng.permutation(ids[low:high])
        y = np.array([labels[one] for one in of_run])
        z = learning_logits(rng, epochs, len(of_run), n_classes, y)
        mask = rng.random((epochs, len(of_run))) < 0.8
        mask[0] = True
        for one, presentations in zip(of_run, presentations_of(z, mask, run), strict=True):
            seen[one] += presentations
        with Recorder(folder / str(run), keep=keep, precision="single", scores_are="logits") as recorder:
            for t in range(epochs):
                recorder.record(of_run[mask[t]], z[t, mask[t]], y[mask[t]])
                recorder.end_epoch(t)
    history = open_history([folder / "0", folder / "1"])
    order = history.sample_ids.tolist()
    return Case(history, [seen[one] for one in order], [int(labels[one]) for one in order], tolerance, name)


WHOLE = {
    "memory": lambda folder: in_memory("memory", 0, 7, 60, 3),
    "one epoch": lambda folder: in_memory("one epoch", 1, 1, 40, 4),
    "one sample": lambda folder: in_memory("one sample", 2, 6, 1, 3),
    "two classes": lambda folder: in_memory("two classes", 3, 8, 40, 2),
    "hundred classes": lambda folder: in_memory("hundred classes", 4, 8, 40, 100),
    "ties": lambda folder: in_memory("ties", 5, 9, 80, 3, tied=True),
    "partly seen": lambda folder: recorded(
        "partly seen", folder, 6, 9, 50, 5, share=0.6, tolerance=2e-6, precision="single"
    ),
    "half precision": lambda folder: recorded("half precision", folder, 7, 6, 50, 5, share=0.9, tolerance=3e-3),
    "two runs": lambda folder: two_runs("two runs", folder),
}
SUMMARIES = {
    "summary of two": lambda folder: recorded(
        "summary of two", folder, 8, 6, 40, 2, share=0.8, tolerance=3e-3, keep="summary"
    ),
    "summary of three": lambda folder: recorded(
        "summary of three", folder, 9, 6, 40, 3, share=0.8, tolerance=2e-6, keep="summary", precision="single"
    ),
    "summary of hundred": lambda folder: recorded(
        "summary of hundred", folder, 10, 6, 40, 100, share=0.8, tolerance=3e-3
    ),
    "summaries of two runs": lambda folder: two_runs(
        "summaries of two runs", folder, n_classes=40, keep="summary", tolerance=2e-6
    ),
}


@pytest.fixture(scope="session", params=[*WHOLE, *SUMMARIES])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Histories of every kind; the summaries hold all that a statistic of the loss and the entropy needs."""
    make = {**WHOLE, **SUMMARIES}[request.param]
    return make(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="session", params=WHOLE)
def whole_case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Histories with whole score vectors."""
    return WHOLE[request.param](tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="session", params=SUMMARIES)
def summary_case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Histories of summaries: the mass beside the given and the best other class counts as spread evenly."""
    return SUMMARIES[request.param](tmp_path_factory.mktemp("history"))
