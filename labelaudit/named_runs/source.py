"""What a named run was made of, and what has changed since."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelaudit.history import History

Source = list[dict[str, Any]]


def source_of(history: History, split: str) -> Source:
    """Return what tells the state of a history's split: {"url", "created", "epochs", "last_epoch"} of each run.

    The URL is its last part only, so a folder may be moved.
    """
    found = []
    for run in history.runs_read:
        epochs = run.epochs(split)
        facts = {"created": run.manifest.created, "epochs": len(epochs), "last_epoch": max(epochs, default=-1)}
        found.append({"url": os.path.basename(run.url.rstrip("/")), **facts})
    return found


def changes(then: Source, now: Source) -> list[str]:
    """Return what has changed, as sentences."""
    if then == now:
        return []
    before = {one["url"]: one for one in then}
    if sorted(before) != sorted(one["url"] for one in now):
        return [f"it was made of {', '.join(before)}"]
    if any(one["created"] != before[one["url"]]["created"] for one in now):
        return ["the history was recorded anew since"]
    epochs = [sum(one["epochs"] for one in of) for of in (then, now)]
    return [f"the history has changed since: it had {epochs[0]} epochs, now {epochs[1]}"]
