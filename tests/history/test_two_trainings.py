"""Two trainings that record into one folder at the same time: never a history of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelaudit import LabelAuditError, Recorder, open_history
from labelaudit.history.check import check_history

N, K = 6, 3


def epoch(recorder: Recorder, predicted: int, **options: Any) -> None:
    """Record that every sample was taken for one class."""
    recorder.record(np.arange(N), np.tile(np.eye(K)[predicted] * 5, (N, 1)), np.zeros(N, int), **options)
    recorder.end_epoch(**options)


def predictions(path: Path) -> list[int]:
    history = open_history(path)
    return [history.epoch(number)["prediction"][0].as_py() for number in history.epochs]


def test_begun_together_the_second_to_write_is_refused(tmp_path: Path) -> None:
    first, second = Recorder(tmp_path, n_samples=N), Recorder(tmp_path, n_samples=N)
    epoch(first, 1)
    with pytest.raises(LabelAuditError, match=r"another training is writing to .*: epoch 0 of train is there already"):
        epoch(second, 2)
    epoch(first, 1)
    first.close()
    second.close(finished=False)
    assert predictions(tmp_path) == [1, 1]


def test_one_that_begins_later_counts_from_its_first_epoch_on(tmp_path: Path) -> None:
    first = Recorder(tmp_path, n_samples=N, class_names=["a", "b", "c"])
    epoch(first, 1)
    epoch(first, 1)
    second = Recorder(tmp_path, n_samples=N, start_epoch=0, keep="summary", class_names=["x", "y", "z"])
    epoch(second, 2)
    with pytest.raises(LabelAuditError, match=r"another training has begun in .*Give every training a folder"):
        epoch(first, 1)
    with pytest.warns(UserWarning, match="recorded and never written"):
        first.close()
    assert not check_history(tmp_path).finished, "the training whose history this is goes on"
    epoch(second, 2)
    second.close()
    assert predictions(tmp_path) == [2, 2]
    assert open_history(tmp_path).class_names == ["x", "y", "z"]


def test_the_last_word_is_not_that_of_the_older_training(tmp_path: Path) -> None:
    """It had nothing more to write when the newer one began."""
    first = Recorder(tmp_path, n_samples=N, class_names=["a", "b", "c"])
    epoch(first, 1)
    second = Recorder(tmp_path, n_samples=N, start_epoch=0, class_names=["x", "y", "z"])
    epoch(second, 2)
    first.close()
    facts = check_history(tmp_path)
    assert (facts.finished, facts.class_names) == (False, ["x", "y", "z"])


def test_other_writers_of_the_same_start_and_other_splits_are_no_other_training(tmp_path: Path) -> None:
    ranks = [Recorder(tmp_path, n_samples={"train": N, "val": N}, writer=rank, segment=0) for rank in range(2)]
    for _ in range(2):
        for recorder in ranks:
            epoch(recorder, 1)
            epoch(recorder, 2, split="val")
    for recorder in ranks:
        recorder.close()
    assert check_history(tmp_path).n_files == 8
    assert check_history(tmp_path).finished


def test_a_rank_that_is_slower_leaves_the_manifest_of_a_quicker_one(tmp_path: Path) -> None:
    ranks = [Recorder(tmp_path, n_samples=N, writer=rank, segment=0) for rank in range(2)]
    epoch(ranks[1], 1)
    ranks[0].record(np.arange(N), np.eye(N, K), np.zeros(N, int))
    assert ranks[0].save_part() is not None
    assert open_history(tmp_path).n_epochs == 1


def test_a_writer_that_was_restarted_replaces_its_own_file(tmp_path: Path) -> None:
    for predicted in (1, 2):
        epoch(Recorder(tmp_path, n_samples=N, segment=0, start_epoch=0), predicted)
    assert predictions(tmp_path) == [2]


def test_parts_of_a_start_that_was_killed_stay_as_they_are(tmp_path: Path) -> None:
    """A checkpoint of it may still be resumed from, though another start began in between."""

    def parts(labels: list[int]) -> list[str | None]:
        recorder = Recorder(tmp_path, n_samples=N, start_epoch=0)
        names = []
        for _ in range(3):
            recorder.record(np.arange(N), np.eye(K)[labels], labels)
            names.append(recorder.save_part())
        return names

    killed, later = parts([0, 1, 2, 0, 1, 2]), parts([2, 2, 2, 2, 2, 2])
    assert not set(killed) & set(later)
    resumed = Recorder(tmp_path, n_samples=N, start_epoch=0, resume=True)
    assert resumed.load_part(str(killed[1]))
    resumed.end_epoch()
    assert open_history(tmp_path).labels.tolist() == [0, 1, 2, 0, 1, 2]
