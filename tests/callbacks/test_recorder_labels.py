"""Which label PredictionRecorder records: the one the dataset gives, whatever the step makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from spy import K, N, Spy, assert_recorded, features_and_labels, loader, trainer
from torch import nn
from torch.utils.data import Dataset, Subset, TensorDataset

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import PredictionRecorder

cross_entropy = nn.functional.cross_entropy


def soft(y: torch.Tensor) -> torch.Tensor:
    hot = nn.functional.one_hot(y, K).float()
    return 0.7 * hot + 0.3 * hot.flip(0)


LOSSES = {
    "label smoothing": lambda z, y: cross_entropy(z, y, label_smoothing=0.1),
    "class weights": lambda z, y: cross_entropy(z, y, weight=torch.tensor([1.0, 2.0, 3.0])),
    "mixup of losses": lambda z, y: 0.7 * cross_entropy(z, y) + 0.3 * cross_entropy(z, y.flip(0)),
    "soft targets": lambda z, y: cross_entropy(z, soft(y)),
    "soft targets, smoothed": lambda z, y: cross_entropy(z, soft(y), label_smoothing=0.1),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_given_label_is_recorded(tmp_path: Any, loss: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            z = self.logits(x)
            self.note(split, x, z, y)
            return loss(z, y)

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


class WithTargets(Dataset[Any]):
    """Like torchvision's: all labels in `targets`."""

    def __init__(self) -> None:
        self.x, y = features_and_labels()
        self.targets = y.tolist()

    def __getitem__(self, i: int) -> Any:
        return self.x[i], self.targets[i]

    def __len__(self) -> int:
        return N


def cut_mix(rows: list[Any]) -> Any:
    """torchvision's CutMix and MixUp as a collate function: the batch has soft labels only."""
    x, y = torch.utils.data.default_collate(rows)
    return x, soft(y)


@pytest.mark.parametrize("subset", [False, True])
def test_labels_mixed_while_collating_are_looked_up_in_the_dataset(tmp_path: Any, subset: bool) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            z = self.logits(x)
            self.note(split, x, z, features_and_labels()[1][x[:, 0].long()])
            return cross_entropy(z, y)

    positions = list(range(40, 10, -1))
    data = Subset(WithTargets(), positions) if subset else WithTargets()
    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(data, collate_fn=cut_mix))
    ids = {p: i for i, p in enumerate(positions)} if subset else None
    assert_recorded(tmp_path / "run", module.said["train"], ids=ids)


class Plain(Dataset[Any]):
    """Its labels are not to be seen from outside."""

    def __init__(self) -> None:
        self._x, self._y = features_and_labels()

    def __getitem__(self, i: int) -> Any:
        return self._x[i], self._y[i]

    def __len__(self) -> int:
        return N


def test_soft_labels_alone_are_an_error(tmp_path: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            return cross_entropy(self.logits(batch[0]), batch[1])

    with pytest.raises(LabelAuditError, match=r"labels of this step can't be told.*float32\[8, 3\].*labels="):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Module(), loader(Plain(), collate_fn=cut_mix))


def test_multi_label_targets_are_said_to_be_none_of_ours(tmp_path: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            return nn.functional.binary_cross_entropy_with_logits(self.logits(batch[0]), batch[1])

    many_hot = TensorDataset(torch.randn(N, 5), torch.randint(0, 2, (N, K)).float())
    with pytest.raises(LabelAuditError, match=r"can't be told.*multi-label.*not supported: a sample has one class"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Module(), loader(many_hot))


def test_mixed_labels_of_a_binary_loss_are_an_error(tmp_path: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            y = 0.3 + 0.4 * (batch[1] > 0).float()
            return nn.functional.binary_cross_entropy_with_logits(self.logits(batch[0])[:, 0], y)

    with pytest.raises(LabelAuditError, match=r"labels are mixed.*labels='key'"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Module(), loader())


def test_shuffled_labels_are_an_error_in_the_first_batch(tmp_path: Any) -> None:
    torch.manual_seed(0)  # some first batches, turned round, are only renamed

    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            return cross_entropy(self.logits(batch[0]), batch[1].flip(0))

    with pytest.raises(LabelAuditError, match=r"not the dataset's: samples \d+ and \d+ are both of class"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Module(), loader(WithTargets()))
    assert not (tmp_path / "run").exists()


def test_classes_may_be_joined(tmp_path: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            return super().step(split, (batch[0], (batch[1] > 0).long()))

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(WithTargets()))
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize(("options", "ignored"), [({}, -100), ({"ignore_label": 255}, 255)])
def test_ignored_labels_are_left_out(tmp_path: Any, options: Any, ignored: int) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            x, y = batch
            z = self.logits(x)
            self.note(split, x, z, y)
            return cross_entropy(z, torch.where(x[:, 0] % 5 == 0, ignored, y), ignore_index=ignored)

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run", **options)).fit(module, loader())
    kept = {e: {i: said for i, said in rows.items() if i % 5} for e, rows in module.said["train"].items()}
    assert_recorded(tmp_path / "run", kept)


def test_a_label_out_of_range_is_an_error_soon(tmp_path: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            z = self.logits(batch[0])
            self.batches.append(batch)
            return {"loss": z.sum(), "logits": z, "labels": batch[1] + 1}

    module = Module()
    with pytest.raises(LabelAuditError, match=r"label 3 of sample .* out of range"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())


def test_diverged_training_is_recorded_as_it_is(tmp_path: Any) -> None:
    class Module(Spy):
        def logits(self, x: torch.Tensor) -> torch.Tensor:
            z = super().logits(x)
            return torch.where(x[:, :1] == 3, torch.nan, z) if self.current_epoch == 1 else z

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    history = open_history(tmp_path / "run")
    assert history.epoch(1).num_rows == N
    scores = np.asarray(history.epoch(1)["probabilities"].to_pylist())
    assert np.isnan(scores[3]).all()
    assert np.isfinite(scores).all(axis=1).sum() == N - 1 or np.isnan(scores).all()


def test_probabilities_are_told_or_said(tmp_path: Any) -> None:
    class Module(Spy):
        def step(self, split: str, batch: Any) -> Any:
            loss = super().step(split, batch)
            return {"loss": loss, "preds": self.logits(batch[0]).softmax(-1), "labels": batch[1]}

    for scores_are in ("auto", "probabilities"):
        module = Module()
        path = tmp_path / scores_are
        trainer(PredictionRecorder(path, scores_are=scores_are)).fit(module, loader())
        assert_recorded(path, module.said["train"])
