"""DetectionRecorder writes what the module drew, and changes nothing of the training."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from spy import trainer
from tiny_detector import N, Scenes, StepDetector, TinyDetector, ValDetector, assert_drawn, scenes
from torch.utils.data import Subset
from two_processes import run_script

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import DetectionRecorder, coco_results, ultralytics_results
from labelaudit.callbacks.detection_thread import DetectionThread
from labelaudit.callbacks.found_boxes import flat_boxes, image_ids
from labelaudit.detection.store.history import DetectionHistory
from labelaudit.detection.store.writer import DetectionWriter


def with_100(picture: int) -> int:
    return 100 + picture


def as_is(picture: int) -> int:
    return picture


def test_a_pass_where_steps_give_only_losses(tmp_path: Path, caplog: Any) -> None:
    module = TinyDetector()
    recorder = DetectionRecorder(tmp_path / "run")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning_utilities"):
        logging.getLogger(name).propagate = True
    with caplog.at_level(logging.INFO):
        trainer(recorder, max_epochs=3).fit(module, scenes())
    assert_drawn(tmp_path / "run", module.said["train"], with_100)
    said = [one.getMessage() for one in caplog.records if "DetectionRecorder" in one.getMessage()]
    assert len(said) == 1
    assert f"{N} training images went through the model once more: " in said[0]


def test_what_steps_return(tmp_path: Path) -> None:
    module = ValDetector()
    trainer(DetectionRecorder(tmp_path / "run", splits=("train", "val"))).fit(module, scenes(), scenes(shuffle=False))
    assert sorted(module.said["val"]) == [0, 1]
    assert_drawn(tmp_path / "run", module.said["val"], with_100, "val")
    history = open_history(tmp_path / "run")
    assert history.splits == ("train", "val")
    assert history.epoch(1).num_rows == N
    assert (history.table().size == 24).all()


class Diverging(StepDetector):
    """Its first picture of every batch gets one box that is none."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        returned = super().training_step(batch, batch_idx)
        first = {"boxes": torch.full((1, 4), torch.nan), "scores": torch.ones(1), "labels": torch.ones(1).long()}
        return {**returned, "detections": [first, *returned["detections"][1:]]}


def test_detections_that_are_no_numbers_are_said(tmp_path: Path) -> None:
    loader = scenes()
    with pytest.warns(UserWarning, match=rf"^{2 * len(loader)} detections had NaN or infinite boxes"):
        trainer(DetectionRecorder(tmp_path / "run"), max_epochs=2).fit(Diverging(), loader)
    assert open_history(tmp_path / "run").n_epochs == 2


@pytest.mark.parametrize("source", ["step", "pass"])
def test_positions_are_ids_where_the_targets_have_none(tmp_path: Path, source: str) -> None:
    module = StepDetector() if source == "step" else TinyDetector()
    recorder = DetectionRecorder(tmp_path / "run", id_key=None if source == "step" else "image_id", source=source)
    trainer(recorder).fit(module, scenes(Scenes(image_id=False)))
    assert_drawn(tmp_path / "run", module.said["train"], as_is)


class Short(TinyDetector):
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
        return -1 if batch_idx == 2 else None


@pytest.mark.parametrize(
    ("module", "options", "epochs"),
    [(Short, {}, [0, 1]), (TinyDetector, {"max_steps": 8}, [0, 1]), (TinyDetector, {"max_steps": 2}, [0])],
    ids=["epochs cut short", "steps", "steps within the first epoch"],
)
def test_a_pass_after_an_epoch_that_ends_before_its_last_batch(
    tmp_path: Path, module: Any, options: Any, epochs: list[int]
) -> None:
    detector = module()
    trainer(DetectionRecorder(tmp_path / "run"), **options).fit(detector, scenes())
    assert sorted(detector.said["train"]) == epochs
    assert_drawn(tmp_path / "run", detector.said["train"], with_100)


def test_no_pass_delays_a_training_that_is_told_to_stop(tmp_path: Path) -> None:
    class Module(TinyDetector):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.trainer.should_stop = self.current_epoch == 1
            return super().training_step(batch, batch_idx)

    detector = Module()
    trainer(DetectionRecorder(tmp_path / "run"), max_epochs=4).fit(detector, scenes())
    assert_drawn(tmp_path / "run", {0: detector.said["train"][0]}, with_100)
    assert sorted(detector.said["train"]) == [0]


