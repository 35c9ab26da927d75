"""labelaudit.Recorder: rows in, one file per epoch out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelaudit import LabelAuditError, Recorder, history_from_arrays, open_history

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
