"""A tree of class folders: which file is which sample, and the tree with corrected labels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.changes import Change, Changes
from labelaudit.relabeling.new_folder import new_folder
from labelaudit.relabeling.undo_log import UndoLog, move_file, sync_folder
from labelaudit.relabeling.whole_numbers import digits

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # what ImageFolder takes
Moves = dict[str, str | None]  # file, relative to the root -> its new place; None: left out


def files_of(root: Path) -> list[str]:
    """Return the files of all class folders relative to the root, classes and files sorted (ImageFolder's order)."""
    found: list[str] = []
    for folder in sorted(entry.name for entry in os.scandir(root) if entry.is_dir()):
        for place, names in sorted(_walk(str(root / folder), ())):
            found += [(Path(place) / name).relative_to(root).as_posix() for name in sorted(names)]
    return found


def _walk(place: str, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder, files in it), through symbolic links, but not through one that leads back to where it lies."""
    real = os.path.realpath(place)
    if real in above:
        return
    names = []
    for entry in os.scandir(place):
        if entry.is_dir():
            yield from _walk(entry.path, (*above, real))
        else:
            names.append(entry.name)
    yield place, names


def plan(root: Path, changes: Changes) -> Moves:
    """Return where each changed file goes; no two files to one place, none to one that is taken.

    Raises:
        LabelAuditError: a file is no longer in the folder of its audited label, or cannot be found by its id.
    """
    files = files_of(root)
    if not files:
        raise LabelAuditError(f"{root} has no class folders with files; expected {root}/CLASS/FILE")
    folders = {name.split("/", 1)[0] for name in files}
    place = _places(root, files, changes)
    taken = set(files)
    moves: Moves = {}
    for change in changes.rows:
        file = place[change.sample]
        if file in moves:
            raise LabelAuditError(f"two corrections are for one file, {root}/{file}; leave one of them out")
        old = file.split("/", 1)[0]
        given = _folder(change.given, folders, changes)
        if old != given:
            raise LabelAuditError(
                f"{root}/{file} is not in folder {given!r}, with which it was audited: the labels on disk are no "
                "longer those audited. Audit the tree as it is now"
            )
        if change.new is None:
            moves[file] = None
            continue
        new = _free(f"{_folder(change.new, folders, changes)}/{file.split('/', 1)[1]}", taken)
        taken.add(new)
        moves[file] = new
    return moves


def _folder(label: Any, folders: set[str], changes: Changes) -> str:
    """Return the folder of a label: its name, or the folder with its number in sorted order."""
    name, ordered = str(label), sorted(folders)
    if name not in folders and name not in (changes.class_names or ()):
        name = name if any(digits(one) != one for one in folders) else digits(name)  # a table with gaps has 2.0 for 2
    if name not in folders and name not in (changes.class_names or ()) and name.isdigit() and int(name) < len(ordered):
        name = (changes.class_names or ordered)[int(name)]
    if "/" in name or os.sep in name or name in ("", ".", ".."):
        raise LabelAuditError(f"class {name!r} cannot be the name of a folder")
    return name


def _places(root: Path, files: list[str], changes: Changes) -> dict[Any, str]:
    """Return each changed sample's file."""
    known = set(files)
    resolved = root.resolve()
    found: dict[Any, str] = {}
    for change in changes.rows:
        file = _by_path(str(change.sample), root, resolved, known)
        if file is None:
            break
        found[change.sample] = file
    else:
        return found
    moved = _by_path(_new_path(change, files, changes), root, resolved, known)
    if moved is not None:
        raise LabelAuditError(
            f"{root}: sample {change.sample} is no file there, and {moved} is: the tree has the new labels already, or "
            "part of them"
        )
    return _by_position(root, files, changes, change.sample)


def _new_path(change: Change, files: list[str], changes: Changes) -> str:
    """Return a sample's path with the folder of its new label in place of that of the old one."""
    folders = {name.split("/", 1)[0] for name in files}
    parts = str(change.sample).replace(os.sep, "/").split("/")
    given = _folder(change.given, folders, changes)
    if change.new is not None and given in parts[:-1]:
        last = max(at for at, part in enumerate(parts[:-1]) if part == given)
        parts[last] = _folder(change.new, folders, changes)
    return "/".join(parts)


def _by_position(root: Path, files: list[str], changes: Changes, missing: Any) -> dict[Any, str]:
    """Return each changed sample's file where ids count the files, all of them or the images."""
    ids, labels = changes.audited or ([], [])
    images = [name for name in files if name.lower().endswith(IMAGES)]
    counted = next((chosen for chosen in (files, images) if ids == list(range(len(chosen)))), None)
    if counted is None or not ids:
        known_ids = f" and the audit's ids do not number the {len(files):,} files there" if ids else ""
        raise LabelAuditError(
            f"{root}: sample {missing} is no file there{known_ids}. Expected ids that are paths such as "
            f"{files[0]!r} (sample_ids= of the recorder), or positions together with the audit"
        )
    folders = {name.split("/", 1)[0] for name in files}
    for file, label in zip(counted, labels, strict=True):
        if file.split("/", 1)[0] != _folder(label, folders, changes):
            raise LabelAuditError(
                f"{root}: counted in sorted order, {file} was audited as {label!r}: the files are not in the order in "
                "which they were trained on, or have changed since. Record with sample_ids= paths"
            )
    return {change.sample: counted[int(change.sample)] for change in changes.rows}


def _by_path(sample: str, root: Path, resolved: Path, known: set[str]) -> str | None:
    """Return the file of an id that is a path: relative to the root, to the working folder, or ending in either."""
    path = PurePosixPath(sample.replace(os.sep, "/"))
    if str(path) in known:
        return str(path)
    for base in (root, resolved):
        if path.is_relative_to(base.as_posix()):
            inside = path.relative_to(base.as_posix()).as_posix()
            return inside if inside in known else None
    tail = "/".join(path.parts[-2:])  # the tree was moved: class folder and name still say which file it is
    return tail if root.name in path.parts and tail in known else None


def _free(wanted: str, taken: set[str]) -> str:
    path = PurePosixPath(wanted)
    free, number = wanted, 2
    while free in taken:
        free = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        number += 1
    return free


def write_tree(root: Path, out: Path, moves: Mapping[str, str | None], how: str) -> None:
    """Build the corrected tree beside the old one; it appears under its name when it is whole.

    Files that lie beside the class folders are in it as well.

    Args:
        root: the tree as it is.
        out: the new tree's folder, not there yet or empty.
        moves: where changed files go.
        how: "copy" or "link" (hard links; symbolic ones across file systems).
    """
    with new_folder(out) as unfinished:
        beside = sorted(entry.name for entry in os.scandir(root) if not entry.is_dir())
        for file in [*files_of(root), *beside]:
            place = moves.get(file, file)
            if place is None:
                continue
            target = unfinished / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (root / file).exists():  # a link to nothing stays one
                target.symlink_to((root / file).readlink())
            elif how == "copy":
                shutil.copy2(root / file, target)
            else:
                _link(root / file, target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        target.symlink_to(source.resolve())


def move_in_place(root: Path, moves: Mapping[str, str | None], log: UndoLog) -> None:
    """Move the changed files inside the tree; those of no class into the folder ROOT.removed beside it."""
    for file, place in moves.items():
        target = place if place is not None else f"../{root.resolve().name}.removed/{file}"
        folder = Path(target).parent
        new = [one for one in (folder, *folder.parents) if one.name not in ("", "..") and not (root / one).is_dir()]
        for one in reversed(new):
            log.write({"op": "mkdir", "folder": one.as_posix()})
            (root / one).mkdir()
        if (root / target).exists():
            target = _free_on_disk(root, target)
        move_file(root, file, target, log)
        sync_folder((root / file).parent)


def _free_on_disk(root: Path, wanted: str) -> str:
    path, number = PurePosixPath(wanted), 2
    while (root / path).exists():
        path = PurePosixPath(wanted).with_name(f"{PurePosixPath(wanted).stem}-{number}{PurePosixPath(wanted).suffix}")
        number += 1
    return str(path)
