"""Visualizations and similarity indexes of a history, kept under keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError, Recorder, open_history
from labelaudit.cli import main

N, K, D = 60, 3, 5
LABELS = np.arange(N) % K


def record(path: Any, epochs: range = range(2), **options: Any) -> labelaudit.History:
    with Recorder(path, n_samples=N, class_names=["a", "b", "c"], **options) as recorder:
        for epoch in epochs:
            rng = np.random.default_rng(epoch)
            recorder.record(np.arange(N), rng.normal(size=(N, K)) + 3 * np.eye(K)[LABELS], LABELS)
            recorder.record_embeddings(np.arange(N), rng.normal(size=(N, D)) + 3 * np.eye(K, D)[LABELS])
            recorder.end_epoch()
    return open_history(path)


@pytest.fixture
def history(tmp_path: Path) -> labelaudit.History:
    return record(tmp_path / "run", sample_ids=[f"{i}.png" for i in range(N)])


def test_a_visualization_is_kept_and_given_back(history: labelaudit.History, monkeypatch: pytest.MonkeyPatch) -> None:
    made = history.visualize("pca", seed=1)
    assert history.runs.list() == ["pca"]
    info = history.runs.info("pca")
    assert (info.kind, info.n_samples, info.problems) == ("visualization", N, [])
    assert info.parameters == {"method": "pca", "seed": 1, "split": "train", "epoch": 1}
    again = open_history(history.path)
    with monkeypatch.context() as patch:
        patch.setattr("labelaudit.embedding.visualization.visualize", None)  # nothing is computed again
        same = again.visualize("pca", seed=1)
    assert np.array_equal(made.points, same.points)
    assert same.sample_ids.tolist() == made.sample_ids.tolist() == [f"{i}.png" for i in range(N)]
    assert (same.method, same.seed, same.class_names) == ("pca", 1, ["a", "b", "c"])
    assert same.labels is not None
    assert same.labels.tolist() == LABELS.tolist()
    history.visualize("pca", seed=2)
    assert history.runs.list("visualization") == ["pca", "pca-2"], "never overwritten by itself"


def test_a_visualization_of_a_subset_knows_its_view(history: labelaudit.History) -> None:
    ids = [f"{i}.png" for i in (3, 1, 4)]
    made = history.visualize("pca", ids=ids, key="three")
    assert len(made) == 3
    assert history.runs.view("three").tolist() == ids
    assert (history.runs.info("three").n_samples, history.runs.info("three").of_samples) == (3, N)
    assert len(history.visualize("pca")) == N, "all samples are not the three"
    with pytest.raises(LabelAuditError, match="has a run 'three' already"):
        history.visualize("pca", key="three")
    history.visualize("pca", key="three", overwrite=True)
    assert history.runs.info("three").n_samples == N


def test_a_similarity_index_keeps_its_last_search(history: labelaudit.History) -> None:
    index = history.similarity(key="mine")
    index.find_duplicates(fraction=0.1)
    history.runs.save("mine", index, overwrite=True)
    again = open_history(history.path).runs.load("mine")
    assert again.duplicate_ids.tolist() == index.duplicate_ids.tolist()
    assert again.threshold == index.threshold
    assert again.neighbors_map == index.neighbors_map
    assert history.similarity().sample_ids.tolist() == index.sample_ids.tolist()
    assert history.runs.list("similarity") == ["mine", "similarity"]
    part = index.view([f"{i}.png" for i in range(9)])
    history.runs.save("part", part)
    assert len(history.runs.load("part")) == 9 == len(history.runs.view("part"))


def test_an_index_of_other_vectors_takes_them_along(history: labelaudit.History) -> None:
    vectors = np.random.default_rng(0).normal(size=(N, 2))
    of = labelaudit.Embeddings.from_arrays(vectors, history.sample_ids, labels=LABELS, class_names=["a", "b", "c"])
    history.runs.save("own", of.similarity(metric="euclidean").find_unique(5))
    again = open_history(history.path).runs.load("own")
    assert np.array_equal(again.embeddings.vectors, vectors)
    assert again.embeddings.class_names == ["a", "b", "c"]
    assert len(again.unique_ids) == 5


def test_an_index_of_embeddings_that_are_gone_says_so(history: labelaudit.History) -> None:
    history.similarity()
    longer = record(history.path, range(2, 4), resume=True)
    assert longer.runs.info("similarity").notes == ["the history has changed since: it had 2 epochs, now 4"]
    with pytest.raises(LabelAuditError, match="no train embeddings of epoch 1; there are those of 3"):
        longer.runs.load("similarity")
    longer.similarity()
    assert longer.runs.list() == ["similarity", "similarity-2"]


def test_of_several_runs_one_is_chosen(tmp_path: Path) -> None:
    names = ["bare", "b", "c"]
    with Recorder(tmp_path / "bare", n_samples=N, class_names=["a", "b", "c"]) as recorder:
        recorder.record(np.arange(N), np.eye(K)[LABELS], LABELS)
        recorder.end_epoch()
    alone = [record(tmp_path / name, range(n)) for name, n in (("b", 2), ("c", 4))]
    history = open_history([tmp_path / name for name in names])
    with pytest.warns(UserWarning, match="2 runs hold train embeddings") as said:
        made = history.visualize("pca")
    assert said[0].filename == __file__
    assert np.array_equal(made.points, alone[0].embeddings().visualize("pca").points), "the first that holds any"
    other = history.visualize("pca", run=2)
    assert np.array_equal(other.points, alone[1].embeddings().visualize("pca").points)
    assert history.runs.info("pca-2").parameters == {"method": "pca", "seed": 0, "split": "train", "epoch": 3, "run": 2}
    with pytest.warns(UserWarning, match="2 runs hold train embeddings") as said:
        assert np.array_equal(history.similarity().embeddings.vectors, alone[0].embeddings().vectors)
    assert said[0].filename == __file__
    with pytest.raises(LabelAuditError, match="bare holds no train embeddings"):
        history.similarity(run=0)
    with pytest.raises(LabelAuditError, match=r"run 3 is not in .*; there are 3, from 0"):
        history.visualize("pca", run=3)


def test_an_index_of_another_run_needs_that_run(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        record(tmp_path / name)
    made = open_history([tmp_path / "a", tmp_path / "b"]).similarity(run=1, key="of-b")
    again = open_history([tmp_path / "a", tmp_path / "b"]).runs.load("of-b")
    assert np.array_equal(again.embeddings.vectors, made.embeddings.vectors)
    for others in (["a"], ["a", "c"]):
        with pytest.raises(LabelAuditError, match="this index is of the embeddings of b, run 1 of a, b; the history"):
            open_history([tmp_path / name for name in others]).runs.load("of-b")


def test_what_cannot_be_written_is_said(history: labelaudit.History) -> None:
    (Path(history.path) / "runs").write_text("in the way")
    with pytest.warns(UserWarning, match="the pca is not kept"):
        assert len(history.visualize("pca")) == N
    with pytest.raises(OSError, match="runs"):
        history.visualize("pca", key="mine")


def test_recorded_embeddings_are_a_second_witness(history: labelaudit.History, capsys: Any) -> None:
    found = labelaudit.audit(history, embeddings=history.embeddings(), key="both")
    assert found.samples["neighbor_agreement"].between(0, 1).all()
    assert history.runs.info("both").parameters["embeddings"] == {"split": "train", "epoch": 1, "run": 0}
    assert main(["audit", history.path, "--embeddings", "--json", "--key", "again"]) == 0
    again = history.runs.load("again")
    assert again.samples["label_quality"].tolist() == found.samples["label_quality"].tolist()
    assert "no train embeddings" not in capsys.readouterr().err
