"""labelaudit compact: the same rows before, after, and wherever it is killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelaudit import LabelAuditError, Recorder, audit, open_history
from labelaudit.cli import main
from labelaudit.history import folder as folders
from labelaudit.history.compact import compact

N, K, WRITERS, EPOCHS = 60, 3, 4, 3
LABELS = np.arange(N) % K


def record(path: Path, *, ids: list[str] | None = None, finished: bool = True, **options: Any) -> None:
    """Four ranks share the samples; one sample an epoch is padding, seen by two of them."""
    recorders = [Recorder(path, writer=w, segment=0, n_samples=None if ids else N, **options) for w in range(WRITERS)]
    for epoch in range(EPOCHS):
        scores = np.random.default_rng(epoch).normal(size=(N, K)).astype(np.float32)
        order = np.random.default_rng(100 + epoch).permutation(N)
        for rank, recorder in enumerate(recorders):
            mine = np.append(order[rank::WRITERS], order[0])
            named = mine if ids is None else np.array([ids[i] for i in mine], dtype=object)
            recorder.record(named, scores[mine] + rank * (mine == order[0])[:, None] * np.arange(K), LABELS[mine])
            recorder.end_epoch()
    for recorder in recorders:
        recorder.close(finished=finished)


def contents(path: Path) -> list[Any]:
    history = open_history(path)
    return [history.epoch(epoch) for epoch in history.epochs]


@pytest.mark.parametrize("options", [{}, {"keep": "summary"}, {"ids": [f"{i}.png" for i in range(N)]}])
def test_nothing_changes_but_the_number_of_files(tmp_path: Path, options: dict[str, Any]) -> None:
    record(tmp_path, **options)
    before, judged = contents(tmp_path), audit(tmp_path).samples
    done = compact(tmp_path)
    assert done.epochs == EPOCHS
    assert len(list((tmp_path / "epochs/train").iterdir())) == EPOCHS
    assert len(list((tmp_path / "samples/train").iterdir())) == 1
    assert contents(tmp_path) == before
    assert judged.equals(audit(tmp_path).samples)
    assert compact(tmp_path).files_before == compact(tmp_path).files_after


class Killed(BaseException):
    """What stands for the end of the process."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    record(tmp_path / "whole", ids=[f"{i}.png" for i in range(N)])
    before = contents(tmp_path / "whole")
    steps = EPOCHS * WRITERS + WRITERS
    local = type(folders.open_folder(tmp_path))
    for step in range(steps):
        path = tmp_path / f"killed{step}"
        shutil.copytree(tmp_path / "whole", path)
        left = [step]

        def stopping(real: Any, left: list[int] = left) -> Any:
            def work(self: Any, *arguments: Any) -> None:
                left[0] -= 1
                if left[0] < 0 and when == "before":
                    raise Killed
                real(self, *arguments)
                if left[0] < 0:
                    raise Killed

            return work

        with monkeypatch.context() as patch:
            patch.setattr(local, "write", stopping(local.write))
            patch.setattr(local, "remove", stopping(local.remove))
            with pytest.raises(Killed):
                compact(path)
        assert contents(path) == before
        compact(path)
        assert contents(path) == before


def test_killed_while_a_file_is_written(tmp_path: Path) -> None:
    record(tmp_path)
    before = contents(tmp_path)
    code = (
        "import os, signal, sys\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from labelaudit.history.compact import compact\n"
        "compact(sys.argv[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert contents(tmp_path) == before
    compact(tmp_path)
    assert contents(tmp_path) == before


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    record(tmp_path)
    bad = tmp_path / "epochs/train/e00001-s00-w0002.arrow"
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    with pytest.raises(LabelAuditError, match="e00001-s00-w0002"):
        compact(tmp_path)
    assert len(list((tmp_path / "epochs/train").glob("e00001-*"))) == WRITERS


def test_an_unfinished_history_needs_a_word(tmp_path: Path) -> None:
    record(tmp_path, finished=False)
    with pytest.raises(LabelAuditError, match="--unfinished"):
        compact(tmp_path)
    assert compact(tmp_path, unfinished=True).epochs == EPOCHS


def test_older_starts_stay(tmp_path: Path) -> None:
    record(tmp_path)
    with Recorder(tmp_path, n_samples=N, start_epoch=1) as again:
        again.record(np.arange(N), np.ones((N, K), np.float32), LABELS)
        again.end_epoch()
    before = contents(tmp_path)
    compact(tmp_path)
    assert contents(tmp_path) == before
    assert len(list((tmp_path / "epochs/train").glob("e*-s00-*"))) == 1 + 2 * WRITERS


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path)
    assert main(["info", str(tmp_path)]) == 0
    assert "labelaudit compact" in capsys.readouterr().out
    assert main(["compact", str(tmp_path)]) == 0
    assert "became" in capsys.readouterr().out
    assert main(["info", str(tmp_path)]) == 0
    assert "labelaudit compact" not in capsys.readouterr().out
