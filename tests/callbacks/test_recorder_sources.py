"""Where PredictionRecorder finds ids, scores and labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from spy import K, N, Spy, SpyWithVal, assert_recorded, features_and_labels, loader, trainer
from torch import nn
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from labelaudit import LabelAuditError
from labelaudit.callbacks import PredictionRecorder


class StepReturns(Spy):
    """The step as users write it: `answer` makes its result of (module, x, y, logits)."""

    answer: Any

    def step(self, split: str, batch: Any) -> Any:
        x, y = batch
        logits = self.logits(x)
        self.note(split, x, logits, y)
        return type(self).answer(self, x, y, logits)


def module_returning(answer: Any) -> Spy:
    return type("Module", (StepReturns,), {"answer": staticmethod(answer)})()


def nll(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A cross entropy that no watcher of loss functions sees."""
    return -logits.log_softmax(-1).gather(1, y[:, None]).mean()


ANSWERS = {
    "functional": lambda m, x, y, z: nn.functional.cross_entropy(z, y),
    "module": lambda m, x, y, z: nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.ones(K))(z, y),
    "log_softmax": lambda m, x, y, z: nn.functional.nll_loss(z.log_softmax(-1), y),
    "dict": lambda m, x, y, z: {"loss": nll(z, y), "logits": z, "targets": y},
    "dict of probabilities": lambda m, x, y, z: {"loss": nll(z, y), "preds": z.softmax(-1), "labels": y},
    "dict without labels": lambda m, x, y, z: {"loss": nn.functional.cross_entropy(z * 2, y), "logits": z},
    "classes as preds": lambda m, x, y, z: {"loss": nn.functional.cross_entropy(z, y), "preds": z.argmax(-1)},
    "changed in place": lambda m, x, y, z: {"loss": nll(z, y), "logits": z.detach().clone(), "y": y},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_scores_and_labels_are_found(tmp_path: Any, answer: Any) -> None:
    module = module_returning(answer)
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_scores_come_from_the_forward_pass_and_labels_from_the_batch(tmp_path: Any) -> None:
    class Module(Spy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.logits(x)

        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            logits = self(x)
            self.note(split, x, logits, y)
            return nll(logits, y)

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


OPTIONS = {
    "submodule": {"scores": "head"},
    "keys": {"scores": "z", "labels": "t"},
    "index of the batch": {"scores": "z", "labels": "1"},
    "functions": {"scores": lambda out, batch: out["z"], "labels": lambda out, batch: batch[1]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_scores_and_labels_are_where_the_user_says(tmp_path: Any, options: Any) -> None:
    module = module_returning(lambda m, x, y, z: {"loss": nll(z, y), "z": z, "t": y})
    trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


def test_mixup_records_the_given_label(tmp_path: Any) -> None:
    def mixed(m: Any, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return 0.7 * nn.functional.cross_entropy(z, y) + 0.3 * nn.functional.cross_entropy(z, y.flip(0))

    module = module_returning(mixed)
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("column", [True, False])
def test_binary_logits(tmp_path: Any, column: bool) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            y = (y > 0).float()
            z = self.logits(x)[:, :1]
            self.note(split, x, torch.cat([torch.zeros_like(z), z], 1), y.long())
            return nn.functional.binary_cross_entropy_with_logits(*((z, y[:, None]) if column else (z[:, 0], y)))

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("source", ["loss and forward", "loss", "key", "said"])
def test_a_last_batch_of_one_may_be_squeezed(tmp_path: Any, binary: bool, source: str) -> None:
    class Module(Spy):
        def forward(self, x: Any) -> Any:
            return self.logits(x)[:, :1] if binary else self.logits(x)

        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            z = self(x) if source == "loss and forward" else self.forward(x)
            self.note(split, x, torch.cat([torch.zeros_like(z), z], 1) if binary else z, y)
            z, y = z.squeeze(), y.squeeze()
            one = nn.functional.binary_cross_entropy_with_logits if binary else nn.functional.cross_entropy
            loss = one(z, y.float() if binary else y)
            return {"loss": loss, "logits": z, "y": y} if source in ("key", "said") else loss

    module = Module()
    x, y = features_and_labels(33)
    data = TensorDataset(x, (y > 0).long() if binary else y)
    options = {"scores": "logits", "labels": "y"} if source == "said" else {}
    trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader(data))
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
@pytest.mark.parametrize("skipped", [0, 1, 6])
@pytest.mark.parametrize("options", [{}, {"scores": "z"}], ids=["inferred", "said"])
def test_a_step_may_skip_its_batch(tmp_path: Any, skipped: int, options: Any) -> None:
    """By returning None; the last one before a validation pass that is not recorded, too."""

    class Module(SpyWithVal):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if batch_idx == skipped:
                return None
            z = self.logits(batch[0])
            self.note("train", batch[0], z, batch[1])
            return {"loss": nn.functional.cross_entropy(z, batch[1]), "z": z.detach()}

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader(), loader(shuffle=False))
    assert len(module.said["train"][0]) in (N - 8, N - 5)
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("key", ["", "preds"], ids=["loss alone", "in a dict"])
def test_the_loss_function_tells_what_one_column_within_0_and_1_is(tmp_path: Any, key: str) -> None:
    class Module(Spy):
        probabilities = False

        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            y = (y > 0).float()
            score = self.logits(x)[:, 0].sigmoid()  # within 0 and 1, whatever it stands for
            logit = score.logit() if self.probabilities else score
            self.note(split, x, torch.stack([torch.zeros_like(logit), logit], 1), y.long())
            loss = nn.functional.binary_cross_entropy if self.probabilities else nn.BCEWithLogitsLoss()
            return {"loss": loss(score, y), **({key: score} if key else {})}

    for probabilities in (False, True):
        module, path = Module(), tmp_path / str(probabilities)
        module.probabilities = probabilities
        trainer(PredictionRecorder(path)).fit(module, loader())
        assert_recorded(path, module.said["train"])


UNKNOWN = {
    "nothing computed": (lambda m, x, y, z: nll(z, y), {}, "scores of this step can't be told.*scores='key'"),
    "two heads": (
        lambda m, x, y, z: nn.functional.cross_entropy(z, y) + nn.functional.cross_entropy(z * 2, y),
        {},
        "called: float32",
    ),
    "wrong key": (lambda m, x, y, z: nn.functional.cross_entropy(z, y), {"scores": "z"}, "scores='z' gave nothing"),
    "wrong length": (
        lambda m, x, y, z: nn.functional.cross_entropy(z, y),
        {"labels": lambda out, batch: batch[1][:2]},
        r"gave int64\[2\], needed is a tensor of shape \(8,\)",
    ),
}


@pytest.mark.parametrize(("answer", "options", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_told_stops_at_the_first_batch(tmp_path: Any, answer: Any, options: Any, message: str) -> None:
    module = module_returning(answer)
    with pytest.raises(LabelAuditError, match=message):
        trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader())
    assert len(module.batches) == 1
    assert not (tmp_path / "run").exists()


class Rows(Dataset[Any]):
    """Fetches many samples at once, and has attributes that users' code reads and writes."""

    def __init__(self) -> None:
        self.x, self.y = features_and_labels()
        self.calls = 0

    def __getitems__(self, positions: list[int]) -> list[Any]:
        self.calls += 1
        return [(self.x[i], self.y[i]) for i in positions]

    def __getitem__(self, position: Any) -> Any:
        return self.x[position], self.y[position]

    def __len__(self) -> int:
        return N


LOADERS = {
    "ordered": {"shuffle": False},
    "two workers": {"num_workers": 2},
    "persistent workers": {"num_workers": 2, "persistent_workers": True, "prefetch_factor": 3},
    "batches out of order": {"num_workers": 2, "in_order": False},
    "many at once": {"dataset": Rows()},
    "last batch dropped": {"drop_last": True},
    "batch sampler": {"batch_sampler": [[0, 3, 5], [1], [2, 4]]},
    "samples twice": {"sampler": [7, 7, 3, 1, 7, 9, 3, 2, 1, 1], "shuffle": False},
    "no automatic batching": {"dataset": Rows(), "batch_size": None, "sampler": [[3, 1], [0, 2]], "shuffle": False},
    "own collate": {"collate_fn": lambda rows: tuple(torch.stack(column) for column in zip(*rows, strict=True))},
}


@pytest.mark.parametrize("options", LOADERS.values(), ids=LOADERS)
def test_ids_are_the_positions_in_the_dataset(tmp_path: Any, options: Any) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(**options))
    assert_recorded(tmp_path / "run", module.said["train"])


def test_ids_of_a_subset_on_request(tmp_path: Any) -> None:
    positions = list(range(40, 10, -1))
    subset = Subset(Subset(TensorDataset(*features_and_labels()), range(N)), positions)
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run", subset_ids="underlying")).fit(module, loader(subset))
    assert_recorded(tmp_path / "run", module.said["train"])
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "other")).fit(module, loader(subset))
    assert_recorded(tmp_path / "other", module.said["train"], ids={p: i for i, p in enumerate(positions)})


