"""Which column of a label file holds the ids and which the labels, and how the labels are written there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.changes import Change, Changes
from labelaudit.relabeling.label_file import LabelFile

ID_NAMES = ("sample_id", "id", "image_id", "file_name", "filename", "file", "path", "image", "index")
LABEL_NAMES = ("label", "labels", "given_label", "class", "target", "category", "y")
Writing = Callable[[Any], str | None]


@dataclass(frozen=True)
class Found:
    """Where the changes are in the file.

    Attributes:
        id_name: name of the column of ids; None: a sample's id is its row.
        label_column: number of the column of labels.
        rows: row of each change, in the changes' order.
        writing: turns a label into the file's text for it.
    """

    id_name: str | None
    label_column: int
    rows: list[int]
    writing: Writing


def find(file: LabelFile, changes: Changes, id_column: str | None, label_column: str | None, where: str) -> Found:
    """Find the columns by their contents: ids that are all there once, labels that are those audited.

    Raises:
        LabelAuditError: no column fits, several do, or the labels are no longer those audited.
    """
    id_name, rows = _find_ids(file, [str(change.sample) for change in changes.rows], id_column, where)
    if label_column is not None:
        chosen = [_number(file, label_column, where)]
    else:
        chosen = [number for number, name in enumerate(file.names) if name != id_name]
    fits: list[tuple[int, int, Writing]] = []
    for number in chosen:
        values = file.column(number)
        if values is None:
            continue
        here = [values[row] for row in rows]
        fits += [(_fitting(here, changes.rows, writing), number, writing) for writing in _writings(changes)]
    best = max((fit[0] for fit in fits), default=0)
    winners = {number: writing for count, number, writing in reversed(fits) if count == best}
    if best == len(rows) and len(winners) > 1:
        winners = {number: w for number, w in winners.items() if file.names[number].lower() in LABEL_NAMES} or winners
        if len(winners) > 1:
            which = ", ".join(repr(file.names[number]) for number in sorted(winners))
            raise LabelAuditError(f"{where}: the labels may be in column {which}; say which with --label-column")
    if best < len(rows):
        named = [n for n in chosen if file.names[n].lower() in LABEL_NAMES] if label_column is None else chosen
        _refuse(file, changes, rows, (named or list(winners) or chosen)[0], where)
    number, writing = next(iter(winners.items()))
    return Found(id_name, number, rows, writing)


def _number(file: LabelFile, name: str, where: str) -> int:
    if name not in file.names:
        raise LabelAuditError(f"{where} has no column {name!r}; it has {', '.join(file.names)}")
    return file.names.index(name)


def _find_ids(file: LabelFile, wanted: list[str], column: str | None, where: str) -> tuple[str | None, list[int]]:
    numbers = range(len(file.names)) if column is None else [_number(file, column, where)]
    complete: dict[int, list[int]] = {}
    repeating: dict[int, str] = {}  # columns with every id once that have something else twice
    nearest, fewest = "it has no column of text or integers", len(wanted) + 1
    for number in numbers:
        values = file.column(number)
        if values is None:
            continue
        rows: dict[str, int] = {}
        twice: dict[str, None] = {}
        for row, value in enumerate(values):
            if value in rows:
                twice[value] = None
            rows[value] = row
        absent = [one for one in wanted if one not in rows or one in twice]
        if not absent and (column is not None or not twice):  # found by itself: a column without repetitions
            complete[number] = [rows[one] for one in wanted]
        elif not absent:
            repeating[number] = next(iter(twice))
        elif len(absent) < fewest:
            fewest, one = len(absent), absent[0]
            nearest = f"column {file.names[number]!r} " + (f"has {one} twice" if one in twice else f"lacks {one}")
    if len(complete) > 1:
        known = {number: rows for number, rows in complete.items() if file.names[number].lower() in ID_NAMES}
        complete = known if len(known) == 1 else complete
    if len(complete) > 1:
        which = ", ".join(repr(file.names[number]) for number in complete)
        raise LabelAuditError(f"{where}: the sample ids may be in column {which}; say which with --id-column")
    if complete:
        number, found = next(iter(complete.items()))
        return file.names[number], found
    counted = column is None and all(one.isdigit() and int(one) < file.n_rows for one in wanted)
    for number, value in repeating.items():
        name = file.names[number]
        if name.lower() in ID_NAMES or not counted:
            raise LabelAuditError(
                f"{where}: column {name!r} holds the samples to change once each, but {value} twice; if the ids are "
                f"there, say so with --id-column {name}"
            )
    if counted:
        return None, [int(one) for one in wanted]
    raise LabelAuditError(
        f"{where}: no column holds every sample id exactly once ({nearest}); "
        "say which holds the ids with --id-column, or name the file that was trained on"
    )


def _writings(changes: Changes) -> list[Writing]:
    """Return the ways in which a label may be written: as it is, or as the number of its class."""
    ways: list[Writing] = [str]
    if changes.class_names is not None:
        numbers = {name: str(number) for number, name in enumerate(changes.class_names)}
        ways.append(lambda label: numbers.get(str(label)))
    return ways


def _fitting(values: list[str], rows: Sequence[Change], writing: Writing) -> int:
    return sum(value == writing(change.given) for value, change in zip(values, rows, strict=True))


def _refuse(file: LabelFile, changes: Changes, rows: list[int], column: int, where: str) -> None:
    values = file.column(column) or [""] * file.n_rows
    here = [values[row] for row in rows]
    writing = max(_writings(changes), key=lambda way: _fitting(here, changes.rows, way))
    differing = [
        (change, value) for change, value in zip(changes.rows, here, strict=True) if value != writing(change.given)
    ]
    done = sum(change.new is not None and value == writing(change.new) for change, value in differing)
    change, value = differing[0]
    hint = "they hold the new labels already" if done == len(differing) else "audit the labels that are there now"
    raise LabelAuditError(
        f"{where}: {len(differing):,} of {len(rows):,} labels in column {file.names[column]!r} are not those audited "
        f"(first: sample {change.sample} is {value!r}, was audited as {writing(change.given)!r}): {hint}, or say which "
        "column with --label-column"
    )
