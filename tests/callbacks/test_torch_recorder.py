"""TorchRecorder: the recorder in a plain PyTorch loop."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spy import N, assert_recorded, features_and_labels, loader
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import TorchRecorder, TrainerRecorder


class Loop:
    """`said[epoch][position]` is (probabilities, label), as the loop itself saw them."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(4, 3)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.3)
        self.said: Any = defaultdict(dict)

    def step(self, epoch: int, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = batch
        logits = self.model(x[:, 1:])
        for i, p, label in zip(x[:, 0].long().tolist(), logits.softmax(-1), y.tolist(), strict=True):
            self.said[epoch][i] = (p.detach().numpy(), label)
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(logits, y).backward()
        self.optimizer.step()
        return logits, y

    def train(self, recorder: TorchRecorder, data: Any, epochs: range = range(2)) -> None:
        for epoch in epochs:
            for batch in data:
                logits, y = self.step(epoch, batch)
                recorder.record(logits, y)
            assert recorder.end_epoch() == epoch


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "persistent_workers": True}], ids=["here", "workers"])
def test_an_attached_loader_says_which_samples_these_are(tmp_path: Path, options: Any) -> None:
    loop, plain = Loop(), loader(**options)
    with TorchRecorder(tmp_path / "run", class_names=["a", "b", "c"]) as recorder:
        data = recorder.attach(plain)
        assert data.dataset is plain.dataset
        assert isinstance(data, torch.utils.data.DataLoader)
        assert len(data) == len(plain)
        loop.train(recorder, data)
    assert_recorded(tmp_path / "run", loop.said)
    history = open_history(tmp_path / "run")
    assert history.class_names == ["a", "b", "c"]
    with pytest.raises(LabelAuditError, match="finished history"), TorchRecorder(tmp_path / "run") as recorder:
        loop.train(recorder, recorder.attach(plain))


def test_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    def weights(recorder: Any) -> Any:
        loop = Loop()
        torch.manual_seed(5)
        loop.train(recorder, recorder.attach(loader()) if isinstance(recorder, TorchRecorder) else loader())
        return loop.model.weight, torch.get_rng_state()

    class Nothing:
        epoch = -1

        def record(self, *args: Any) -> None:
            pass

        def end_epoch(self) -> int:
            self.epoch += 1
            return self.epoch

    with TorchRecorder(tmp_path / "run") as recorder:
        got = weights(recorder)
    expected = weights(Nothing())
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_ids_of_the_users_own(tmp_path: Path) -> None:
    names = np.array([f"{i}.png" for i in range(N)])
    loop = Loop()
    with TorchRecorder(tmp_path / "run") as recorder:
        for epoch in range(2):
            for batch in loader():
                logits, y = loop.step(epoch, batch)
                recorder.record(logits, y, ids=names[batch[0][:, 0].long()])
            recorder.end_epoch()
    assert_recorded(tmp_path / "run", loop.said, ids=names.tolist())


def test_two_splits_and_every_second_epoch(tmp_path: Path) -> None:
    loop = Loop()
    with TorchRecorder(tmp_path / "run", every_n_epochs=2) as recorder:
        train = recorder.attach(loader())
        val = recorder.attach(loader(TensorDataset(*(part[:20] for part in features_and_labels()))), split="val")
        for epoch in range(3):
            for batch in train:
                recorder.record(*loop.step(epoch, batch))
            recorder.end_epoch()
            for x, y in val:
                recorder.record(loop.model(x[:, 1:]), y, split="val")
            assert recorder.end_epoch(split="val") == epoch
    history = open_history(tmp_path / "run")
    assert history.epochs == [0, 2]
    assert [history.epoch(epoch, split="val").num_rows for epoch in (0, 2)] == [20, 20]
    assert history.epoch(2).num_rows == N


def test_a_subset_of_a_dataset(tmp_path: Path) -> None:
    loop = Loop()
    subset = Subset(TensorDataset(*features_and_labels()), range(40, 10, -1))
    with TorchRecorder(tmp_path / "run", subset_ids="underlying") as recorder:
        loop.train(recorder, recorder.attach(loader(subset)))
    assert_recorded(tmp_path / "run", loop.said)


def test_batches_fetched_ahead_are_an_error(tmp_path: Path) -> None:
    def ahead(data: Any) -> Any:
        last = None
        for batch in data:
            if last is not None:
                yield last
            last = batch
        yield last

    loop = Loop()
    with pytest.raises(LabelAuditError, match="gave 2 batches"), TorchRecorder(tmp_path / "run") as recorder:
        loop.train(recorder, ahead(recorder.attach(loader())))


