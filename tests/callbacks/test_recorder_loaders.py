"""PredictionRecorder with several loaders, reloaded loaders, and loaders of the user's own making."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.utilities import CombinedLoader
from spy import N, Spy, SpyWithVal, assert_recorded, features_and_labels, loader, trainer
from torch.utils.data import DataLoader, Subset, TensorDataset

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import PredictionRecorder


def halves() -> tuple[Any, Any]:
    x, y = features_and_labels()
    return TensorDataset(x[:20], y[:20]), TensorDataset(x[20:], y[20:])


class Both(Spy):
    """A step on one batch of each loader, together."""

    def step(self, split: str, batch: Any) -> Any:
        parts = [part for part in (batch.values() if isinstance(batch, dict) else batch) if part is not None]
        return super().step(split, tuple(torch.cat(column) for column in zip(*parts, strict=True)))


@pytest.mark.parametrize("mode", ["min_size", "max_size", "max_size_cycle"])
@pytest.mark.parametrize("workers", [0, 2])
def test_combined_loaders_count_on(tmp_path: Any, mode: str, workers: int) -> None:
    first, second = (loader(half, num_workers=workers) for half in halves())
    module = Both()
    combined = CombinedLoader({"a": first, "b": second}, mode)
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, combined)
    assert_recorded(tmp_path / "run", module.said["train"])


def test_a_list_of_train_loaders(tmp_path: Any) -> None:
    module = Both()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, [loader(half) for half in halves()])
    assert_recorded(tmp_path / "run", module.said["train"])


def test_several_val_loaders_count_on(tmp_path: Any) -> None:
    module = SpyWithVal()
    val = [loader(half, shuffle=False) for half in halves()]
    trainer(PredictionRecorder(tmp_path / "run", splits=("train", "val"))).fit(module, loader(), val)
    assert_recorded(tmp_path / "run", module.said["train"])
    for epoch in range(2):
        rows = open_history(tmp_path / "run").epoch(epoch, split="val").to_pylist()
        assert [row["sample_id"] for row in rows] == list(range(N))
        for row in rows:
            assert row["probabilities"] == pytest.approx(module.said["val"][epoch][row["sample_id"]][0], abs=2e-3)


def test_loaders_made_anew_every_epoch(tmp_path: Any) -> None:
    class Module(SpyWithVal):
        def train_dataloader(self) -> Any:
            return loader(num_workers=2 * (self.current_epoch % 2))

        def val_dataloader(self) -> Any:
            return loader(shuffle=False)

    module = Module()
    recorder = PredictionRecorder(tmp_path / "run", splits=("train", "val"))
    trainer(recorder, max_epochs=3, reload_dataloaders_every_n_epochs=1).fit(module)
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("subset_ids", ["position", "underlying"])
def test_a_subset_that_changes_when_it_is_reloaded(tmp_path: Any, subset_ids: str) -> None:
    class Module(Spy):
        def train_dataloader(self) -> Any:
            return loader(Subset(data(), range(self.current_epoch, 40)))

    module = Module()
    fit = trainer(PredictionRecorder(tmp_path / "run", subset_ids=subset_ids), reload_dataloaders_every_n_epochs=1)
    if subset_ids == "position":
        with pytest.raises(LabelAuditError, match=r"train set that was reloaded is another Subset.*'underlying'"):
            fit.fit(module)
        assert_recorded(tmp_path / "run", {0: {i: module.said["train"][0][i] for i in range(40)}})
    else:
        fit.fit(module)
        assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("more", [10, -10])
def test_a_dataset_that_grows_or_shrinks_when_it_is_reloaded(tmp_path: Any, more: int) -> None:
    class Module(Spy):
        def train_dataloader(self) -> Any:
            return loader(TensorDataset(*features_and_labels(20 + more * self.current_epoch)))

    with pytest.raises(LabelAuditError, match=rf"reloaded has {20 + more} samples and had 20.*id_key='id'"):
        trainer(PredictionRecorder(tmp_path / "run"), reload_dataloaders_every_n_epochs=1).fit(Module())
    assert open_history(tmp_path / "run").n_epochs == 1


def test_a_dataset_that_shrinks_with_ids_of_its_own(tmp_path: Any) -> None:
    class Module(Spy):
        def train_dataloader(self) -> Any:
            x, y = features_and_labels()
            kept = slice(10 * self.current_epoch, None)
            return loader(TensorDataset(x[kept], y[kept], torch.arange(N)[kept]))

        def step(self, split: str, batch: Any) -> Any:
            return super().step(split, batch[:2])

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run", id_key=2), reload_dataloaders_every_n_epochs=1).fit(module)
    assert_recorded(tmp_path / "run", module.said["train"])


class Doubling(DataLoader[Any]):
    """Changes its batches, one for one."""

    def __iter__(self) -> Any:
        for x, y in super().__iter__():
            yield x.clone(), y


class Ahead(DataLoader[Any]):
    """Fetches a batch ahead and changes it."""

    def __iter__(self) -> Any:
        waiting = None
        for x, y in super().__iter__():
            if waiting is not None:
                yield waiting
            waiting = x.clone(), y
        yield waiting


def data() -> TensorDataset:
    return TensorDataset(*features_and_labels())


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "persistent_workers": True}], ids=["here", "workers"])
def test_a_loader_that_changes_its_batches(tmp_path: Any, options: Any) -> None:
    module = Spy()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, Doubling(data(), batch_size=8, shuffle=True, **options))
    assert_recorded(tmp_path / "run", module.said["train"])


def test_a_loader_that_changes_batches_it_fetched_ahead_is_an_error(tmp_path: Any) -> None:
    with pytest.raises(LabelAuditError, match=r"not the one that the DataLoader made.*id_key"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Spy(), Ahead(data(), batch_size=8))


@pytest.mark.filterwarnings("ignore:.*dataloader_iter.*")
def test_a_step_that_fetches_its_batches_is_an_error(tmp_path: Any) -> None:
    class Module(Spy):
        def training_step(self, dataloader_iter: Any) -> Any:  # type: ignore[override]
            batch, _, _ = next(dataloader_iter)
            return self.step("train", batch)

    with pytest.raises(LabelAuditError, match=r"takes dataloader_iter.*TorchRecorder"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Module(), loader())


def test_a_second_pass_over_the_loader_within_a_step(tmp_path: Any) -> None:
    class Module(Spy):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            assert sum(len(y) for _, y in self.trainer.train_dataloader) == N

    module = Module()
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader())
    assert_recorded(tmp_path / "run", module.said["train"])


@pytest.mark.parametrize("workers", [0, 2])
def test_whoever_looks_at_the_loader_sees_the_dataset(tmp_path: Any, workers: int) -> None:
    own, collate = data(), torch.utils.data.default_collate

    class Module(Spy):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            seen = self.trainer.train_dataloader
            assert seen.dataset is own
            assert seen.collate_fn is collate
            assert sum(len(y) for _, y in DataLoader(seen.dataset, batch_size=9)) == N

    module = Module()
    options = {"num_workers": workers, "persistent_workers": workers > 0, "collate_fn": collate}
    trainer(PredictionRecorder(tmp_path / "run")).fit(module, loader(own, **options))
    assert_recorded(tmp_path / "run", module.said["train"])


class FromItsDataset(DataLoader[Any]):
    """Reads and collates by itself."""

    def __iter__(self) -> Any:
        for positions in self.batch_sampler:
            yield self.collate_fn([self.dataset[position] for position in positions])


def test_a_loader_that_reads_its_dataset_itself_is_an_error(tmp_path: Any) -> None:
    with pytest.raises(LabelAuditError, match=r"not the one that the DataLoader made.*id_key"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(Spy(), FromItsDataset(data(), batch_size=8))


def test_a_sampler_that_draws_more_than_positions_is_an_error(tmp_path: Any) -> None:
    class Sized(TensorDataset):
        def __getitem__(self, drawn: Any) -> Any:
            return super().__getitem__(drawn[0])

    drawn = [(position, 32) for position in range(N)]
    with pytest.raises(LabelAuditError, match=r"8 samples has ids of shape \(8, 2\) \(first: \[0, 32\]\).*id_key='id'"):
        trainer(PredictionRecorder(tmp_path / "run")).fit(
            Spy(), loader(Sized(*features_and_labels()), shuffle=False, sampler=drawn)
        )


def test_a_store_in_memory(tmp_path: Any) -> None:
    module = Spy()
    url = f"memory://{tmp_path.name}"
    trainer(PredictionRecorder(url)).fit(module, loader())
    assert_recorded(url, module.said["train"])
