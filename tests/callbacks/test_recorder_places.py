"""A relative path lies where the recorder was made, wherever training goes."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from spy import Spy, assert_recorded, loader, trainer
from test_torch_recorder import Loop
from test_trainer_recorder import run
from tiny_detector import StepDetector, assert_drawn, scenes
from two_processes import run_script

from labelaudit import open_history
from labelaudit.callbacks import AuditLogger, DetectionRecorder, PredictionRecorder, TorchRecorder, TrainerRecorder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where training goes; recorders are made in tmp_path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def test_prediction_recorder(tmp_path: Path, elsewhere: Path) -> None:
    module, recorder = Spy(), PredictionRecorder("runs/x")
    fit = trainer(pickle.loads(pickle.dumps(recorder)), AuditLogger("runs/x", report=False))
    os.chdir(elsewhere)
    fit.fit(module, loader())
    assert_recorded(tmp_path / "runs/x", module.said["train"])
    assert list(elsewhere.iterdir()) == []


def test_detection_recorder(tmp_path: Path, elsewhere: Path) -> None:
    module, recorder = StepDetector(), DetectionRecorder(Path("run"))
    os.chdir(elsewhere)
    trainer(recorder).fit(module, scenes())
    assert_drawn(tmp_path / "run", module.said["train"], lambda picture: 100 + picture)


def test_torch_recorder(tmp_path: Path, elsewhere: Path) -> None:
    loop = Loop()
    with TorchRecorder("run") as recorder:
        os.chdir(elsewhere)
        loop.train(recorder, recorder.attach(loader()))
    assert_recorded(tmp_path / "run", loop.said)


def test_trainer_recorder(tmp_path: Path, elsewhere: Path) -> None:
    recorder = TrainerRecorder("run")
    os.chdir(elsewhere)
    trained = run(elsewhere, recorder)
    assert_recorded(tmp_path / "run", trained.model.said)


@pytest.mark.parametrize("path", ["memory://places/x", "s3://bucket/runs/x", "gs://bucket/x", "/data/x"])
def test_urls_and_absolute_paths_stay_as_they_are(path: str) -> None:
    made = [kind(path) for kind in (PredictionRecorder, DetectionRecorder, TorchRecorder, TrainerRecorder, AuditLogger)]
    assert [one.path for one in made] == [path] * 5


def test_a_checkpoint_knows_the_recorder_by_the_path_as_typed(elsewhere: Path) -> None:
    """A project may be moved with its checkpoints."""
    before = PredictionRecorder("runs/x").state_key
    os.chdir(elsewhere)
    assert PredictionRecorder("runs/x").state_key == before


DDP = """
import os, warnings
warnings.simplefilter("ignore")
from spy import Spy, loader, trainer
from labelaudit.callbacks import PredictionRecorder


if __name__ == "__main__":
    recorder = PredictionRecorder("run")
    os.chdir({elsewhere!r})
    t = trainer(recorder, devices=2, strategy="ddp", max_epochs=1)
    t.fit(Spy(), loader())
"""


@pytest.mark.slow
def test_two_processes_share_one_folder(tmp_path: Path, elsewhere: Path) -> None:
    """Lightning starts the second process where the first one went."""
    run_script(tmp_path / "train.py", DDP.format(elsewhere=str(elsewhere)))
    assert open_history(tmp_path / "run").epoch(0).num_rows == 53
    assert list(elsewhere.iterdir()) == []
