"""SIGKILL at random moments: no finished epoch is lost, no torn file is read, the next run goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spy import N, Spy, features_and_labels, loader, trainer

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import PredictionRecorder

# Imports once and forks for every line on stdin: the child trains on from its last checkpoint until it is killed.
TRAIN_ON = """
import logging, os, sys, warnings
logging.disable(logging.WARNING)
sys.path.insert(0, {tests!r})
warnings.simplefilter("ignore")
import torch
from spy import SpyWithVal, loader, trainer
from lightning.pytorch.callbacks import Callback
from labelaudit.callbacks import PredictionRecorder

checkpoint = {path!r} + ".ckpt"

class Say(Callback):
    def on_train_epoch_end(self, trainer, module):
        module.said["train"].clear()
        trainer.save_checkpoint(checkpoint + ".tmp")
        os.replace(checkpoint + ".tmp", checkpoint)
        print("finished", trainer.current_epoch, flush=True)

for _ in sys.stdin:
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        recorder = PredictionRecorder({path!r}, splits=("train", "val"), embeddings="auto")
        options = {{"max_epochs": 100000, "num_sanity_val_steps": 0}}
        trainer(recorder, Say(), **options).fit(
            SpyWithVal(), loader(), loader(shuffle=False), ckpt_path=checkpoint if os.path.exists(checkpoint) else None
        )
    print("child", child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def kill(path: str, times: int) -> None:
    """Start, kill and look, many times."""
    script = TRAIN_ON.format(tests=str(Path(__file__).parent), path=path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    chance = random.Random(0)
    reported = -1
    with subprocess.Popen([sys.executable, "-c", script], env=environment, **pipes) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        first_epoch = None  # seconds from start to its end, on this machine
        for _ in range(times):
            run.stdin.write("go\n")
            run.stdin.flush()
            pid = int(run.stdout.readline().split()[1])
            started = time.perf_counter()
            if first_epoch is None:
                reported = int(run.stdout.readline().split()[1])
                first_epoch = time.perf_counter() - started
            else:
                time.sleep(chance.uniform(0, 3 * first_epoch))
            os.kill(pid, signal.SIGKILL)
            before = reported
            while not (line := run.stdout.readline().rstrip()).endswith("dead"):  # its last word may be cut off
                if line.split()[:1] == ["finished"] and len(line.split()) == 2:
                    reported = int(line.split()[1])
            if reported < 0:
                continue
            history = open_history(path)
            assert history.epochs == list(range(history.n_epochs))
            assert history.n_epochs > reported
            for epoch in range(max(before, 0), history.n_epochs):
                assert history.epoch(epoch).num_rows == N
            for epoch in range(max(before, 0), reported + 1):
                assert history.epoch(epoch, split="val").num_rows == N
            vectors = history.embeddings().vectors  # of the last epoch, or of the one before while it is written
            np.testing.assert_allclose(vectors, features_and_labels()[0][:, 1:], rtol=1e-3)
        run.stdin.close()
    assert reported >= times // 4, "too few epochs between the kills to show anything"


def kill_and_complete(path: str, times: int) -> None:
    kill(path, times)
    done = open_history(path).n_epochs
    trainer(PredictionRecorder(path), max_epochs=done + 2).fit(Spy(), loader(), ckpt_path=path + ".ckpt")
    history = open_history(path)
    assert history.epochs == list(range(done + 2))
    assert all(history.epoch(epoch).num_rows == N for epoch in history.epochs)
    with pytest.raises(LabelAuditError, match="finished history"):
        trainer(PredictionRecorder(path)).fit(Spy(), loader())


def test_ten_kills(tmp_path: Any) -> None:
    kill_and_complete(str(tmp_path / "run"), 10)


@pytest.mark.slow
def test_a_hundred_kills(tmp_path: Any) -> None:
    kill_and_complete(str(tmp_path / "run"), 100)
