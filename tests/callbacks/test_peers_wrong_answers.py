"""What other recorders get wrong, and this one does not. Each test is named after what happens there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from spy import K, N, Spy, assert_recorded, features_and_labels, loader, trainer
from torch.utils.data import IterableDataset

from labelaudit import LabelAuditError, Recorder, open_history
from labelaudit.callbacks import PredictionRecorder, TorchRecorder


def test_aum_counts_every_presentation_of_a_tensor_id_as_a_new_sample(tmp_path: Path) -> None:
    with TorchRecorder(tmp_path / "run") as recorder:
        for _ in range(3):
            recorder.record(torch.randn(4, K), torch.tensor([0, 1, 2, 0]), ids=torch.tensor([10, 11, 12, 13]))
            recorder.end_epoch()
    history = open_history(tmp_path / "run")
    assert (history.n_samples, history.n_epochs) == (4, 3)
    assert history.sample_ids.tolist() == [10, 11, 12, 13]
    with Recorder(tmp_path / "arrays") as plain:
        for _ in range(3):
            plain.record(torch.tensor([10, 11]), np.eye(2, K), torch.tensor([0, 1]))
            plain.end_epoch()
    assert open_history(tmp_path / "arrays").n_samples == 2


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        x, y = features_and_labels()
        return iter({"x": x[i], "y": y[i], "idx": torch.tensor(100 + i)} for i in range(N))


def test_aum_counts_every_presentation_of_a_tensor_id_as_a_new_sample_in_lightning(tmp_path: Path) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            return super().step(split, (batch["x"], batch["y"]))

    module = Module()
    recorder = PredictionRecorder(tmp_path / "run", id_key="idx")
    trainer(recorder, max_epochs=3).fit(module, loader(Stream(), shuffle=False))
    assert open_history(tmp_path / "run").n_samples == N
    assert_recorded(tmp_path / "run", module.said["train"], ids={i: 100 + i for i in range(N)})


def test_aum_crashes_on_a_last_batch_of_one(tmp_path: Path) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(batch_size=N - 1))
    assert min(len(batch) for batch in module.batches) == 1
    assert_recorded(tmp_path / "run", module.said["train"])


def test_interpretdl_makes_nan_of_a_short_last_batch(tmp_path: Path) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=3).fit(module, loader(batch_size=10))
    assert {len(batch) for batch in module.batches} == {10, 3}
    assert_recorded(tmp_path / "run", module.said["train"])
    for epoch in range(3):
        table = open_history(tmp_path / "run").epoch(epoch)
        assert table.num_rows == N
        assert np.isfinite(np.asarray(table["probabilities"].to_pylist())).all()


def test_mapd_mixes_a_shorter_second_run_with_old_epochs(tmp_path: Path) -> None:
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=5).fit(Spy(), loader())
    with pytest.raises(LabelAuditError, match="finished history of 5 epochs"):
        trainer(PredictionRecorder(tmp_path / "run"), max_epochs=2).fit(Spy(), loader())
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run", overwrite=True), max_epochs=2).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_mapd_stops_at_the_first_gap_of_epochs(tmp_path: Path) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run", every_n_epochs=2), max_epochs=5).fit(module, loader())
    assert open_history(tmp_path / "run").epochs == [0, 2, 4]


def test_cartography_lets_all_ranks_write_one_file(tmp_path: Path) -> None:
    """A real run of two processes: test_recorder_ways.py::test_two_processes."""
    for rank in range(2):
        recorder = Recorder(tmp_path, writer=rank, segment=0, n_samples=4)
        recorder.record([rank, rank + 2], np.eye(2, K), [0, 1])
        recorder.end_epoch(0)
    assert open_history(tmp_path).epoch(0)["sample_id"].to_pylist() == [0, 1, 2, 3]
    assert len(os.listdir(tmp_path / "epochs" / "train")) == 2


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`", "ignore:You're resuming from a checkpoint")
def test_cartography_loses_rows_on_a_mid_epoch_resume(tmp_path: Path) -> None:
    """More of this: test_recorder_mid_epoch.py."""
    first, second = Spy(), Spy()
    save = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", every_n_train_steps=3, save_top_k=-1)
    trainer(PredictionRecorder(tmp_path / "run"), save, max_steps=3, enable_checkpointing=True).fit(first, loader())
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=1).fit(
        second, loader(), ckpt_path=tmp_path / "ckpt" / "step=3.ckpt"
    )
    assert_recorded(tmp_path / "run", {0: {**first.said["train"][0], **second.said["train"][0]}})


def test_dataquality_drops_batches_that_fail_a_check_with_a_warning(tmp_path: Path) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            loss = super().step(split, batch)
            labels = batch[1] + 5 * (len(self.batches) == 3)
            return {"loss": loss, "logits": self.logits(batch[0]), "labels": labels}

    with pytest.raises(LabelAuditError, match=r"label [5-7] of sample"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Module(), loader())


def test_dprune_mistakes_the_place_in_the_epoch_for_the_sample(tmp_path: Path) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=3).fit(module, loader(num_workers=2))
    assert module.batches[0] != sorted(module.batches[0])
    assert_recorded(tmp_path / "run", module.said["train"])


def test_dataquality_writes_a_file_per_batch_and_runs_out_of_handles(tmp_path: Path) -> None:
    """30 epochs of 53 batches leave one file an epoch, and no handle open."""
    handles = Path("/proc/self/fd")
    open_after: list[int] = []

    class Count(Spy):
        def on_train_epoch_start(self) -> None:
            if handles.is_dir():
                open_after.append(len(list(handles.iterdir())))

    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=30).fit(Count(), loader(batch_size=1))
    files = [path.name for path in (tmp_path / "run" / "epochs" / "train").iterdir()]
    assert sorted(files) == [f"e{epoch:05d}-s00-w0000.arrow" for epoch in range(30)]
    assert open_after[-1:] <= [open_after[2] + 4] if open_after else not handles.is_dir()
    history = open_history(tmp_path / "run")
    assert history.mean_scores().shape == (N, K)
