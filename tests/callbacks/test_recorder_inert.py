"""PredictionRecorder changes nothing in training and never waits for a device within a step."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything
from spy import Spy, SpyWithVal, assert_recorded, loader, trainer
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from labelaudit.callbacks import PredictionRecorder
from labelaudit.callbacks.background import BackgroundRecorder
from labelaudit.callbacks.captured_scores import CapturedScores


class WithDropout(SpyWithVal):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(x[:, 1:]))


@pytest.mark.parametrize("workers", [0, 2])
def test_training_is_the_same_bit_for_bit(tmp_path: Any, workers: int) -> None:
    def train(*callbacks: Any) -> tuple[Any, ...]:
        seed_everything(3, verbose=False)
        module = WithDropout()
        val = loader(shuffle=False, num_workers=workers)
        trainer(*callbacks, max_epochs=3).fit(module, loader(num_workers=workers), val)
        return module.state_dict(), module.batches, torch.get_rng_state()

    weights, batches, state = train()
    recorder = PredictionRecorder(tmp_path / "run", splits=("train", "val"))
    recorded_weights, recorded_batches, recorded_state = train(recorder)
    assert all(torch.equal(weights[name], recorded_weights[name]) for name in weights)
    assert batches == recorded_batches
    assert torch.equal(state, recorded_state)


class Operators(TorchDispatchMode):
    """Counts what a step makes the device do."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def test_a_step_adds_only_copies(tmp_path: Any) -> None:
    def operators(*callbacks: Any) -> Counter[str]:
        class Quiet(Spy):
            def note(self, *args: Any) -> None:
                pass

        with Operators() as seen:
            trainer(*callbacks, max_epochs=1).fit(Quiet(), loader())
        return seen.count

    added = operators(PredictionRecorder(tmp_path / "run"))
    added.subtract(operators())
    assert {name for name, n in added.items() if n} == {"empty", "slice", "copy_", "detach"}
    assert added["empty"] in (2, 4)  # buffers for scores and labels
    assert added["copy_"] == added["slice"] == 2 * 7  # steps
    assert added["detach"] == added["copy_"] + 1  # a look at the dataset's labels, before training


def test_the_way_of_the_scores_reads_no_value() -> None:
    """Meta tensors have no values: whatever reads one, or asks where they are, raises."""

    class Nowhere:
        def record(self, *args: Any, **kwargs: Any) -> None:
            raise AssertionError("values were asked for")

    writer = BackgroundRecorder(Nowhere())  # type: ignore[arg-type]
    captured = CapturedScores(None, None)
    head = nn.Linear(4, 3, device="meta")
    captured.attach(head)
    captured.begin()
    x, y = torch.empty(8, 4, device="meta"), torch.empty(8, dtype=torch.long, device="meta")
    loss = nn.functional.cross_entropy(head(x), y)
    captured.end_step()
    loss.backward()
    scores, labels = captured.take({"loss": loss}, (x, y), 8)
    captured.detach()
    writer.add(list(range(8)), scores, labels, split="train")
    assert scores.device.type == labels.device.type == "meta"


def test_nothing_of_a_step_outlives_it(tmp_path: Any) -> None:
    """The scores are free before the backward pass begins, as without a recorder; the batch when its step ends."""

    class Watched(Spy):
        def __init__(self) -> None:
            super().__init__()
            self.scores: list[weakref.ref[torch.Tensor]] = []
            self.inputs: list[weakref.ref[torch.Tensor]] = []
            self.alive: list[bool] = []

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            x, y = batch
            self.alive += [ref() is not None for ref in self.inputs[-1:]]
            logits = self.logits(x)
            self.scores.append(weakref.ref(logits))
            self.inputs.append(weakref.ref(x))
            return nn.functional.cross_entropy(logits, y)

        def on_after_backward(self) -> None:
            self.alive += [
                ref() is not None for ref in self.scores[2:]
            ]  # the first step shows where they are, the second begins a chunk

    module = Watched()
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=1).fit(module, loader())
    assert len(module.scores) == 7
    assert len(module.alive) > 7
    assert not any(module.alive)


def test_a_step_that_says_otherwise_later_is_believed(tmp_path: Any) -> None:
    """Copies made of the loss's arguments give way where a later step returns its scores."""

    class Changing(Spy):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            x, y = batch
            logits = self.logits(x)
            self.note("train", x, logits if batch_idx != 3 else logits * 2, y)
            loss = nn.functional.cross_entropy(logits, y)
            return loss if batch_idx != 3 else {"loss": loss, "logits": logits * 2}

    module = Changing()
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=2).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_scores_may_change_after_the_step(tmp_path: Any) -> None:
    class Reused(Spy):
        def step(self, split: str, batch: Any) -> Any:
            loss = super().step(split, batch)
            self.kept = self.logits(batch[0]).detach()
            return {"loss": loss, "logits": self.kept}

        def on_before_zero_grad(self, optimizer: Any) -> None:
            if hasattr(self, "old"):
                self.old.fill_(float("nan"))
            self.old = self.kept

    module = Reused()
    trainer(PredictionRecorder(tmp_path / "run"), max_epochs=1).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_scores_that_wait_are_bounded() -> None:
    import threading

    release, most = threading.Event(), 0

    class Slow:
        def record(self, ids: Any, scores: Any, labels: Any, *, split: str) -> None:
            nonlocal most
            release.wait(10)
            most = max(most, writer._held)

        def take_unwritten(self) -> list[str]:
            return []

        def say_unwritten(self, splits: list[str]) -> None:
            pass

        def close(self, *, finished: bool) -> None:
            pass

    writer = BackgroundRecorder(Slow(), max_pending_mib=1)  # type: ignore[arg-type]
    timer = threading.Timer(0.2, release.set)
    timer.start()
    for _ in range(60):  # 60 batches of 100 KB
        writer.add(range(100), torch.zeros(100, 250), torch.zeros(100, dtype=torch.long), split="train")
    writer.end_epoch = None  # type: ignore[assignment,method-assign]
    writer.close(finished=True)
    timer.join()
    assert 0 < most <= 1 << 20
