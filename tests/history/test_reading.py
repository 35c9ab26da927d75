"""Opening histories: what is read, and how damage and foreign folders are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit import LabelAuditError, Recorder, history_from_arrays, open_history
from labelaudit.history.check import check_history

N, K, EPOCHS = 50, 3, 4
LABELS = np.arange(N) % K
SCORES = np.random.default_rng(0).normal(size=(EPOCHS, N, K))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    with Recorder(folder, n_samples=N) as recorder:
        for scores in SCORES:
            recorder.record(np.arange(N), scores, LABELS)
            recorder.end_epoch()
    return folder


def epoch_file(run: Path, epoch: int) -> Path:
    return run / "epochs" / "train" / f"e{epoch:05d}-s00-w0000.arrow"


def test_arrays_and_files_agree(run: Path) -> None:
    stored, in_memory = open_history(run), history_from_arrays(SCORES, LABELS)
    assert (in_memory.n_samples, in_memory.n_epochs, in_memory.n_classes) == (N, EPOCHS, K)
    np.testing.assert_allclose(stored.mean_scores(), in_memory.mean_scores(), atol=1e-3)
    e = np.exp(SCORES)
    np.testing.assert_allclose(in_memory.mean_scores(), (e / e.sum(-1, keepdims=True)).mean(0), atol=1e-6)


def test_long_table(run: Path) -> None:
    table = open_history(run).to_pandas()
    assert len(table) == N * EPOCHS
    assert table.groupby("epoch").size().tolist() == [N] * EPOCHS


def test_a_long_table_too_large_is_refused(run: Path) -> None:
    with pytest.raises(LabelAuditError, match=r"history\.epoch\(i\).*max_bytes="):
        open_history(run).to_pandas(max_bytes=100)


def test_partly_seen_epochs_keep_their_own_samples(tmp_path: Path) -> None:
    with Recorder(tmp_path, n_samples=10) as recorder:
        recorder.record(range(10), np.eye(10)[:, :3], np.zeros(10))
        recorder.end_epoch()
        recorder.record([2, 7], np.zeros((2, 3)), [0, 0])
        recorder.end_epoch()
    history = open_history(tmp_path)
    assert history.epoch(1)["sample_id"].to_pylist() == [2, 7]
    assert history.mean_scores().shape == (10, 3)


def test_runs_are_read_together(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Recorder(other, n_samples=N) as recorder:
        recorder.record(np.arange(N)[::-1], SCORES[0][::-1], LABELS[::-1])
        recorder.end_epoch()
    both = open_history([run, other])
    assert both.n_epochs == EPOCHS + 1
    expected = open_history(run).mean_scores() * EPOCHS / (EPOCHS + 1) + open_history(other).mean_scores() / (
        EPOCHS + 1
    )
    np.testing.assert_allclose(both.mean_scores(), expected, atol=1e-6)


def test_runs_that_saw_different_samples_are_joined_by_id(tmp_path: Path) -> None:
    for name, ids in (("a", [0, 1, 2]), ("b", [4, 2, 1])):
        with Recorder(tmp_path / name) as recorder:
            recorder.record(ids, np.eye(3) * np.array(ids)[:, None], [i % 3 for i in ids])
            recorder.end_epoch()
    both = open_history([tmp_path / "a", tmp_path / "b"])
    assert both.sample_ids.tolist() == [0, 1, 2, 4]
    turned = open_history([tmp_path / "b", tmp_path / "a"])
    assert turned.sample_ids.tolist() == [0, 1, 2, 4]  # whichever run is named first
    assert turned.labels.tolist() == [0, 1, 2, 1]
    np.testing.assert_array_equal(turned.mean_scores(), both.mean_scores())
    assert both.epoch(0, run=1)["sample_id"].to_pylist() == [1, 2, 4]


def test_runs_on_different_labels_are_refused(run: Path, tmp_path: Path) -> None:
    with Recorder(tmp_path / "other", n_samples=N) as recorder:
        recorder.record(np.arange(N), SCORES[0], (LABELS + (np.arange(N) == 7)) % K)
        recorder.end_epoch()
    with pytest.raises(LabelAuditError, match=r"1 samples other labels .*first: sample 7"):
        open_history([run, tmp_path / "other"]).labels  # noqa: B018


def test_an_epoch_that_is_not_there(run: Path) -> None:
    with pytest.raises(LabelAuditError, match=r"epoch 9 is not in .*recorded: 0 to 3"):
        open_history(run).epoch(9)


def test_no_history(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").write_bytes(b"x")
    for folder, found in (
        ("empty", "is empty or does not exist"),
        ("absent", "is empty"),
        ("other", "has no manifest"),
    ):
        with pytest.raises(LabelAuditError, match=f"no history: .*{found}"):
            open_history(tmp_path / folder)


def test_the_folder_above_a_history_names_it(run: Path) -> None:
    with pytest.raises(LabelAuditError, match="run is one: name that"):
        open_history(run.parent)


@pytest.mark.parametrize("where", ["start", "schema", "data", "footer", "tail"])
def test_a_flipped_bit_anywhere_is_found(run: Path, where: str) -> None:
    path = epoch_file(run, 2)
    data = bytearray(path.read_bytes())
    place = {"start": 1, "schema": 200, "data": len(data) // 2, "footer": len(data) - 120, "tail": len(data) - 3}[where]
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(LabelAuditError, match=r"e00002-s00-w0000\.arrow \(epoch 2\) is damaged"):
        open_history(run).epoch(2)


def test_every_single_byte_is_covered(run: Path) -> None:
    path = epoch_file(run, 1)
    whole = path.read_bytes()
    history = open_history(run)
    for place in range(0, len(whole), 7):
        data = bytearray(whole)
        data[place] ^= 0x10
        path.write_bytes(data)
        with pytest.raises(LabelAuditError, match="is damaged"):
            history.epoch(1)


@pytest.mark.parametrize("kept", [0, 7, 300, -1])
def test_a_file_cut_short_is_found(run: Path, kept: int) -> None:
    path = epoch_file(run, 2)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(LabelAuditError, match=r"epoch 2\) is damaged"):
        open_history(run).mean_scores()


def test_a_hole_in_the_samples_table_is_found(run: Path) -> None:
    (path,) = (run / "samples" / "train").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 16] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(LabelAuditError, match=r"samples/train/.* is damaged"):
        open_history(run).labels  # noqa: B018


def test_damage_to_the_samples_table_is_no_reason_to_delete_it(run: Path) -> None:
    (path,) = (run / "samples" / "train").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LabelAuditError, match=r"Restore it from a copy$"):
        open_history(run).labels  # noqa: B018


def test_a_damaged_epoch_can_be_deleted(run: Path) -> None:
    path = epoch_file(run, 2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LabelAuditError, match=r"is damaged.*delete that file to go on without it$"):
        open_history(run).epoch(2)
    path.unlink()
    assert open_history(run).epochs == [0, 1, 3]


@pytest.mark.parametrize("first", [np.r_[0:40:2, 39], np.r_[0:30], np.r_[10:40], np.r_[5]])
@pytest.mark.parametrize("keep", ["scores", "summary"])
@pytest.mark.parametrize("lost", ["e00000-s00-w0000.arrow", "e00001-s00-w0000.arrow"])
def test_a_missing_samples_file_is_found(tmp_path: Path, first: np.ndarray, keep: str, lost: str) -> None:
    """No row may stand in for a sample that the samples table has lost."""
    labels = np.arange(40) % K
    with Recorder(tmp_path, keep=keep) as recorder:
        for ids in (first, np.arange(40), np.arange(40)):
            recorder.record(ids, np.eye(K)[labels[ids]] * 6, labels[ids])
            recorder.end_epoch()
    (tmp_path / "samples" / "train" / lost).unlink()
    for epoch in (1, 2):
        with pytest.raises(LabelAuditError, match=f"epoch {epoch} holds samples that samples/train does not name"):
            open_history(tmp_path).epoch(epoch)
    facts = check_history(tmp_path)
    assert len(facts.problems) == (2 if lost.startswith("e00001") else 3)


def test_a_missing_samples_file_of_string_ids_is_found(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        for ids in (["a", "b"], ["a", "b", "c", "d"]):
            recorder.record(ids, np.zeros((len(ids), 2)), np.zeros(len(ids), int))
            recorder.end_epoch()
    (tmp_path / "samples" / "train" / "e00001-s00-w0000.arrow").unlink()
    with pytest.raises(LabelAuditError, match="epoch 1 holds samples that samples/train does not name"):
        open_history(tmp_path).epoch(1)


def test_a_history_without_a_samples_table_is_refused(run: Path) -> None:
    shutil.rmtree(run / "samples")
    for read in (check_history, labelaudit.audit, lambda path: open_history(path).epoch(0)):
        with pytest.raises(LabelAuditError, match=r"holds epochs of train, but samples/train, .* is missing"):
            read(run)


def test_a_lost_samples_table_is_written_again_when_recording_goes_on(run: Path) -> None:
    shutil.rmtree(run / "samples")
    with Recorder(run, n_samples=N, resume=True) as recorder:
        recorder.record(np.arange(N), SCORES[0], LABELS)
        recorder.end_epoch()
    assert open_history(run).epoch(1).num_rows == N


def test_a_renamed_epoch_file_is_found(run: Path) -> None:
    epoch_file(run, 2).rename(epoch_file(run, 8))
    with pytest.raises(LabelAuditError, match="holds epoch 2 of split train: it was renamed"):
        open_history(run).epoch(8)


@pytest.mark.parametrize(("k", "keep"), [(2, "scores"), (4, "scores"), (3, "summary")])
def test_an_epoch_file_of_another_history_is_refused(run: Path, tmp_path: Path, k: int, keep: str) -> None:
    with Recorder(tmp_path / "other", n_samples=N, keep=keep) as recorder:
        for _ in range(3):
            recorder.record(np.arange(N), np.zeros((N, k)), LABELS % k)
            recorder.end_epoch()
    shutil.copy(epoch_file(tmp_path / "other", 2), epoch_file(run, 2))
    message = r'e00002-s00-w0000.arrow is of another history: .*, and manifest.json says 3 classes, keep="scores"'
    with pytest.raises(LabelAuditError, match=message):
        open_history(run).epoch(2)
    (problem,) = check_history(run).problems
    assert "is of another history" in problem


def test_a_history_that_is_moved_while_it_is_open(run: Path) -> None:
    history = open_history(run)
    history.epoch(0)
    run.rename(run.with_name("moved"))
    with pytest.raises(LabelAuditError, match=r"\(epoch 1\) is no longer where it was.*Open it again"):
        history.epoch(1)


@pytest.mark.parametrize("url", ["s3://bucket/run", "memory://run", "file:///tmp/run"])
def test_a_url_that_went_through_pathlib_is_refused(url: str) -> None:
    for use in (open_history, Recorder):
        with pytest.raises(LabelAuditError, match=f"lost a slash.*pass the text '{url}'"):
            use(Path(url))


def test_a_future_format_is_refused(run: Path) -> None:
    path = run / "manifest.json"
    facts = json.loads(path.read_text()) | {"format_version": 3}
    path.write_text(json.dumps(facts))
    with pytest.raises(LabelAuditError, match=r"format version 3.*reads up to 2.*pip install --upgrade"):
        open_history(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "not a labelaudit manifest"),
        ("{}", "not a labelaudit"),
    ],
)
def test_a_broken_manifest_is_refused(run: Path, text: str, message: str) -> None:
    (run / "manifest.json").write_text(text)
    with pytest.raises(LabelAuditError, match=message):
        open_history(run)


def test_an_edited_manifest_is_refused(run: Path) -> None:
    path = run / "manifest.json"
    path.write_text(path.read_text().replace('"n_classes": 3', '"n_classes": 4'))
    with pytest.raises(LabelAuditError, match="checksum"):
        open_history(run)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (SCORES, LABELS[:-1], r"lengths differ: scores have shape \(4, 50, 3\).*labels \(49,\)"),
        (SCORES, LABELS + 1, r"label 3 is out of range: scores have 3 classes, 0 to 2"),
        (SCORES, LABELS - 1, r"label -1 is out of range"),
        ([SCORES[0], SCORES[1][:40]], LABELS, r"epoch 0 has \(50, 3\).*epoch 1 has \(40, 3\)"),
        (np.where(SCORES > 2, np.nan, SCORES), LABELS, r"scores hold NaN \(first: epoch"),
        (SCORES[0, 0], LABELS, r"scores have shape \(3,\)"),
        ([["a", "b"]], [0], r"type <U1"),
        (np.empty((2, 0, 3)), [], r"nothing to read"),
        (np.empty((2, 3, 0)), [0, 1, 2], r"nothing to read"),
        (SCORES, np.where(LABELS == 1, np.nan, LABELS), r"first that is no class number: nan"),
        (SCORES, [[0], [1, 2]], r"labels have rows of different lengths"),
    ],
)
def test_bad_arrays_are_refused(scores: object, labels: object, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        history_from_arrays(scores, labels)


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "run.npz", scores=SCORES, labels=LABELS)
    assert open_history(tmp_path / "run.npz").n_epochs == EPOCHS
    np.savez(tmp_path / "bad.npz", other=SCORES)
    with pytest.raises(LabelAuditError, match="holds other; expected scores"):
        open_history(tmp_path / "bad.npz")
    np.savez(tmp_path / "pickle.npz", scores=np.array([{}], dtype=object), labels=LABELS)
    with pytest.raises(LabelAuditError, match="without pickles"):
        open_history(tmp_path / "pickle.npz")


@pytest.mark.parametrize("damage", ["cut off", "a flipped byte", "an array alone"])
def test_a_damaged_npz(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "run.npz"
    np.savez_compressed(path, scores=SCORES, labels=LABELS)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data if damage == "a flipped byte" else data[:-100])
    if damage == "an array alone":
        with path.open("wb") as file:
            np.save(file, SCORES)
    with pytest.raises(LabelAuditError, match=r"run\.npz cannot be read as a NumPy archive"):
        open_history(path)


def test_files_open_with_nothing_but_arrow(run: Path) -> None:
    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map(str(epoch_file(run, 0)))).read_all()
    assert table.column_names == [f"score_{k}" for k in range(K)]
    assert table.num_rows == N


def probabilities(n: int = 200, k: int = 10) -> np.ndarray:
    z = np.random.default_rng(1).normal(size=(n, k)) * 2
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def test_rounded_probabilities_are_probabilities(tmp_path: Path) -> None:
    whole = probabilities()
    rounded, labels = np.round(whole, 2), whole.argmax(axis=1)
    assert (np.abs(rounded.sum(axis=1) - 1) > 5e-3).any()
    with pytest.raises(LabelAuditError, match=r"most rows sum to about 1, but not all .*scores_are=\"probabilities\""):
        history_from_arrays(rounded, labels)
    np.savez(tmp_path / "a.npz", pred_probs=rounded, labels=labels)
    for history in (history_from_arrays(rounded, labels, scores_are="probabilities"), open_history(tmp_path / "a.npz")):
        np.testing.assert_allclose(history.mean_scores(), whole, atol=0.04)


def test_one_row_of_zeros_does_not_flatten_the_others(tmp_path: Path) -> None:
    scores = probabilities()
    scores[7] = 0
    labels = scores.argmax(axis=1)
    with pytest.raises(LabelAuditError, match="most rows sum to about 1, but not all"):
        history_from_arrays(scores, labels)
    np.savez(tmp_path / "a.npz", pred_probs=scores, labels=labels)
    with pytest.raises(LabelAuditError, match=r"a\.npz, pred_probs: sample 7 has no probabilities"):
        open_history(tmp_path / "a.npz")


def test_a_row_of_nan_does_not_decide_what_scores_are(tmp_path: Path) -> None:
    scores = probabilities()
    broken = scores.copy()
    broken[3] = np.nan
    with Recorder(tmp_path, nan="keep") as recorder:
        recorder.record(np.arange(len(scores)), broken, scores.argmax(axis=1))
        recorder.end_epoch()
    np.testing.assert_allclose(open_history(tmp_path).mean_scores()[4:], scores[4:], atol=2e-3)


@pytest.mark.parametrize(
    "scores", [np.random.default_rng(0).random((50, 4)), np.full((50, 3), 0.9), np.full((3, 4), 0.26)]
)
def test_numbers_in_0_to_1_that_sum_to_something_else_are_logits(scores: np.ndarray) -> None:
    z = np.exp(scores)
    found = history_from_arrays(scores, np.zeros(len(scores), int)).mean_scores()
    np.testing.assert_allclose(found, z / z.sum(axis=1, keepdims=True), rtol=1e-5)


def test_npz_that_says_more(tmp_path: Path) -> None:
    """Logits that would pass for probabilities, and the user's ids."""
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    np.savez(tmp_path / "a.npz", logits=scores, labels=[0, 1], sample_ids=["a.png", "b.png"], class_names=["x", "y"])
    history = open_history(tmp_path / "a.npz")
    assert (history.sample_ids.tolist(), history.class_names) == (["a.png", "b.png"], ["x", "y"])
    assert history.mean_scores()[0, 0] == pytest.approx(1 / (1 + np.exp(-0.8)), rel=1e-5)
    np.savez(tmp_path / "a.npz", logits=scores, labels=[0, 1], sample_ids=["a.png"])
    with pytest.raises(LabelAuditError, match="sample_ids has 1 entries"):
        open_history(tmp_path / "a.npz")


