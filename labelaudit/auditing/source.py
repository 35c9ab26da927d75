"""The history that is to be audited, from whatever names it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history import History, open_history
from labelaudit.history.folder import open_folder
from labelaudit.visible import typed

FIT_STATE = "state.json"


def history_to_audit(source: Any) -> History:
    """Return a history.

    Args:
        source: a history, the path of one, or several of those.

    Raises:
        LabelAuditError: it is none, and what to type instead.
    """
    if isinstance(source, History):
        return source
    of_arrays = "Of arrays: labelaudit.audit(labelaudit.history_from_arrays(pred_probs, labels))"
    if source is None:
        raise LabelAuditError(f"there is no history to audit; expected a History or the path of one. {of_arrays}")
    paths = [source] if isinstance(source, (str, os.PathLike)) else source
    known = (str, os.PathLike, History)
    if not isinstance(paths, Sequence) or not all(isinstance(path, known) for path in paths):
        raise LabelAuditError(
            f"a {type(source).__name__} is no history; expected a History, the path of one, or a list of those. "
            f"{of_arrays}"
        )
    for path in paths:
        if not isinstance(path, History):
            refuse_other_folders(path)
    return open_history(source)


def refuse_other_folders(path: str | os.PathLike[str]) -> None:
    """Refuse a folder that an audit or ``labelaudit fit`` wrote."""
    if "://" in os.fspath(path) or not os.path.isdir(path):
        return
    folder = open_folder(path)
    names = folder.names()
    if "manifest.json" in names:
        return
    if "audit.json" in names:
        raise LabelAuditError(
            f"{folder.url} is an audit, not a run. Look at it with labelaudit.load_audit({folder.url!r}), or type: "
            f"labelaudit review {typed(folder.url)}"
        )
    runs = folder.folders("histories")
    if FIT_STATE in names and runs:
        raise LabelAuditError(
            f"{folder.url} holds the results of labelaudit fit: its audit is {folder.url}/audit, its runs are "
            f"{', '.join(f'{folder.url}/histories/{run}' for run in runs[:3])}{', ...' if runs[3:] else ''}. "
            "Name some of these"
        )
