"""Embeddings in a history: what was recorded comes back, whole or not at all, and only the wanted epochs stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError, Recorder, open_history
from labelaudit.cli import main
from labelaudit.history import waiting_vectors

N, K, D = 40, 3, 7
LABELS = np.arange(N) % K


def vectors_of(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).normal(size=(N, D)).astype(np.float32)


def record(path: Any, epochs: Any = range(4), *, finished: bool = True, parts: Any = None, **options: Any) -> None:
    """Every epoch in two batches, in an order of its own."""
    recorder = Recorder(path, n_samples=N, **options)
    for epoch in epochs:
        order = np.random.default_rng(100 + epoch).permutation(N)
        order = order if parts is None else order[np.isin(order, parts)]
        for ids in np.array_split(order, 2):
            recorder.record(ids, np.eye(K)[LABELS[ids]], LABELS[ids])
            recorder.record_embeddings(ids, vectors_of(epoch)[ids])
        recorder.end_epoch(epoch)
    recorder.close(finished=finished)


def names(path: Path, split: str = "train") -> list[str]:
    return sorted(place.name for place in (path / "embeddings" / split).iterdir())


def test_of_several_runs_the_first_that_holds_any(tmp_path: Path) -> None:
    with Recorder(tmp_path / "bare", n_samples=N) as recorder:
        recorder.record(np.arange(N), np.eye(K)[LABELS], LABELS)
        recorder.end_epoch()
    record(tmp_path / "run")
    both = open_history([tmp_path / "bare", tmp_path / "run"])
    found = both.embeddings()
    np.testing.assert_array_equal(found.vectors, open_history(tmp_path / "run").embeddings().vectors)
    assert found.source == {"split": "train", "epoch": 3, "run": 1}
    with pytest.raises(LabelAuditError, match="bare holds no train embeddings"):
        both.embeddings(run=0)
    with pytest.raises(LabelAuditError, match="bare holds no train embeddings"):
        open_history([tmp_path / "bare", tmp_path / "bare"]).embeddings()
    assert main(["audit", str(tmp_path / "bare"), str(tmp_path / "run"), "--embeddings"]) == 0


def test_of_several_runs_that_hold_some_one_is_chosen(tmp_path: Path) -> None:
    record(tmp_path / "a", range(2))
    record(tmp_path / "b", range(4))
    both = open_history([tmp_path / "a", tmp_path / "b"])
    with pytest.warns(
        UserWarning, match=r"2 runs hold train embeddings, each in a space of its own; .* of run 0, .*a\."
    ) as said:
        first = both.embeddings()
    assert said[0].filename == __file__
    assert first.source == {"split": "train", "epoch": 1, "run": 0}
    second = both.embeddings(run=1)
    np.testing.assert_array_equal(second.vectors, open_history(tmp_path / "b").embeddings().vectors)
    for run in (2, -1):
        with pytest.raises(LabelAuditError, match=f"run {run} is not in .*; there are 2, from 0"):
            both.embeddings(run=run)


def test_the_last_epoch_comes_back_in_dataset_order(tmp_path: Path) -> None:
    record(tmp_path / "run", class_names=["a", "b", "c"], sample_ids=[f"{i}.png" for i in range(N)])
    found = open_history(tmp_path / "run").embeddings()
    np.testing.assert_allclose(found.vectors, vectors_of(3), rtol=1e-3, atol=1e-7)
    assert found.sample_ids.tolist() == [f"{i}.png" for i in range(N)]
    assert found.labels is not None
    assert found.labels.tolist() == LABELS.tolist()
    assert found.class_names == ["a", "b", "c"]
    assert names(tmp_path / "run") == ["e00003-s00-w0000.arrow"]


@pytest.mark.parametrize(("epochs", "kept"), [(2, [0, 2, 4]), ([1, 3, 9], [1, 3]), ("last", [4])])
def test_only_the_wanted_epochs_stay(tmp_path: Path, epochs: Any, kept: list[int]) -> None:
    record(tmp_path / "run", range(5), embedding_epochs=epochs)
    assert names(tmp_path / "run") == [f"e{epoch:05d}-s00-w0000.arrow" for epoch in kept]
    history = open_history(tmp_path / "run")
    for epoch in kept:
        np.testing.assert_allclose(history.embeddings(epoch=epoch).vectors, vectors_of(epoch), rtol=1e-3, atol=1e-7)
    with pytest.raises(LabelAuditError, match=r"no train embeddings of epoch 7; there are those of .*embedding_epochs"):
        history.embeddings(epoch=7)


def test_an_epoch_replaces_the_one_before(tmp_path: Path) -> None:
    record(tmp_path / "run", range(5), finished=False)
    assert names(tmp_path / "run") == ["e00004-s00-w0000.arrow"]
    np.testing.assert_allclose(open_history(tmp_path / "run").embeddings().vectors, vectors_of(4), rtol=1e-3, atol=1e-7)


def test_a_run_that_is_resumed_replaces_what_it_records_again(tmp_path: Path) -> None:
    path = tmp_path / "run"
    record(path, range(6), finished=False)
    recorder = Recorder(path, n_samples=N, start_epoch=3)
    recorder.record(np.arange(N), np.eye(K)[LABELS], LABELS)
    recorder.record_embeddings(np.arange(N), 0 * vectors_of(3))
    assert open_history(path).embeddings().vectors.any(), "nothing new is on disk yet"
    recorder.end_epoch()
    history = open_history(path)
    assert not history.embeddings().vectors.any(), "epochs 4 and 5 of the first start no longer count"
    recorder.close()
    assert names(path) == ["e00003-s01-w0000.arrow"]


def test_an_epoch_without_scores_is_refused(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run") as recorder:
        recorder.record_embeddings([0, 1], np.ones((2, D)))
        with pytest.raises(LabelAuditError, match="train embeddings of this epoch and no scores"):
            recorder.end_epoch()


@pytest.mark.parametrize(
    ("ids", "vectors", "said"),
    [
        ([0, 1], np.ones(2), r"shape \(2,\)"),
        ([0, 1], np.ones((3, D)), "lengths differ"),
        ([0, N], np.ones((2, D)), f"sample {N} is no position in a train set of {N} samples"),
        ([0, 1], np.array([["a"], ["b"]]), "type <U1"),
        ([0, 1], np.ones((2, 0)), r"shape \(2, 0\)"),
        ([0, 1], np.ones((2, D + 1)), f"had {D} features before and now have {D + 1}"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(tmp_path: Path, ids: Any, vectors: Any, said: str) -> None:
    with Recorder(tmp_path / "run", n_samples=N) as recorder:
        recorder.record_embeddings([0], np.ones((1, D)))
        with pytest.raises(LabelAuditError, match=said):
            recorder.record_embeddings(ids, vectors)


@pytest.mark.parametrize("epochs", ["first", 0, -1, True, 1.5, [0, -2], None])
def test_unknown_choices_of_epochs_are_refused(tmp_path: Path, epochs: Any) -> None:
    with pytest.raises(LabelAuditError, match=r"embedding_epochs=.*expected 'last'"):
        Recorder(tmp_path / "run", embedding_epochs=epochs)


def test_without_embeddings_the_error_says_what_to_pass(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run") as recorder:
        recorder.record([0, 1, 2], np.eye(3), [0, 1, 2])
        recorder.end_epoch()
    for history in (open_history(tmp_path / "run"), labelaudit.history_from_arrays(np.eye(3)[None], [0, 1, 2])):
        for read in (history.embeddings, history.visualize, history.similarity):
            with pytest.raises(LabelAuditError, match=r'holds no train embeddings.*embeddings="auto".*from_model'):
                read()


def test_the_last_presentation_counts(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run") as recorder:
        for value in (1.0, 2.0):
            recorder.record([5, 3], [[1.0, 0.0]] * 2, [0, 1])
            recorder.record_embeddings([5, 3], np.full((2, D), value) + np.array([[5], [3]]))
        recorder.end_epoch()
    found = open_history(tmp_path / "run").embeddings()
    assert found.sample_ids.tolist() == [3, 5]
    assert found.vectors[:, 0].tolist() == [5.0, 7.0]


def test_string_ids(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(["z", "a"], np.eye(2), [0, 1])
        recorder.record_embeddings(np.array(["a", "z"]), [[1.0], [2.0]])
        recorder.end_epoch()
    found = open_history(tmp_path / "run").embeddings()
    assert dict(zip(found.sample_ids.tolist(), found.vectors[:, 0].tolist(), strict=True)) == {"a": 1.0, "z": 2.0}


def test_several_writers_are_joined_and_padding_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "run"
    halves = (np.arange(0, N, 2), np.append(np.arange(1, N, 2), 0))
    writers = [Recorder(path, n_samples=N, writer=i, segment=0, n_writers=2) for i in range(2)]
    for epoch in range(3):
        for i in (0, 1) if epoch < 2 else (0,):
            writers[i].record(halves[i], np.eye(K)[LABELS[halves[i]]], LABELS[halves[i]])
            writers[i].record_embeddings(halves[i], vectors_of(epoch)[halves[i]])
            writers[i].end_epoch(epoch)
    found = open_history(path).embeddings()
    assert found.sample_ids.tolist() == list(range(N))
    np.testing.assert_allclose(found.vectors, vectors_of(1), rtol=1e-3, atol=1e-7, err_msg="epoch 2 is not whole")
    one = np.arange(0, N, 2)
    np.testing.assert_allclose(open_history(path).embeddings(epoch=2).vectors, vectors_of(2)[one], rtol=1e-3, atol=1e-7)
    writers[1].record(halves[1], np.eye(K)[LABELS[halves[1]]], LABELS[halves[1]])
    writers[1].record_embeddings(halves[1], vectors_of(2)[halves[1]])
    writers[1].end_epoch(2)
    np.testing.assert_allclose(open_history(path).embeddings().vectors, vectors_of(2), rtol=1e-3, atol=1e-7)
    for writer in writers:
        writer.close()
    assert names(path) == ["e00002-s00-w0000.arrow", "e00002-s00-w0001.arrow"]


def test_fewer_writers_after_a_resume(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for writer in (0, 1):
        record(path, range(2), parts=np.arange(writer, N, 2), writer=writer, segment=0, n_writers=2, finished=False)
    record(path, range(2, 4), start_epoch=2)
    np.testing.assert_allclose(open_history(path).embeddings().vectors, vectors_of(3), rtol=1e-3, atol=1e-7)
    assert names(path) == ["e00003-s01-w0000.arrow"]


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", ignore_label=-100) as recorder:
        recorder.record([0, 1, 2], np.eye(3), [0, -100, 2])
        recorder.record_embeddings([0, 1, 2], np.arange(3.0)[:, None])
        recorder.end_epoch()
    found = open_history(tmp_path / "run").embeddings()
    assert (found.sample_ids.tolist(), found.vectors[:, 0].tolist()) == ([0, 2], [0.0, 2.0])


def test_what_is_not_finite_is_left_out_with_a_warning(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run") as recorder:
        recorder.record([0, 1, 2], np.eye(3), [0, 1, 2])
        recorder.record_embeddings([0, 1, 2], [[1.0], [np.nan], [np.inf]])
        recorder.end_epoch()
    with pytest.warns(UserWarning, match="2 of 3 train embeddings of epoch 0 hold NaN or infinity"):
        assert open_history(tmp_path / "run").embeddings().sample_ids.tolist() == [0]


@pytest.mark.parametrize("size", [1e-9, 1e-4, 1.0, 3e4, 1e6, 1e12])
def test_half_precision_keeps_vectors_of_any_size(tmp_path: Path, size: float) -> None:
    with Recorder(tmp_path / "run", n_samples=N) as recorder:
        recorder.record(np.arange(N), np.eye(K)[LABELS], LABELS)
        recorder.record_embeddings(np.arange(N // 2), size * vectors_of(0)[: N // 2])
        recorder.record_embeddings(np.arange(N // 2, N), 100 * size * vectors_of(0)[N // 2 :])
        recorder.end_epoch()
    found = open_history(tmp_path / "run").embeddings().vectors
    expected = vectors_of(0) * np.where(np.arange(N) < N // 2, 1, 100)[:, None]
    np.testing.assert_allclose(found / size, expected, rtol=1e-3, atol=5e-5 * np.abs(expected).max())


def test_many_vectors_go_through_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "memory", range(2))
    monkeypatch.setattr(waiting_vectors.WaitingVectors.__init__, "__defaults__", (None, 300))
    monkeypatch.setattr(waiting_vectors, "_BLOCK", 64)
    record(tmp_path / "disk", range(2))
    found = [open_history(tmp_path / name).embeddings() for name in ("memory", "disk")]
    assert np.array_equal(found[0].vectors, found[1].vectors)
    assert not [place for place in (tmp_path / "disk").rglob("*") if "tmp" in place.name]


def test_an_epoch_in_parts_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "run"
    first = Recorder(path, n_samples=N)
    first.record(np.arange(20), np.eye(K)[LABELS[:20]], LABELS[:20])
    first.record_embeddings(np.arange(20), vectors_of(0)[:20])
    part = first.save_part(0)
    assert part is not None
    second = Recorder(path, n_samples=N, start_epoch=0)
    assert second.load_part(part)
    second.record(np.arange(20, N), np.eye(K)[LABELS[20:]], LABELS[20:])
    second.record_embeddings(np.arange(20, N), vectors_of(0)[20:])
    second.end_epoch(0)
    second.close()
    np.testing.assert_allclose(open_history(path).embeddings().vectors, vectors_of(0), rtol=1e-3, atol=1e-7)
    assert not list((path / "parts" / "train").iterdir())


def test_damage_is_found(tmp_path: Path) -> None:
    record(tmp_path / "run")
    place = tmp_path / "run" / "embeddings" / "train" / "e00003-s00-w0000.arrow"
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    with pytest.raises(LabelAuditError, match=r"e00003-s00-w0000\.arrow \(epoch 3\) is damaged"):
        open_history(tmp_path / "run").embeddings()
    from labelaudit.history.check import check_history

    assert "e00003-s00-w0000.arrow" in check_history(tmp_path / "run").problems[0]


def test_a_history_that_is_replaced_loses_its_embeddings(tmp_path: Path) -> None:
    record(tmp_path / "run")
    with Recorder(tmp_path / "run", overwrite=True) as recorder:
        recorder.record([0, 1, 2], np.eye(3), [0, 1, 2])
        recorder.end_epoch()
    assert names(tmp_path / "run") == []


def test_splits_together_for_leaks(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run") as recorder:
        for split in ("train", "val"):
            recorder.record([0, 1], np.eye(2), [0, 1], split=split)
            recorder.record_embeddings([0, 1], [[1.0, 0.0], [0.0, 1.0 + (split == "val")]], split=split)
            recorder.end_epoch(0, split=split)
    history = open_history(tmp_path / "run")
    assert history.embeddings("val").sample_ids.tolist() == [0, 1]
    both = history.embeddings(["train", "val"])
    assert both.sample_ids.tolist() == ["train/0", "train/1", "val/0", "val/1"]
    assert both.splits is not None
    assert both.splits.tolist() == ["train", "train", "val", "val"]


def test_an_object_store(tmp_path: Path) -> None:
    record("memory://embeddings/run")
    np.testing.assert_allclose(
        open_history("memory://embeddings/run").embeddings().vectors, vectors_of(3), rtol=1e-3, atol=1e-7
    )


def test_other_readers_open_the_file(tmp_path: Path) -> None:
    import pyarrow as pa

    record(tmp_path / "run")
    table = pa.ipc.open_file(tmp_path / "run" / "embeddings" / "train" / "e00003-s00-w0000.arrow").read_all()
    samples = table["sample"].to_numpy()
    assert sorted(samples) == list(range(N))
    found = np.array(table["embedding"].to_pylist(), float)
    np.testing.assert_allclose(found, vectors_of(3)[samples], rtol=1e-3, atol=1e-7)