def run_of(path: Path, **options: Any) -> Path:
    ids = options.pop("ids", np.arange(3))
    with Recorder(path, **options) as recorder:
        recorder.record(ids, np.eye(3), [0, 1, 2])
        recorder.end_epoch()
    return path


def test_runs_whose_classes_have_other_names_are_refused(tmp_path: Path) -> None:
    first = run_of(tmp_path / "a", class_names=["x", "y", "z"])
    bare, again = run_of(tmp_path / "b"), run_of(tmp_path / "c", class_names=["x", "y", "z"])
    assert open_history([first, bare, again]).n_epochs == 3
    turned = run_of(tmp_path / "d", class_names=["y", "x", "z"])
    with pytest.raises(LabelAuditError, match=r"d has class_names y, x, z, .*a has x, y, z: .* in one order"):
        open_history([bare, first, turned])


def test_runs_whose_ids_are_of_another_kind_are_refused(tmp_path: Path) -> None:
    first, second = run_of(tmp_path / "a"), run_of(tmp_path / "b", ids=["0", "1", "2"])
    with pytest.raises(LabelAuditError, match=r"b has sample ids such as '0', .*a such as 0: it is unknown"):
        open_history([first, second]).labels  # noqa: B018


def test_a_run_that_is_not_there(run: Path) -> None:
    for number in (1, -1):
        with pytest.raises(LabelAuditError, match=f"run {number} is not in .*; there are 1, from 0"):
            open_history(run).epoch(0, run=number)


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    for read in (open_history, check_history):
        with pytest.raises(LabelAuditError, match="x is a file that is no history: name the folder of a history"):
            read(tmp_path / "x")
    with pytest.raises(LabelAuditError, match="x is a file; a history is a folder"):
        Recorder(tmp_path / "x")


