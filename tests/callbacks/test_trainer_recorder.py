"""TrainerRecorder: the recorder in Hugging Face's Trainer. Models are tiny and randomly initialised."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from spy import K, N, assert_recorded, features_and_labels
from torch import nn
from torch.utils.data import Dataset, IterableDataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PretrainedConfig,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import TrainerRecorder

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),  # the Trainer's default, where there is no GPU
]


class Rows(Dataset[Any]):
    """Rows as dicts, with a column that the model does not take."""

    def __init__(self) -> None:
        self.x, self.y = features_and_labels()

    def __getitem__(self, i: int) -> Any:
        return {"x": self.x[i], "labels": self.y[i], "idx": 1000 + i}

    def __len__(self) -> int:
        return N


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, K)
        self.config = PretrainedConfig()  # label smoothing reads it
        self.said: Any = defaultdict(dict)
        self.epoch = -1

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> Any:
        logits = self.head(x[:, 1:])
        if self.training:
            y = features_and_labels()[1][x[:, 0].long()]
            for i, p, label in zip(x[:, 0].long().tolist(), logits.softmax(-1), y.tolist(), strict=True):
                self.said[self.epoch][i] = (p.detach().numpy(), label)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


class Epochs(Trainer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batches: list[Any] = []

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self.batches.append(inputs["x"][:, 0].tolist())
        model.epoch = int(self.state.epoch or 0)
        return super().training_step(model, inputs, *args, **kwargs)


def run(folder: Path, *callbacks: Any, model: Any = None, data: Any = None, resume: Any = None, **options: Any) -> Any:
    torch.manual_seed(0)
    options = {"num_train_epochs": 2, "save_strategy": "no", "seed": 3, **options}
    args = TrainingArguments(
        str(folder), per_device_train_batch_size=8, use_cpu=True, report_to="none", disable_tqdm=True, **options
    )
    trainer = Epochs(model or Model(), args, train_dataset=data or Rows(), callbacks=[*callbacks])
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize(
    "options",
    [{}, {"dataloader_num_workers": 2}, {"label_smoothing_factor": 0.1}, {"gradient_accumulation_steps": 2}],
    ids=["plain", "workers", "label smoothing", "accumulation"],
)
def test_every_row_is_recorded_and_training_is_the_same(tmp_path: Path, options: Any) -> None:
    recorded = run(tmp_path, TrainerRecorder(tmp_path / "run"), **options)
    assert_recorded(tmp_path / "run", recorded.model.said)
    plain = run(tmp_path, **options)
    assert plain.batches == recorded.batches
    assert torch.equal(plain.model.head.weight, recorded.model.head.weight)
    assert not recorded.model._forward_hooks
    assert not recorded.model._forward_pre_hooks


def test_evaluation_is_not_recorded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    args = TrainingArguments(
        str(tmp_path), num_train_epochs=2, per_device_train_batch_size=8, use_cpu=True, report_to="none",
        disable_tqdm=True, eval_strategy="epoch", save_strategy="no",
    )  # fmt: skip
    model = Model()
    recorder = TrainerRecorder(tmp_path / "run")
    Epochs(model, args, train_dataset=Rows(), eval_dataset=Rows(), callbacks=[recorder]).train()
    assert_recorded(tmp_path / "run", model.said)


class Accuracy(TrainerCallback):
    """Predicts the training set after each epoch, by what the loader shows."""

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        model, loader = kwargs["model"].eval(), kwargs["train_dataloader"]
        kept = model.head.weight.detach().clone()
        with torch.no_grad():
            model.head.weight.zero_()  # another prediction than in training
            for batch in loader:
                model(**batch)
            model.head.weight.copy_(kept)
        model.train()
        self.samples = [loader.dataset[i] for i in range(3)]
        self.batch = loader.collate_fn(self.samples)
        self.isinstance = isinstance(loader.dataset, Rows)


@pytest.mark.parametrize("first", ["recorder", "other"])
def test_predictions_of_the_training_set_beside_the_training_are_not_recorded(tmp_path: Path, first: str) -> None:
    other, recorder = Accuracy(), TrainerRecorder(tmp_path / "run")
    callbacks = [recorder, other] if first == "recorder" else [other, recorder]
    recorded = run(tmp_path, *callbacks, num_train_epochs=3, max_steps=17)  # the last epoch sees some samples only
    assert_recorded(tmp_path / "run", recorded.model.said)


def test_whoever_looks_at_the_loader_sees_the_samples(tmp_path: Path) -> None:
    other = Accuracy()
    run(tmp_path, TrainerRecorder(tmp_path / "run"), other)
    assert [sample["idx"] for sample in other.samples] == [1000, 1001, 1002]
    assert sorted(other.batch) == ["labels", "x"]
    assert other.batch["labels"].tolist() == features_and_labels()[1][:3].tolist()
    assert other.isinstance


def test_removed_columns_are_said(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match=r"id_key='idx', but remove_unused_columns=True.*=False"):
        run(tmp_path, TrainerRecorder(tmp_path / "run", id_key="idx"))
    recorded = run(tmp_path, TrainerRecorder(tmp_path / "run", id_key="idx"), remove_unused_columns=False)
    ids = {i: 1000 + i for i in range(N)}
    assert_recorded(tmp_path / "run", recorded.model.said, ids=ids)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(Rows()[i] for i in range(N))


def test_an_iterable_dataset_needs_ids(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match=r"Stream have no position.*id_key='id'"):
        run(tmp_path, TrainerRecorder(tmp_path / "run"), data=Stream(), max_steps=7)


def test_labels_under_another_name(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="labels under 'target' are none; it holds"):
        run(tmp_path, TrainerRecorder(tmp_path / "run", label_key="target"))


@pytest.mark.parametrize("workers", [0, 2])
def test_labels_that_are_no_classes_are_an_error(tmp_path: Path, workers: int) -> None:
    class Targets(Rows):
        def __getitem__(self, i: int) -> Any:
            return {**super().__getitem__(i), "labels": 0.7}

    with pytest.raises(LabelAuditError, match=r"'labels' are no class numbers: 0\.7 .*regression"):
        run(tmp_path, TrainerRecorder(tmp_path / "run"), data=Targets(), dataloader_num_workers=workers)


def test_labels_that_are_text_are_an_error(tmp_path: Path) -> None:
    class Named(Rows):
        def __getitem__(self, i: int) -> Any:
            return {**super().__getitem__(i), "labels": "positive"}

    def collate(rows: Any) -> Any:
        return {"x": torch.stack([row["x"] for row in rows]), "labels": [row["labels"] for row in rows]}

    args = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no")
    recorder = TrainerRecorder(tmp_path / "run")
    trainer = Trainer(Model(), args, train_dataset=Named(), data_collator=collate, callbacks=[recorder])
    with pytest.raises(LabelAuditError, match=r"'labels' are no class numbers: .*'positive'.* is among them.*label2id"):
        trainer.train()


def test_a_column_of_text_is_no_column_of_ids(tmp_path: Path) -> None:
    class Named(Rows):
        def __getitem__(self, i: int) -> Any:
            return {**super().__getitem__(i), "idx": f"{i}.png"}

    recorder = TrainerRecorder(tmp_path / "run", id_key="idx")
    with pytest.raises(LabelAuditError, match=r"'idx' holds '\d+\.png', and the collate.*sample_ids=\["):
        run(tmp_path, recorder, data=Named(), remove_unused_columns=False)
    with pytest.raises(LabelAuditError, match=r"no ids under id_key='id'"):
        run(tmp_path, TrainerRecorder(tmp_path / "run", id_key="id"), remove_unused_columns=False)


class Texts(Dataset[Any]):
    def __getitem__(self, i: int) -> Any:
        return {"input_ids": torch.tensor([1, 5 + i % 7, 2]), "labels": i % 3}

    def __len__(self) -> int:
        return 30


def test_a_transformer(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=3
    )
    torch.manual_seed(0)
    args = TrainingArguments(
        str(tmp_path), num_train_epochs=2, per_device_train_batch_size=8, use_cpu=True, report_to="none",
        disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    recorder = TrainerRecorder(tmp_path / "run")
    Trainer(BertForSequenceClassification(config), args, train_dataset=Texts(), callbacks=[recorder]).train()
    history = open_history(tmp_path / "run")
    assert history.n_epochs == 2
    assert history.epoch(1)["given_label"].to_pylist() == [i % 3 for i in range(30)]


@pytest.mark.filterwarnings("ignore:.*PyTorch.*weights_only.*")
@pytest.mark.parametrize("overwrite", [False, True])
def test_resume_from_a_checkpoint(tmp_path: Path, overwrite: bool) -> None:
    recorder = TrainerRecorder(tmp_path / "run", overwrite=overwrite)
    first = run(tmp_path, recorder, save_strategy="epoch", num_train_epochs=3)
    second = run(
        tmp_path,
        TrainerRecorder(tmp_path / "run", overwrite=overwrite),
        num_train_epochs=3,
        resume=str(tmp_path / "checkpoint-14"),
    )
    assert sorted(second.model.said) == [2]
    assert_recorded(tmp_path / "run", {**first.model.said, **second.model.said})


@pytest.mark.filterwarnings("ignore:.*PyTorch.*weights_only.*")
@pytest.mark.parametrize("step", [3, 7, 10], ids=["in the first epoch", "at its last step", "in the second"])
def test_resume_in_the_middle_of_an_epoch_loses_no_row(tmp_path: Path, step: int) -> None:
    first = run(tmp_path, TrainerRecorder(tmp_path / "run"), save_strategy="steps", save_steps=step, max_steps=step)
    second = run(tmp_path, TrainerRecorder(tmp_path / "run"), resume=str(tmp_path / f"checkpoint-{step}"))
    said = {epoch: {**first.model.said[epoch], **second.model.said[epoch]} for epoch in (0, 1)}
    assert_recorded(tmp_path / "run", said)


@pytest.mark.filterwarnings("ignore:.*PyTorch.*weights_only.*")
def test_killed_between_the_last_step_and_the_end_of_its_epoch(tmp_path: Path) -> None:
    class Kill(TrainerCallback):
        def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
            raise KeyboardInterrupt  # before the recorder's turn: the epoch's rows are in the checkpoint's part only

    first = Model()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Kill(), TrainerRecorder(tmp_path / "run"), model=first, save_strategy="steps", save_steps=7)
    second = run(tmp_path, TrainerRecorder(tmp_path / "run"), resume=str(tmp_path / "checkpoint-7"))
    assert sorted(second.model.said) == [1]
    assert_recorded(tmp_path / "run", {**first.said, **second.model.said})


@pytest.mark.filterwarnings("ignore:.*PyTorch.*weights_only.*")
def test_a_checkpoint_without_the_recorder_is_said(tmp_path: Path) -> None:
    run(tmp_path, save_strategy="steps", save_steps=3, max_steps=3)
    with pytest.warns(UserWarning, match="has the rest only"):
        run(tmp_path, TrainerRecorder(tmp_path / "run"), resume=str(tmp_path / "checkpoint-3"))
    assert open_history(tmp_path / "run").n_epochs == 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_same_model_again_after_an_exception(tmp_path: Path, error: type[BaseException]) -> None:
    class Break(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 9:
                raise error

    model = Model()
    with pytest.raises(error):
        run(tmp_path, TrainerRecorder(tmp_path / "first"), Break(), model=model)
    assert open_history(tmp_path / "first").epochs == [0]
    model.said.clear()
    run(tmp_path, TrainerRecorder(tmp_path / "second"), model=model)
    assert_recorded(tmp_path / "second", model.said)


def test_two_recorders_at_once(tmp_path: Path) -> None:
    recorded = run(tmp_path, TrainerRecorder(tmp_path / "one"), TrainerRecorder(tmp_path / "two", keep="summary"))
    assert_recorded(tmp_path / "one", recorded.model.said)
    assert open_history(tmp_path / "two").epoch(1).num_rows == N


def test_a_model_called_without_the_loaders_batch_is_an_error(tmp_path: Path) -> None:
    class Own(Epochs):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            return model(x=inputs["x"], labels=inputs["labels"])["loss"]

    args = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=8, use_cpu=True, report_to="none", disable_tqdm=True
    )
    recorder = TrainerRecorder(tmp_path / "run")
    with pytest.raises(LabelAuditError, match=r"a step, and Model was not called with the batch.*model\(\*\*inputs\)"):
        Own(Model(), args, train_dataset=Rows(), callbacks=[recorder]).train()
