"""Batches that a step skips: what was seen of them is recorded, what was not is said, and training goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from spy import N, Spy, SpyWithVal, assert_recorded, loader, trainer
from test_recorder_sources import nll
from tiny_detector import StepDetector, TinyDetector, assert_drawn, collate, scenes
from torch import nn

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import DetectionRecorder, PredictionRecorder

SAID = r"nothing was recorded of {} batch {} of epoch 0: the step returned nothing, and no loss function"


class Manual(Spy):
    """Skips some batches; `when` says where in the step: before anything, or once the loss is known."""

    def __init__(self, skipped: Any = (), when: str = "first", loss: Callable[..., Any] = nn.functional.cross_entropy):
        super().__init__()
        self.automatic_optimization = False
        self.skipped, self.when, self.loss = skipped, when, loss

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if batch_idx in self.skipped and self.when == "first":
            return None
        x, y = batch
        z = self.logits(x)
        loss = self.loss(z, y)
        if batch_idx in self.skipped and self.when == "unseen":
            return None
        self.note("train", x, z, y)
        if batch_idx not in self.skipped:
            self.optimizers().zero_grad()  # type: ignore[union-attr]
            self.manual_backward(loss)
            self.optimizers().step()  # type: ignore[union-attr]
        return self.answer(z, y)

    def answer(self, z: torch.Tensor, y: torch.Tensor) -> Any:
        return None


@pytest.mark.parametrize("skipped", [[0], [1, 3], [6]])
@pytest.mark.parametrize("options", [{}, {"embeddings": "auto"}], ids=["scores", "embeddings"])
def test_a_batch_skipped_before_anything_under_manual_optimization(tmp_path: Path, skipped: Any, options: Any) -> None:
    module = Manual(skipped)
    with pytest.warns(UserWarning, match=SAID.format("train", skipped[0])) as said:
        trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader())
    assert len([one for one in said if "nothing was recorded" in str(one.message)]) == 1
    assert len(module.said["train"][0]) < N
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("skipped", [[0], [1, 3], [6]])
def test_a_batch_skipped_when_its_loss_is_known_is_recorded(tmp_path: Path, skipped: Any) -> None:
    module = Manual(skipped, "seen")
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert len(module.said["train"][0]) == N
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("options", [{"scores": "z"}, {"scores": lambda out, batch: out["z"]}], ids=["key", "function"])
@pytest.mark.parametrize("skipped", [[0], [1, 3], [6]])
def test_a_skipped_batch_whose_scores_would_be_returned(tmp_path: Path, skipped: Any, options: Any) -> None:
    class Module(Manual):
        def answer(self, z: torch.Tensor, y: torch.Tensor) -> Any:
            return {"z": z.detach(), "y": y}

    module = Module(skipped, "unseen", nll)
    with pytest.warns(UserWarning, match=SAID.format("train", skipped[0])):
        trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
@pytest.mark.parametrize("skipped", [0, 2])
def test_the_same_under_automatic_optimization(tmp_path: Path, skipped: int) -> None:
    class Module(Spy):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            z = self.logits(batch[0])
            loss = nn.functional.cross_entropy(z, batch[1])
            if batch_idx == skipped:
                return None
            self.note("train", batch[0], z, batch[1])
            return {"loss": loss, "z": z.detach()}

    module = Module()
    with pytest.warns(UserWarning, match=SAID.format("train", skipped)):
        trainer(PredictionRecorder(tmp_path / "run", scores="z")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_what_cannot_be_told_of_a_step_that_trains_is_an_error_in_the_first_batch(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="the scores of this step can't be told"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Manual(loss=nll), loader())
    module = Manual([0], loss=nll)
    with (
        pytest.warns(UserWarning, match=SAID.format("train", 0)),
        pytest.raises(LabelAuditError, match="the scores of this step can't be told"),
    ):
        trainer(PredictionRecorder(tmp_path / "later")).fit(module, loader())
    assert len(module.batches) == 1


def test_steps_that_train_something_else_in_turn(tmp_path: Path) -> None:
    class Module(Manual):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if batch_idx % 2:
                self.manual_backward(self.head.weight.square().sum())
                return None
            return super().training_step(batch, batch_idx)

    module = Module()
    with pytest.warns(UserWarning, match=SAID.format("train", 1)):
        trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_a_validation_step_may_skip_its_batch(tmp_path: Path) -> None:
    class Module(SpyWithVal):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return None if batch_idx == 2 else super().validation_step(batch, batch_idx)

    module = Module()
    recorder = PredictionRecorder(tmp_path / "run", splits=("train", "val"))
    with pytest.warns(UserWarning, match=SAID.format("val", 2)):
        trainer(recorder).fit(module, loader(), loader(shuffle=False))
    assert_recorded(tmp_path / "run", module.said["train"])
    seen = [open_history(tmp_path / "run").epoch(epoch, split="val")["sample_id"].to_pylist() for epoch in range(2)]
    assert seen == [sorted(module.said["val"][epoch]) for epoch in range(2)]
    assert len(seen[0]) == N - 8


class Skipping(StepDetector):
    """Skips its second batch, or its first."""

    skipped = 1

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return None if batch_idx == self.skipped else super().training_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
@pytest.mark.parametrize("source", ["auto", "step"])
@pytest.mark.parametrize("skipped", [0, 1, 5])
def test_a_detector_may_skip_a_batch(tmp_path: Path, source: str, skipped: int) -> None:
    module = Skipping()
    module.skipped = skipped
    with pytest.warns(UserWarning, match="nothing was recorded of that batch") as said:
        trainer(DetectionRecorder(tmp_path / "run", source=source)).fit(module, scenes(collate_fn=collate))
    about = [str(one.message) for one in said if "nothing was recorded of that batch" in str(one.message)]
    assert len(about) == 1
    history = open_history(tmp_path / "run")
    for epoch in range(2):
        got = {row["sample_id"]: row["boxes"] for row in history.epoch(epoch).to_pylist()}
        said_then = {100 + picture: drawn["boxes"].tolist() for picture, drawn in module.said["train"][epoch].items()}
        assert got == said_then


def test_a_detector_that_returns_nothing_under_manual_optimization_is_drawn_after_the_epoch(tmp_path: Path) -> None:
    class Module(TinyDetector):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            self.optimizers().zero_grad()  # type: ignore[union-attr]
            self.manual_backward(loss)
            self.optimizers().step()  # type: ignore[union-attr]

    module = Module()
    trainer(DetectionRecorder(tmp_path / "run")).fit(module, scenes())
    assert_drawn(tmp_path / "run", module.said["train"], lambda picture: 100 + picture)
