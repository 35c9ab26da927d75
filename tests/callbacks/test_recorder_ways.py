"""PredictionRecorder under the ways people train: precision, accumulation, compiling, several processes, YAML."""

from __future__ import annotations

import json
from collections import Counter, namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from spy import K, N, Spy, assert_recorded, features_and_labels, loader, trainer
from torch import nn
from torch.utils.data import ConcatDataset, Subset, TensorDataset, WeightedRandomSampler
from two_processes import run_script

from labelaudit import open_history
from labelaudit.callbacks import PredictionRecorder
from labelaudit.callbacks.ranks import answer_of_rank_zero
from labelaudit.errors import LabelAuditError

Pair = namedtuple("Pair", ["x", "y"])


class Moved:
    """A batch of a class of the user's own."""

    def __init__(self, rows: list[Any]) -> None:
        self.x, self.y = torch.utils.data.default_collate(rows)

    def to(self, *args: Any, **kwargs: Any) -> Moved:
        self.x, self.y = self.x.to(*args, **kwargs), self.y.to(*args, **kwargs)
        return self

    def pin_memory(self) -> Moved:
        return self


def default(rows: list[Any]) -> Any:
    return torch.utils.data.default_collate(rows)


STRUCTURES = {
    "tuple": (lambda rows: tuple(default(rows)), lambda b: b),
    "dict": (lambda rows: dict(zip("xy", default(rows), strict=True)), lambda b: (b["x"], b["y"])),
    "nested": (lambda rows: {"in": [{"x": default(rows)[0]}], "y": [default(rows)[1]]}, None),
    "named tuple": (lambda rows: Pair(*default(rows)), lambda b: (b.x, b.y)),
    "own class": (Moved, lambda b: (b.x, b.y)),
}


@pytest.mark.parametrize(("collate", "unpack"), STRUCTURES.values(), ids=STRUCTURES)
def test_batches_of_any_structure(tmp_path: Any, collate: Any, unpack: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            return super().step(split, unpack(batch) if unpack else (batch["in"][0]["x"], batch["y"][0]))

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(collate_fn=collate))
    assert_recorded(tmp_path / "run", module.said["train"])


def test_concatenated_datasets(tmp_path: Any) -> None:
    data = TensorDataset(*features_and_labels())
    module = Spy()
    both = ConcatDataset([Subset(data, range(20)), Subset(data, range(20, N))])
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(both))
    assert_recorded(tmp_path / "run", module.said["train"])


