"""Which column of a label file holds the ids and which the labels, and how the labels are written there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.changes import Change, Changes
from labelaudit.relabeling.label_file import LabelFile
from labelaudit.relabeling.whole_numbers import same_label

ID_NAMES = ("sample_id", "id", "image_id", "file_name", "filename", "file", "path", "image", "index")
LABEL_NAMES = ("label", "labels", "given_label", "class", "target", "category", "y")
TRUTH_WORDS = (("False", "True"), ("false", "true"), ("FALSE", "TRUE"))  # of classes 0 and 1, in files of text
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
    if id_name is None and file.guessed:
        _refuse_a_label_as_header(file, changes, where)
    if label_column is not None:
        chosen = [_number(file, label_column, where)]
    else:
        chosen = [number for number, name in enumerate(file.names) if name != id_name]
    names = changes.class_names or ()
    fits: list[tuple[int, Writing]] = []
    nearest, most = chosen[0] if chosen else 0, 0
    for number in chosen:
        values = file.column(number)
        if values is None:
            continue
        here = [values[row] for row in rows]
        for writing in _writings(changes):
            count = _fitting(here, changes.rows, writing, names)
            fits += [(number, writing)] if count == len(rows) else []
            nearest, most = (number, count) if count > most else (nearest, most)
    named = [number for number in chosen if file.names[number].lower() in LABEL_NAMES]
    if not fits:
        _refuse(file, changes, rows, (named if label_column is None and named else [nearest])[0], where)
    fits = _as_audited(file, fits, id_name, changes)
    fitting = {number for number, _ in fits}
    if fitting.isdisjoint(named):
        stale = next((number for number in named if _holds_classes(file, number, rows, changes)), None)
        if stale is not None:  # that others fit may be chance: there are few changes, and fewer classes
            _refuse(file, changes, rows, stale, where)
    elif len(fitting) > 1:
        fits = [(number, writing) for number, writing in fits if number in named]
        fitting = {number for number, _ in fits}
    if len(fitting) > 1:
        which = ", ".join(repr(file.names[number]) for number in sorted(fitting))
        raise LabelAuditError(f"{where}: the labels may be in column {which}; say which with --label-column")
    number = fitting.pop()
    writing = _one_writing(file, number, [writing for _, writing in fits], changes, where)
    return Found(id_name, number, rows, writing)


def _refuse_a_label_as_header(file: LabelFile, changes: Changes, where: str) -> None:
    """Refuse to take a first line for names where that would shift the numbers of all rows."""
    labels = {str(label) for one in changes.rows for label in (one.given, one.new)} | set(changes.class_names or ())
    found = next((name for name in file.names if name in labels), None)
    if found is not None:
        raise LabelAuditError(
            f"{where}: the first line has {found!r}, which is a class: say whether it has the names of the columns "
            "(header=True, --header) or is the first sample (header=False, --no-header)"
        )


def _as_audited(
    file: LabelFile, fits: list[tuple[int, Writing]], id_name: str | None, changes: Changes
) -> list[tuple[int, Writing]]:
    """Of columns and writings that fit the changes, return those that fit most of all that was audited, if known."""
    if len(fits) == 1 or changes.audited is None:
        return fits
    ids = None if id_name is None else file.column(file.names.index(id_name))
    row_of = {str(row): row for row in range(file.n_rows)} if ids is None else {one: row for row, one in enumerate(ids)}
    pairs = [(row_of[str(one)], label) for one, label in zip(*changes.audited, strict=True) if str(one) in row_of]
    names = changes.class_names or ()
    scores = []
    for number, writing in fits:
        values = file.column(number) or []
        scores.append(sum(same_label(values[row], writing(label), names) for row, label in pairs))
    return [fit for fit, score in zip(fits, scores, strict=True) if score == max(scores)]


def _holds_classes(file: LabelFile, number: int, rows: list[int], changes: Changes) -> bool:
    """Say whether a column has labels of these changes in rows that they are about, if not the right ones."""
    values = file.column(number) or [""] * file.n_rows
    labels = [label for one in changes.rows for label in (one.given, one.new) if label is not None]
    known = {writing(label) for writing in _writings(changes) for label in labels} | set(changes.class_names or ())
    return any(values[row] in known for row in rows)


def _one_writing(file: LabelFile, number: int, fitting: list[Writing], changes: Changes, where: str) -> Writing:
    """Return the way in which a column writes labels: that of most of its values, where several fit the changes."""
    if len(fitting) == 1:
        return fitting[0]
    names = changes.class_names or []
    labels = range(len(names)) if all(isinstance(change.given, int) for change in changes.rows) else names
    values = set(file.column(number) or [])
    known = [len(values & {writing(label) for label in labels}) for writing in fitting]
    fitting = [writing for writing, count in zip(fitting, known, strict=True) if count == max(known)]
    new = [change.new for change in changes.rows if change.new is not None]
    unclear = next((label for label in new if len({writing(label) for writing in fitting}) > 1), None)
    if unclear is not None:
        either = " or ".join(repr(writing(unclear)) for writing in fitting)
        raise LabelAuditError(
            f"{where}: column {file.names[number]!r} may hold names of classes or their numbers, so that the new label "
            f"{unclear!r} would be {either}; pass the audit as well (audit=, --audit): all labels are then compared"
        )
    return fitting[0]


def _number(file: LabelFile, name: str, where: str) -> int:
    if name not in file.names:
        raise LabelAuditError(f"{where} has no column {name!r}; it has {', '.join(file.names)}")
    if file.names.count(name) > 1:
        raise LabelAuditError(f"{where} has {file.names.count(name)} columns {name!r}; give each a name of its own")
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
    """Return the ways in which a label may be written: as it is, as the number of its class, as its name, in words."""
    ways: list[Writing] = [str]
    numbers = {"0": "0", "1": "1"}
    if changes.class_names is not None:
        names = changes.class_names
        numbers = {name: str(number) for number, name in enumerate(names)}
        ways.append(lambda label: numbers.get(str(label)))
        if all(isinstance(change.given, int) for change in changes.rows):
            ways.append(lambda label: names[label] if isinstance(label, int) and 0 <= label < len(names) else None)
    return ways + [_in_words(words, numbers) for words in TRUTH_WORDS]


def _in_words(words: tuple[str, str], numbers: Mapping[str, str]) -> Writing:
    """Return the writing of class 0 as the first word and of class 1 as the second."""
    of_number = dict(zip(("0", "1"), words, strict=True))
    return lambda label: of_number.get(numbers.get(str(label), ""))


def _fitting(values: list[str], rows: Sequence[Change], writing: Writing, names: Sequence[str]) -> int:
    return sum(same_label(value, writing(change.given), names) for value, change in zip(values, rows, strict=True))


def _refuse(file: LabelFile, changes: Changes, rows: list[int], column: int, where: str) -> None:
    values = file.column(column) or [""] * file.n_rows
    here = [values[row] for row in rows]
    names = changes.class_names or ()
    writing = max(_writings(changes), key=lambda way: _fitting(here, changes.rows, way, names))
    differing = [
        (change, value)
        for change, value in zip(changes.rows, here, strict=True)
        if not same_label(value, writing(change.given), names)
    ]
    done = sum(change.new is not None and same_label(value, writing(change.new), names) for change, value in differing)
    change, value = differing[0]
    hint = "they hold the new labels already" if done == len(differing) else "audit the labels that are there now"
    raise LabelAuditError(
        f"{where}: {len(differing):,} of {len(rows):,} labels in column {file.names[column]!r} are not those audited "
        f"(first: sample {change.sample} is {value!r}, was audited as {writing(change.given)!r}): {hint}, or say which "
        "column with --label-column"
    )
