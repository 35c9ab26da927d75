"""What DetectionWriter writes is what open_history reads, in every order, from every number of writers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelaudit import DetectionWriter, LabelAuditError, open_history
from labelaudit.detection.store.history import DetectionHistory
from labelaudit.history.check import check_history
from labelaudit.history.compact import compact
from labelaudit.history.folder import open_folder
from labelaudit.history.manifest import read_manifest

N = 30


def truth_of(image: int) -> dict[str, Any]:
    random = np.random.default_rng(image)
    n = image % 4  # image 0, 4, ... have no boxes
    low = random.uniform(0, 3000, (n, 2))
    boxes = np.concatenate([low, low + random.uniform(1, 900, (n, 2))], axis=1)
    return {"boxes": boxes, "labels": random.integers(0, 5, n), "iscrowd": random.integers(0, 2, n)}


def drawn_of(image: int, epoch: int) -> dict[str, Any]:
    random = np.random.default_rng(1000 * epoch + image)
    n = (image + epoch) % 5
    low = random.uniform(0, 3000, (n, 2))
    boxes = np.concatenate([low, low + random.uniform(1, 900, (n, 2))], axis=1)
    return {"boxes": boxes, "scores": random.random(n), "labels": random.integers(0, 5, n)}


def record(writer: DetectionWriter, images: Any, epoch: int, names: bool = False) -> None:
    images = [int(image) for image in images]
    ids = [f"{image:02d}.jpg" for image in images] if names else images
    writer.record(ids, [drawn_of(i, epoch) for i in images], [truth_of(i) for i in images])


def write(path: Any, epochs: int = 3, *, names: bool = False, **options: Any) -> DetectionHistory:
    with DetectionWriter(path, **options) as writer:
        for epoch in range(epochs):
            for batch in np.array_split(np.random.default_rng(epoch).permutation(N), 4):
                record(writer, batch, epoch, names)
            writer.end_epoch()
    history = open_history(path)
    assert isinstance(history, DetectionHistory)
    return history


def check_all(history: DetectionHistory, epochs: Any, tolerance: float = 1e-3) -> None:
    """Every number is as it was recorded."""
    ids = [int(str(one).removesuffix(".jpg")) for one in history.sample_ids]
    assert sorted(ids) == list(range(N))
    objects = history.objects()
    for row, image in enumerate(ids):
        given, found = truth_of(image), objects.take(objects.image == row)
        np.testing.assert_array_equal(found.box, given["boxes"].reshape(-1, 4))
        np.testing.assert_array_equal(found.category, given["labels"])
        np.testing.assert_array_equal(found.crowd, given["iscrowd"].astype(bool))
    for epoch in epochs:
        detections = history.detections(epoch)
        assert (np.diff(detections.image) >= 0).all()
        for row, image in enumerate(ids):
            drawn, kept = drawn_of(image, epoch), detections.take(detections.image == row)
            np.testing.assert_allclose(kept.box, drawn["boxes"].reshape(-1, 4), atol=tolerance)
            np.testing.assert_allclose(kept.score, drawn["scores"], atol=1e-7 if tolerance < 0.01 else tolerance)
            np.testing.assert_array_equal(kept.category, drawn["labels"])


@pytest.mark.parametrize("names", [False, True])
def test_every_box_comes_back(tmp_path: Path, names: bool) -> None:
    history = write(tmp_path / "run", names=names, class_names=list("abcde"))
    check_all(history, range(3))
    assert (history.task, history.n_samples, history.n_epochs) == ("detection", N, 3)
    assert (history.class_names, history.n_classes, history.splits) == (list("abcde"), 5, ("train",))


def test_boxes_keep_a_tenth_of_a_pixel_in_large_pictures(tmp_path: Path) -> None:
    boxes = np.random.default_rng(0).uniform(0, 4000, (1000, 2)).repeat(2, axis=0).reshape(-1, 4)
    boxes = boxes + np.array([0, 0, 9, 9])
    drawn = {"boxes": boxes, "scores": np.full(1000, 0.123456), "labels": np.zeros(1000)}
    for precision, error in (("single", 1e-7), ("half", 1e-4)):
        with DetectionWriter(tmp_path / precision, precision=precision, max_detections=1000) as writer:
            writer.record([7], [drawn], [{"boxes": boxes[:5], "labels": [0] * 5}])
            writer.end_epoch()
        history = open_history(tmp_path / precision)
        assert isinstance(history, DetectionHistory)
        found = history.detections(0)
        assert np.abs(found.box - boxes).max() < 1e-3
        assert np.abs(found.score - 0.123456).max() < error


def test_labels_with_gaps_become_classes_and_keep_their_numbers(tmp_path: Path) -> None:
    with DetectionWriter(tmp_path, class_names={18: "dog", 1: "person", 90: "toothbrush"}) as writer:
        one = {"boxes": [[0, 0, 4, 4]], "labels": [90]}
        writer.record([3], [{**one, "scores": [0.5]}], [{**one, "labels": [18]}])
        with pytest.raises(LabelAuditError, match=r"detections of image 4 have label 2, which is no class"):
            writer.record([4], [{**one, "labels": [2], "scores": [0.5]}], [one])
        writer.end_epoch()
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    assert history.class_names == ["person", "dog", "toothbrush"]
    assert history.category_ids == [1, 18, 90]
    assert (history.objects().category.tolist(), history.detections(0).category.tolist()) == ([1], [2])
    frame = history.to_pandas()
    assert frame["category"].tolist() == ["toothbrush"]
    assert frame.columns.tolist() == ["image_id", "category", "x", "y", "w", "h", "score", "epoch", "run"]
    assert history.ground_truth()["category"].tolist() == ["dog"]


def test_without_names_classes_are_counted(tmp_path: Path) -> None:
    one = {"boxes": [[0, 0, 4, 4]], "labels": [2]}
    with DetectionWriter(tmp_path) as writer:
        writer.record([0], [{**one, "scores": [0.5], "labels": [6]}], [one])
        writer.end_epoch()
    assert open_history(tmp_path).n_classes == 7
    assert open_history(tmp_path).class_names is None


@pytest.mark.parametrize("box_format", ["xywh", "cxcywh"])
def test_box_formats(tmp_path: Path, box_format: str) -> None:
    box = {"xywh": [10, 20, 30, 40], "cxcywh": [25, 40, 30, 40]}[box_format]
    with DetectionWriter(tmp_path, box_format=box_format) as writer:
        writer.record([0], [{"boxes": [box], "scores": [1], "labels": [0]}], [{"boxes": [box], "labels": [0]}])
        writer.end_epoch()
    table = open_history(tmp_path).epoch(0)
    assert table["boxes"].to_pylist() == table["given_boxes"].to_pylist() == [[[10, 20, 40, 60]]]


def test_an_epoch_is_plain_arrow(tmp_path: Path) -> None:
    write(tmp_path / "run")
    with pa.OSFile(str(tmp_path / "run/epochs/train/e00001-s00-w0000.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.column_names == ["boxes", "scores", "labels"]
    assert table.schema.field("boxes").type == pa.list_(pa.list_(pa.float32(), 4))
    np.testing.assert_allclose(table["boxes"][3].as_py(), drawn_of(3, 1)["boxes"], atol=1e-3)


def test_several_writers_and_padding_count_once(tmp_path: Path) -> None:
    for rank in (2, 1, 0):  # rank 0 says at the end that the training is finished
        mine = np.append(np.arange(N)[rank::3], 5)  # image 5 is padding of every rank
        with DetectionWriter(tmp_path, writer=rank, segment=0, start_epoch=0) as writer:
            for epoch in range(2):
                record(writer, mine[:6], epoch)
                record(writer, mine[6:], epoch)
                writer.end_epoch()
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    check_all(history, range(2))
    before = history.epoch(1)
    assert compact(tmp_path, unfinished=True).files_after == 3  # two epochs, one table of images
    after = open_history(tmp_path)
    assert isinstance(after, DetectionHistory)
    check_all(after, range(2))
    assert after.epoch(1).equals(before)


def test_a_new_start_from_a_checkpoint_replaces_the_epochs_from_there(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with DetectionWriter(tmp_path, start_epoch=1, resume=True) as writer:
        for epoch in (1, 2, 3):
            record(writer, range(N), epoch + 10)
            writer.end_epoch(epoch)
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    assert history.epochs == [0, 1, 2, 3]
    np.testing.assert_allclose(history.epoch(2)["boxes"][7].as_py(), drawn_of(7, 12)["boxes"], atol=1e-3)
    facts = check_history(tmp_path)
    assert (facts.superseded, facts.problems, facts.finished) == (2, [], True)
    assert "boxes, and their scores in single precision" in str(facts)


def test_a_part_of_an_epoch_goes_on(tmp_path: Path) -> None:
    with DetectionWriter(tmp_path) as writer:
        record(writer, range(N), 0)
        writer.end_epoch()
        record(writer, range(10), 1, False)
        name = writer.save_part()
    assert name is not None
    with DetectionWriter(tmp_path, resume=True, start_epoch=1) as writer:
        assert writer.load_part(name)
        record(writer, range(10, N), 1)
        writer.end_epoch(1)
        assert not writer.load_part(name), "gone with its epoch"
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    check_all(history, [0, 1])


@pytest.mark.parametrize("change", ["moved", "class", "count"])
def test_changed_ground_truth_is_refused(tmp_path: Path, change: str) -> None:
    write(tmp_path, 1)
    changed = truth_of(3)
    if change == "moved":
        changed["boxes"] = changed["boxes"] + [5, 0, 5, 0]
    elif change == "class":
        changed["labels"] = (changed["labels"] + 1) % 5
    else:
        changed = {name: values[:2] for name, values in changed.items()}
    with DetectionWriter(tmp_path, resume=True) as writer:
        writer.record([3], [drawn_of(3, 1)], [changed])
        with pytest.raises(
            LabelAuditError, match=r"ground truth of image 3 was 3 boxes.*1 images changed.*augmentation"
        ):
            writer.end_epoch()
        writer.discard_epoch()


BOX = {"boxes": [[0.0, 0.0, 4.0, 4.0]], "labels": [1]}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"detections": [{**BOX}]}, r"detections\[0\] has boxes, labels, but no 'scores'"),
    ({"detections": {**BOX, "scores": [1.0]}}, "detections are one dict; expected a list of 1 dicts"),
    ({"detections": []}, "detections are 0 of them; expected a list of 1"),
    ({"detections": [np.zeros((3, 6))]}, r"detections\[0\] is an array of shape \(3, 6\)"),
    ({"detections": [{**BOX, "scores": [1.0, 0.5]}]}, "has 1 boxes and 2 scores"),
    ({"detections": [{**BOX, "boxes": [[1, 2, 3]], "scores": [1.0]}]}, r"shape \(1, 3\); expected \(n, 4\)"),
    ({"detections": [{**BOX, "scores": [7.5]}]}, "score 7.5; expected confidences in 0 to 1"),
    ({"detections": [{**BOX, "scores": [0.5], "labels": [-1]}]}, "label -1, which is no class"),
    ({"detections": [{**BOX, "scores": [0.5], "labels": [0.5]}]}, "no whole numbers"),
    ({"targets": [{"boxes": [[50, 60, 20, 30]], "labels": [0]}]}, r"end before they begin.*pass box_format='xywh'"),
    ({"targets": [{"boxes": [[np.nan, 0, 20, 30]], "labels": [0]}]}, "a ground-truth box with NaN"),
    ({"targets": [{"boxes": [["a", 0, 20, 30]], "labels": [0]}]}, "expected numbers"),
    ({"image_ids": [1.5]}, "expected .n,. integers or strings"),
    ({"sizes": [(1, 2), (3, 4)]}, r"sizes are of shape \(2, 2\); expected \(1, 2\)"),
    ({"sizes": [None]}, r"sizes are of shape \(1,\); expected \(1, 2\)"),
    ({"sizes": [("wide", 2)]}, "sizes are no array of numbers"),
    ({"image_ids": [0, 0], "detections": [], "targets": []}, "image 0 comes 2 times in one batch"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD)
def test_what_is_no_batch_of_boxes_is_refused(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    batch = {"image_ids": [0], "detections": [{**BOX, "scores": [0.5]}], "targets": [BOX]} | wrong
    with DetectionWriter(tmp_path) as writer, pytest.raises(LabelAuditError, match=message):
        writer.record(**batch)


def test_detections_that_are_no_numbers_are_counted_and_left_out(tmp_path: Path) -> None:
    drawn = {
        "boxes": [[0, 0, 4, 4], [0, np.inf, 4, 4], [1, 1, 2, 2]],
        "scores": [0.5, 0.5, np.nan],
        "labels": [0, 0, 0],
    }
    with DetectionWriter(tmp_path) as writer:
        writer.record([0], [drawn], [BOX])
        assert writer.n_dropped == 2
        writer.end_epoch()
    assert open_history(tmp_path).epoch(0)["boxes"].to_pylist() == [[[0, 0, 4, 4]]]


def test_only_the_most_confident_are_kept(tmp_path: Path) -> None:
    scores = np.array([0.3, 0.9, 0.05, 0.7, 0.8])
    drawn = {"boxes": np.arange(20).reshape(5, 4), "scores": scores, "labels": np.arange(5)}
    few = {"boxes": np.ones((1, 4)), "scores": [0.2], "labels": [4]}
    with DetectionWriter(tmp_path, min_score=0.1, max_detections=3) as writer:
        writer.record([0, 1], [drawn, few], [BOX, BOX])
        writer.end_epoch()
    assert open_history(tmp_path).epoch(0)["labels"].to_pylist() == [[1, 3, 4], [4]]


@pytest.mark.parametrize("precision", ["single", "half"])
def test_probabilities_of_every_class(tmp_path: Path, precision: str) -> None:
    random = np.random.default_rng(3)
    every = {image: random.dirichlet(np.ones(5), (image % 5)) for image in range(N)}

    def with_all(image: int, epoch: int) -> dict[str, Any]:
        n = image % 5
        boxes = np.tile([0.0, 0, 5, 5], (n, 1)) + epoch
        return {"boxes": boxes, "scores": np.full(n, 0.5), "labels": np.zeros(n), "probabilities": every[image]}

    for rank in (1, 0):
        mine = range(rank, N, 2)
        options = {"writer": rank, "segment": 0, "start_epoch": 0, "class_names": list("abcde"), "precision": precision}
        with DetectionWriter(tmp_path, **options) as writer:
            for image in mine:  # alone: a batch may have no detection at all
                writer.record([image], [with_all(image, 0)], [truth_of(image)])
            name = writer.save_part()
            writer.discard_epoch()
            assert name is not None
            assert writer.load_part(name)
            writer.end_epoch()
            if rank == 0:
                with pytest.raises(LabelAuditError, match="others have none"):
                    writer.record([3], [drawn_of(3, 1)], [truth_of(3)])
                wrong = {"boxes": [[0, 0, 1, 1]], "scores": [1], "labels": [0], "probabilities": [[0.5, 0.5]]}
                with pytest.raises(LabelAuditError, match="of 2 classes, class_names has 5"):
                    writer.record([3], [wrong], [truth_of(3)])
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    drawn = history.detections(0)
    assert drawn.probabilities is not None
    expected = np.concatenate([every[image] for image in range(N)])
    np.testing.assert_allclose(drawn.probabilities, expected, atol=1e-7 if precision == "single" else 1e-3)


def test_tasks_do_not_mix(tmp_path: Path) -> None:
    from labelaudit import Recorder

    write(tmp_path / "boxes", 1)
    with pytest.raises(LabelAuditError, match="holds a history of detection, this is classification"):
        Recorder(tmp_path / "boxes")
    with Recorder(tmp_path / "scores") as recorder:
        recorder.record([0, 1], np.eye(2), [0, 1])
        recorder.end_epoch()
    with pytest.raises(LabelAuditError, match="holds a history of classification, this is detection"):
        DetectionWriter(tmp_path / "scores")
    with pytest.raises(LabelAuditError, match="several tasks, classification and detection"):
        open_history([tmp_path / "scores", tmp_path / "boxes"])


def test_what_is_about_classes_says_so(tmp_path: Path) -> None:
    history = write(tmp_path, 1)
    for use in (lambda: history.labels, history.mean_scores, history.blocks, lambda: history.open_epoch(0)):
        with pytest.raises(LabelAuditError, match=r"is about classification, and .* is a history of detections"):
            use()
    with pytest.raises(LabelAuditError, match="epoch 9 is not in"):
        history.epoch(9)
    with pytest.raises(LabelAuditError, match="would take more than 0 MiB"):
        history.to_pandas(max_bytes=100)


def test_runs_on_the_same_images_are_one_history(tmp_path: Path) -> None:
    one = write(tmp_path / "a", 2, names=True)
    with DetectionWriter(tmp_path / "b") as writer:
        record(writer, range(N), 5, names=True)
        writer.end_epoch()
    both = open_history([tmp_path / "a", tmp_path / "b"])
    assert isinstance(both, DetectionHistory)
    assert (both.n_epochs, [epoch for epoch, _ in both.iterate()]) == (3, [0, 0, 1])
    second = both.detections(0, run=1)
    for row, image in enumerate(one.sample_ids):
        drawn = drawn_of(int(image[:2]), 5)
        np.testing.assert_allclose(second.box[second.image == row], drawn["boxes"].reshape(-1, 4), atol=1e-3)
    with DetectionWriter(tmp_path / "c") as writer:
        record(writer, range(N - 1), 0, names=True)
        writer.end_epoch()
    with pytest.raises(LabelAuditError, match="they are not the same ones"):
        open_history([tmp_path / "a", tmp_path / "c"]).table()


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "epochs/train/e00001-s00-w0000.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(LabelAuditError, match=r"e00001-s00-w0000.arrow .epoch 1. is damaged"):
        open_history(tmp_path).epoch(1)
    assert len(check_history(tmp_path).problems) == 1


def test_memory_file_system() -> None:
    check_all(write("memory://detections/run"), range(3))


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_detection_writer import record
from labelaudit import DetectionWriter
from labelaudit.history import folder
with DetectionWriter(sys.argv[1]) as writer:
    for epoch in range(4):
        record(writer, range(30), epoch)
        if epoch == 2:
            write = folder._LocalFolder.write
            folder._LocalFolder.write = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        writer.end_epoch()
"""


