"""``relabel``: corrections applied to a label file, a tree of class folders, or an array."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.auditing import Audit
from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import open_folder
from labelaudit.history.rows import one_of
from labelaudit.relabeling import columns, tree
from labelaudit.relabeling.changes import Changes, changes_from
from labelaudit.relabeling.label_file import open_label_file
from labelaudit.relabeling.result import Relabelled
from labelaudit.relabeling.target_options import refuse_unused
from labelaudit.relabeling.undo_log import UndoLog, replace_file
from labelaudit.relabeling.whole_numbers import as_written_there, digits, own_texts, same_label

if TYPE_CHECKING:
    import pandas as pd


def relabel(
    target: Any,
    corrections: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    min_confidence: float | None = None,
    audit: Audit | None = None,
    class_names: Sequence[str] | None = None,
    sample_ids: Sequence[Any] | None = None,
    id_column: str | None = None,
    label_column: str | None = None,
    header: bool | None = None,
    how: str | None = None,
    in_place: bool = False,
    undo_log: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
) -> Relabelled:
    """Apply corrections to labels: into a new file or tree, or in place with an undo log.

    Everything is checked before anything is written. A correction holds for the label that was audited: where the
    labels are no longer those, nothing is changed. An option that says nothing of the target is refused.

    Args:
        target: a label file (``.csv``, ``.tsv``, ``.txt``, ``.parquet``, ``.json``, ``.jsonl``), a folder of class
            folders, or an array of labels, (n,).
        corrections: an `Audit` or the folder of one, `Audit.corrections`, or a review's decisions: the table, or its
            file; see `changes_from`.
        out: new file or folder; needed for files and folders unless ``in_place`` or ``dry_run``.
        min_confidence: smallest suggestion_confidence, 0 to 1; default: 0.9 where corrections is an audit or its table,
            none for what `Audit.corrections` returned; refused for decisions.
        audit: the audit that decisions belong to; they are then checked against it. A tree needs it where samples are
            known by position.
        class_names: names of the classes, where labels on disk are numbers and decisions have names.
        sample_ids: (n,) ids of an array's labels; default: 0 to n - 1.
        id_column: name of a label file's column of ids; default: found by its contents, else the row is the id.
        label_column: name of its column of labels; default: found by its contents.
        header: whether a CSV file's first line has names; default: unless there is a number in it.
        how: for a new tree: "copy" (default) or "link" files.
        in_place: change the file, or move files inside the tree, with an undo log for `undo_relabel`.
        undo_log: where to write that log; default: beside the target.
        dry_run: write nothing; only say what would change. (With an array nothing is written anyhow.)

    Raises:
        LabelAuditError: labels are not those audited, columns or files are not found, something is in the way, or an
            option would be ignored.

    Example:
        >>> import pandas as pd
        >>> wrong = pd.DataFrame({"given_label": [1], "suggested_label": [0]}, index=[2])
        >>> relabel([0, 1, 1], wrong).labels.tolist()
        [0, 1, 0]
    """
    if how is not None:
        one_of("how", how, ("copy", "link"))
    for one in (corrections, audit):
        if isinstance(one, Audit):
            one.refuse_boxes("relabel()", "labelaudit.correct_boxes writes annotations")
    changes = changes_from(corrections, min_confidence=min_confidence, class_names=class_names, audit=audit)
    path = Path(target) if isinstance(target, (str, os.PathLike)) else None
    if path is not None and not path.exists():
        raise LabelAuditError(f"there is no file or folder {path}")
    options = {"out": out, "in_place": in_place, "undo_log": undo_log, "how": how}
    of_files = {"id_column": id_column, "label_column": label_column, "header": header}
    refuse_unused(path, {"sample_ids": sample_ids, **of_files, **options})
    if path is None:
        return dataclasses.replace(_array(target, changes, sample_ids), dry_run=dry_run)
    place = None if in_place else _output(path, out, dry_run)
    log = _log_path(path, undo_log) if in_place else None
    if path.is_dir():
        return _tree(path, changes, place, how or "copy", log, dry_run)
    return _file(path, changes, place, log, (id_column, label_column, header), dry_run)


def _output(path: Path, out: str | os.PathLike[str] | None, dry_run: bool) -> Path | None:
    if out is None:
        if dry_run:
            return None
        raise LabelAuditError(
            "say where the new labels go: out= (--out), or change the old with in_place=True (--in-place)"
        )
    place = Path(out)
    if place.exists() and (not place.is_dir() or not path.is_dir() or any(place.iterdir())):
        raise LabelAuditError(f"{place} exists and is never overwritten; name a new one")
    if path.is_dir() and place.resolve().is_relative_to(path.resolve()):
        raise LabelAuditError(f"{place} lies inside {path}, where it would be taken for a class; name a place outside")
    return place


def _log_path(path: Path, undo_log: str | os.PathLike[str] | None) -> Path:
    if undo_log is None:
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
        whole = path.resolve()
        return whole.with_name(f"{whole.name}.undo-{stamp}.jsonl")
    log = Path(undo_log)
    if path.is_dir() and log.resolve().is_relative_to(path.resolve()):
        raise LabelAuditError(f"{log} lies inside {path}; name a place outside for the undo log")
    UndoLog.check(log)
    return log


def _file(
    path: Path,
    changes: Changes,
    out: Path | None,
    log: Path | None,
    options: tuple[str | None, str | None, bool | None],
    dry_run: bool,
) -> Relabelled:
    id_column, label_column, header = options
    file = open_label_file(path, header)
    data = path.read_bytes()
    rows: list[Any] = []
    if changes.rows:
        found = columns.find(file, changes, id_column, label_column, str(path))
        rows, names = found.rows, changes.class_names or ()
        here = file.column(found.label_column) or []
        known = {*names, *own_texts(here)}
        if found.id_name is None and changes.audited is not None:
            by_column = "name the column of ids with --id-column, or the file that was trained on"
            _same_rows(here, found.writing, changes.audited, names, str(path), by_column)
        values, dropped = {}, set()
        for change, row in zip(changes.rows, rows, strict=True):
            text = None if change.new is None else found.writing(change.new)
            if change.new is not None and text is None:
                raise LabelAuditError(
                    f"{path}: column {file.names[found.label_column]!r} has {here[row]!r} for class {change.given!r} "
                    f"and nothing for class {change.new!r}, the new label of sample {change.sample}; decide for "
                    "another class, or change a file that can hold it"
                )
            if text is None:
                dropped.add(row)
            else:
                values[row] = as_written_there(text, here[row], known)
        try:
            data = file.replaced(found.label_column, values, dropped)
        except LabelAuditError as problem:
            raise LabelAuditError(f"{path}: {problem}") from None
    if dry_run:
        return _result(changes, rows, None)
    if log is None:
        assert out is not None
        open_folder(out.parent).write(out.name, data)
        return _result(changes, rows, out)
    if data == path.read_bytes():
        return _untouched(changes)
    writer = UndoLog(log, path)
    replace_file(path, data, writer)
    writer.close()
    return _result(changes, rows, path, log)


def _same_rows(
    here: Sequence[str],
    writing: columns.Writing,
    audited: tuple[list[Any], list[Any]],
    names: Collection[str],
    where: str,
    hint: str,
) -> None:
    """Refuse rows that are not those audited, one for one, where a sample's id is the number of its row.

    Args:
        here: (n,) labels as they are written there.
        writing: turns a label of the audit into that.
        audited: ids and given labels of all audited samples.
        names: of the classes.
        where: what the rows are in, for messages.
        hint: what to type instead.
    """
    numbers = [int(one) if str(one).isdigit() else -1 for one in audited[0]]
    n_expected = max(numbers) + 1
    gaps = n_expected > len(numbers)  # not all rows were audited: there may be more after the last as well
    if min(numbers) < 0 or len(here) < n_expected or (len(here) > n_expected and not gaps):
        raise LabelAuditError(
            f"{where} has {len(here):,} rows, and the audit is of {len(numbers):,} samples with the ids "
            f"{audited[0][0]} to {audited[0][-1]}, which do not number them: {hint}"
        )
    for row, sample, label in zip(numbers, *audited, strict=True):
        if not same_label(here[row], writing(label), names):
            raise LabelAuditError(
                f"{where}: counted from 0, row {row} has label {here[row]}, but sample {sample} was audited as "
                f"{writing(label)}: the rows are not in the order in which they were trained on, or are no longer "
                f"those audited; {hint}"
            )


def _tree(root: Path, changes: Changes, out: Path | None, how: str, log: Path | None, dry_run: bool) -> Relabelled:
    moves = tree.plan(root, changes)
    places = list(moves.values())
    if dry_run:
        return _result(changes, places, None)
    if log is None:
        assert out is not None
        tree.write_tree(root, out, moves, how)
        return _result(changes, places, out)
    if not moves:
        return _untouched(changes)
    writer = UndoLog(log, root)
    tree.move_in_place(root, moves, writer)
    writer.close()
    return _result(changes, places, root, log)


def _result(changes: Changes, places: list[Any], written: Path | None, log: Path | None = None) -> Relabelled:
    return Relabelled(_table(changes, places), changes.disputed, written is None, written, log)


def _untouched(changes: Changes) -> Relabelled:
    """Return what was done where nothing was to be done in place: nothing, and there is nothing to undo."""
    return Relabelled(_table(changes, []), changes.disputed)


def _array(target: Any, changes: Changes, sample_ids: Sequence[Any] | None) -> Relabelled:
    old = np.asarray(target)
    if old.ndim != 1:
        raise LabelAuditError(f"labels have shape {old.shape}; expected (n,)")
    if old.dtype == object and all(isinstance(label, (bool, np.bool_)) for label in old):
        old = old.astype(bool)
    ids = list(range(len(old))) if sample_ids is None else list(sample_ids)
    if len(ids) != len(old):
        raise LabelAuditError(f"sample_ids has {len(ids):,} entries, there are {len(old):,} labels")
    row_of = {str(one): row for row, one in enumerate(ids)}
    if len(row_of) < len(ids):
        twice = next(one for row, one in enumerate(ids) if row_of[str(one)] != row)
        raise LabelAuditError(f"sample_ids has {twice!r} twice; expected one id per label")
    numbers = {name: k for k, name in enumerate(changes.class_names or [])} if old.dtype.kind in "iufb" else {}
    here = [_text(label) for label in old.tolist()]
    new, kept, rows = old.astype(object), np.ones(len(old), bool), []

    def written(label: Any) -> Any:
        found = numbers.get(str(label), label)
        is_whole = old.dtype.kind in "iufb" and isinstance(found, str) and digits(found).lstrip("-").isdecimal()
        return int(digits(found)) if is_whole else found

    for change in changes.rows:
        row = row_of.get(str(change.sample))
        if row is None:
            raise LabelAuditError(
                f"there is no sample {change.sample} among the {len(ids):,}; pass their ids, sample_ids="
            )
        given = _text(written(change.given))
        if here[row] != given:
            raise LabelAuditError(
                f"sample {change.sample} has label {here[row]}, but was audited as {given}: "
                "the labels are no longer those audited"
            )
        rows.append(row)
        if change.new is None:
            kept[row] = False
        else:
            new[row] = written(change.new)
    if sample_ids is None and changes.rows and changes.audited is not None:
        known = "pass the ids of these labels, sample_ids="
        _same_rows(here, lambda label: _text(written(label)), changes.audited, (), "the array", known)
    try:
        labels = new.astype(old.dtype) if old.dtype.kind != "U" else new.astype(str)
    except (ValueError, OverflowError):
        asked = sorted({str(new[row]) for row in rows if kept[row]}, key=len)
        raise LabelAuditError(
            f"an array of {old.dtype} cannot hold all of the new labels, such as {asked[-1]!r}; pass one that can"
        ) from None
    changed = [row for row in rows if kept[row] and _text(labels[row]) != _text(new[row])]
    if changed:
        raise LabelAuditError(f"an array of {old.dtype} cannot hold the new label {new[changed[0]]!r}; pass integers")
    return Relabelled(_table(changes, rows), changes.disputed, labels=labels, kept=kept)


def _text(label: Any) -> str:
    """Return a label as text; a whole number or a truth value as the integer that it was recorded as."""
    whole = isinstance(label, (bool, float, np.bool_, np.floating)) and float(label).is_integer()
    return str(int(label)) if whole else str(label)


def _table(changes: Changes, places: list[Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "given_label": [change.given for change in changes.rows],
            "new_label": pd.array([change.new for change in changes.rows], dtype=object),
            "place": pd.array(places, dtype=object),
        },
        index=pd.Index([change.sample for change in changes.rows], name="sample_id"),
    )
