"""labelaudit.Recorder: rows in, one file per epoch out."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelaudit import LabelAuditError, Recorder, history_from_arrays, open_history
from labelaudit.history.folder import _LocalFolder

N, K, EPOCHS = 60, 4, 3
LABELS = np.arange(N) % K


def scores_of(epoch: int, n_classes: int = K) -> np.ndarray:
    return np.random.default_rng(epoch).normal(size=(N, n_classes)).astype(np.float32) * 3


def record(path: Path, epochs: range = range(EPOCHS), **options: object) -> None:
    with Recorder(path, n_samples=N, **options) as recorder:
        for epoch in epochs:
            order = np.random.default_rng(100 + epoch).permutation(N)
            for batch in np.array_split(order, 7):
                recorder.record(batch, scores_of(epoch)[batch], LABELS[batch])
            recorder.end_epoch()


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("keep", ["scores", "summary"])
def test_shuffled_batches_come_back_in_dataset_order(tmp_path: Path, keep: str) -> None:
    record(tmp_path, keep=keep)
    history = open_history(tmp_path)
    assert (history.n_samples, history.n_epochs, history.splits) == (N, EPOCHS, ("train",))
    for epoch in range(EPOCHS):
        table = history.epoch(epoch).to_pandas()
        expected = softmax(scores_of(epoch).astype(np.float64))
        np.testing.assert_array_equal(table["sample_id"], np.arange(N))
        np.testing.assert_array_equal(table["given_label"], LABELS)
        np.testing.assert_array_equal(table["prediction"], expected.argmax(axis=1))
        np.testing.assert_allclose(table["p_given"], expected[np.arange(N), LABELS], rtol=3e-3, atol=1e-4)
        entropy = -(expected * np.log(expected)).sum(axis=1)
        np.testing.assert_allclose(table["entropy"], entropy, rtol=3e-3, atol=1e-3)


def test_single_precision_keeps_single_precision(tmp_path: Path) -> None:
    record(tmp_path, precision="single")
    z = scores_of(0).astype(np.float64)
    others = z.copy()
    others[np.arange(N), LABELS] = -np.inf
    margin = z[np.arange(N), LABELS] - others.max(axis=1)
    np.testing.assert_allclose(open_history(tmp_path).epoch(0)["margin"], margin, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7])
def test_half_precision_never_turns_a_prediction(tmp_path: Path, gap: float) -> None:
    """Two classes almost alike: rounding may not make the loser win, in either way of keeping scores."""
    z = np.array([[0.0, -gap, -5.0], [-gap, 0.0, -5.0]], np.float32)
    for keep in ("scores", "summary"):
        with Recorder(tmp_path / keep, keep=keep) as recorder:
            recorder.record([0, 1], z, [0, 0])
            recorder.end_epoch()
        assert open_history(tmp_path / keep).epoch(0)["prediction"].to_pylist() == [0, 1]


def test_size_on_disk_stays_within_the_promise(tmp_path: Path) -> None:
    n, k = 20_000, 1000
    labels = np.arange(n) % k
    with Recorder(tmp_path / "summary", n_samples=n) as recorder:
        recorder.record(np.arange(n), np.random.default_rng(0).normal(size=(n, k)).astype(np.float32), labels)
        recorder.end_epoch()
    (file,) = (tmp_path / "summary" / "epochs" / "train").iterdir()
    assert file.stat().st_size <= 10 * n
    with Recorder(tmp_path / "scores", n_samples=n) as recorder:
        recorder.record(np.arange(n), np.random.default_rng(0).normal(size=(n, 10)).astype(np.float32), labels % 10)
        recorder.end_epoch()
    (file,) = (tmp_path / "scores" / "epochs" / "train").iterdir()
    assert file.stat().st_size <= (2 * 10 + 4) * n


def test_of_several_presentations_the_last_counts(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.record([5, 7], [[1.0, 0.0], [1.0, 0.0]], [0, 0])
        recorder.record([5], [[0.0, 1.0]], [0])
        recorder.end_epoch()
    table = open_history(tmp_path).epoch(0)
    assert table["sample_id"].to_pylist() == [5, 7]
    assert table["prediction"].to_pylist() == [1, 0]


def test_string_ids_keep_the_order_of_arrival(tmp_path: Path) -> None:
    names = ["z.png", "a.png", "m.png"]
    with Recorder(tmp_path) as recorder:
        for _ in range(2):
            recorder.record(names, np.eye(3), [0, 1, 2])
            recorder.end_epoch()
    history = open_history(tmp_path)
    assert history.sample_ids.tolist() == names
    assert history.epoch(1)["prediction"].to_pylist() == [0, 1, 2]


def test_sample_ids_name_positions(tmp_path: Path) -> None:
    record(tmp_path, sample_ids=[f"img/{i}.png" for i in range(N)])
    assert open_history(tmp_path).epoch(1)["sample_id"].to_pylist()[3] == "img/3.png"


@pytest.mark.parametrize("scores", [[0.5, -2.0], [[0.5], [-2.0]]])
def test_one_score_is_a_binary_logit_of_class_1(tmp_path: Path, scores: list) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.record([0, 1], np.array(scores), [1, 1])
        recorder.end_epoch()
    history = open_history(tmp_path)
    assert history.n_classes == 2
    np.testing.assert_allclose(history.epoch(0)["p_given"], 1 / (1 + np.exp([-0.5, 2.0])), rtol=1e-3)
    np.testing.assert_allclose(history.epoch(0)["margin"], [0.5, -2.0], rtol=1e-3)


def test_probabilities_are_recognised(tmp_path: Path) -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    with Recorder(tmp_path) as recorder:
        recorder.record([0, 1], p, [0, 0])
        recorder.end_epoch()
    np.testing.assert_allclose(open_history(tmp_path).mean_scores(), p, atol=1e-3)


def test_several_writers_and_padding_duplicates(tmp_path: Path) -> None:
    """Two ranks, one sample on both (the sampler's padding): it counts once, the lower rank's."""
    ranks = [Recorder(tmp_path, n_samples=N, writer=rank, segment=0) for rank in range(2)]
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(N)
        for rank, recorder in enumerate(ranks):
            mine = order[rank::2]
            recorder.record(mine, scores_of(epoch)[mine], LABELS[mine])
            if rank == 1:
                recorder.record(order[:1], np.full((1, K), 9.0) * LABELS[order[:1], None], LABELS[order[:1]])
            recorder.end_epoch()
    for recorder in ranks:
        recorder.close()
    history = open_history(tmp_path)
    for epoch in range(EPOCHS):
        table = history.epoch(epoch)
        np.testing.assert_array_equal(table["sample_id"], np.arange(N))
        np.testing.assert_array_equal(table["prediction"], scores_of(epoch).argmax(axis=1))


def test_an_unfinished_history_goes_on(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, n_samples=N)
    recorder.record(np.arange(N), scores_of(0), LABELS)
    recorder.end_epoch()
    recorder.record(np.arange(N), scores_of(1), LABELS)  # killed here: this epoch never ended
    with pytest.warns(UserWarning, match="goes on with epoch 1"):
        again = Recorder(tmp_path, n_samples=N)
    assert again.next_epoch == 1
    again.record(np.arange(N), scores_of(2), LABELS)
    again.end_epoch()
    history = open_history(tmp_path)
    assert history.epochs == [0, 1]
    np.testing.assert_array_equal(history.epoch(1)["prediction"], scores_of(2).argmax(axis=1))


def test_a_finished_history_is_not_replaced(tmp_path: Path) -> None:
    record(tmp_path)
    with pytest.raises(LabelAuditError, match=r"finished history of 3 epochs.*overwrite=True"):
        Recorder(tmp_path)
    assert open_history(tmp_path).n_epochs == EPOCHS
    record(tmp_path, range(2), overwrite=True)
    assert open_history(tmp_path).n_epochs == 2


def test_overwrite_deletes_nothing_before_the_first_rows(tmp_path: Path) -> None:
    record(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with Recorder(tmp_path, overwrite=True):
        pass
    assert open_history(tmp_path).n_epochs == EPOCHS
    record(tmp_path, range(1), overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_shorter_second_run_does_not_mix_with_the_first(tmp_path: Path) -> None:
    """mapd's wrong answer: epochs of an older, longer run stayed in the matrix."""
    record(tmp_path, range(5))
    again = Recorder(tmp_path, start_epoch=2, n_samples=N)
    for epoch in (2, 3):
        again.record(np.arange(N), scores_of(epoch + 50), LABELS)
        again.end_epoch()
    again.close()
    history = open_history(tmp_path)
    assert history.epochs == [0, 1, 2, 3]
    np.testing.assert_array_equal(history.epoch(1)["prediction"], scores_of(1).argmax(axis=1))
    np.testing.assert_array_equal(history.epoch(2)["prediction"], scores_of(52).argmax(axis=1))
    assert len(list((tmp_path / "epochs" / "train").iterdir())) == 7, "superseded files stay on disk"


def test_a_new_start_hides_nothing_before_its_first_epoch_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, n_samples=N)
    recorder.record(np.arange(N), scores_of(0), LABELS)
    recorder.end_epoch()
    Recorder(tmp_path, start_epoch=0, n_samples=N).record(np.arange(N), scores_of(9), LABELS)
    assert open_history(tmp_path).n_epochs == 1