def test_a_kill_loses_no_finished_epoch_and_the_next_run_goes_on(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)],
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == -9
    assert open_history(tmp_path).epochs == [0, 1]
    with pytest.warns(UserWarning, match="goes on with epoch 2.*overwrite=True"):
        again = DetectionWriter(tmp_path)
    with again as writer:
        for epoch in range(writer.next_epoch, 4):
            record(writer, range(N), epoch)
            writer.end_epoch()
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    check_all(history, range(4))


def test_a_missing_samples_file_is_found(tmp_path: Path) -> None:
    with DetectionWriter(tmp_path) as writer:
        for images in (range(0, N, 2), range(N)):
            record(writer, images, 0)
            writer.end_epoch()
    (tmp_path / "samples" / "train" / "e00001-s00-w0000.arrow").unlink()
    with pytest.raises(LabelAuditError, match="epoch 1 holds samples that samples/train does not name"):
        open_history(tmp_path).epoch(1)
    (tmp_path / "samples" / "train" / "e00000-s00-w0000.arrow").unlink()
    with pytest.raises(LabelAuditError, match="holds epochs of train, but samples/train"):
        check_history(tmp_path)


def test_other_class_names_are_refused_when_going_on(tmp_path: Path) -> None:
    def one_epoch(**options: Any) -> None:
        writer = DetectionWriter(tmp_path, resume=True, **options)
        record(writer, range(N), 0)
        writer.end_epoch()

    one_epoch(class_names=list("abcde"))
    one_epoch(class_names=list("abcde"))
    one_epoch()
    with pytest.raises(LabelAuditError, match=r"recorded with class_names .* which goes on with it, has"):
        DetectionWriter(tmp_path, class_names=list("edcba"))
    one_epoch(class_names=list("edcba"), start_epoch=0)
    assert open_history(tmp_path).class_names == list("edcba")


