"""Which options of `relabel` say something of which target; any other is refused rather than ignored."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.label_file import KINDS, TEXT_KINDS

ARRAY, TREE, TABLE, TEXT = "array", "tree", "table", "text"  # a table: Parquet, JSON; a text: CSV and its like
_ON_DISK = ((TREE, TABLE, TEXT), "a label file or a folder")
ABOUT = {
    "sample_ids": ((ARRAY,), "an array"),
    "id_column": ((TABLE, TEXT), "a label file"),
    "label_column": ((TABLE, TEXT), "a label file"),
    "header": ((TEXT,), "a CSV file"),
    "how": ((TREE,), "a folder of class folders"),
    "out": _ON_DISK,
    "in_place": _ON_DISK,
    "undo_log": _ON_DISK,
}


def refuse_unused(target: Path | None, options: Mapping[str, Any]) -> None:
    """Refuse options that say nothing of the target, and those of which one makes the other void.

    Args:
        target: a file or folder; None: an array.
        options: by name; None or False is one that was not passed, but for ``header``.

    Raises:
        LabelAuditError: an option would be ignored.
    """
    kind = _kind(target)
    passed = {name: value for name, value in options.items() if value is not None}
    passed = {name: value for name, value in passed.items() if value is not False or name == "header"}
    called = {None: "an array", TREE: f"the folder {target}"}.get(kind if target else None, str(target))
    for name, value in passed.items():
        kinds, about = ABOUT[name]
        if kind not in kinds:
            returned = "; the new labels are returned" if kind == ARRAY and (kinds, about) == _ON_DISK else ""
            raise LabelAuditError(f"{name}={_shown(value)} is about {about}; for {called} leave it out{returned}")
    if "in_place" in passed and "out" in passed:
        raise LabelAuditError("out= and in_place=True say two things; pass one of them")
    if "in_place" in passed and "how" in passed:
        raise LabelAuditError(
            f"how={passed['how']!r} is about a new folder (out=), and in_place=True moves the files; pass one of them"
        )
    if "undo_log" in passed and "in_place" not in passed:
        raise LabelAuditError(
            f"undo_log={_shown(passed['undo_log'])} is about in_place=True (--in-place), which was not asked for; pass "
            "both or neither"
        )
    if "out" in passed and target is not None and kind != TREE:
        _same_ending(target, Path(passed["out"]))


def _kind(target: Path | None) -> str:
    if target is None:
        return ARRAY
    if target.is_dir():
        return TREE
    return TEXT if target.suffix.lower() in TEXT_KINDS else TABLE


def _same_ending(target: Path, out: Path) -> None:
    """Refuse a new file whose ending says that it is of another kind than the old one."""
    old, new = target.suffix.lower(), out.suffix.lower()
    both_text = old in TEXT_KINDS and new in TEXT_KINDS and ".txt" in (old, new)
    if new in KINDS and new != old and not both_text:
        raise LabelAuditError(
            f"{out} ends in {out.suffix}, but the new file is of the old one's kind; name {out.with_suffix(old)}"
        )


def _shown(value: Any) -> str:
    return repr(str(value)) if isinstance(value, Path) else reprlib.repr(value)
