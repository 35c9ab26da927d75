"""The audit's cost beside that of reading the same bytes, in CPU time: wall time would measure the machine's load."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import labelaudit

N, K, EPOCHS = 100_000, 10, 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cost") / "run"
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, N)
    with labelaudit.Recorder(path, n_samples=N, scores_are="logits") as recorder:
        for epoch in range(EPOCHS):
            scores = rng.normal(size=(N, K)).astype(np.float32)
            scores[np.arange(N), labels] += min(epoch, 4)
            recorder.record(np.arange(N), scores, labels)
            recorder.end_epoch()
    return path


def least_cpu(work: Callable[[], object], repeat: int = 4) -> float:
    """Return the least CPU time of several runs, in seconds."""
    found = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def read_and_sum(path: Path) -> float:
    history = labelaudit.open_history(path)
    parts = (history.open_epoch(epoch) for epoch in history.epochs)
    return sum(float(column.sum(dtype=np.float32)) for part in parts for column in part.columns["scores"])


def pass_over(path: Path, n_epochs: int) -> None:
    from labelaudit.analyzers import Correctness, DataMap, Loss, Margin, Mistakenness
    from labelaudit.analyzers.accumulator import accumulate

    kinds = [Correctness, DataMap, Loss, Margin, Mistakenness]
    accumulate(labelaudit.open_history(path), kinds, epochs=range(n_epochs))


def test_the_pass_costs_a_few_readings(run: Path) -> None:
    """1.9 when this was written; the bound leaves room for other processors, not for another temporary per class."""
    assert least_cpu(lambda: pass_over(run, EPOCHS)) < 3 * least_cpu(lambda: read_and_sum(run))


def test_memory_does_not_grow_with_the_epochs(run: Path) -> None:
    peaks = []
    for n_epochs in (5, EPOCHS):
        tracemalloc.start()
        pass_over(run, n_epochs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_live_memory_of_an_audit(run: Path) -> None:
    """Under 420 bytes a sample and some blocks, with all tables: 400 MiB for a million samples."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    labelaudit.audit(run)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 420 * N + (20 << 20)
