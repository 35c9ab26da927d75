"""Cross-validated runs: each sample trained on by some runs, and predicted by the run that left it out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError, Recorder, audit, open_history
from labelaudit.auditing.evidence import held_out_uses, log_time_weight
from labelaudit.auditing.stages import Stages
from labelaudit.auditing.window import plan
from labelaudit.report.source import history_of

N, K, EPOCHS, FOLDS = 54, 3, 4, 3
IDS = [f"photos/{i:03d}.png" for i in range(N)]
LABELS = np.arange(N) % K


def record(folder: Path, fold: int, *, labels: np.ndarray = LABELS, overlap: bool = False) -> None:
    rng = np.random.default_rng(fold)
    held = np.flatnonzero(np.arange(N) // K % FOLDS == fold)
    kept = np.arange(N) if overlap else np.setdiff1d(np.arange(N), held)
    with Recorder(folder, n_samples={"train": N, "val": N}, sample_ids=IDS, held_out=["val"]) as recorder:
        for epoch in range(EPOCHS):
            for split, rows in (("train", kept), ("val", held)):
                scores = rng.normal(size=(len(rows), K)) + 3 * np.eye(K)[LABELS[rows]]
                recorder.record(rows, scores, labels[rows], split=split)
                recorder.end_epoch(epoch, split=split)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / f"fold-{fold}" for fold in range(FOLDS)]
    for fold, folder in enumerate(folders):
        record(folder, fold)
    return folders


def total_weight(n_epochs: int) -> float:
    return sum(log_time_weight(i, Stages.by_epoch(n_epochs)) for i in range(n_epochs))


def test_every_sample_is_there_once_in_dataset_order(runs: list[Path]) -> None:
    history = open_history(runs, held_out="val")
    assert history.sample_ids.tolist() == IDS
    assert (history.n_epochs, len(history.trained), len(history.runs_read)) == (FOLDS * EPOCHS, FOLDS, 2 * FOLDS)
    assert history.held_out == "val"
    assert f"{FOLDS} runs" in repr(history)
    assert history.mean_scores().shape == (N, K)


def test_one_run_alone_knows_the_samples_it_never_trained_on(runs: list[Path]) -> None:
    assert open_history(runs[1]).n_samples == N - N // FOLDS
    assert open_history(runs[1], held_out="val").sample_ids.tolist() == IDS


def test_held_out_rows_are_read_and_the_rest_is_as_without(runs: list[Path]) -> None:
    without, history = open_history(runs), open_history(runs, held_out="val")
    plain, more = plan(without).uses, plan(history).uses
    assert {key: more[key] for key in plain} == plain
    assert {run for run, _ in more} - {run for run, _ in plain} == set(range(FOLDS, 2 * FOLDS))
    held = [more[FOLDS, epoch] for epoch in range(EPOCHS)]
    assert held == held_out_uses(EPOCHS)
    assert [use.early for use in held] == [False, False, True, True]
    assert sum(use.weight for use in held) == pytest.approx(total_weight(EPOCHS))


@pytest.mark.parametrize("epochs", [1, 2, 3, 7])
def test_any_number_of_epochs_has_a_late_half(epochs: int) -> None:
    uses = held_out_uses(epochs)
    assert len(uses) == epochs
    assert uses[-1].weight > 0
    assert sum(use.weight for use in uses) == pytest.approx(total_weight(epochs))


def test_audit_finds_what_only_the_held_out_rows_show(tmp_path: Path) -> None:
    wrong = LABELS.copy()
    wrong[::10] = (wrong[::10] + 1) % K
    folders = [tmp_path / f"{fold}" for fold in range(FOLDS)]
    for fold, folder in enumerate(folders):
        rng = np.random.default_rng(fold)
        held = np.flatnonzero(np.arange(N) // K % FOLDS == fold)
        kept = np.setdiff1d(np.arange(N), held)
        with Recorder(folder, n_samples={"train": N, "val": N}, sample_ids=IDS, held_out=["val"]) as recorder:
            for epoch in range(EPOCHS):  # trained on, every label is learned by heart at once
                recorder.record(kept, rng.normal(size=(len(kept), K)) + 3 * np.eye(K)[wrong[kept]], wrong[kept])
                recorder.end_epoch(epoch)
                scores = rng.normal(size=(len(held), K)) + 6 * np.eye(K)[LABELS[held]]
                recorder.record(held, scores, wrong[held], split="val")
                recorder.end_epoch(epoch, split="val")
    alone = audit(open_history(folders)).samples["label_quality"]
    found = audit(open_history(folders, held_out="val"))
    of_wrong = {IDS[i] for i in range(0, N, 10)}
    assert len(of_wrong & set(found.samples["label_quality"].nsmallest(6).index)) >= 5
    assert len(of_wrong & set(alone.nsmallest(6).index)) < 3
    assert found.summary["n_runs"] == FOLDS
    assert not [note for note in found.summary["notes"] if "never seen" in note]


def test_saved_audit_finds_its_history_again(runs: list[Path], tmp_path: Path) -> None:
    audit(open_history(runs, held_out="val")).save(tmp_path / "audit")
    again = labelaudit.load_audit(tmp_path / "audit")
    assert again.info["held_out"] == "val"
    assert len(again.info["history"]) == FOLDS
    history = history_of(again)
    assert history is not None
    assert history.held_out == "val"


def test_a_sample_trained_on_is_never_read_as_held_out(tmp_path: Path) -> None:
    record(tmp_path / "leak", 0, overlap=True)
    with pytest.raises(LabelAuditError, match=r"trained on 18 samples .*photos/000\.png.*not held out"):
        open_history(tmp_path / "leak", held_out="val")


@pytest.mark.parametrize("split", ["test", "train"])
def test_unknown_split(runs: list[Path], split: str) -> None:
    with pytest.raises(LabelAuditError, match="recorded splits: train, val"):
        open_history(runs, held_out=split)