def test_ids_are_the_users_own(tmp_path: Any) -> None:
    names = [f"img/{i}.png" for i in range(N)]
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run", sample_ids=names)).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"], ids=names)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        x, y = features_and_labels()
        yield from ({"x": x[i], "target": y[i], "idx": i} for i in range(N))


class StreamModule(Spy):
    def step(self, split: str, batch: Any) -> Any:
        return super().step(split, (batch["x"], batch["target"]))


def test_an_iterable_dataset_needs_ids_in_the_batch(tmp_path: Any) -> None:
    with pytest.raises(LabelAuditError, match=r"Stream.*id_key"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(StreamModule(), loader(Stream(), shuffle=False))
    with pytest.raises(LabelAuditError, match="no ids under id_key='id'"):
        trainer(PredictionRecorder(tmp_path / "run", id_key="id")).fit(StreamModule(), loader(Stream(), shuffle=False))
    methods = trainer(PredictionRecorder(tmp_path / "run", id_key="keys"))
    with pytest.raises(LabelAuditError, match="no ids under id_key='keys'"):
        methods.fit(StreamModule(), loader(Stream(), shuffle=False))
    with pytest.raises(LabelAuditError, match="no ids under id_key='index'"):
        trainer(PredictionRecorder(tmp_path / "run", id_key="index")).fit(Spy(), loader())
    module = StreamModule()
    trainer(PredictionRecorder(tmp_path / "run", id_key="idx")).fit(module, loader(Stream(), shuffle=False))
    assert_recorded(tmp_path / "run", module.said["train"])


def test_a_batch_that_lost_samples_is_an_error(tmp_path: Any) -> None:
    def collate(rows: list[Any]) -> Any:
        return torch.utils.data.default_collate(rows[:-1])

    with pytest.raises(LabelAuditError, match="batch of 8 samples"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Spy(), loader(collate_fn=collate))


def test_everyone_else_sees_the_plain_batch_loader_and_dataset(tmp_path: Any) -> None:
    dataset = Rows()

    class Module(Spy):
        def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            assert type(batch) is list
            return batch

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            assert type(batch) is list
            train_loader = self.trainer.train_dataloader
            assert isinstance(train_loader, torch.utils.data.DataLoader)
            assert isinstance(train_loader.dataset, Rows)
            assert train_loader.dataset.y is dataset.y
            train_loader.dataset.epoch = 3
            assert type(next(iter(train_loader))) is list  # a second look at the data doesn't disturb the ids

    module = Module()
    user_loader = loader(dataset)
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, user_loader)
    assert_recorded(tmp_path / "run", module.said["train"])
    assert dataset.epoch == 3
    assert type(user_loader) is torch.utils.data.DataLoader
    assert user_loader.dataset is dataset
