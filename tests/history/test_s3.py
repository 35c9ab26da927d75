"""A history in an object store: a real S3 protocol server on loopback."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelaudit import LabelAuditError, Recorder, audit, open_history
from labelaudit.history import arrow_file
from labelaudit.history.blocks import MOST_ROWS
from labelaudit.history.folder import open_folder

N, K, EPOCHS = 40, 3, 3
LABELS = np.arange(N) % K


def scores_of(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).normal(size=(N, K)).astype(np.float32)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A new bucket, and how to reach it."""
    from pyarrow.fs import S3FileSystem

    access = {"access_key": "testing", "secret_key": "testing", "region": "us-east-1"}
    bucket = request.node.name.replace("_", "-")[:60].rstrip("-")
    S3FileSystem(endpoint_override=server, scheme="http", allow_bucket_creation=True, **access).create_dir(bucket)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server}")
    return f"s3://{bucket}/runs/one"


def record(url: str, epochs: range = range(EPOCHS), **options: Any) -> None:
    with Recorder(url, n_samples=N, **options) as recorder:
        for epoch in epochs:
            recorder.record(np.arange(N), scores_of(epoch), LABELS)
            recorder.end_epoch()


def test_a_history_comes_back(url: str) -> None:
    record(url, sample_ids=[f"{i}.png" for i in range(N)])
    history = open_history(url)
    assert (history.n_samples, history.epochs) == (N, [0, 1, 2])
    for epoch in range(EPOCHS):
        np.testing.assert_array_equal(history.epoch(epoch)["prediction"], scores_of(epoch).argmax(axis=1))
    assert audit(url).samples.index[3] == "3.png"


def test_life_of_a_run(url: str) -> None:
    record(url)
    with pytest.raises(LabelAuditError, match="finished history of 3 epochs"):
        Recorder(url)
    record(url, range(2, 5), start_epoch=2)
    assert open_history(url).epochs == [0, 1, 2, 3, 4]
    record(url, range(1), overwrite=True)
    assert open_history(url).epochs == [0]


def test_a_part_of_an_epoch(url: str) -> None:
    recorder = Recorder(url, n_samples=N)
    recorder.record(np.arange(20), scores_of(0)[:20], LABELS[:20])
    part = recorder.save_part()
    assert part is not None
    again = Recorder(url, n_samples=N)
    assert again.load_part(part)
    again.record(np.arange(20, N), scores_of(0)[20:], LABELS[20:])
    again.end_epoch()
    again.close()
    np.testing.assert_array_equal(open_history(url).epoch(0)["prediction"], scores_of(0).argmax(axis=1))
    assert not again.load_part(part)


def test_damage_is_found(url: str) -> None:
    record(url)
    from labelaudit.history.folder import open_folder

    folder, name = open_folder(url), "epochs/train/e00001-s00-w0000.arrow"
    data = bytearray(folder.read(name))
    data[len(data) // 2] ^= 4
    folder.write(name, data)
    with pytest.raises(LabelAuditError, match=r"e00001-s00-w0000.arrow .*damaged"):
        open_history(url).epoch(1)
    assert arrow_file.decode(folder.read("epochs/train/e00002-s00-w0000.arrow"), "")[1].num_rows == N


def test_an_unknown_protocol_is_said() -> None:
    with pytest.raises(LabelAuditError, match=r"cannot open 'nowhere://x'"):
        Recorder("nowhere://x")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dask's own
def test_a_cluster_reads_it_and_writes_the_parts_there(url: str) -> None:
    import distributed

    n = 2 * MOST_ROWS + 100
    labels = np.arange(n) % K
    with Recorder(url, n_samples=n) as recorder:
        for epoch in range(EPOCHS):
            recorder.record(np.arange(n), np.random.default_rng(epoch).normal(size=(n, K)), labels)
            recorder.end_epoch()
    expected = audit(url).samples
    workers = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    parts = url.replace("runs/one", "parts")
    with distributed.LocalCluster(**workers) as cluster, distributed.Client(cluster) as client:
        pd.testing.assert_frame_equal(audit(url, client=client).samples, expected, check_exact=True)
        audit(url, client=client, partitions=parts)
    folder = open_folder(parts)
    found = [pd.read_parquet(io.BytesIO(bytes(folder.read(name)))) for name in folder.names()]
    assert len(found) == 3
    pd.testing.assert_frame_equal(pd.concat(found), expected, check_exact=True)