@pytest.mark.parametrize(("before", "now"), [("half", "single"), ("single", "half")])
def test_another_precision_is_refused_when_going_on(tmp_path: Path, before: str, now: str) -> None:
    for epoch, precision in enumerate((before, "auto", before)):
        writer = DetectionWriter(tmp_path, precision=precision, resume=True)
        record(writer, range(N), epoch)
        writer.end_epoch()
    history = open_history(tmp_path)
    assert [history.epoch(epoch).schema.field("scores").type.value_type for epoch in range(3)] == [
        {"half": pa.float16(), "single": pa.float32()}[before]
    ] * 3
    with pytest.raises(LabelAuditError, match=f"recorded with precision='{before}'.*has '{now}'. Leave precision="):
        DetectionWriter(tmp_path, precision=now)
    DetectionWriter(tmp_path, precision=now, start_epoch=0)


@pytest.mark.parametrize(("option", "before", "now"), [("min_score", 0.0, 0.5), ("max_detections", 300, 10)])
def test_other_limits_on_what_is_kept_are_refused_when_going_on(
    tmp_path: Path, option: str, before: float, now: float
) -> None:
    for epoch in range(2):
        writer = DetectionWriter(tmp_path, **{option: before}, resume=True)
        record(writer, range(N), epoch)
        writer.end_epoch()
    with pytest.raises(LabelAuditError, match=f"recorded with {option}={before}, .*has {now}. Leave {option}="):
        DetectionWriter(tmp_path, **{option: now})
    DetectionWriter(tmp_path, **{option: now}, start_epoch=0)
    manifest = read_manifest(open_folder(tmp_path))
    manifest.with_(left_out=None).write(open_folder(tmp_path))  # as histories of before were
    DetectionWriter(tmp_path, **{option: now}, resume=True)