def test_a_pass_over_a_list_of_pictures(tmp_path: Path) -> None:
    module = TinyDetector()
    trainer(DetectionRecorder(tmp_path / "run")).fit(module, scenes([Scenes()[picture] for picture in range(N)]))
    assert_drawn(tmp_path / "run", module.said["train"], with_100)


def test_sample_ids(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(N)]
    module = TinyDetector()
    trainer(DetectionRecorder(tmp_path / "run", sample_ids=names)).fit(module, scenes())
    assert_drawn(tmp_path / "run", module.said["train"], lambda i: f"{i}.png")


@pytest.mark.parametrize(("subset_ids", "expected"), [("position", [0, 1, 2]), ("underlying", [4, 2, 9])])
def test_subsets(tmp_path: Path, subset_ids: str, expected: list[int]) -> None:
    names, module = [f"{i}.png" for i in range(N if subset_ids == "underlying" else 3)], TinyDetector()
    recorder = DetectionRecorder(tmp_path / "run", sample_ids=names, subset_ids=subset_ids, source="pass")
    trainer(recorder).fit(module, scenes(Subset(Scenes(), [4, 2, 9]), batch_size=2, shuffle=False))
    history = open_history(tmp_path / "run")
    assert history.sample_ids.tolist() == [f"{i}.png" for i in sorted(expected)]
    drawn = {row["sample_id"]: row["boxes"] for row in history.epoch(1).to_pylist()}
    for picture, position in zip([4, 2, 9], expected, strict=True):
        expected_boxes = module.said["train"][1][picture]["boxes"].tolist()
        assert drawn[f"{position}.png"] == expected_boxes


def of_training(tmp_path: Path, callbacks: list[Any], workers: int, cls: Any) -> tuple[Any, ...]:
    seed_everything(5, verbose=False)
    module = cls()
    loader = scenes(num_workers=workers, persistent_workers=False)
    trainer(*callbacks, max_epochs=3).fit(module, loader)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    return module.state_dict(), module.order, states, [one.training for one in module.modules()]


@pytest.mark.parametrize(("workers", "cls"), [(0, TinyDetector), (2, TinyDetector), (0, StepDetector)])
def test_training_is_the_same_bit_for_bit(tmp_path: Path, workers: int, cls: Any) -> None:
    weights, order, states, modes = of_training(tmp_path, [], workers, cls)
    recorder = DetectionRecorder(tmp_path / "run")
    weights_, order_, states_, modes_ = of_training(tmp_path, [recorder], workers, cls)
    assert any("running_mean" in name for name in weights)
    assert all(torch.equal(weights[name], weights_[name]) for name in weights)
    assert (order, modes) == (order_, modes_)
    assert torch.equal(states[0], states_[0])
    assert states[1:] == states_[1:]
    assert open_history(tmp_path / "run").n_epochs == 3