def recorded(folder: Path, splits: dict[str, np.ndarray], **options: Any) -> Path:
    """Record two epochs of every split, {name: given labels}."""
    lengths = {split: len(labels) for split, labels in splits.items()}
    with Recorder(folder, n_samples=lengths, scores_are="logits", precision="single", **options) as recorder:
        for epoch in range(2):
            for split, labels in splits.items():
                recorder.record(np.arange(len(labels)), np.eye(3)[labels] * (epoch + 1), labels, split=split)
                recorder.end_epoch(epoch, split=split)
    return folder


@pytest.mark.parametrize("first", [0, 1])
def test_planted_mistakes_that_only_one_of_the_runs_knows(tmp_path: Path, first: int) -> None:
    labels = np.arange(9) % 3
    runs = [
        recorded(tmp_path / "plain", {"train": labels}),
        recorded(tmp_path / "planted", {"train": labels}, planted={4: 0}),
    ]
    expected = [-1, -1, -1, -1, 0, -1, -1, -1, -1]
    assert open_history([runs[first], runs[1 - first]]).true_labels.tolist() == expected
    longer = recorded(tmp_path / "longer", {"train": np.arange(12) % 3})
    for order in ([longer, runs[1], runs[0]], [runs[1], runs[0], longer], [runs[0], longer, runs[1]]):
        assert open_history(order).true_labels.tolist() == expected + [-1] * 3


