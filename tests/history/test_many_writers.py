"""Sixteen processes write one history at once, one is killed while it writes: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from labelaudit import open_history
from labelaudit.history.compact import compact

WRITERS, N, K, EPOCHS, KILLED = 16, 320, 4, 3, 5
LABELS = np.arange(N) % K

SCRIPT = """
import os, signal, sys
import numpy as np
from labelaudit import Recorder
from labelaudit.history import folder

url, writer, first, kill = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "kill"
labels = np.arange(320) % 4
mine = np.append(np.random.default_rng(9).permutation(320)[writer::16], 7)  # sample 7 is padding of every rank
with Recorder(url, writer=writer, segment=0, n_samples=320, start_epoch=first) as recorder:
    print("ready", flush=True)
    sys.stdin.readline()
    for epoch in range(first, 3):
        recorder.record(mine, np.random.default_rng(epoch).normal(size=(320, 4))[mine], labels[mine])
        if kill and epoch == 1:
            for kind in (folder._LocalFolder, folder._RemoteFolder):
                kind.write = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        recorder.end_epoch()
"""


def run_writers(url: str) -> list[int]:
    """Start all writers at once and return their exit codes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, url, str(w), "0", "kill" if w == KILLED else ""],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for w in range(WRITERS)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=300)
    return [process.returncode for process in running]


def check(url: str) -> None:
    lost = np.random.default_rng(9).permutation(N)[KILLED::WRITERS]
    history = open_history(url)
    assert history.epochs == list(range(EPOCHS))
    for epoch in range(EPOCHS):
        expected = np.arange(N) if epoch == 0 else np.setdiff1d(np.arange(N), np.setdiff1d(lost, [7]))
        assert_rows(history, epoch, expected)
    again = [sys.executable, "-c", SCRIPT, url, str(KILLED), "1", ""]  # the node comes back, late
    assert subprocess.run(again, input="go\n", capture_output=True, text=True, check=False).returncode == 0
    for _ in range(2):
        history = open_history(url)
        for epoch in range(EPOCHS):
            assert_rows(history, epoch, np.arange(N))
        np.testing.assert_array_equal(history.labels, LABELS)
        compact(url, unfinished=True)


def assert_rows(history: object, epoch: int, expected: np.ndarray) -> None:
    table = history.epoch(epoch)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.asarray(table["sample_id"]), expected)
    scores = np.random.default_rng(epoch).normal(size=(N, K))[expected]
    np.testing.assert_array_equal(np.asarray(table["prediction"]), scores.argmax(axis=1))


@pytest.mark.slow
def test_in_a_local_folder(tmp_path: Path) -> None:
    codes = run_writers(str(tmp_path / "run"))
    assert codes == [-signal.SIGKILL if w == KILLED else 0 for w in range(WRITERS)]
    check(str(tmp_path / "run"))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server on loopback with one bucket."""
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {"access_key": "testing", "secret_key": "testing", "region": "us-east-1"}
    place = S3FileSystem(endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True, **access)
    place.create_dir("many-writers")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield "s3://many-writers/run"
    server.stop()


@pytest.mark.slow
def test_in_an_object_store(bucket: str) -> None:
    codes = run_writers(bucket)
    assert codes == [-signal.SIGKILL if w == KILLED else 0 for w in range(WRITERS)]
    check(bucket)
