"""The audit on a Dask cluster of two worker processes: the same numbers, also when one of them is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit import LabelAuditError
from labelaudit.auditing import partitions
from labelaudit.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Dask's own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of the worker that is killed
]
N = 3 * partitions.MOST_ROWS + 1000


def record(path: Path, n_classes: int, keep: str) -> Path:
    labels = np.random.default_rng(0).integers(0, n_classes, N)
    with labelaudit.Recorder(path, n_samples=N, keep=keep, class_names=[f"c{k}" for k in range(n_classes)]) as recorder:
        for epoch in range(6):
            rng = np.random.default_rng(epoch + 1)
            scores = rng.normal(size=(N, n_classes)).astype(np.float32)
            scores[np.arange(N), (labels + (rng.random(N) < 0.1)) % n_classes] += epoch
            seen = rng.random(N) < 0.9 if epoch == 2 else np.ones(N, bool)
            recorder.record(np.flatnonzero(seen), scores[seen], labels[seen])
            recorder.end_epoch()
    return path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    import distributed

    with distributed.Client(cluster) as client:
        yield client


def assert_same(found: labelaudit.Audit, expected: labelaudit.Audit) -> None:
    pd.testing.assert_frame_equal(found.samples, expected.samples, check_exact=True)
    pd.testing.assert_frame_equal(found.noise_matrix, expected.noise_matrix, check_exact=True)
    assert dict(found.summary) == dict(expected.summary)


@pytest.mark.parametrize(("n_classes", "keep"), [(4, "scores"), (40, "summary")])
def test_the_same_to_the_last_bit(tmp_path: Path, client: Any, n_classes: int, keep: str) -> None:
    path = record(tmp_path / "run", n_classes, keep)
    further = ["el2n"] if keep == "scores" else []
    expected = labelaudit.audit(path, analyzers=further, epochs=[0, 1, 2, 4])
    assert_same(labelaudit.audit(path, analyzers=further, epochs=[0, 1, 2, 4], client=client), expected)


def test_a_killed_worker_is_replaced(tmp_path: Path, client: Any) -> None:
    path = record(tmp_path / "run", 4, "scores")
    expected = labelaudit.audit(path)
    address, victim = next(iter(client.run(os.getpid).items()))

    def plant() -> None:
        from labelaudit.auditing import partitions as there

        real = there._of_range

        def die_before_answering(*arguments: Any) -> None:
            real(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        there._of_range = die_before_answering

    client.run(plant, workers=[address])
    found = labelaudit.audit(path, client=client)
    assert_same(found, expected)
    client.wait_for_workers(2, timeout=60)
    assert victim not in client.run(os.getpid).values()


def test_the_result_stays_in_parts(tmp_path: Path, client: Any) -> None:
    path = record(tmp_path / "run", 4, "scores")
    expected = labelaudit.audit(path, analyzers=["el2n"])
    found = labelaudit.audit(path, analyzers=["el2n"], client=client, partitions=tmp_path / "parts")
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) > 2
    joined = pd.concat([pd.read_parquet(part) for part in parts])
    pd.testing.assert_frame_equal(joined, expected.samples, check_exact=True)
    pd.testing.assert_frame_equal(found.samples, expected.samples[found.samples.columns], check_exact=True)
    assert "aum" not in found.samples
    assert dict(found.summary) == dict(expected.summary)
    assert found.to_html(tmp_path / "report.html").n_cards
    with pytest.raises(LabelAuditError, match=r"already holds files .part-00000.parquet"):
        labelaudit.audit(path, client=client, partitions=tmp_path / "parts")
    with pytest.raises(LabelAuditError, match=r"pass client= \(--dask ADDRESS\)"):
        labelaudit.audit(path, partitions=tmp_path / "other")


def test_parts_of_an_audit_with_embeddings(tmp_path: Path, client: Any) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    with labelaudit.Recorder(tmp_path / "run", n_samples=200) as recorder:
        for _ in range(3):
            recorder.record(np.arange(200), rng.normal(size=(200, 3)) + 2 * np.eye(3)[labels], labels)
            recorder.end_epoch()
    embeddings = labelaudit.Embeddings.from_arrays(rng.normal(size=(200, 4)))
    expected = labelaudit.audit(tmp_path / "run", embeddings=embeddings)
    labelaudit.audit(tmp_path / "run", embeddings=embeddings, client=client, partitions=tmp_path / "parts")
    joined = pd.concat([pd.read_parquet(part) for part in sorted((tmp_path / "parts").iterdir())])
    pd.testing.assert_frame_equal(joined, expected.samples, check_exact=True)


def test_samples_that_no_epoch_read_saw_are_in_no_part(tmp_path: Path, client: Any) -> None:
    path = record(tmp_path / "run", 4, "scores")
    expected = labelaudit.audit(path, epochs=[2])
    assert 0.85 * N < len(expected.samples) < 0.95 * N
    found = labelaudit.audit(path, epochs=[2], client=client, partitions=tmp_path / "parts")
    joined = pd.concat([pd.read_parquet(part) for part in sorted((tmp_path / "parts").iterdir())])
    pd.testing.assert_frame_equal(joined, expected.samples, check_exact=True)
    assert dict(found.summary) == dict(expected.summary)


def test_errors_of_workers_are_ours(tmp_path: Path, client: Any) -> None:
    path = record(tmp_path / "run", 4, "scores")
    bad = path / "epochs/train/e00004-s00-w0000.arrow"
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.unlink()
    bad.write_bytes(data)
    with pytest.raises(LabelAuditError, match=r"e00004-s00-w0000.arrow .*damaged"):
        labelaudit.audit(path, client=client)
    memory = labelaudit.history_from_arrays(np.random.default_rng(0).normal(size=(2, 10, 2)), np.arange(10) % 2)
    with pytest.raises(LabelAuditError, match="leave client= out"):
        labelaudit.audit(memory, client=client)


def test_from_the_command_line(tmp_path: Path, cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path / "run", 4, "scores")
    assert main(["audit", str(path), "--dask", cluster.scheduler_address, "--json"]) == 0
    there = capsys.readouterr().out
    assert main(["audit", str(path), "--json"]) == 0
    assert capsys.readouterr().out == there
    assert main(["audit", str(path), "--dask", "nowhere"]) == 2
    assert "'nowhere'" in capsys.readouterr().err