@pytest.mark.parametrize("first", [0, 1])
def test_a_split_that_only_one_of_the_runs_recorded(tmp_path: Path, first: int) -> None:
    labels, of_val = np.arange(9) % 3, np.arange(5) % 3
    runs = [
        recorded(tmp_path / "without", {"train": labels}),
        recorded(tmp_path / "with", {"train": labels, "val": of_val}),
    ]
    history = open_history([runs[first], runs[1 - first]])
    assert history.splits == ("train", "val")
    assert history.table("val").labels.tolist() == of_val.tolist()
    pd.testing.assert_series_equal(
        labelaudit.analyzers.aum(history, split="val"),
        labelaudit.analyzers.aum(open_history(runs[1]), split="val"),
    )
    found = labelaudit.audit(history, split="val")
    assert (found.summary["n_runs"], found.summary["n_samples"], found.summary["n_epochs"]) == (1, 5, 2)
    assert not any("in common" in note for note in found.summary["notes"])


@pytest.mark.parametrize("first", [0, 1])
def test_arrays_beside_a_run_are_no_other_split(tmp_path: Path, first: int) -> None:
    # Arrays stood for any split: their training samples were read as validation samples.
    labels, of_val = np.arange(9) % 3, np.arange(5) % 3
    run = open_history(recorded(tmp_path / "run", {"train": labels, "val": of_val}))
    arrays = history_from_arrays(np.eye(3)[labels][None], labels, scores_are="logits")
    history = open_history([[run, arrays][first], [run, arrays][1 - first]])
    assert (history.n_samples, history.n_epochs) == (9, 3)
    assert len(history.table("val")) == 5
    assert labelaudit.analyzers.correctness(history, split="val").index.tolist() == list(range(5))


def test_histories_are_joined_like_paths(tmp_path: Path) -> None:
    labels = np.arange(9) % 3
    path = recorded(tmp_path / "run", {"train": labels})
    arrays = history_from_arrays(np.eye(3)[labels][None], labels, scores_are="logits")
    together = open_history([path, open_history(path)])
    assert (len(together.trained), together.n_epochs) == (2, 4)
    assert labelaudit.audit([arrays, arrays]).summary["n_runs"] == 2
    assert labelaudit.audit([arrays, path]).summary["n_epochs"] == 3
    assert open_history(arrays).n_samples == 9
    for no_history in (3, [arrays, None]):
        with pytest.raises(LabelAuditError, match=r"a (int|NoneType) names no history; expected a path, a history"):
            open_history(no_history)
