"""PredictionRecorder through the life of a run: epochs, checkpoints, exceptions, kills, resumes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from spy import N, Spy, SpyWithVal, assert_recorded, features_and_labels, loader, trainer
from torch import nn
from torch.utils.data import TensorDataset

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import PredictionRecorder
from labelaudit.history import Recorder


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_both_packages_of_lightning(tmp_path: Any, package: str) -> None:
    pl = importlib.import_module(package)
    assert isinstance(PredictionRecorder(tmp_path), pl.Callback)
    x, y = features_and_labels()

    class Module(pl.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(5, 3)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.0)

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run"), package=pl).fit(module, loader())
    p = module.net(x).softmax(-1).detach().numpy()
    said = {i: (p[i], int(y[i])) for i in range(N)}
    assert_recorded(tmp_path / "run", {0: said, 1: said})


def test_nothing_is_recorded_of_sanity_checking_and_fast_dev_run(tmp_path: Any) -> None:
    trainer(PredictionRecorder(tmp_path / "run"), fast_dev_run=True).fit(Spy(), loader())
    assert not (tmp_path / "run").exists()
    module = SpyWithVal()
    recorder = PredictionRecorder(tmp_path / "run", splits=("train", "val"))
    trainer(recorder, num_sanity_val_steps=2).fit(module, loader(), loader(shuffle=False))
    assert_recorded(tmp_path / "run", module.said["train"])


def test_partly_seen_epochs(tmp_path: Any) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run"), limit_train_batches=3).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "steps"), max_epochs=9, max_steps=10).fit(module, loader())
    assert sorted(map(len, module.said["train"].values())) == [24, N]
    assert_recorded(tmp_path / "steps", module.said["train"])


class BoomError(Exception):
    pass


class RaiseAt(lightning.Callback):
    def __init__(self, step: int, error: type[BaseException] = BoomError) -> None:
        self.step, self.error = step, error

    def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise self.error


@pytest.mark.parametrize("error", [BoomError, KeyboardInterrupt])
def test_an_exception_keeps_the_finished_epochs(tmp_path: Any, error: type[BaseException]) -> None:
    module = Spy()
    before = signal.getsignal(signal.SIGINT), torch._C._nn.cross_entropy_loss
    try:
        with pytest.raises((BoomError, SystemExit)):
            trainer(PredictionRecorder(tmp_path / "run"), RaiseAt(17, error), max_epochs=5).fit(module, loader())
    finally:
        signal.signal(signal.SIGINT, before[0])
    assert torch._C._nn.cross_entropy_loss is before[1]
    whole = {epoch: said for epoch, said in module.said["train"].items() if len(said) == N}
    assert sorted(whole) == [0, 1]
    assert_recorded(tmp_path / "run", whole)
    module = Spy()  # the next run starts anew: what it records is read, not a mixture
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=1).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_a_finished_history_is_not_mixed_with_another_run(tmp_path: Any) -> None:
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=3).fit(Spy(), loader())
    with pytest.raises(LabelAuditError, match="overwrite=True"):
        trainer(PredictionRecorder(tmp_path / "run"), max_epochs=1).fit(Spy(), loader())
    assert open_history(tmp_path / "run").n_epochs == 3
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run", overwrite=True), max_epochs=1).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_resume_from_a_checkpoint(tmp_path: Any) -> None:
    module = Spy()
    keep = ModelCheckpoint(tmp_path / "ckpt", filename="{epoch}", save_top_k=-1)
    options = {"enable_checkpointing": True}
    trainer(PredictionRecorder(tmp_path / "run"), keep, max_epochs=3, **options).fit(module, loader())
    resumed = Spy()
    recorder = PredictionRecorder(tmp_path / "run")
    keep = ModelCheckpoint(tmp_path / "later", filename="{epoch}", save_top_k=-1)
    checkpoint = tmp_path / "ckpt" / "epoch=1.ckpt"
    trainer(recorder, keep, max_epochs=5, **options).fit(resumed, loader(), ckpt_path=checkpoint)
    assert sorted(resumed.said["train"]) == [2, 3, 4]
    assert_recorded(tmp_path / "run", {**module.said["train"], **resumed.said["train"]})


@pytest.mark.parametrize(("before", "now"), [("single", "half"), ("half", "single")])
def test_a_precision_that_is_asked_for_is_not_lost_when_resumed(tmp_path: Any, before: str, now: str) -> None:

    def fit(epochs: int, checkpoint: Any, **options: Any) -> None:
        keep = ModelCheckpoint(tmp_path / str(options), filename="{epoch}")
        recorder = PredictionRecorder(tmp_path / "run", **options)
        trainer(recorder, keep, max_epochs=epochs, enable_checkpointing=True).fit(Spy(), loader(), ckpt_path=checkpoint)

    fit(1, None, precision=before)
    checkpoint = tmp_path / str({"precision": before}) / "epoch=0.ckpt"
    with pytest.raises(LabelAuditError, match=f"recorded with precision='{before}', and this run.*has '{now}'"):
        fit(2, checkpoint, precision=now)
    fit(2, checkpoint)
    facts = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (facts["precision"], open_history(tmp_path / "run").n_epochs) == (before, 2)


def test_a_checkpoint_never_outlives_its_epoch(tmp_path: Any) -> None:
    seen = []

    class Look(ModelCheckpoint):
        def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
            super()._save_checkpoint(trainer, filepath)
            seen.append((trainer.current_epoch, open_history(tmp_path / "run").n_epochs))

    look = Look(tmp_path / "ckpt", monitor=None, save_top_k=-1)
    trainer(look, PredictionRecorder(tmp_path / "run"), enable_checkpointing=True).fit(
        SpyWithVal(), loader(), loader(shuffle=False)
    )
    assert seen == [(0, 1), (1, 2)]


def test_fit_twice(tmp_path: Any) -> None:
    module = Spy()
    fit = trainer(PredictionRecorder(tmp_path / "run"), max_epochs=2)
    fit.fit(module, loader())
    fit.fit_loop.max_epochs = 4
    fit.fit(module, loader())
    assert sorted(module.said["train"]) == [0, 1, 2, 3]
    assert_recorded(tmp_path / "run", module.said["train"])


def test_two_recorders_at_once(tmp_path: Any) -> None:
    module = Spy()
    before = torch._C._nn.cross_entropy_loss
    both = [PredictionRecorder(tmp_path / name) for name in ("a", "b")]
    trainer(*both).fit(module, loader(num_workers=2))
    assert_recorded(tmp_path / "a", module.said["train"])
    assert_recorded(tmp_path / "b", module.said["train"])
    assert torch._C._nn.cross_entropy_loss is before


def test_trainer_and_torch_are_left_as_they_were(tmp_path: Any) -> None:
    fit, module = trainer(PredictionRecorder(tmp_path / "run")), Spy()
    before = torch._C._nn.cross_entropy_loss, torch.binary_cross_entropy_with_logits
    fit.fit(module, loader())
    assert (torch._C._nn.cross_entropy_loss, torch.binary_cross_entropy_with_logits) == before
    assert "process_dataloader" not in vars(fit.strategy)
    assert "convert_input" not in vars(fit.precision_plugin)
    assert not module._forward_hooks


def test_early_stopping_validation_and_every_n_epochs(tmp_path: Any) -> None:
    class Module(SpyWithVal):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            self.log("loss", 1.0)
            return super().validation_step(batch, batch_idx)

    module = Module()
    val_set = TensorDataset(*(part[:20] for part in features_and_labels()))
    recorder = PredictionRecorder(tmp_path / "run", splits=("train", "val"), every_n_epochs=2)
    stop = EarlyStopping("loss", patience=3)
    trainer(recorder, stop, max_epochs=9).fit(module, loader(), loader(val_set, shuffle=False))
    assert len(module.said["train"]) == 4
    history = open_history(tmp_path / "run")
    assert sorted(history.splits) == ["train", "val"]
    for split, n in (("train", N), ("val", 20)):
        for epoch in (0, 2):
            table = history.epoch(epoch, split=split)
            assert table.num_rows == n
            got = dict(zip(table["sample_id"].to_pylist(), table["probabilities"].to_pylist(), strict=True))
            for position, (p, _) in module.said[split][epoch].items():
                assert got[position] == pytest.approx(p, abs=2e-3)


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_an_error_of_the_writer(tmp_path: Any, monkeypatch: Any, on_error: str) -> None:
    end_epoch = Recorder.end_epoch

    def full(self: Recorder, epoch: int | None = None, **options: Any) -> int:
        if epoch == 2:
            raise OSError(28, "No space left on device")
        return end_epoch(self, epoch, **options)

    monkeypatch.setattr(Recorder, "end_epoch", full)
    module = Spy()
    fit = trainer(PredictionRecorder(tmp_path / "run", on_error=on_error), max_epochs=5)
    if on_error == "raise":
        with pytest.raises(LabelAuditError, match=r"No space left on device.*on_error='warn'"):
            fit.fit(module, loader())
        assert sorted(module.said["train"]) in ([0, 1, 2], [0, 1, 2, 3])
    else:
        with pytest.warns(UserWarning, match="training goes on, recording stopped.*No space left"):
            fit.fit(module, loader())
        assert sorted(module.said["train"]) == [0, 1, 2, 3, 4]
    assert_recorded(tmp_path / "run", {epoch: module.said["train"][epoch] for epoch in (0, 1)})


KILLED = """
import sys, warnings
sys.path.insert(0, {tests!r})
warnings.simplefilter("ignore")
from spy import Spy, loader, trainer
from lightning.pytorch.callbacks import Callback
from labelaudit.callbacks import PredictionRecorder

class Say(Callback):
    def on_train_epoch_start(self, trainer, module):
        print(trainer.current_epoch, flush=True)

trainer(PredictionRecorder({path!r}), Say(), max_epochs=100000).fit(Spy(), loader())
"""


def test_a_killed_run_keeps_its_finished_epochs(tmp_path: Any) -> None:
    path = str(tmp_path / "run")
    script = KILLED.format(tests=str(Path(__file__).parent), path=path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as run:
        assert run.stdout is not None
        while (epoch := int(run.stdout.readline())) < 5:
            pass
        time.sleep(0.01)
        run.kill()
    history = open_history(path)
    assert history.n_epochs >= epoch
    assert all(history.epoch(e).num_rows == N for e in range(history.n_epochs))
    module = Spy()
    trainer(PredictionRecorder(path)).fit(module, loader())
    assert_recorded(path, module.said["train"])