class Restless(TinyDetector):
    """Its forward draws random numbers and changes a buffer, also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.net[1].eval()  # a frozen batch norm

    def forward(self, images: Any) -> Any:
        self.seen += len(images)
        random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
        return super().forward(images)


@pytest.mark.filterwarnings("ignore:Found 1 module")
def test_even_a_restless_module_trains_the_same(tmp_path: Path) -> None:
    weights, *rest, modes = of_training(tmp_path, [], 0, Restless)
    weights_, *rest_, modes_ = of_training(tmp_path, [DetectionRecorder(tmp_path / "run")], 0, Restless)
    assert all(torch.equal(weights[name], weights_[name]) for name in weights)
    assert (rest[0], modes) == (rest_[0], modes_)
    assert torch.equal(rest[1][0], rest_[1][0])
    assert weights_["seen"] == 0


def test_a_step_looks_at_no_value_of_a_device() -> None:
    """Tensors without values raise on every look."""
    meta = torch.device("meta")
    drawn = [{name: torch.empty(shape, device=meta) for name, shape in SHAPES.items()} for _ in range(3)]
    targets = [{**one, "image_id": torch.empty(1, device=meta), "labels": one["labels"].long()} for one in drawn]
    flat, truth = flat_boxes(drawn, targets)
    assert (flat.counts.tolist(), truth.columns["boxes"].shape, flat.columns["boxes"].device) == ([2] * 3, (6, 4), meta)
    assert image_ids(targets, "image_id").device == meta


SHAPES = {"boxes": (2, 4), "scores": (2,), "labels": (2,)}


def test_what_steps_return_may_change_afterwards(tmp_path: Path) -> None:
    class Reusing(StepDetector):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            for one in outputs["detections"]:
                one["boxes"].zero_()

    class First(DetectionRecorder):
        pass

    module = Reusing()
    trainer(First(tmp_path / "run")).fit(module, scenes())
    assert_drawn(tmp_path / "run", module.said["train"], with_100)


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    class Slow(DetectionWriter):
        most = 0

        def record_flat(self, *arguments: Any, **options: Any) -> None:
            Slow.most = max(Slow.most, thread._held)
            super().record_flat(*arguments, **options)

    thread = DetectionThread(Slow(tmp_path), max_pending_mib=0.01, on_error="raise")
    one = {"boxes": torch.ones(100, 4), "scores": torch.ones(100), "labels": torch.ones(100)}
    for number in range(50):
        thread.add(np.array([number]), *flat_boxes([one], [one]), None, split="train")
    thread.end_epoch(0, split="train")
    thread.close(finished=True)
    thread.check()
    assert 0 < Slow.most <= 0.01 * 2**20
    assert open_history(tmp_path).n_samples == 50


class Save(Callback):
    """Saves a checkpoint after a step; a checkpoint has to stand after the recorder, as Lightning's own does."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.step = path, step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


NAMES = [f"{i}.png" for i in range(N)]


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"sample_ids": NAMES}, {"sample_ids": NAMES[::-1]}, r"a train sample with id 0\.png, which now has 20\.png"),
        ({}, {"id_key": None}, "has train sample 100, which is no position in a set of 21 samples"),
        ({"id_key": None}, {}, r"image 1\d\d is no position in a train set of 21 images"),
    ],
    ids=["other names", "positions after ids", "ids after positions"],
)
def test_a_resumed_run_does_not_mix_images_of_other_ids(tmp_path: Path, before: Any, now: Any, message: str) -> None:
    saved = tmp_path / "saved.ckpt"
    trainer(DetectionRecorder(tmp_path / "run", **before), Save(saved, 6), max_epochs=2).fit(StepDetector(), scenes())
    again = trainer(DetectionRecorder(tmp_path / "run", **now), max_epochs=3)
    with pytest.raises(LabelAuditError, match=message):
        again.fit(StepDetector(), scenes(), ckpt_path=saved)
    assert open_history(tmp_path / "run").n_samples == N


def test_resume_from_a_checkpoint(tmp_path: Path) -> None:
    first, second, saved = TinyDetector(), TinyDetector(), tmp_path / "saved.ckpt"
    trainer(DetectionRecorder(tmp_path / "run"), Save(saved, 6), max_epochs=2).fit(first, scenes())
    trainer(DetectionRecorder(tmp_path / "run"), max_epochs=4).fit(second, scenes(), ckpt_path=saved)
    again = sorted(second.said["train"])
    assert again == [1, 2, 3]
    assert_drawn(tmp_path / "run", {0: first.said["train"][0], **second.said["train"]}, with_100)


class StopError(Exception):
    pass


class Stop(Callback):
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1 and batch_idx == 3:
            raise StopError


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_the_middle_of_an_epoch_goes_on(tmp_path: Path) -> None:
    first, second, saved = StepDetector(), StepDetector(), tmp_path / "saved.ckpt"
    with pytest.raises(StopError):
        trainer(DetectionRecorder(tmp_path / "run"), Save(saved, 9), Stop(), max_epochs=2).fit(
            first, scenes(shuffle=False)
        )
    assert open_history(tmp_path / "run").epochs == [0]
    backwards = scenes(shuffle=False, sampler=range(N)[::-1])  # a plain loader begins anew: 3 batches from the end
    trainer(DetectionRecorder(tmp_path / "run"), max_epochs=2).fit(second, backwards, ckpt_path=saved)
    said = {**first.said["train"][1], **second.said["train"][1]}
    assert (len(first.said["train"][1]), len(second.said["train"][1])) == (12, 12)
    assert_drawn(tmp_path / "run", {0: first.said["train"][0], 1: said}, with_100)


