"""relabel() on a tree of class folders, and undoing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labelaudit import Audit, DecisionLog, LabelAuditError, relabel, undo_relabel
from tests.relabel.conftest import GIVEN, NAMES, TRUE

MakeAudit = Callable[..., Audit]
IDS = [f"{NAMES[label]}/{i:02}.png" for i, label in enumerate(GIVEN)]
Tree = dict[str, bytes]


def contents(root: Path) -> Tree:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i, name in enumerate(IDS):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"image {i}".encode())
    return tmp_path / "photos"


RIGHT = {f"{NAMES[label]}/{i:02}.png": f"image {i}".encode() for i, label in enumerate(TRUE)}


@pytest.mark.parametrize("how", ["copy", "link"])
def test_a_new_tree(make_audit: MakeAudit, root: Path, tmp_path: Path, how: str) -> None:
    before = contents(root)
    done = relabel(root, make_audit(IDS), out=tmp_path / "new", how=how)
    assert contents(tmp_path / "new") == RIGHT
    assert contents(root) == before
    assert done.changes["place"].to_dict() == {IDS[i]: f"{NAMES[TRUE[i]]}/{i:02}.png" for i in (2, 5, 9)}
    linked = (tmp_path / "new" / "cat" / "00.png").samefile(root / "cat" / "00.png")
    assert linked == (how == "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "photos"]


def test_a_link_to_nothing_stays_one(make_audit: MakeAudit, root: Path, tmp_path: Path) -> None:
    (root / "cat" / "gone.png").symlink_to("nowhere.png")
    relabel(root, make_audit(IDS), out=tmp_path / "new")
    assert (tmp_path / "new" / "cat" / "gone.png").readlink() == Path("nowhere.png")
    assert contents(tmp_path / "new") == RIGHT


@pytest.mark.parametrize("form", ["{root}/{name}", "/elsewhere/photos/{name}"])
def test_ids_that_are_longer_paths(make_audit: MakeAudit, root: Path, tmp_path: Path, form: str) -> None:
    relabel(root, make_audit([form.format(root=root, name=name) for name in IDS]), out=tmp_path / "new")
    assert contents(tmp_path / "new") == RIGHT


def test_positions_count_in_the_order_of_image_folders(root: Path, tmp_path: Path, make_audit: MakeAudit) -> None:
    by_class = [f"{label}{i:02}" for i, label in enumerate(GIVEN)]
    order = sorted(range(12), key=by_class.__getitem__)
    found = make_audit()
    found.samples = found.samples.iloc[order].set_axis(range(12))
    (root / "cat" / "00.txt").write_bytes(b"no image")
    relabel(root, found, out=tmp_path / "new")
    assert contents(tmp_path / "new") == RIGHT | {"cat/00.txt": b"no image"}
    found.samples = found.samples.iloc[::-1].set_axis(range(12))
    with pytest.raises(LabelAuditError, match="not in the order in which they were trained on"):
        relabel(root, found, dry_run=True)


def test_move_and_undo(make_audit: MakeAudit, root: Path, tmp_path: Path) -> None:
    before = contents(root)
    done = relabel(root, make_audit(IDS), in_place=True)
    assert contents(root) == RIGHT
    assert done.undo_log is not None
    assert undo_relabel(done.undo_log) == 3
    assert contents(root) == before
    assert undo_relabel(done.undo_log) == 0


def test_name_clashes_never_overwrite(make_audit: MakeAudit, root: Path, tmp_path: Path) -> None:
    (root / "owl" / "02.png").write_bytes(b"another 2")
    (root / "owl" / "02-2.png").write_bytes(b"a third 2")
    before = contents(root)
    right = RIGHT | {"owl/02.png": b"another 2", "owl/02-2.png": b"a third 2", "owl/02-3.png": b"image 2"}
    relabel(root, make_audit(IDS), out=tmp_path / "new")
    assert contents(tmp_path / "new") == right
    done = relabel(root, make_audit(IDS), in_place=True)
    assert contents(root) == right
    assert done.undo_log is not None
    undo_relabel(done.undo_log)
    assert contents(root) == before


def test_samples_of_no_class_and_new_classes(make_audit: MakeAudit, root: Path, tmp_path: Path) -> None:
    audit = make_audit(IDS)
    log = DecisionLog(tmp_path / "d.jsonl", audit)
    log.decide("Ann", [(IDS[2], "cat")], "remove")
    log.decide("Ann", [(IDS[5], "dog")], "relabel", "newt")
    log.close()
    before = contents(root)
    want = {name: data for name, data in before.items() if name not in (IDS[2], IDS[5])} | {"newt/05.png": b"image 5"}
    relabel(root, tmp_path / "d.jsonl", out=tmp_path / "new")
    assert contents(tmp_path / "new") == want
    (tmp_path / "photos.removed" / "cat").mkdir(parents=True)
    (tmp_path / "photos.removed" / "cat" / "02.png").write_bytes(b"removed before")
    done = relabel(root, tmp_path / "d.jsonl", in_place=True)
    assert contents(root) == want
    assert contents(tmp_path / "photos.removed")["cat/02-2.png"] == b"image 2"
    assert done.undo_log is not None
    undo_relabel(done.undo_log)
    assert contents(root) == before
    assert not (root / "newt").exists()
    assert contents(tmp_path / "photos.removed") == {"cat/02.png": b"removed before"}


def test_refusals(make_audit: MakeAudit, root: Path, tmp_path: Path) -> None:
    found = make_audit(IDS)
    with pytest.raises(LabelAuditError, match="lies inside"):
        relabel(root, found, out=root / "new")
    with pytest.raises(LabelAuditError, match="lies inside"):
        relabel(root, found, in_place=True, undo_log=root / "undo.jsonl")
    with pytest.raises(LabelAuditError, match="is no file there"):
        relabel(root, make_audit([f"s{i}" for i in range(12)]), dry_run=True)
    (root / IDS[2]).rename(root / "owl" / "02.png")
    for form in ("{name}", "{root}/{name}", "/elsewhere/photos/{name}"):
        already = make_audit([form.format(root=root, name=name) for name in IDS])
        with pytest.raises(LabelAuditError, match=r"is no file there, and owl/02.png is: the tree has the new labels"):
            relabel(root, already, dry_run=True)
    moved = make_audit([*IDS[:2], "owl/02.png", *IDS[3:]])
    with pytest.raises(LabelAuditError, match="is not in folder 'cat', with which it was audited"):
        relabel(root, moved, dry_run=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabelAuditError, match="no class folders"):
        relabel(tmp_path / "empty", found, dry_run=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_bytes(b"x")
    with pytest.raises(LabelAuditError, match="never overwritten"):
        relabel(root, found, out=tmp_path / "full")


def test_two_corrections_of_one_file_are_refused(make_audit: MakeAudit, root: Path) -> None:
    wrong = make_audit(IDS).corrections()
    twice = wrong.iloc[[0, 0]].set_axis([wrong.index[0], f"{root}/{wrong.index[0]}"])
    with pytest.raises(LabelAuditError, match="two corrections are for one file"):
        relabel(root, twice, dry_run=True)


def test_a_class_name_cannot_leave_the_tree(make_audit: MakeAudit, root: Path) -> None:
    wrong = make_audit(IDS).corrections()
    wrong["suggested_label"] = "../../etc"
    with pytest.raises(LabelAuditError, match="cannot be the name of a folder"):
        relabel(root, wrong, in_place=True)


def test_a_tree_that_cannot_be_written_leaves_nothing(
    make_audit: MakeAudit, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        relabel(root, make_audit(IDS), out=tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_links_across_file_systems_are_symbolic(
    make_audit: MakeAudit, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def other(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    (tmp_path / "new").mkdir()
    monkeypatch.setattr(os, "link", other)
    relabel(root, make_audit(IDS), out=tmp_path / "new", how="link")
    assert contents(tmp_path / "new") == RIGHT
    assert (tmp_path / "new" / "cat" / "00.png").is_symlink()


def test_a_new_tree_in_the_empty_working_folder(
    make_audit: MakeAudit, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    relabel(root, make_audit(IDS), out=".")
    assert (tmp_path / "here" / "owl").is_dir()


def test_files_beside_the_class_folders_are_in_the_new_tree(make_audit: MakeAudit, root: Path, tmp_path: Path) -> None:
    (root / "LICENSE").write_text("mine")
    relabel(root, make_audit(IDS), out=tmp_path / "new")
    assert (tmp_path / "new" / "LICENSE").read_text() == "mine"
    assert len(contents(tmp_path / "new")) == len(contents(root))
