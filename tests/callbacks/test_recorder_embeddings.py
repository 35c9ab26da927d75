"""PredictionRecorder(embeddings=): what the model computed for every sample, kept beside its scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch
from embedding_spy import Net, NetWithVal, assert_kept, images
from lightning.pytorch import seed_everything
from spy import Spy, loader, trainer
from test_recorder_inert import Operators
from torch import nn
from two_processes import run_script

from labelaudit import LabelAuditError
from labelaudit.callbacks import PredictionRecorder
from labelaudit.callbacks.background import BackgroundRecorder
from labelaudit.callbacks.captured_embeddings import CapturedEmbeddings, flat


@pytest.mark.parametrize("what", ["auto", "drop", "backbone"])
def test_the_last_epoch_is_kept(tmp_path: Path, what: str) -> None:
    class Module(Net):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Identity()

        def features(self, x: torch.Tensor) -> torch.Tensor:
            features = super().features(x)
            if what == "backbone":
                self.drop.p = 0.0
                self.backbone((features[:, :, None, None] + torch.tensor([[1.0, -1.0]]), "more"))
            return features

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run", embeddings=what), max_epochs=3).fit(module, images(num_workers=2))
    assert_kept(tmp_path / "run", module.seen["train"])
    assert len(list((tmp_path / "run" / "embeddings" / "train").iterdir())) == 1


def test_chosen_epochs_and_the_validation_split(tmp_path: Path) -> None:
    module = NetWithVal()
    recorder = PredictionRecorder(
        tmp_path / "run", embeddings="auto", embedding_epochs=[0, 2], splits=("train", "val"), every_n_epochs=2
    )
    trainer(recorder, max_epochs=4).fit(module, images(), images(shuffle=False))
    for split in ("train", "val"):
        for epoch in (0, 2):
            assert_kept(tmp_path / "run", module.seen[split], split=split, epoch=epoch)
        assert len(list((tmp_path / "run" / "embeddings" / split).iterdir())) == 2


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precisions(tmp_path: Path, precision: Any) -> None:
    module = Net()
    recorder = PredictionRecorder(tmp_path / "run", embeddings="auto")
    trainer(recorder, precision=precision).fit(module, images())
    assert_kept(tmp_path / "run", module.seen["train"])


@pytest.mark.parametrize(("workers", "what"), [(0, "auto"), (2, "pool")])
def test_training_is_the_same_bit_for_bit(tmp_path: Path, workers: int, what: str) -> None:
    def train(*callbacks: Any) -> tuple[Any, ...]:
        seed_everything(3, verbose=False)
        module = NetWithVal()
        val = images(shuffle=False, num_workers=workers)
        trainer(*callbacks, max_epochs=3).fit(module, images(num_workers=workers), val)
        return module.state_dict(), module.seen["train"], torch.get_rng_state()

    weights, seen, state = train()
    recorder = PredictionRecorder(tmp_path / "run", splits=("train", "val"), embeddings=what)
    recorded_weights, recorded_seen, recorded_state = train(recorder)
    assert all(torch.equal(weights[name], recorded_weights[name]) for name in weights)
    assert list(seen[2]) == list(recorded_seen[2]), "the order of the batches"
    assert torch.equal(state, recorded_state)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # dynamo's own
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.script_method. is deprecated:DeprecationWarning")  # inductor's own
@pytest.mark.parametrize(
    ("what", "backend"),
    [("auto", "aot_eager"), ("drop", "aot_eager"), pytest.param("auto", "inductor", marks=pytest.mark.external)],
)
def test_compiled_training_is_the_same_too(tmp_path: Path, what: str, backend: str) -> None:
    class Module(Net):
        def __init__(self) -> None:
            super().__init__()
            self.graphs = 0

            def count(graph: Any, inputs: Any) -> Any:
                self.graphs += 1
                return torch._dynamo.lookup_backend(backend)(graph, inputs)

            self.logits = torch.compile(self.logits, backend=count)  # type: ignore[method-assign]

    found = []
    for callbacks in ([], [PredictionRecorder(tmp_path / "run", embeddings=what)]):
        torch._dynamo.reset()
        seed_everything(3, verbose=False)
        module = Module()
        trainer(*callbacks, max_epochs=3).fit(module, images(drop_last=True))
        found.append((module.state_dict(), module.graphs))
    assert_kept(tmp_path / "run", module.seen["train"], n=48)
    assert all(torch.equal(found[0][0][name], found[1][0][name]) for name in found[0][0])
    assert found[1][1] == found[0][1] + (what == "auto"), "auto compiles once more, when it knows the layer"


def test_a_step_adds_only_copies(tmp_path: Path) -> None:
    def operators(**options: Any) -> Any:
        class Quiet(Spy):
            def note(self, *args: Any) -> None:
                pass

        with Operators() as seen:
            trainer(PredictionRecorder(tmp_path / str(options), **options), max_epochs=1).fit(Quiet(), loader())
        return seen.count

    added = operators(embeddings="auto")
    added.subtract(operators())
    added = {name: n for name, n in added.items() if n}
    assert added.pop("empty") in (-1, 1, 3)  # the buffer; those of the scores are two or four
    assert added == {"detach": 7, "slice": 7, "copy_": 7}  # steps


def test_the_way_of_the_vectors_reads_no_value() -> None:
    """Meta tensors have no values: whatever reads one, or asks where they are, raises."""

    class Nowhere:
        def record_embeddings(self, *args: Any, **kwargs: Any) -> None:
            raise AssertionError("values were asked for")

    writer = BackgroundRecorder(Nowhere())  # type: ignore[arg-type]
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).to("meta")
    for what in ("auto", "0"):
        captured = CapturedEmbeddings(what)
        captured.attach(model)
        captured.begin()
        scores = model(torch.empty(8, 1, 6, 6, device="meta"))
        captured.end_step()
        vectors = captured.take(scores, 8)
        captured.detach()
        assert vectors.shape == (8, 4)
        writer.add_embeddings(list(range(8)), vectors, split="train")


def test_vectors_that_wait_are_bounded() -> None:
    import threading

    release, most = threading.Event(), 0

    class Slow:
        def record_embeddings(self, ids: Any, vectors: Any, *, split: str) -> None:
            nonlocal most
            release.wait(10)
            most = max(most, writer._embeddings._held)

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
        writer.add_embeddings(range(100), torch.zeros(100, 250), split="train")
    writer._embeddings.hand_over("train")
    writer.close(finished=True)
    timer.join()
    assert 0 < most <= 1 << 20


def test_vectors_may_change_after_the_step(tmp_path: Path) -> None:
    class Reused(Net):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            self.kept: list[torch.Tensor] = []
            return super().training_step(batch, batch_idx)

        def logits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.features(x)
            self.kept.append(features)
            return features, self.head(features)

    class Spoil(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *args: Any) -> None:
            for features in module.kept:
                features.data.fill_(float("nan"))

    module = Reused()
    trainer(PredictionRecorder(tmp_path / "run", embeddings="auto"), Spoil()).fit(module, images())
    assert_kept(tmp_path / "run", module.seen["train"])


def test_a_second_forward_after_backward_does_not_count(tmp_path: Path) -> None:
    class Looks(Net):
        def on_after_backward(self) -> None:
            with torch.no_grad():
                self.logits(torch.zeros(8, 5))

    module = Looks()
    trainer(PredictionRecorder(tmp_path / "run", embeddings="auto")).fit(module, images(drop_last=True))
    assert_kept(tmp_path / "run", module.seen["train"], n=48)


@pytest.mark.parametrize("how", ["exception", "stop within an epoch", "stop at its end"])
def test_the_last_finished_epoch_survives(tmp_path: Path, how: str) -> None:
    class Stop(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if trainer.current_epoch == 2 and batch_idx == (6 if how == "stop at its end" else 3):
                if how == "exception":
                    raise RuntimeError("stop")
                trainer.should_stop = True

    module = Net()
    training = trainer(PredictionRecorder(tmp_path / "run", embeddings="auto"), Stop(), max_epochs=5)
    if how == "exception":
        with pytest.raises(RuntimeError, match="stop"):
            training.fit(module, images())
    else:
        training.fit(module, images())
    assert max(module.seen["train"]) == 2
    last = 2 if how == "stop at its end" else 1
    assert_kept(tmp_path / "run", {epoch: seen for epoch, seen in module.seen["train"].items() if epoch <= last})


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_run_resumed_in_the_middle_of_an_epoch_is_whole(tmp_path: Path) -> None:
    class Save(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if trainer.current_epoch == 1 and batch_idx == 3:
                trainer.save_checkpoint(tmp_path / "middle.ckpt")
                raise RuntimeError("stop")

    first, second = Net(), Net()
    with pytest.raises(RuntimeError, match="stop"):
        trainer(PredictionRecorder(tmp_path / "run", embeddings="auto"), Save()).fit(first, images(shuffle=False))
    trainer(PredictionRecorder(tmp_path / "run", embeddings="auto")).fit(
        second, images(shuffle=False), ckpt_path=tmp_path / "middle.ckpt"
    )
    seen = {**first.seen["train"][1], **second.seen["train"][1]}
    assert len(first.seen["train"][1]) == 32
    assert_kept(tmp_path / "run", {1: seen}, n=len(seen))  # a plain loader begins anew: some samples come twice
    assert [place.name for place in (tmp_path / "run" / "embeddings" / "train").iterdir()] == ["e00001-s01-w0000.arrow"]


class TwoHeads(Net):
    def logits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.features(x)
        return features, (self.head(features) + self.other(features)) / 2

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(6, 3)


class NoLinear(Spy):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv1d(1, 3, 4)  # type: ignore[assignment]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x[:, None, 1:])[:, :, 0]


@pytest.mark.parametrize(
    ("module", "what", "said"),
    [
        (
            TwoHeads,
            "auto",
            r"found 2 linear layers.*head gave float32\[8, 3\], other gave float32\[8, 3\].*Name the sub",
        ),
        (NoLinear, "auto", "NoLinear has none.*one of head"),
        (Net, "backbone", "names no submodule of Net. Pass 'auto' or one of conv, conv.0, conv.1, pool"),
        (TwoHeads, "side", "embeddings='side' gave nothing in a batch of 8 samples"),
    ],
)
def test_what_cannot_be_told_is_an_error_at_once(tmp_path: Path, module: Any, what: str, said: str) -> None:
    with pytest.raises(LabelAuditError, match=said):
        trainer(PredictionRecorder(tmp_path / "run", embeddings=what)).fit(module(), images())


def test_one_scaled_head_is_found_by_its_shape(tmp_path: Path) -> None:
    class Scaled(Net):
        def logits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features, logits = super().logits(x)
            return features, logits / 2

    module = Scaled()
    trainer(PredictionRecorder(tmp_path / "run", embeddings="auto")).fit(module, images())
    assert_kept(tmp_path / "run", module.seen["train"])


def test_shapes_are_averaged() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(flat(x), x.flatten(2).mean(2))
    assert torch.equal(flat(x[:, :, :1, :1]), x[:, :, 0, 0])
    assert torch.equal(flat(x[:, :, :, 0]), x[:, :, :, 0].mean(1))
    assert flat(x[:, 0, 0, 0]).shape == (2, 1)


DDP = """
import json, warnings
warnings.simplefilter("ignore")
import torch
from lightning.pytorch import seed_everything
from embedding_spy import Net, images
from spy import trainer
from labelaudit.callbacks import PredictionRecorder
if __name__ == "__main__":
    seed_everything(3, verbose=False)
    module = Net()
    recorders = [PredictionRecorder({path!r}, embeddings="auto")] if {recorded} else []
    t = trainer(*recorders, devices=2, strategy="ddp", max_epochs=3)
    t.fit(module, images())
    last = {{i: row.tolist() for i, row in module.seen["train"][2].items()}}
    weights = {{name: value.tolist() for name, value in module.state_dict().items()}}
    with open(f"{path}.{{t.global_rank}}.{recorded}.json", "w") as f:
        json.dump([last, weights], f)
"""


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    weights = []
    for recorded in (False, True):
        script = tmp_path / "train.py"
        run_script(script, DDP.format(path=path, recorded=recorded))
        found = [json.loads(Path(f"{path}.{rank}.{recorded}.json").read_text()) for rank in (0, 1)]
        weights.append([rank[1] for rank in found])
    assert weights[0] == weights[1], "the same weights, bit for bit"
    seen = {int(i): np.array(row) for rank in reversed(found) for i, row in rank[0].items()}
    assert sorted(place.name[:6] for place in (tmp_path / "run" / "embeddings" / "train").iterdir()) == ["e00002"] * 2
    assert_kept(path, {2: seen})


@pytest.mark.parametrize(("said", "epochs"), [("5", 5), ("[1, 2]", [1, 2]), ("last", "last")])
def test_the_options_from_a_command_line(said: str, epochs: Any) -> None:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(PredictionRecorder)
    options = parser.parse_args(["--path=runs/x", "--embeddings=auto", f"--embedding_epochs={said}"])
    assert options.embedding_epochs == epochs
    assert options.embeddings == "auto"