def test_an_exception_in_the_pass_leaves_the_module_as_it_was(tmp_path: Path) -> None:
    class Failing(TinyDetector):
        def forward(self, images: Any) -> Any:
            if self.current_epoch == 1:
                raise StopError
            return super().forward(images)

    module = Failing()
    with pytest.raises(StopError):
        trainer(DetectionRecorder(tmp_path / "run")).fit(module, scenes())
    assert module.training
    assert open_history(tmp_path / "run").epochs == [0]


def test_every_n_epochs_and_early_ends(tmp_path: Path) -> None:
    module = TinyDetector()
    trainer(DetectionRecorder(tmp_path / "run", every_n_epochs=2), max_epochs=5, limit_train_batches=2).fit(
        module, scenes()
    )
    assert_drawn(tmp_path / "run", {epoch: module.said["train"][epoch] for epoch in (0, 2, 4)}, with_100)


def test_fast_dev_run_records_nothing(tmp_path: Path) -> None:
    trainer(DetectionRecorder(tmp_path / "run"), fast_dev_run=True).fit(TinyDetector(), scenes())
    assert not (tmp_path / "run").exists()


def test_a_loader_without_augmentation(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match=r"ground truth of image .* random augmentation"):
        trainer(DetectionRecorder(tmp_path / "bad")).fit(TinyDetector(), scenes(Scenes(jitter=True)))
    module = TinyDetector()
    recorder = DetectionRecorder(tmp_path / "run", loader=scenes(batch_size=8))
    trainer(recorder).fit(module, scenes(Scenes(jitter=True)))
    assert_drawn(tmp_path / "run", module.said["train"], with_100)


def test_adapters(tmp_path: Path) -> None:
    class Ultra(TinyDetector):
        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            drawn = self(batch[0])
            return [
                SimpleNamespace(boxes=SimpleNamespace(xyxy=d["boxes"], conf=d["scores"], cls=d["labels"].float()))
                for d in drawn
            ]

    module = Ultra()
    trainer(DetectionRecorder(tmp_path / "ultra", adapter=ultralytics_results)).fit(module, scenes())
    assert_drawn(tmp_path / "ultra", module.said["train"], with_100)

    def as_coco(module: Any, batch: Any) -> Any:
        results = []
        for target, drawn in zip(batch[1], module(batch[0]), strict=True):
            for (x1, y1, x2, y2), score, label in zip(*(drawn[name].tolist() for name in SHAPES), strict=True):
                box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score, "category_id": label}
                results.append({**box, "image_id": target["image_id"]})
        return results

    module = TinyDetector()
    recorder = DetectionRecorder(tmp_path / "coco", adapter=coco_results, predict=as_coco)
    trainer(recorder).fit(module, scenes())
    history = open_history(tmp_path / "coco")
    assert isinstance(history, DetectionHistory)
    drawn = history.detections(1)
    expected = [module.said["train"][1][i]["boxes"].numpy() for i in range(N)]
    np.testing.assert_allclose(drawn.box, np.concatenate(expected), atol=1e-4)
    with pytest.raises(LabelAuditError, match="no 'score'"):
        coco_results([[{"bbox": [1, 2, 3, 4], "category_id": 1}]])
    with pytest.raises(LabelAuditError, match="of image 7, which is not in the batch"):
        coco_results([{"bbox": [1, 2, 3, 4], "image_id": 7}], (None, [Scenes()[1][1]]))
    with pytest.raises(LabelAuditError, match="no result of an Ultralytics detector"):
        ultralytics_results([object()])


class NoBoxes(TinyDetector):
    def forward(self, images: Any) -> Any:
        return self.net(torch.stack(list(images)))


class OneId(Scenes):
    def __getitem__(self, index: int) -> Any:
        image, target = super().__getitem__(index)
        return image, target | {"image_id": 0}


