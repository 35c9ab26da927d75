"""Results kept under keys: whole or not at all, and only what a run wrote goes with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit import LabelAuditError, Recorder, open_history
from labelaudit.named_runs.keys import checked_key

N, K = 60, 3


def record(path: Any, epochs: range = range(3), **options: Any) -> labelaudit.History:
    with Recorder(path, n_samples=N, class_names=["a", "b", "c"], **options) as recorder:
        for epoch in epochs:
            scores = np.random.default_rng(epoch).normal(size=(N, K)) + 3 * np.eye(K)[np.arange(N) % K]
            recorder.record(np.arange(N), scores, (np.arange(N) + (np.arange(N) % 11 == 0)) % K)
            recorder.end_epoch()
    return open_history(path)


@pytest.fixture
def history(tmp_path: Path) -> labelaudit.History:
    return record(tmp_path / "run")


def files(path: Path) -> dict[str, bytes]:
    return {str(place.relative_to(path)): place.read_bytes() for place in path.rglob("*") if place.is_file()}


def test_an_audit_comes_back_with_its_parameters_and_view(history: labelaudit.History) -> None:
    made = labelaudit.audit(history, threshold=0.3, analyzers=["el2n"], key="strict")
    again = open_history(history.path)
    loaded = again.runs.load("strict")
    pd.testing.assert_frame_equal(loaded.samples, made.samples)
    assert loaded.summary == made.summary
    assert loaded.history is again
    info = again.runs.info("strict")
    assert (info.kind, info.split, info.n_samples, info.of_samples, info.problems) == ("audit", "train", N, N, [])
    assert info.parameters["threshold"] == 0.3
    assert info.parameters["analyzers"] == ["el2n"]
    assert info.labelaudit == labelaudit.__version__
    assert again.runs.view("strict").tolist() == list(range(N)) == again.runs.load_view("strict").tolist()
    assert labelaudit.load_audit(info.path).summary == made.summary


def test_a_key_is_never_taken_twice(history: labelaudit.History) -> None:
    labelaudit.audit(history, key="mine")
    with pytest.raises(LabelAuditError, match=r"has a run 'mine' already \(audit\).*overwrite=True"):
        labelaudit.audit(history, threshold=0.5, key="mine")
    before = files(Path(history.path))
    labelaudit.audit(history, threshold=0.5, key="mine", overwrite=True)
    assert history.runs.info("mine").parameters["threshold"] == 0.5
    assert len(files(Path(history.path))) == len(before), "the old files are gone"


def test_deleting_removes_what_the_run_wrote_and_nothing_else(history: labelaudit.History) -> None:
    folder = Path(history.path)
    labelaudit.audit(history, key="one")
    before = files(folder)
    labelaudit.audit(history, key="two")
    (Path(history.runs.info("two").path) / "notes.txt").write_text("mine")
    history.runs.rename("two", "three")
    history.runs.delete("three")
    left = files(folder)
    notes = [name for name in left if name.endswith("notes.txt")]
    assert len(notes) == 1
    assert {name: data for name, data in left.items() if name not in notes} == before
    history.runs.delete("one")
    assert not [name for name in files(folder) if name.startswith("runs") and name not in notes]
    assert len(list((folder / "runs" / "data").iterdir())) == 1, "empty folders go"


def test_renaming_keeps_everything_but_the_key(history: labelaudit.History) -> None:
    made = labelaudit.audit(history, key="one")
    labelaudit.audit(history, key="two")
    with pytest.raises(LabelAuditError, match="has a run 'two' already"):
        history.runs.rename("one", "two")
    history.runs.rename("one", "first.ever")
    assert history.runs.list() == ["first.ever", "two"]
    assert history.runs.load("first.ever").summary == made.summary
    with pytest.raises(LabelAuditError, match=r"has no run 'one'; there are first\.ever, two"):
        history.runs.load("one")


def test_a_renaming_stopped_half_way_loses_nothing(history: labelaudit.History) -> None:
    labelaudit.audit(history, key="one")
    place = Path(history.path) / "runs"
    record = (place / "one.json").read_bytes()
    history.runs.rename("one", "two")
    (place / "one.json").write_bytes(record)  # as if it had stopped before the old name was removed
    history.runs.delete("one")
    assert history.runs.load("two").summary["n_samples"] == N
    assert history.runs.list() == ["two"]


@pytest.mark.parametrize("how", ["cut", "flipped", "missing", "record", "newer"])
def test_damage_is_named(history: labelaudit.History, how: str) -> None:
    labelaudit.audit(history, key="mine")
    place = Path(history.runs.info("mine").path) / "samples.parquet"
    about = Path(history.path) / "runs" / "mine.json"
    data = bytearray(place.read_bytes())
    if how == "cut":
        place.write_bytes(data[:-1])
    elif how == "flipped":
        data[len(data) // 2] ^= 1
        place.write_bytes(data)
    elif how == "missing":
        place.unlink()
    elif how == "record":
        about.write_text(about.read_text().replace('"threshold": null', '"threshold": 0.1'))
    else:
        about.write_text(json.dumps({**json.loads(about.read_text()), "format_version": 2}))
    info = history.runs.info("mine")
    assert len(info.problems) == 1
    assert ("mine.json" if how in ("record", "newer") else "samples.parquet") in info.problems[0]
    assert history.runs.list() == ["mine"]
    for read in (history.runs.load, history.runs.view):
        with pytest.raises(LabelAuditError, match=r"is damaged|is missing|has format version 2"):
            read("mine")
    if how in ("record", "newer"):
        with pytest.raises(LabelAuditError, match=r"mine\.json"):
            history.runs.delete("mine")
        assert place.exists()
    else:
        history.runs.delete("mine")
        assert history.runs.list() == []


@pytest.mark.parametrize(
    "key", ["", "../x", "a/b", "a\\b", ".hidden", "-x", "a b", "x.", "CON", "nul.txt", "é", "x" * 101]
)
def test_keys_that_lead_elsewhere_are_refused(history: labelaudit.History, key: str) -> None:
    with pytest.raises(LabelAuditError, match=r"can't be a name|name of a device"):
        labelaudit.audit(history, key=key)
    with pytest.raises(LabelAuditError):
        history.runs.load(key)
    assert checked_key("A-1_b.c") == "A-1_b.c"


def test_info_says_what_changed_since(history: labelaudit.History, tmp_path: Path) -> None:
    labelaudit.audit(history, key="mine")
    assert history.runs.info("mine").notes == []
    longer = record(tmp_path / "run", range(3, 5), resume=True)
    assert longer.runs.info("mine").notes == ["the history has changed since: it had 3 epochs, now 5"]
    assert longer.runs.find("audit", longer.runs.info("mine").parameters) is None
    assert history.runs.find("audit", history.runs.info("mine").parameters) == "mine"


def test_what_cannot_be_kept_is_said(history: labelaudit.History) -> None:
    with pytest.raises(LabelAuditError, match="a dict can't be stored under a key; expected one of Audit"):
        history.runs.save("mine", {})
    in_memory = labelaudit.history_from_arrays(np.eye(3)[None], [0, 1, 2])
    assert in_memory.runs.list() == []
    with pytest.raises(LabelAuditError, match="only a history in a folder keeps results"):
        labelaudit.audit(in_memory, key="mine")


def test_an_object_store_keeps_them_too() -> None:
    history = record("memory://named/run", overwrite=True)
    labelaudit.audit(history, key="one")
    history.runs.rename("one", "two")
    with pytest.raises(LabelAuditError, match="already"):
        labelaudit.audit(history, key="two")
    assert open_history("memory://named/run").runs.load("two").summary["n_samples"] == N
    history.runs.delete("two")
    assert history.runs.list() == []


def test_of_several_processes_one_gets_the_key(history: labelaudit.History) -> None:
    code = f"""
import labelaudit, sys
history = labelaudit.open_history({history.path!r})
audit = labelaudit.audit(history)
sys.stdin.readline()
try:
    history.runs.save("mine", audit)
except labelaudit.LabelAuditError as problem:
    assert "already" in str(problem)
else:
    print("mine")
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[0] for one in started]
    assert all(one.returncode == 0 for one in started)
    assert said.count("mine\n") == 1
    assert history.runs.load("mine").summary["n_samples"] == N