def test_labels_with_gaps_stay_the_same_classes_when_going_on_without_names(tmp_path: Path) -> None:
    one = {"boxes": [[0, 0, 4, 4]], "labels": [18]}
    for image, options in enumerate([{"class_names": {1: "person", 18: "dog"}}, {}]):
        writer = DetectionWriter(tmp_path, resume=True, **options)
        writer.record([image], [{**one, "scores": [0.5]}], [one])
        writer.end_epoch()
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    assert history.ground_truth()["category"].tolist() == ["dog", "dog"]
    assert history.to_pandas()["category"].tolist() == ["dog", "dog"]


NAMES = [f"{i:02d}.jpg" for i in range(N)]


def crashed(path: Path, images: Any = range(10), *, names: bool = False, **options: Any) -> None:
    """One epoch of a run that did not come to its end; it goes on with one that is there."""
    writer = DetectionWriter(path, resume=True, **options)
    record(writer, images, 0, names)
    writer.end_epoch()


@pytest.mark.parametrize("start", [None, 0, 1])
def test_other_ids_for_known_images_are_refused(tmp_path: Path, start: int | None) -> None:
    crashed(tmp_path, sample_ids=NAMES)
    with pytest.raises(
        LabelAuditError, match=r"a train sample with id 00\.jpg, which now has 01\.jpg \(2 samples changed"
    ):
        DetectionWriter(tmp_path, start_epoch=start, sample_ids=[NAMES[1], NAMES[0], *NAMES[2:]])