WRONG: list[tuple[Any, Any, dict[str, Any], str]] = [
    (NoBoxes, Scenes(), {}, r"the inference pass gave float32\[4, 30\], which are no detections"),
    (TinyDetector, Scenes(), {"source": "step"}, r"training_step returned .*, and no detections in it.*source='pass'"),
    (StepDetector, Scenes(image_id=False), {}, "the targets hold no 'image_id'.*id_key=None"),
    (TinyDetector, OneId(), {}, "two images have the id 0 under 'image_id'"),
    (TinyDetector, Scenes(), {"targets": "truth"}, "no ground truth found under 'truth'"),
    (TinyDetector, Scenes(), {"box_format": "xywh", "class_names": ["a"]}, "have label [123], which is no class"),
]


@pytest.mark.parametrize(("cls", "dataset", "options", "message"), WRONG)
def test_what_cannot_be_recorded_is_said(tmp_path: Path, cls: Any, dataset: Any, options: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        trainer(DetectionRecorder(tmp_path / "run", **options)).fit(cls(), scenes(dataset))


@pytest.mark.parametrize(
    "options",
    [{"source": "both"}, {"box_format": "yxyx"}, {"every_n_epochs": 0}, {"splits": "test"}, {"precision": "x"}],
)
def test_unknown_options(tmp_path: Path, options: Any) -> None:
    with pytest.raises(LabelAuditError):
        DetectionRecorder(tmp_path, **options)


def test_from_a_yaml(tmp_path: Path) -> None:
    from lightning.pytorch.cli import LightningCLI

    class Data(lightning.LightningDataModule):
        def train_dataloader(self) -> Any:
            return scenes()

    options = {"path": str(tmp_path / "run"), "every_n_epochs": 1, "class_names": list("abcdefgh")}
    callback = {"class_path": "labelaudit.callbacks.DetectionRecorder", "init_args": options}
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    config = {"trainer": {"max_epochs": 1, "accelerator": "cpu", "callbacks": [callback], **quiet}}
    LightningCLI(
        TinyDetector,
        Data,
        args={"fit": config} | {"subcommand": "fit"},
        save_config_callback=None,
        seed_everything_default=0,
    )
    assert open_history(tmp_path / "run").class_names == list("abcdefgh")


DDP = """
import json, warnings
warnings.simplefilter("ignore")
from spy import trainer
from tiny_detector import {cls}, scenes
from labelaudit.callbacks import DetectionRecorder
if __name__ == "__main__":
    module = {cls}()
    t = trainer(DetectionRecorder({path!r}), devices=2, strategy="ddp_find_unused_parameters_true")
    t.fit(module, scenes())
    said = {{e: {{i: {{k: v.tolist() for k, v in d.items()}} for i, d in rows.items()}}
            for e, rows in module.said["train"].items()}}
    with open({path!r} + f".{{t.global_rank}}.json", "w") as f:
        json.dump(said, f)
"""


@pytest.mark.slow
@pytest.mark.parametrize("cls", ["TinyDetector", "StepDetector"])
def test_two_processes(tmp_path: Path, cls: str) -> None:
    path, script = str(tmp_path / "run"), tmp_path / "train.py"
    run_script(script, DDP.format(path=path, cls=cls))
    of_rank = [json.loads(Path(f"{path}.{rank}.json").read_text()) for rank in range(2)]
    history = open_history(path)
    for epoch in range(2):
        rows = {row["sample_id"]: row for row in history.epoch(epoch).to_pylist()}
        assert sorted(rows) == [100 + i for i in range(N)]
        shared = set(of_rank[0][str(epoch)]) & set(of_rank[1][str(epoch)])
        assert len(shared) == (1 if cls == "StepDetector" else 0)  # the sampler's padding; a pass needs none
        for said in of_rank:
            for picture, drawn in said[str(epoch)].items():
                if picture not in shared:
                    np.testing.assert_allclose(rows[100 + int(picture)]["boxes"], drawn["boxes"], atol=1e-5)


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_history_that_cannot_be_written(tmp_path: Path, monkeypatch: Any, on_error: str) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DetectionWriter, "end_epoch", full)
    module, recorder = TinyDetector(), DetectionRecorder(tmp_path / "run", on_error=on_error)
    if on_error == "raise":
        with pytest.raises(LabelAuditError, match="the history could not be written"):
            trainer(recorder).fit(module, scenes())
    else:
        with pytest.warns(UserWarning, match="training goes on, recording stopped"):
            trainer(recorder).fit(module, scenes())
        assert sorted(module.said["train"]) == [0, 1]
