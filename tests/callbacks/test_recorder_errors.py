"""A store that fails: training stops or goes on, as the user chose, and the history stays readable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from spy import Spy, assert_recorded, loader, trainer

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import PredictionRecorder
from labelaudit.callbacks.lightning import PredictionRecorder as Here

FAILURES = {
    "disk full": (os, "fsync", OSError(28, "No space left on device")),
    "permission denied": (Path, "open", PermissionError(13, "Permission denied")),
}


@pytest.mark.parametrize("on_error", ["raise", "warn"])
@pytest.mark.parametrize(("owner", "name", "error"), FAILURES.values(), ids=FAILURES)
def test_writing_fails_from_the_third_epoch_on(
    tmp_path: Path, monkeypatch: Any, owner: Any, name: str, error: OSError, on_error: str
) -> None:
    """As the operating system says it: the failing call is the one that writes."""
    original = getattr(owner, name)
    failing = False

    def call(*args: Any, **kwargs: Any) -> Any:
        if failing and "wb" in (*args, "wb" if owner is os else ""):
            raise error
        return original(*args, **kwargs)

    class Module(Spy):
        def on_train_epoch_start(self) -> None:
            nonlocal failing
            failing = self.current_epoch >= 2

    monkeypatch.setattr(owner, name, call)
    module, path = Module(), tmp_path / "run"
    fit = trainer(PredictionRecorder(path, on_error=on_error), max_epochs=5)
    if on_error == "raise":
        with pytest.raises(LabelAuditError, match=rf"{error.strerror}.*on_error='warn'"):
            fit.fit(module, loader())
        assert sorted(module.said["train"]) == [0, 1, 2]
    else:
        with pytest.warns(UserWarning, match=f"training goes on, recording stopped.*{error.strerror}"):
            fit.fit(module, loader())
        assert sorted(module.said["train"]) == [0, 1, 2, 3, 4]
    failing = False
    assert_recorded(path, {epoch: module.said["train"][epoch] for epoch in (0, 1)})
    assert not [file for file in path.rglob("*") if file.suffix == ".tmp"]
    again = Spy()
    trainer(PredictionRecorder(path), max_epochs=1).fit(again, loader())
    assert_recorded(path, again.said["train"])


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_path_that_is_a_file(tmp_path: Path, on_error: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    module = Spy()
    with pytest.raises(LabelAuditError, match="file is a file; a history is a folder"):
        trainer(PredictionRecorder(tmp_path / "file", on_error=on_error)).fit(module, loader())
    assert module.batches == []  # a wrong path is said before training, and not passed over


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_path_that_cannot_be_a_folder(tmp_path: Path, on_error: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    module = Spy()
    fit = trainer(PredictionRecorder(tmp_path / "file/run", on_error=on_error))
    if on_error == "raise":
        with pytest.raises(LabelAuditError, match=r"NotADirectoryError.*on_error='warn'"):
            fit.fit(module, loader())
        assert module.batches == []  # said before training
    else:
        with pytest.warns(UserWarning, match="training goes on, recording stopped"):
            fit.fit(module, loader())
        assert sorted(module.said["train"]) == [0, 1]
    with pytest.raises(LabelAuditError, match="no history"):
        open_history(tmp_path / "other")


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_store_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: Any, on_error: str) -> None:
    def denied(self: Any, trainer: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Here, "_open_history", denied)
    module = Spy()
    fit = trainer(PredictionRecorder(tmp_path / "run", on_error=on_error))
    if on_error == "raise":
        with pytest.raises(LabelAuditError, match=r"Permission denied.*on_error='warn'"):
            fit.fit(module, loader())
    else:
        with pytest.warns(UserWarning, match="recording stopped.*Permission denied"):
            fit.fit(module, loader())
        assert sorted(module.said["train"]) == [0, 1]


def test_another_training_that_begins_in_its_folder_stops_the_recording_only(tmp_path: Path) -> None:
    """Whoever began it made the mistake; the training that had the folder first is not lost for it."""
    other = Spy()

    class Module(Spy):
        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 2:
                trainer(PredictionRecorder(tmp_path / "run"), max_epochs=1).fit(other, loader())

    module = Module()
    with pytest.warns(UserWarning, match=r"training goes on, recording stopped: another training has begun in"):
        trainer(PredictionRecorder(tmp_path / "run"), max_epochs=4).fit(module, loader())
    assert sorted(module.said["train"]) == [0, 1, 2, 3]
    assert_recorded(tmp_path / "run", other.said["train"])