def test_new_images_without_ids_are_refused_where_others_have_some(tmp_path: Path) -> None:
    crashed(tmp_path, sample_ids=NAMES)
    with pytest.raises(LabelAuditError, match="was recorded with sample_ids=, and 20 new train samples come without"):
        crashed(tmp_path, range(N))
    crashed(tmp_path)  # images that are known need not be named again
    crashed(tmp_path, range(N), sample_ids=NAMES)
    assert open_history(tmp_path).sample_ids.tolist() == NAMES


def test_ids_added_after_a_crash_name_the_known_images_too(tmp_path: Path) -> None:
    crashed(tmp_path)
    crashed(tmp_path, range(5, N), sample_ids=NAMES)
    history = open_history(tmp_path)
    assert isinstance(history, DetectionHistory)
    assert history.sample_ids.tolist() == NAMES
    check_all(history, [])


@pytest.mark.parametrize("first", [False, True])
def test_integers_and_text_do_not_mix(tmp_path: Path, first: bool) -> None:
    crashed(tmp_path, names=first)
    for start in (None, 0):
        with pytest.raises(LabelAuditError, match=r"ids of train samples were \w+ before and are \w+ now"):
            crashed(tmp_path, names=not first, start_epoch=start)
    with pytest.raises(LabelAuditError, match="sample_ids= goes by position in the dataset"):
        crashed(tmp_path / "named", names=True, sample_ids=NAMES)