def test_a_batch_recorded_twice_is_an_error(tmp_path: Path) -> None:
    with TorchRecorder(tmp_path / "run") as recorder:
        for _, y in recorder.attach(loader()):
            recorder.record(torch.randn(8, 3), y)
            with pytest.raises(LabelAuditError, match="gave 0 batches"):
                recorder.record(torch.randn(8, 3), y)
            break
        recorder.end_epoch()


@pytest.mark.parametrize("forgotten", [0, 1])
def test_an_epoch_that_was_never_ended_is_said(tmp_path: Path, forgotten: int) -> None:
    loop, recorder = Loop(), TorchRecorder(tmp_path / "run")
    data = recorder.attach(loader())
    for epoch in range(2):
        for batch in data:
            recorder.record(*loop.step(epoch, batch))
        if epoch < forgotten:
            recorder.end_epoch()
    with pytest.warns(UserWarning, match=r"rows of train were recorded and never written.*Call end_epoch\(\)"):
        recorder.close()
    if forgotten:
        assert_recorded(tmp_path / "run", {0: loop.said[0]})


def test_ids_that_are_not_one_per_sample_are_refused_in_the_first_batch(tmp_path: Path) -> None:
    recorder = TorchRecorder(tmp_path / "run")
    with pytest.raises(LabelAuditError, match=r"8 samples has ids of shape \(8, 2\) \(first: \(0, 32\)\)"):
        recorder.record(torch.randn(8, 3), torch.arange(8) % 3, ids=[(i, 32) for i in range(8)])


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    recorder = TorchRecorder(tmp_path / "run")
    with pytest.raises(LabelAuditError, match=r"attach\(loader, split='train'\)"):
        recorder.record(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(LabelAuditError, match=r"Stream have no position.*ids=ids"):
        recorder.attach(loader(Stream(), shuffle=False))
    with pytest.raises(LabelAuditError, match=r"batch of 3 samples.*scores float32\[2, 3\]"):
        recorder.record(torch.zeros(2, 3), torch.zeros(2), ids=[1, 2, 3])
    with pytest.raises(LabelAuditError, match=r"labels are soft or multi-label.*not supported.*class numbers, \(n,\)"):
        recorder.record(torch.zeros(2, 3), torch.zeros(2, 3), ids=[1, 2])
    with pytest.raises(LabelAuditError, match=r"scores ndarray and labels int64.*Pass tensors: torch\.as_tensor"):
        recorder.record(np.zeros((2, 3)), torch.zeros(2, dtype=int), ids=[1, 2])
    assert not (tmp_path / "run").exists()


def test_resume_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    first = Loop()
    recorder = TorchRecorder(tmp_path / "run")
    data = recorder.attach(loader())
    first.train(recorder, data, range(1))
    for batch, _ in zip(data, range(3), strict=False):
        recorder.record(*first.step(1, batch))
    state = recorder.state_dict()
    assert state["epoch"] == 1
    recorder.close(finished=False)

    second = Loop()
    with TorchRecorder(tmp_path / "run") as recorder:
        recorder.load_state_dict(state)
        data = recorder.attach(loader())
        for batch, _ in zip(data, range(4), strict=False):
            recorder.record(*second.step(1, batch))
        assert recorder.end_epoch() == 1
    assert_recorded(tmp_path / "run", {0: first.said[0], 1: {**first.said[1], **second.said[1]}})
    assert not list(tmp_path.glob("run/parts/*/*"))


def test_overwrite_spares_the_epochs_of_the_run_that_is_resumed(tmp_path: Path) -> None:
    loop = Loop()
    with TorchRecorder(tmp_path / "run", overwrite=True) as recorder:
        unrecorded = recorder.state_dict()
        loop.train(recorder, recorder.attach(loader()), range(3))
        state = recorder.state_dict()
    with TorchRecorder(tmp_path / "run", overwrite=True) as recorder:
        recorder.load_state_dict(state)
        loop.train(recorder, recorder.attach(loader()), range(3, 5))
    assert_recorded(tmp_path / "run", loop.said)
    with TorchRecorder(tmp_path / "run", overwrite=True) as recorder:
        recorder.load_state_dict(unrecorded)  # saved before the first epoch: nothing of that run is here
        loop.train(recorder, recorder.attach(loader()), range(1))
    assert open_history(tmp_path / "run").epochs == [0]


@pytest.mark.parametrize("recorder", [TorchRecorder, TrainerRecorder])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_n_epochs": 0}, "every_n_epochs must be 1 or more"),
        ({"max_pending_mib": 0}, "max_pending_mib above 0, not 1 and 0"),
        ({"on_error": "ignore"}, "on_error='ignore' is unknown. Pass one of 'raise', 'warn'"),
        ({"subset_ids": "under"}, "subset_ids='under' is unknown. Pass one of 'position', 'underlying'"),
        ({"splits": ("train",)}, "splits is no option of TorchRecorder and TrainerRecorder. Pass some of class_names"),
    ],
)
def test_bad_options_are_refused_when_it_is_made(recorder: Any, options: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        recorder("never/made", **options)


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_path_that_cannot_be_a_folder_is_said_in_the_first_batch(tmp_path: Path, on_error: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    recorder = TorchRecorder(tmp_path / "file/run", on_error=on_error)
    warns = pytest.warns(UserWarning, match="recording stopped.*Not a directory")
    raises = pytest.raises(LabelAuditError, match=r"NotADirectoryError.*on_error='warn'")
    with warns if on_error == "warn" else raises:
        recorder.record(torch.zeros(2, 3), torch.zeros(2), ids=[1, 2])
    recorder.close(finished=False)


def test_a_full_disk_stops_training_or_not(tmp_path: Path, monkeypatch: Any) -> None:
    import os

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    for on_error in ("warn", "raise"):
        loop, path = Loop(), tmp_path / on_error
        recorder = TorchRecorder(path, on_error=on_error)
        data = recorder.attach(loader())
        loop.train(recorder, data, range(1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            if on_error == "warn":
                with pytest.warns(UserWarning, match="training goes on, recording stopped.*No space left"):
                    loop.train(recorder, data, range(1, 3))
            else:
                with pytest.raises(LabelAuditError, match="No space left"):
                    loop.train(recorder, data, range(1, 3))
        recorder.close(finished=False)
        assert open_history(path).epochs == [0]


def test_a_rerun_that_goes_on_without_a_checkpoint_is_said(tmp_path: Path) -> None:
    """A killed script that is started again begins anew, and its epochs would stand after those of the first run."""
    killed, path = Loop(), tmp_path / "run"
    recorder = TorchRecorder(path)
    killed.train(recorder, recorder.attach(loader()))
    recorder, again = TorchRecorder(path), Loop()
    data = recorder.attach(loader())
    with pytest.warns(UserWarning, match=r"holds epochs up to 1 of a training that did not.*start_epoch=0"):
        again.train(recorder, data, range(2, 3))
    recorder = TorchRecorder(path, resume=True)
    Loop().train(recorder, recorder.attach(loader()), range(3, 4))
    anew = Loop()
    with TorchRecorder(path, start_epoch=0) as recorder:
        anew.train(recorder, recorder.attach(loader()))
    assert_recorded(path, anew.said)


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}], ids=["here", "workers"])
def test_a_loader_that_accelerate_prepared(tmp_path: Path, options: Any) -> None:
    accelerate = pytest.importorskip("accelerate")
    loop = Loop()
    prepared = accelerate.Accelerator(cpu=True).prepare(loader(**options))
    inner = prepared.base_dataloader
    with TorchRecorder(tmp_path / "run") as recorder:
        data = recorder.attach(prepared)
        assert len(data) == len(prepared)
        assert data.dataset is inner.dataset
        loop.train(recorder, data)
        for _, batch in zip(range(3), data, strict=False):  # left early, though one batch more was fetched
            recorder.record(*loop.step(2, batch))
        recorder.end_epoch()
        loop.train(recorder, data, range(3, 4))
    assert_recorded(tmp_path / "run", loop.said)
    assert prepared.base_dataloader is inner


def test_loaders_that_were_made_anew_of_the_attached_one_are_said(tmp_path: Path) -> None:
    accelerator = pytest.importorskip("accelerate").Accelerator(cpu=True)
    recorder = TorchRecorder(tmp_path / "run")
    with pytest.raises(LabelAuditError, match=r"gave no batch: .*recorder.attach\(accelerator.prepare\(loader\)\)"):
        Loop().train(recorder, accelerator.prepare(recorder.attach(loader())))
    with pytest.raises(LabelAuditError, match=r"DataLoaderDispatcher of accelerate .* batches\. Pass the ids"):
        recorder.attach(type("DataLoaderDispatcher", (DataLoader,), {"base_dataloader": None})(range(3)))
    with pytest.raises(LabelAuditError, match="Attach the DataLoader before something wraps it, or pass the ids"):
        recorder.attach(iter(loader()))
