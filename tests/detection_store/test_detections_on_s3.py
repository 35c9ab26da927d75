"""A history of detections in an object store: a real S3 protocol server on loopback."""

from __future__ import annotations

import numpy as np

import labelaudit
from labelaudit.history.check import check_history
from labelaudit.history.compact import compact
from tests.detection_store.test_detection_writer import N, check_all, record
from tests.history.test_s3 import server, url

__all__ = ["server", "url"]  # fixtures


def test_written_by_two_writers_read_joined_and_audited(url: str) -> None:
    for rank in (1, 0):
        with labelaudit.DetectionWriter(f"{url}/run", writer=rank, segment=0, start_epoch=0) as writer:
            for epoch in range(2):
                record(writer, np.arange(N)[rank::2], epoch)
                writer.end_epoch()
    check_all(labelaudit.open_history(f"{url}/run"), range(2))  # type: ignore[arg-type]
    assert compact(f"{url}/run").files_after == 3
    check_all(labelaudit.open_history(f"{url}/run"), range(2))  # type: ignore[arg-type]
    assert check_history(f"{url}/run").problems == []
    assert len(labelaudit.audit(f"{url}/run").samples) == N