def test_a_part_goes_on_with_the_same_kind_of_ids(tmp_path: Path) -> None:
    writer = DetectionWriter(tmp_path)
    record(writer, range(10), 0, names=True)
    name = writer.save_part()
    assert name is not None
    resumed = DetectionWriter(tmp_path, start_epoch=0, resume=True)
    assert resumed.load_part(name)
    with pytest.raises(LabelAuditError, match="ids of train samples were text before and are integers now"):
        record(resumed, range(10, N), 0)
    record(resumed, range(10, N), 0, names=True)
    resumed.end_epoch()
    assert open_history(tmp_path).n_samples == N


def test_ids_that_only_some_files_of_images_have(tmp_path: Path) -> None:
    """Histories that labelaudit may have written before it compared ids: what is known of an image is not lost."""
    crashed(tmp_path / "named", sample_ids=NAMES)
    crashed(tmp_path / "bare", range(N))
    file = tmp_path / "bare/samples/train/e00000-s00-w0000.arrow"
    file.rename(tmp_path / "named/samples/train/e00000-s00-w0001.arrow")
    assert open_history(tmp_path / "named").sample_ids.tolist() == [*NAMES[:10], *map(str, range(10, N))]


def test_sample_ids_fit_the_dataset(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="sample_ids has 5 entries, the train set has 30 samples"):
        DetectionWriter(tmp_path, n_samples=N, sample_ids=list("abcde"))


def test_overwrite_deletes_nothing_before_the_first_epoch_is_whole(tmp_path: Path) -> None:
    write(tmp_path)
    writer = DetectionWriter(tmp_path, overwrite=True)
    record(writer, range(N), 0)
    assert open_history(tmp_path).n_epochs == 3
    writer.end_epoch()
    assert open_history(tmp_path).n_epochs == 1
