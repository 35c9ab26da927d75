"""The undo log restores every byte, also after a kill at any place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from labelaudit import Audit, LabelAuditError, relabel, undo_relabel
from labelaudit.relabeling import undo_log
from tests.relabel.conftest import GIVEN, NAMES
from tests.relabel.test_trees import IDS, contents

MakeAudit = Callable[..., Audit]

# Relabels, and dies by itself in the n-th system call of the kind that changes something.
KILLED = """
import os, sys
from pathlib import Path
import labelaudit
from labelaudit.relabeling import undo_log

left = int(sys.argv[3])

def dying(function):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*args, **kwargs)
    return call

os.link, os.fsync = dying(os.link), dying(os.fsync)
Path.unlink, Path.replace, Path.mkdir = dying(Path.unlink), dying(Path.replace), dying(Path.mkdir)
labelaudit.relabel(sys.argv[1], sys.argv[2], in_place=True, undo_log=sys.argv[4])
"""


def label_file(place: Path) -> Path:
    path = place / "labels.csv"
    path.write_text("id,label\n" + "\n".join(f"{one},{NAMES[label]}" for one, label in zip(IDS, GIVEN, strict=True)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "tree"])
def test_killed_at_every_step(make_audit: MakeAudit, tmp_path: Path, kind: str) -> None:
    make_audit(IDS).save(tmp_path / "audit")
    place = tmp_path / "data"
    place.mkdir()
    if kind == "file":
        target = label_file(place)
    else:
        target = place / "photos"
        for name in IDS:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(name.encode())
    before = contents(place)
    for step in range(60):
        log = tmp_path / f"undo-{step}.jsonl"
        command = [sys.executable, "-c", KILLED, target, tmp_path / "audit", step, log]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if log.is_file() and log.read_bytes().endswith(b"\n"):
            undo_relabel(log)
        for left in place.glob(".*.tmp"):  # a new file that did not get its name before the kill
            left.unlink()
        assert contents(place) == before, f"killed in step {step}"
        if done.returncode == 0:
            break
        assert done.returncode == 9, done.stderr
    assert done.returncode == 0, "the last run came to its end"
    assert step >= (4 if kind == "file" else 10)


def test_in_place_file_keeps_its_mode_and_is_restored(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = label_file(tmp_path)
    path.chmod(0o640)
    before = path.read_bytes()
    done = relabel(path, make_audit(IDS), in_place=True)
    assert done.out == path
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o640
    assert done.undo_log is not None
    assert undo_relabel(done.undo_log) == 1
    assert path.read_bytes() == before
    assert undo_relabel(done.undo_log) == 0


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "jsonl", "tree"])
def test_in_place_with_nothing_to_change_leaves_no_log(make_audit: MakeAudit, tmp_path: Path, kind: str) -> None:
    place, log = tmp_path / "data", tmp_path / "undo.jsonl"
    place.mkdir()
    if kind == "tree":
        for name, label in zip(IDS, GIVEN, strict=True):
            (place / NAMES[label]).mkdir(exist_ok=True)
            (place / NAMES[label] / Path(name).name).write_bytes(name.encode())
        target = place
        ids = [f"{NAMES[label]}/{Path(name).name}" for name, label in zip(IDS, GIVEN, strict=True)]
    else:
        target, ids = place / f"labels.{kind}", IDS
        table = pd.DataFrame({"id": IDS, "label": [NAMES[label] for label in GIVEN]})
        if kind == "csv":
            table.to_csv(target, index=False)
        elif kind == "parquet":
            table.to_parquet(target)
        else:
            table.to_json(target, orient="records", lines=kind == "jsonl")
    before = contents(place)
    audit = make_audit(ids)
    none = relabel(target, audit, in_place=True, min_confidence=1.0)
    assert (none.undo_log, none.out, none.dry_run, none.n_changed) == (None, None, False, 0)
    assert "nothing to change, so nothing was written" in repr(none)
    assert contents(place) == before
    assert [one.name for one in tmp_path.iterdir()] == ["data"]
    done = relabel(target, audit, in_place=True, undo_log=log)
    changed = contents(place)
    assert "nothing to change" not in repr(done)
    nothing = audit.corrections(1.0)
    assert not len(nothing)
    relabel(target, nothing, in_place=True)
    assert contents(place) == changed
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "undo.jsonl"]
    assert undo_relabel(log) > 0
    assert contents(place) == before


def test_a_symbolic_link_stays_one(make_audit: MakeAudit, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = label_file(tmp_path / "data")
    link = tmp_path / "link.csv"
    link.symlink_to("data/labels.csv")
    before = path.read_bytes()
    done = relabel(link, make_audit(IDS), in_place=True)
    assert done.out == link
    assert link.is_symlink()
    assert path.read_bytes() != before
    assert done.undo_log is not None
    assert undo_relabel(done.undo_log) == 1
    assert link.is_symlink()
    assert path.read_bytes() == before


def test_what_was_changed_since_stays(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = label_file(tmp_path)
    log = tmp_path / "undo.jsonl"
    relabel(path, make_audit(IDS), in_place=True, undo_log=log)
    path.write_text("mine now")
    with pytest.raises(LabelAuditError, match="changed after relabelling"):
        undo_relabel(log)
    assert path.read_text() == "mine now"
    with pytest.raises(LabelAuditError, match="exists; name a new file"):
        undo_log.UndoLog(log, path)
    with pytest.raises(LabelAuditError, match=r"there is no folder .*nowhere for the undo log"):
        undo_log.UndoLog(tmp_path / "nowhere" / "undo.jsonl", path)


def test_moved_files_that_changed_since_stay(make_audit: MakeAudit, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name in IDS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    log = tmp_path / "undo.jsonl"
    relabel(root, make_audit(IDS), in_place=True, undo_log=log)
    (root / "owl" / "02.png").write_bytes(b"edited")
    (root / "owl" / "05.png").unlink()
    with pytest.raises(LabelAuditError, match="put back 1 files; 2 stay"):
        undo_relabel(log)
    assert (root / "owl" / "02.png").read_bytes() == b"edited"


def test_damaged_logs_are_refused(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = label_file(tmp_path)
    log = tmp_path / "undo.jsonl"
    relabel(path, make_audit(IDS), in_place=True, undo_log=log)
    data = log.read_bytes()
    log.write_bytes(data.replace(b'"op"', b'"oq"'))
    with pytest.raises(LabelAuditError, match="damaged in line 2"):
        undo_relabel(log)
    log.write_bytes(undo_log.checked_line({"format": "other"}))
    with pytest.raises(LabelAuditError, match="no undo log"):
        undo_relabel(log)
    log.write_text('{\n "format": "labelaudit audit"}')
    with pytest.raises(LabelAuditError, match="is no undo log of this version of labelaudit; name the"):
        undo_relabel(log)
    with pytest.raises(LabelAuditError, match="there is no undo log"):
        undo_relabel(tmp_path / "typo")


def test_moving_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"a")
    undo_log.rename_to_free(tmp_path / "a", tmp_path / "new" / "b")
    assert contents(tmp_path) == {"new/b": b"a"}
    (tmp_path / "a").write_bytes(b"a2")
    with pytest.raises(LabelAuditError, match="appeared"):
        undo_log.rename_to_free(tmp_path / "a", tmp_path / "new" / "b")


def test_undo_between_the_two_halves_of_a_move(make_audit: MakeAudit, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name in IDS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    before = contents(root)
    log = tmp_path / "undo.jsonl"
    relabel(root, make_audit(IDS), in_place=True, undo_log=log)
    os.link(root / "owl" / "02.png", root / "cat" / "02.png")  # as after a kill: the file is at both places
    assert undo_relabel(log) == 3
    assert contents(root) == before


def test_a_tree_that_was_moved_away_is_named(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = label_file(tmp_path)
    done = relabel(path, make_audit(), in_place=True)
    assert done.undo_log is not None
    path.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(LabelAuditError, match=rf"{path.name}, which .* is about, is no longer there: put it back"):
        undo_relabel(done.undo_log)
    (tmp_path / "elsewhere.csv").rename(path)
    assert undo_relabel(done.undo_log) == 1
