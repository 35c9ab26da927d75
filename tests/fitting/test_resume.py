"""Killed at any moment, the run goes on, and its result is that of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from labelaudit import open_history
from labelaudit.fitting.fitted import Fitted
from labelaudit.fitting.fitting import fit
from labelaudit.fitting.state import read_state
from tests.fitting.conftest import TINY

OPTIONS = {**TINY, "n_repeats": 2, "num_epochs": 4, "augment": "flip"}
SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from labelaudit.fitting.fitting import fit
fit(data_path=sys.argv[1], results_path=sys.argv[2], **{options})
"""
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tree: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The run that nothing interrupts, with one thread as in the killed ones."""
    results = tmp_path_factory.mktemp("whole") / "results"
    run(tree[0], results)
    return fit(data_path=tree[0], results_path=results, **OPTIONS)


def start(data: Path, results: Path) -> subprocess.Popen[bytes]:
    code = SCRIPT.format(options=OPTIONS)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, str(data), str(results)], env=environment)


def run(data: Path, results: Path) -> None:
    assert start(data, results).wait(timeout=120) == 0


def kill_when(process: subprocess.Popen[bytes], reached: Path) -> None:
    """End it without any warning as soon as a file is there."""
    until = time.monotonic() + 120
    while not reached.exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def same(found: Fitted, whole: Fitted) -> None:
    pd.testing.assert_frame_equal(found.corrections, whole.corrections)
    for one, other in zip(found.histories, whole.histories, strict=True):
        a, b = open_history(one), open_history(other)
        for split in ("train", "val"):
            assert a.runs_read[0].epochs(split) == b.runs_read[0].epochs(split) == [0, 1, 2, 3]
            for epoch in range(4):
                rows = [h.epoch(epoch, split=split).to_pandas() for h in (a, b)]
                pd.testing.assert_frame_equal(
                    *(r.drop(columns="probabilities").sort_values("sample_id", ignore_index=True) for r in rows)
                )


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        "cache/images.bin",  # the cache is there, its index is not yet
        "histories/repeat-00/epochs/train/e00000-s00-w0000.arrow",  # before the first checkpoint
        "histories/repeat-00/epochs/val/e00001-s00-w0000.arrow",  # predicted, but not in a checkpoint
        "checkpoints/repeat-01/epoch=00002.ckpt",  # one repeat done, in the middle of the second
    ],
)
def test_killed(moment: str, whole: Fitted, tree: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    results = tmp_path / "results"
    kill_when(start(tree[0], results), results / moment)
    state = read_state(results)
    if "repeat-01" in moment:
        assert state is not None
        assert list(state.repeats) == [0]
        kept = {file: file.stat().st_mtime_ns for file in (results / "histories/repeat-00").rglob("*.arrow")}
    run(tree[0], results)
    if "repeat-01" in moment:
        assert all(file.stat().st_mtime_ns == when for file, when in kept.items())  # not done again
        segments = {file.name for file in (results / "histories/repeat-01/epochs/train").iterdir()}
        assert "e00000-s00-w0000.arrow" in segments  # nor the epochs up to the checkpoint
    same(fit(data_path=tree[0], results_path=results, **OPTIONS), whole)


def test_a_damaged_checkpoint_only_costs_time(
    whole: Fitted, tree: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def stop_after(number: int, seconds: float) -> None:
        if number == 1:
            raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("labelaudit.fitting.fitting.Progress.epoch", lambda self, number, seconds: stop_after(number, 0))
        with pytest.raises(RuntimeError, match="stopped"):
            fit(data_path=tree[0], results_path=tmp_path / "r", **OPTIONS)
    (checkpoint,) = (tmp_path / "r" / "checkpoints" / "repeat-00").glob("*.ckpt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:999])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = fit(data_path=tree[0], results_path=tmp_path / "r", **OPTIONS)
    finally:
        torch.set_num_threads(threads)
    pd.testing.assert_frame_equal(found.corrections, whole.corrections)


def test_stopped_between_the_last_epoch_and_the_end_of_a_repeat(
    whole: Fitted, tree: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def stop(*_: object, **__: object) -> None:
        raise RuntimeError("stopped")

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("labelaudit.callbacks.training.one_repeat.shutil.rmtree", stop)
            with pytest.raises(RuntimeError, match="stopped"):
                fit(data_path=tree[0], results_path=tmp_path / "r", **OPTIONS)
        assert list((tmp_path / "r" / "checkpoints" / "repeat-00").iterdir())
        before = {file: file.read_bytes() for file in (tmp_path / "r" / "histories").rglob("*.arrow")}
        found = fit(data_path=tree[0], results_path=tmp_path / "r", **OPTIONS)
    finally:
        torch.set_num_threads(threads)
    assert all(file.read_bytes() == content for file, content in before.items())
    pd.testing.assert_frame_equal(found.corrections, whole.corrections)


def test_ctrl_c_ends_the_run_as_such_and_it_goes_on(
    whole: Fitted, tree: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from labelaudit.cli import main

    def interrupt(self: object, number: int, seconds: float) -> None:
        if number == 2:
            raise KeyboardInterrupt

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items() if name != "progress"]
    place = ["--data-path", str(tree[0]), "--results-path", str(tmp_path / "r")]
    try:
        with monkeypatch.context() as patch:
            patch.setattr("labelaudit.fitting.plan.Progress.epoch", interrupt)
            assert main(["fit", *place, *options, "--quiet"]) == 130
        found = fit(data_path=tree[0], results_path=tmp_path / "r", **OPTIONS)
    finally:
        torch.set_num_threads(threads)
    pd.testing.assert_frame_equal(found.corrections, whole.corrections)


def test_the_same_seed_gives_the_same_and_another_one_does_not(
    tree: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    import torch

    options = {**OPTIONS, "num_epochs": 2, "n_repeats": 2}
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(found))  # the caller's own seed is neither used nor changed
        before = torch.random.get_rng_state()
        results = tmp_path / f"r{len(found)}"
        found.append(fit(data_path=tree[0], results_path=results, seed=seed, **options).corrections)
        assert torch.equal(before, torch.random.get_rng_state())
    pd.testing.assert_frame_equal(found[0], found[1])
    assert not found[0]["label_quality"].equals(found[2]["label_quality"])