def test_weighted_sampling_counts_the_last_presentation(tmp_path: Any) -> None:
    module = Spy()
    sampler = WeightedRandomSampler([1.0] * 10 + [0.01] * (N - 10), N)
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(sampler=sampler, shuffle=False))
    assert len(module.said["train"][0]) < N
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize(
    "options",
    [{"accumulate_grad_batches": 3}, {"precision": "bf16-mixed"}, {"precision": "64-true"}, {"overfit_batches": 2}],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:You requested to overfit")
def test_options_of_the_trainer(tmp_path: Any, options: Any) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run"), **options).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_lbfgs_repeats_a_step(tmp_path: Any) -> None:
    class Module(Spy):
        def configure_optimizers(self) -> Any:
            return torch.optim.LBFGS(self.parameters(), max_iter=3)

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert len(module.batches) > 14
    assert_recorded(tmp_path / "run", module.said["train"])


def test_manual_optimization(tmp_path: Any) -> None:
    class Module(Spy):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            loss = self.step("train", batch)
            self.optimizers().zero_grad()  # type: ignore[union-attr]
            self.manual_backward(loss)
            self.optimizers().step()  # type: ignore[union-attr]

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # dynamo's own
@pytest.mark.parametrize("what", ["forward", "all"])
def test_compiled(tmp_path: Any, what: str) -> None:
    class Module(Spy):
        def __init__(self) -> None:
            super().__init__()
            self.graphs = 0

            def count(graph: Any, inputs: Any) -> Any:
                self.graphs += 1
                return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

            self.compiled = {
                "forward": torch.compile(self.logits, backend=count),
                "all": torch.compile(self.whole, backend=count),
            }[what]

        def whole(self, x: torch.Tensor, y: torch.Tensor) -> Any:
            z = self.logits(x)
            return z, nn.functional.cross_entropy(z, y)

        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            if what == "all":
                z, loss = self.compiled(x, y)
            elif what == "loss":
                z = self.logits(x)
                loss = self.compiled(z, y)
            else:
                z = self.compiled(x)
                loss = nn.functional.cross_entropy(z, y)
            self.note(split, x, z, y)
            return loss

    graphs = []
    for callbacks in ([], [PredictionRecorder(tmp_path / "run")]):
        torch._dynamo.reset()
        module = Module()
        trainer(*callbacks, max_epochs=3).fit(module, loader(drop_last=True))
        graphs.append(module.graphs)
    assert_recorded(tmp_path / "run", module.said["train"])
    assert graphs[0] == graphs[1]


DDP = """
import json, warnings
warnings.simplefilter("ignore")
from spy import Spy, loader, trainer
from labelaudit.callbacks import PredictionRecorder
from labelaudit.callbacks.ranks import answer_of_rank_zero
from labelaudit.errors import LabelAuditError
if __name__ == "__main__":
    module = Spy()
    t = trainer(PredictionRecorder({path!r}), devices=2, strategy="ddp")
    t.fit(module, loader(num_workers={workers}))
    said = {{
        epoch: {{i: (p.tolist(), y) for i, (p, y) in rows.items()}}
        for epoch, rows in module.said["train"].items()
    }}
    with open({path!r} + f".{{t.global_rank}}.json", "w") as f:
        json.dump(said, f)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_two_processes(tmp_path: Any, workers: int) -> None:
    path = str(tmp_path / "run")
    script = tmp_path / "train.py"
    run_script(script, DDP.format(path=path, workers=workers))
    said: dict[int, Any] = {}
    seen: Counter[tuple[int, int]] = Counter()
    for rank in range(2):
        for epoch, rows in json.loads(Path(f"{path}.{rank}.json").read_text()).items():
            said.setdefault(int(epoch), {}).update({int(i): (p, y) for i, (p, y) in rows.items()})
            seen.update((int(epoch), int(i)) for i in rows)
    padding = [place for place, times in seen.items() if times == 2]
    assert len(padding) <= 2
    assert [open_history(path).epoch(epoch).num_rows for epoch in range(2)] == [N, N]
    for epoch, position in padding:  # one of both counts, the store says which
        row = open_history(path).epoch(epoch).to_pylist()[position]
        said[epoch][position] = (row["probabilities"], row["given_label"])
    assert_recorded(path, said)


ONE_FAILS = """
import warnings
warnings.simplefilter("ignore")
from spy import Spy, loader, trainer
from labelaudit.callbacks import PredictionRecorder
from labelaudit.callbacks.ranks import answer_of_rank_zero
from labelaudit.errors import LabelAuditError


class Locked(PredictionRecorder):
    def _make_writer(self, start):
        if start["writer"] == 1:
            raise PermissionError("no access")
        return super()._make_writer(start)


if __name__ == "__main__":
    t = trainer(Locked({path!r}, on_error="warn", embeddings={embeddings!r}), devices=2, strategy="ddp", max_epochs=1)
    t.fit(Spy(), loader())
    ranks = t.strategy.broadcast([t.global_rank])  # as of whatever the script does next
    t.strategy.barrier()
    assert ranks == [0]
"""


@pytest.mark.slow
@pytest.mark.parametrize("embeddings", [None, "auto"])
def test_one_of_two_processes_cannot_write(tmp_path: Any, embeddings: str | None) -> None:
    """Training goes on, and nobody waits for the one without a history."""
    path = str(tmp_path / "run")
    script = tmp_path / "train.py"
    run_script(script, ONE_FAILS.format(path=path, embeddings=embeddings))
    assert open_history(path).epoch(0).num_rows == (N + 1) // 2


@pytest.mark.parametrize("problem", [OSError("gone"), LabelAuditError("damaged")])
def test_what_rank_zero_cannot_find_out_nobody_waits_for(problem: Exception) -> None:
    def fails() -> Any:
        raise problem

    with pytest.raises(type(problem), match=str(problem)):
        answer_of_rank_zero(lambda: 3, lambda answer: problem)  # rank 1
    with pytest.raises(type(problem), match=str(problem)):
        answer_of_rank_zero(fails, lambda answer: answer)  # rank 0
    assert answer_of_rank_zero(fails, lambda answer: 4) == 4  # rank 1, where only it failed


CONFIG = """
seed_everything: 1
trainer:
  max_epochs: 2
  accelerator: cpu
  logger: false
  enable_progress_bar: false
  enable_model_summary: false
  enable_checkpointing: false
  callbacks:
    - class_path: labelaudit.callbacks.PredictionRecorder
      init_args:
        path: {path}
        class_names: [cat, dog, eel]
        scores: head
        every_n_epochs: 1
        splits: [train]
"""


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_cli(tmp_path: Any, package: str) -> None:
    import importlib

    pl = importlib.import_module(package)
    cli = importlib.import_module(f"{package}.cli")

    class Module(pl.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(5, K)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return nn.functional.cross_entropy(self.head(batch[0]), batch[1])

        def train_dataloader(self) -> Any:
            return loader()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(path=tmp_path / "run"))
    cli.LightningCLI(Module, args=["fit", "--config", str(config)], save_config_callback=None)
    history = open_history(tmp_path / "run")
    assert history.n_epochs == 2
    assert list(history.class_names) == ["cat", "dog", "eel"]
