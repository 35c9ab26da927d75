"""Resuming in the middle of an epoch: rows recorded before the checkpoint are not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, OnExceptionCheckpoint
from spy import N, Spy, assert_recorded, features_and_labels, loader, trainer
from torch.utils.data import TensorDataset

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import PredictionRecorder

# These runs are resumed without the callback that saved the checkpoints.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`:UserWarning"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended"),
    # OnExceptionCheckpoint makes Lightning look for an earlier checkpoint
    pytest.mark.filterwarnings("ignore:`.fit.ckpt_path=None.` was called without a model"),
    pytest.mark.filterwarnings("ignore:.fit.ckpt_path=.last.. is set, but there is no last checkpoint"),
]

STOP = 10  # steps: 7 are an epoch, so 3 batches of epoch 1


class StopError(Exception):
    pass


class Stop(Callback):
    def __init__(self, step: int = STOP) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            raise StopError


def parts(path: Path) -> list[str]:
    return sorted(file.name for file in path.glob("parts/*/*"))


def interrupted(path: Path, stop: int = STOP, **options: Any) -> Spy:
    """Save a checkpoint after every step, and stop."""
    module = Spy()
    every_step = ModelCheckpoint(path.parent / "ckpt", filename="{step}", every_n_train_steps=1, save_top_k=-1)
    with pytest.raises(StopError):
        trainer(
            PredictionRecorder(path, **options), every_step, Stop(stop), max_epochs=3, enable_checkpointing=True
        ).fit(module, loader())
    return module


def resumed(path: Path, step: int = STOP, **options: Any) -> Spy:
    module = Spy()
    checkpoint = path.parent / "ckpt" / f"step={step}.ckpt"
    trainer(PredictionRecorder(path, **options), max_epochs=3).fit(module, loader(), ckpt_path=checkpoint)
    return module


@pytest.mark.parametrize(
    "options",
    [{}, {"keep": "summary"}, {"sample_ids": [f"{i}.png" for i in range(N)]}, {"precision": "single"}],
    ids=["scores", "summary", "own ids", "single"],
)
def test_rows_before_the_checkpoint_are_kept(tmp_path: Path, options: Any) -> None:
    path = tmp_path / "run"
    before = interrupted(path, **options)
    assert open_history(path).epochs == [0]
    after = resumed(path, **options)
    whole = {**before.said["train"][1], **after.said["train"][1]}
    assert len(whole) > len(after.said["train"][1])
    said = {0: before.said["train"][0], 1: whole, 2: after.said["train"][2]}
    history = open_history(path)
    if options.get("keep") != "summary":
        assert_recorded(path, said, ids=options.get("sample_ids"))
    for epoch, rows in said.items():
        table = history.epoch(epoch).to_pylist()
        assert len(table) == len(rows)
        for position, row in zip(sorted(rows), sorted(table, key=lambda row: row["sample_id"]), strict=True):
            if "sample_ids" not in options:
                p, label = rows[position]
                assert row["sample_id"] == position
                assert row["p_given"] == pytest.approx(p[label], abs=2e-3)
    assert parts(path) == []


def test_any_of_the_checkpoints_will_do(tmp_path: Path) -> None:
    path = tmp_path / "run"
    before = interrupted(path)
    seen = list(before.said["train"][1].items())
    after = resumed(path, step=8)
    assert_recorded(path, {
        0: before.said["train"][0],
        1: {**dict(seen[:8]), **after.said["train"][1]},
        2: after.said["train"][2],
    })  # fmt: skip


def test_a_first_epoch_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "run"
    before = interrupted(path, stop=4)
    with pytest.raises(LabelAuditError, match="no history"):
        open_history(path)
    seen = dict(list(before.said["train"][0].items())[:24])
    after = resumed(path, step=3)
    assert_recorded(path, {0: {**seen, **after.said["train"][0]}, 1: after.said["train"][1], 2: after.said["train"][2]})


def test_parts_are_never_read_as_epochs_and_go_with_their_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run"
    interrupted(path)
    assert all(name.startswith("e00001-s00-p") for name in parts(path))
    assert len(parts(path)) == 4  # three checkpoints, and the exception
    assert open_history(path).epochs == [0]


def test_a_lost_part_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run"
    interrupted(path)
    for file in path.glob("parts/*/*"):
        file.unlink()
    with pytest.warns(UserWarning, match=r"middle of epoch 1.*no longer in"):
        after = resumed(path)
    assert open_history(path).epoch(1).num_rows == len(after.said["train"][1])


def test_a_damaged_part_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run"
    interrupted(path)
    for file in path.glob("parts/*/*"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    with pytest.raises(LabelAuditError, match="is damaged"):
        resumed(path)


def test_a_part_of_other_options_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run"
    interrupted(path)
    x, y = features_and_labels()
    with pytest.raises(LabelAuditError, match="61"):
        trainer(PredictionRecorder(path), max_epochs=3).fit(
            Spy(),
            loader(TensorDataset(torch.cat([x, x[:8]]), torch.cat([y, y[:8]]))),
            ckpt_path=tmp_path / "ckpt" / f"step={STOP}.ckpt",
        )


def test_a_checkpoint_saved_on_an_exception_keeps_them_too(tmp_path: Path) -> None:
    path = tmp_path / "run"
    before = Spy()
    on_exception = OnExceptionCheckpoint(tmp_path / "ckpt")
    with pytest.raises(StopError):
        trainer(PredictionRecorder(path), on_exception, Stop(), max_epochs=3, enable_checkpointing=True).fit(
            before, loader()
        )
    (saved,) = (tmp_path / "ckpt").iterdir()
    after = Spy()
    trainer(PredictionRecorder(path), max_epochs=3).fit(after, loader(), ckpt_path=saved)
    assert_recorded(path, {
        0: before.said["train"][0],
        1: {**before.said["train"][1], **after.said["train"][1]},
        2: after.said["train"][2],
    })  # fmt: skip
