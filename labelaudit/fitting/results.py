"""A results folder of `fit`, opened again to apply its corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from labelaudit.auditing import Audit, load_audit
from labelaudit.errors import LabelAuditError
from labelaudit.fitting.state import NAME, read_state


class Results(NamedTuple):
    """What relabelling needs.

    Attributes:
        data: the folder of class folders, or the table, that was trained on.
        audit: of all repeats.
        sensitivity: smallest confidence of what is to be applied, unless one is named.
    """

    data: Path
    audit: Audit
    sensitivity: float


def is_results(path: Any) -> bool:
    """Say whether `fit` wrote there."""
    return Path(path).is_dir() and (Path(path) / NAME).is_file()


def open_results(path: Any) -> Results:
    """Open a results folder.

    Raises:
        LabelAuditError: the run is not finished, its data are gone, or were arrays.
    """
    state = read_state(Path(path))
    if state is None:
        raise LabelAuditError(f"{path} is no results folder of labelaudit fit")
    if not (state.folder / "audit" / "audit.json").is_file():
        raise LabelAuditError(f"the run in {path} is not finished; the same labelaudit fit command goes on with it")
    data = Path(state.data)
    if not state.data or data.suffix.lower() == ".npz":
        raise LabelAuditError(
            f"{path} was trained on arrays: apply the corrections to your labels with labelaudit.relabel(labels, audit)"
        )
    if not data.exists():
        raise LabelAuditError(f"{data}, which {path} was trained on, is no longer there")
    return Results(data, load_audit(state.folder / "audit"), state.sensitivity)