@pytest.mark.parametrize(
    ("ids", "scores", "labels", "message"),
    [
        ([0, 1], np.zeros((3, K)), [0, 1], r"lengths differ.*\(2,\).*\(3, 4\).*\(2,\)"),
        ([0, 1], np.zeros((2, K)), [0, 4], r"label 4 of sample 1 is out of range.*0 to 3"),
        ([0, 1], np.zeros((2, K)), [0, -1], r"label -1 of sample 1 is out of range"),
        ([0, 1], np.array([[0.0] * K, [np.nan] * K]), [0, 1], r"NaN.*1 of 2 rows \(first: sample 1\)"),
        ([0, N], np.zeros((2, K)), [0, 1], r"sample 60 is no position in a train set of 60 samples"),
        ([0, 1], np.zeros((2, K)), ["a", "b"], r"labels have type.*class_names"),
        ([0, 1], np.zeros((2, K, 2)), [0, 1], r"scores have shape \(2, 4, 2\)"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, ids: list, scores: np.ndarray, labels: list, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        Recorder(tmp_path, n_samples=N).record(ids, scores, labels)
    assert list(tmp_path.iterdir()) == []


def test_wrong_probabilities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match=r"sample 0 has no probabilities.*sum 0\.6"):
        Recorder(tmp_path, scores_are="probabilities").record([0], [[0.3, 0.3]], [0])


def test_probabilities_that_turn_out_to_be_none_name_the_sample(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.record(["a", "b"], [0.2, 0.8], [0, 1])
    recorder.end_epoch()
    with pytest.raises(LabelAuditError, match=r'sample b has no probabilities.*scores_are="logits"'):
        recorder.record(["a", "b"], [0.2, 1.8], [0, 1])


@pytest.mark.parametrize("outside", [1.5, -0.5, None])
def test_one_column_is_told_by_the_whole_first_epoch(tmp_path: Path, outside: float | None) -> None:
    """Logits of small weights may lie within 0 and 1 for many batches."""
    rng = np.random.default_rng(0)
    scores, labels = rng.random((2, N), np.float32), np.arange(N) % 2
    scores[0, N - 3] = scores[0, N - 3] if outside is None else outside
    with Recorder(tmp_path, n_samples=N, precision="single") as recorder:
        for epoch in range(2):
            buffer = np.empty(20, np.float32)  # the caller's memory may change after the call
            for low in range(0, N, 20):
                buffer[:] = scores[epoch, low : low + 20]
                recorder.record(np.arange(low, low + 20), buffer, labels[low : low + 20])
            recorder.end_epoch()
    kind = "probabilities" if outside is None else "logits"
    expected = history_from_arrays(scores[:, :, None], labels, scores_are=kind)
    for epoch in range(2):
        got = np.asarray(open_history(tmp_path).epoch(epoch)["probabilities"].to_pylist())
        np.testing.assert_allclose(got, expected.epoch(epoch)["probabilities"].to_pylist(), atol=1e-6)


def test_a_dataset_of_another_length_is_refused(tmp_path: Path) -> None:
    record(tmp_path)
    with pytest.raises(LabelAuditError, match="recorded on a train set of 60 samples, this one has 61"):
        Recorder(tmp_path, n_samples=N + 1, start_epoch=3)


def test_a_label_that_changes_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.record([0, 1], np.zeros((2, 3)), [0, 1])
    recorder.end_epoch()
    recorder.record([0, 1], np.zeros((2, 3)), [0, 2])
    with pytest.raises(LabelAuditError, match="sample 1 had label 1 and now has 2"):
        recorder.end_epoch()


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.record([0], np.zeros((1, 3)), [0])
    with pytest.raises(LabelAuditError, match=r"got scores of 4 classes, but .* has 3"):
        recorder.record([1], np.zeros((1, 4)), [0])


@pytest.mark.parametrize(
    ("option", "value"), [("keep", "all"), ("scores_are", "odds"), ("task", "detect"), ("precision", "double")]
)
def test_unknown_options_are_refused(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(LabelAuditError, match=f"{option}='{value}' is unknown; expected one of"):
        Recorder(tmp_path, **{option: value})


def test_duplicate_sample_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="'a' 2 times"):
        Recorder(tmp_path, sample_ids=["a", "b", "a"])


def test_ignored_labels_are_left_out(tmp_path: Path) -> None:
    with Recorder(tmp_path, ignore_label=-100) as recorder:
        recorder.record([0, 1, 2], np.eye(3), [0, -100, 2])
        recorder.end_epoch()
    assert open_history(tmp_path).sample_ids.tolist() == [0, 2]


def test_planted_mistakes_are_remembered(tmp_path: Path) -> None:
    record(tmp_path, planted={3: 1, 10: 0})
    true = open_history(tmp_path).true_labels
    assert true is not None
    assert (true[3], true[10], int((true >= 0).sum())) == (1, 0, 2)


def test_disk_full_keeps_the_rows_for_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    recorder = Recorder(tmp_path, n_samples=N)
    recorder.record(np.arange(N), scores_of(0), LABELS)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            recorder.end_epoch()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "no torn file stays"
    recorder.end_epoch()
    assert open_history(tmp_path).n_epochs == 1


def test_memory_url(tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}"
    with Recorder(url, n_samples=N) as recorder:
        recorder.record(np.arange(N), scores_of(0), LABELS)
        recorder.end_epoch()
    history = open_history(url)
    np.testing.assert_array_equal(history.epoch(0)["prediction"], scores_of(0).argmax(axis=1))


def test_manifest_says_what_it_is(tmp_path: Path) -> None:
    record(tmp_path, class_names=["a", "b", "c", "d"])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["format_version"] == 1
    assert manifest["class_names"] == ["a", "b", "c", "d"]
    assert manifest["finished"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ["cat", "cat"]}, "'cat' twice"),
        ({"class_names": ["cat\ud800", "dog"]}, "not valid Unicode"),
        ({"sample_ids": ["a.png", "\udcff.png"]}, "not valid Unicode"),
    ],
)
def test_names_that_no_file_can_hold(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        Recorder(tmp_path, **options)
    with pytest.raises(LabelAuditError, match=message):
        history_from_arrays(np.zeros((1, 2, 2)), [0, 1], **options)


def test_ids_of_a_batch_that_no_file_can_hold(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        with pytest.raises(LabelAuditError, match=r"ids holds 'b\\udce4.png', which is not valid Unicode; rename it"):
            recorder.record(["a.png", "b\udce4.png"], np.eye(2), [0, 1])
        recorder.record(["a.png", "b.png"], np.eye(2), [0, 1])
        recorder.end_epoch()


@pytest.mark.parametrize("split", ["val/clean", "../val", "..", "", ".hidden", "val\\clean", "a\0b"])
def test_splits_whose_files_no_reader_would_find(tmp_path: Path, split: str) -> None:
    recorder = Recorder(tmp_path / "run")
    with pytest.raises(LabelAuditError, match="cannot be the name of a folder; expected one such as"):
        recorder.record([0, 1], np.eye(2), [0, 1], split=split)
    assert list(tmp_path.iterdir()) == []


def rows_of(recorder: Recorder, ids: Any = (0, 1, 2), labels: Any = None, **options: Any) -> None:
    """Record samples that are predicted right; the label of sample i is i % 3 where none is given."""
    if labels is None:
        integers = isinstance(ids, (list, tuple)) and all(isinstance(one, int) for one in ids)
        labels = [one % 3 for one in ids] if integers else [0, 1, 2]
    recorder.record(ids, np.eye(3)[np.asarray(labels)] * 4, labels, **options)


def crashed(path: Path, ids: Any = (0, 1, 2), **options: Any) -> None:
    """One epoch of a run that did not come to its end; it goes on with one that is there."""
    recorder = Recorder(path, resume=True, **options)
    rows_of(recorder, ids)
    recorder.end_epoch()


@pytest.mark.parametrize(
    ("scores", "labels", "options", "message"),
    [
        (np.eye(3), [1, 2, 3], {}, "label 3 of sample 2 is out of range"),
        (np.eye(3) * 4, [0, 1, 2], {"scores_are": "probabilities"}, "has no probabilities"),
        (np.full((3, 3), np.nan), [0, 1, 2], {}, "NaN or infinity"),
        (np.eye(3), [0, 1, 2], {"class_names": ["a"]}, "class_names has 1 names"),
        (np.eye(3), [0, 1, 2], {"sample_ids": ["a", "b"]}, "sample_ids has 2 entries"),
    ],
)
def test_overwrite_deletes_nothing_before_the_first_epoch_is_whole(
    tmp_path: Path, scores: np.ndarray, labels: list, options: dict, message: str
) -> None:
    record(tmp_path)
    recorder = Recorder(tmp_path, overwrite=True, **options)
    with pytest.raises(LabelAuditError, match=message):  # noqa: PT012
        recorder.record([0, 1, 2], scores, labels)
        recorder.end_epoch()  # which finds what is wrong with sample_ids
    assert open_history(tmp_path).n_epochs == EPOCHS
    assert open_history(tmp_path).epoch(2).num_rows == N


def test_overwrite_removes_the_old_history_with_the_first_epoch(tmp_path: Path) -> None:
    record(tmp_path)
    recorder = Recorder(tmp_path, overwrite=True)
    rows_of(recorder)
    assert open_history(tmp_path).n_epochs == EPOCHS
    recorder.end_epoch()
    assert [open_history(tmp_path).n_epochs, open_history(tmp_path).n_classes] == [1, 3]
    assert len(list((tmp_path / "samples" / "train").iterdir())) == 1


def test_overwrite_then_resume_in_the_middle_of_the_first_epoch(tmp_path: Path) -> None:
    record(tmp_path)
    recorder = Recorder(tmp_path, overwrite=True)
    rows_of(recorder, labels=(1, 2, 0))
    name = recorder.save_part()
    assert name is not None
    resumed = Recorder(tmp_path, start_epoch=0, resume=True)
    assert resumed.load_part(name)
    rows_of(resumed, [3, 4])
    resumed.end_epoch()
    assert open_history(tmp_path).labels.tolist() == [1, 2, 0, 0, 1]


def test_a_start_that_goes_on_with_a_killed_run_says_so_once(tmp_path: Path) -> None:
    crashed(tmp_path)
    said = "holds epochs up to 0 of a training that did not come to its end, and this one goes on with epoch 1"
    with pytest.warns(UserWarning, match=f"{said}.*overwrite=True") as warned:
        recorder = Recorder(tmp_path)
    rows_of(recorder)
    recorder.end_epoch()
    assert [Path(one.filename).name for one in warned] == [Path(__file__).name], "it names the user's own line"
    assert open_history(tmp_path).n_epochs == 2


@pytest.mark.parametrize(
    "options", [{"overwrite": True}, {"start_epoch": 0}, {"start_epoch": 1}, {"resume": True}, {"writer": 1}]
)
def test_who_says_what_is_meant_hears_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    crashed(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recorder(tmp_path, **options)
        Recorder(tmp_path / "new")


def test_a_writer_that_joins_others_of_its_start_hears_nothing(tmp_path: Path) -> None:
    crashed(tmp_path, writer=1, segment=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recorder(tmp_path, writer=0, segment=0)


@pytest.mark.parametrize("removed", range(6))
def test_killed_while_an_old_history_is_overwritten(tmp_path: Path, monkeypatch: Any, removed: int) -> None:
    """What is left is the old history, the new one or none: never some epochs of the old one as if they were all."""
    record(tmp_path)
    remove, calls = _LocalFolder.remove, iter(range(100))

    def until_killed(self: Any, name: str) -> None:
        if next(calls) == removed:
            raise KeyboardInterrupt
        remove(self, name)

    monkeypatch.setattr(_LocalFolder, "remove", until_killed)
    recorder = Recorder(tmp_path, overwrite=True)
    rows_of(recorder, labels=(1, 2, 0))
    if removed > EPOCHS + 1:  # manifest, epochs, samples
        recorder.end_epoch()
        assert open_history(tmp_path).labels.tolist() == [1, 2, 0]
        return
    with pytest.raises(KeyboardInterrupt):
        recorder.end_epoch()
    monkeypatch.undo()
    if not removed:
        assert open_history(tmp_path).n_epochs == EPOCHS
    else:
        with pytest.raises(LabelAuditError, match=r"no manifest\.json"):
            open_history(tmp_path)
    again = Recorder(tmp_path, overwrite=True)
    rows_of(again, labels=(1, 2, 0))
    again.end_epoch()
    assert open_history(tmp_path).labels.tolist() == [1, 2, 0]


def test_a_bad_first_batch_decides_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    with pytest.raises(LabelAuditError, match="out of range"):
        recorder.record([0, 1], np.eye(2), [0, 7])
    rows_of(recorder)
    recorder.end_epoch()
    assert open_history(tmp_path).n_classes == 3


NAMES = [f"{i}.png" for i in range(5)]


def test_ids_and_planted_mistakes_outlast_a_resume(tmp_path: Path) -> None:
    crashed(tmp_path, sample_ids=NAMES, planted={1: 2})
    crashed(tmp_path, (2, 1, 0), sample_ids=NAMES, planted={1: 2})
    for options, message in (({}, "sample_ids=, and 2 new"), ({"sample_ids": NAMES}, "planted=, and 2 new")):
        recorder = Recorder(tmp_path, resume=True, **options)
        rows_of(recorder, [0, 3, 4])
        with pytest.raises(LabelAuditError, match=f"was recorded with {message} train samples come without"):
            recorder.end_epoch()
    recorder = Recorder(tmp_path, resume=True, sample_ids=NAMES, planted={1: 2})
    rows_of(recorder, [0, 3, 4])
    recorder.end_epoch()
    history = open_history(tmp_path)
    assert history.sample_ids.tolist() == NAMES
    assert history.true_labels is not None
    assert history.true_labels.tolist() == [-1, 2, -1, -1, -1]


def test_a_resume_need_not_repeat_what_is_known(tmp_path: Path) -> None:
    crashed(tmp_path, sample_ids=NAMES, planted={1: 2})
    crashed(tmp_path)
    history = open_history(tmp_path)
    assert (history.n_epochs, history.sample_ids.tolist()) == (2, NAMES[:3])
    assert history.true_labels is not None


@pytest.mark.parametrize("start", [None, 0, 1])
def test_other_ids_for_known_samples_are_refused(tmp_path: Path, start: int | None) -> None:
    crashed(tmp_path, sample_ids=NAMES, planted={1: 2})
    with pytest.raises(LabelAuditError, match=r"a train sample with id 0\.png, which now has 4\.png \(2 samples"):
        Recorder(tmp_path, start_epoch=start, sample_ids=["4.png", "1.png", "0.png", "a", "b"])
    with pytest.raises(LabelAuditError, match=r"with true label 2, which now has 0 .*planted= as before"):
        Recorder(tmp_path, start_epoch=start, planted={1: 0})


@pytest.mark.parametrize("start", [None, 0])
def test_ids_added_after_a_crash_name_the_known_samples_too(tmp_path: Path, start: int | None) -> None:
    crashed(tmp_path)
    recorder = Recorder(tmp_path, resume=True, start_epoch=start, sample_ids=NAMES, planted={1: 2})
    assert open_history(tmp_path).sample_ids.tolist() == [0, 1, 2]
    rows_of(recorder, [0, 4])
    recorder.end_epoch()
    rows_of(recorder, [0, 4])
    recorder.end_epoch()
    history = open_history(tmp_path)
    assert history.sample_ids.tolist() == ["0.png", "1.png", "2.png", "4.png"]
    assert history.true_labels is not None
    assert history.true_labels.tolist() == [-1, 2, -1, -1]
    assert len(list((tmp_path / "samples" / "train").iterdir())) == 2


def test_ids_that_only_some_samples_files_have(tmp_path: Path) -> None:
    """Histories that labelaudit before 0.2 may have written: what is known of a sample is not lost."""
    crashed(tmp_path / "named", sample_ids=NAMES)
    crashed(tmp_path / "bare", (1, 2, 3))
    file = tmp_path / "bare" / "samples" / "train" / "e00000-s00-w0000.arrow"
    file.rename(tmp_path / "named" / "samples" / "train" / "e00000-s00-w0001.arrow")
    assert open_history(tmp_path / "named").sample_ids.tolist()[:3] == NAMES[:3]


@pytest.mark.parametrize(("first", "then"), [((0, 1, 2), ("a", "b", "c")), (("a", "b", "c"), (0, 1, 2))])
def test_integers_and_text_do_not_mix(tmp_path: Path, first: tuple, then: tuple) -> None:
    recorder = Recorder(tmp_path)
    rows_of(recorder, first)
    with pytest.raises(LabelAuditError, match=r"ids of train samples were \w+ before and are \w+ now"):
        rows_of(recorder, then)
    recorder.end_epoch()
    for again in (recorder, Recorder(tmp_path, resume=True), Recorder(tmp_path, start_epoch=0)):
        with pytest.raises(LabelAuditError, match="a sample keeps its id"):
            rows_of(again, then)


@pytest.mark.parametrize("start", [None, 1])
def test_ids_of_the_batches_and_positions_do_not_mix(tmp_path: Path, start: int | None) -> None:
    crashed(tmp_path / "ids", [100, 1, 2])
    with pytest.raises(
        LabelAuditError, match=r"has train sample 100, which is no position in a set of 5 samples.*id_key="
    ):
        Recorder(tmp_path / "ids", n_samples=5, start_epoch=start)
    crashed(tmp_path / "positions", n_samples=5)
    with pytest.raises(LabelAuditError, match="sample 100 is no position in a train set of 5 samples"):
        rows_of(Recorder(tmp_path / "positions", resume=True, start_epoch=start), [100, 1, 2])
    rows_of(Recorder(tmp_path / "positions", resume=True, start_epoch=start), [4, 1, 2])


def test_rows_of_an_epoch_that_is_never_ended_are_said(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    rows_of(recorder)
    recorder.end_epoch()
    rows_of(recorder, split="val")
    with pytest.warns(UserWarning, match="rows of val were recorded and never written"):
        recorder.close()
    assert open_history(tmp_path).splits == ("train",)
    recorder = Recorder(tmp_path, resume=True)
    rows_of(recorder)
    recorder.close(finished=False)  # an exception: that the epoch is lost is no news


def test_splits_may_differ_in_their_kind_of_ids(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    rows_of(recorder)
    rows_of(recorder, list("abc"), split="val")
    recorder.end_epoch()
    recorder.end_epoch(split="val")
    assert open_history(tmp_path).ids("val").tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("options", [{"sample_ids": NAMES}, {"planted": {1: 2}}])
def test_what_goes_by_position_needs_positions(tmp_path: Path, options: dict) -> None:
    with pytest.raises(LabelAuditError, match=f"{next(iter(options))}= goes by position"):
        rows_of(Recorder(tmp_path, **options), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array([1, 2, 2**63], np.uint64), "id 9223372036854775808 is larger"),
        ([1, 2, 2**64], "id 18446744073709551616 is larger"),
        ([1.0, 2.0, 3.0], r"id 1\.0 is of type float; expected integers only, or text only"),
        ([0, np.nan, 2], "of type float"),
        ([0, None, 2], "id None is of type NoneType"),
        (["a", None, "b"], "id None is of type NoneType"),
        ([1, "a", "b"], "id 1 is of type int"),
        ([True, False, True], "id True is of type bool"),
        ([b"a", b"b", b"c"], "of type bytes"),
        (3, r"ids have shape \(\)"),
        ([[1], [2, 3], [4]], "ids have rows of different lengths"),
    ],
)
def test_ids_are_integers_or_text(tmp_path: Path, ids: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        rows_of(Recorder(tmp_path), ids)


@pytest.mark.parametrize("ids", [np.array([3, 4, 5], object), np.array([3, 4, 5], np.uint64), (3, 4, 5)])
def test_integers_of_any_kind_are_ids(tmp_path: Path, ids: Any) -> None:
    crashed(tmp_path, ids)
    assert open_history(tmp_path).sample_ids.tolist() == [3, 4, 5]


@pytest.mark.parametrize("ids", [["a", "b", "c"], np.array(["a", "b", "c"]), [Path("a"), Path("b"), Path("c")]])
def test_text_of_any_kind_is_ids(tmp_path: Path, ids: Any) -> None:
    crashed(tmp_path, ids)
    assert open_history(tmp_path).sample_ids.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([[1.0], [1.0, 2.0]], [0, 1], "scores have rows of different lengths"),
        (np.zeros((2, 0)), [0, 1], r"scores have shape \(2, 0\)"),
        (np.eye(2), [0, np.nan], "first that is no class number: nan"),
        (np.eye(2), [0.0, 1.5], r"first that is no class number: 1\.5"),
        (np.eye(2), [0, None], "first that is no class number: None"),
        (np.eye(2), [0, 255], "pass ignore_label=255"),
    ],
)
def test_bad_scores_and_labels_are_named(tmp_path: Path, scores: Any, labels: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        Recorder(tmp_path).record([0, 1], scores, labels)


def test_two_labels_in_one_epoch_are_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    rows_of(recorder)
    rows_of(recorder, [2, 1], labels=[2, 0])
    with pytest.raises(LabelAuditError, match="sample 1 came with labels 1 and 0 in one epoch"):
        recorder.end_epoch()


@pytest.mark.parametrize("start", [None, 1])
@pytest.mark.parametrize(
    ("option", "before", "now"),
    [
        ("class_names", ["a", "b", "c"], ["x", "y", "z"]),
        ("keep", "scores", "summary"),
        ("scores_are", "logits", "probabilities"),
        ("precision", "half", "single"),
        ("precision", "single", "half"),
    ],
)
def test_options_that_differ_are_refused_when_going_on(
    tmp_path: Path, start: int | None, option: str, before: Any, now: Any
) -> None:
    crashed(tmp_path, **{option: before})
    crashed(tmp_path)  # not given: as before
    with pytest.raises(LabelAuditError, match=f"was recorded with {option}=.*Leave {option}= as it was"):
        Recorder(tmp_path, start_epoch=start, **{option: now})


def test_another_ignored_class_is_refused_when_going_on(tmp_path: Path) -> None:
    crashed(tmp_path, ignore_label=2)
    crashed(tmp_path, ignore_label=2)
    for now in (None, -100, 1):
        with pytest.raises(LabelAuditError, match=r"was recorded with ignore_label=2, .*Leave ignore_label= as it was"):
            Recorder(tmp_path, ignore_label=now)


def test_a_label_that_no_class_has_is_ignored_alike(tmp_path: Path) -> None:
    for value in (None, -100, -1):
        crashed(tmp_path, ignore_label=value)


def test_class_names_may_be_added_when_going_on(tmp_path: Path) -> None:
    crashed(tmp_path)
    with pytest.raises(LabelAuditError, match="class_names has 2 names, the scores have 3"):
        Recorder(tmp_path, class_names=["a", "b"])
    crashed(tmp_path, class_names=["a", "b", "c"])
    assert (open_history(tmp_path).class_names, open_history(tmp_path).n_epochs) == (["a", "b", "c"], 2)


def test_an_unfinished_history_is_begun_anew_with_new_options(tmp_path: Path) -> None:
    crashed(tmp_path, class_names=["a", "b", "c"])
    now = {"class_names": ["x", "y", "z"], "keep": "summary", "precision": "single", "start_epoch": 0}
    recorder = Recorder(tmp_path, **now)
    assert open_history(tmp_path).class_names == ["a", "b", "c"]
    rows_of(recorder)
    recorder.end_epoch()
    recorder.close()
    facts = json.loads((tmp_path / "manifest.json").read_text())
    assert (facts["class_names"], facts["keep"], facts["precision"]) == (["x", "y", "z"], "summary", "single")
    assert open_history(tmp_path).epochs == [0]
    with pytest.raises(LabelAuditError, match="class_names has 2 names"):
        crashed(tmp_path, class_names=["a", "b"], start_epoch=0)


def test_the_advice_about_logits_helps(tmp_path: Path) -> None:
    probabilities = np.full((3, 3), 1 / 3)
    recorder = Recorder(tmp_path, start_epoch=0)
    recorder.record([0, 1, 2], probabilities, [0, 1, 2])
    recorder.end_epoch()
    with pytest.raises(LabelAuditError, match='For logits say scores_are="logits"'):
        rows_of(recorder)
    crashed(tmp_path, start_epoch=0, scores_are="logits")
    assert open_history(tmp_path).epoch(0)["prediction"].to_pylist() == [0, 1, 2]


def test_recording_goes_on_in_the_same_folder_after_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Recorder("runs/x") as recorder:
        for _ in range(2):
            rows_of(recorder)
            recorder.record_embeddings([0, 1, 2], np.eye(3))
            recorder.end_epoch()
            monkeypatch.chdir(tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    monkeypatch.chdir(tmp_path)
    history = open_history("runs/x")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (history.path, history.n_epochs, history.epoch(1).num_rows) == (str(Path("runs/x")), 2, 3)


@pytest.mark.parametrize("names", [4, 6])
def test_sample_ids_fit_the_dataset(tmp_path: Path, names: int) -> None:
    with pytest.raises(LabelAuditError, match=f"sample_ids has {names} entries, the train set has 5 samples"):
        Recorder(tmp_path, n_samples={"train": 5, "val": 9}, sample_ids=[f"f{i}" for i in range(names)])


def test_a_folder_without_its_manifest_is_refused(tmp_path: Path) -> None:
    record(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(LabelAuditError, match=r"has epoch files but no manifest\.json: .*overwrite=True"):
        Recorder(tmp_path)
    record(tmp_path, overwrite=True)


@pytest.mark.parametrize("epoch", [-1, 1.0, "1"])
def test_an_epoch_number_is_an_integer_from_0(tmp_path: Path, epoch: Any) -> None:
    recorder = Recorder(tmp_path)
    rows_of(recorder)
    with pytest.raises(LabelAuditError, match="is no number of an epoch"):
        recorder.end_epoch(epoch)
    with pytest.raises(LabelAuditError, match="is no number of an epoch"):
        Recorder(tmp_path, start_epoch=epoch)
    assert recorder.end_epoch(np.int64(3)) == 3
    assert open_history(tmp_path).epochs == [3]


def test_every_split_counts_its_own_epochs(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for epoch in range(2):
        for split in ("train", "val"):
            rows_of(recorder, split=split)
            assert recorder.end_epoch(split=split) == epoch
    assert recorder.next_epoch == 2


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        ({-1: 1}, "planted= has sample -1, which is no position in a dataset of 3 samples"),
        ({3: 1}, "planted= has sample 3, which is no position"),
        ({0: -1}, "true label -1"),
        ({"a": 1}, r"planted= goes by position.*got 'a'"),
        ({0: "b"}, r"both integers; got 'b'"),
        ([0, 1, 2, 0], "planted= has 4 true labels, the dataset has 3 samples"),
        ({0: 7}, "gives sample 0 the true label 7, which is out of range: there are 3 classes"),
    ],
)
def test_planted_mistakes_are_checked(tmp_path: Path, planted: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        rows_of(Recorder(tmp_path, n_samples=3, planted=planted))
    with pytest.raises(LabelAuditError, match=message):
        history_from_arrays(np.eye(3), [0, 1, 2], planted=planted)


def test_a_writer_that_comes_late_leaves_the_history_finished(tmp_path: Path) -> None:
    """Of two ranks that train for one epoch, the first is done before the second has written anything."""
    ranks = [
        Recorder(tmp_path, n_samples=N, writer=rank, segment=0, class_names=tuple("abcd"), start_epoch=0)
        for rank in range(2)
    ]
    for rank, recorder in enumerate(ranks):
        rows = np.arange(rank, N, 2)
        recorder.record(rows, scores_of(0)[rows], LABELS[rows])
        recorder.end_epoch()
        recorder.close()
    assert open_history(tmp_path).epoch(0).num_rows == N
    with pytest.raises(LabelAuditError, match="already holds a finished history"):
        Recorder(tmp_path, n_samples=N)
