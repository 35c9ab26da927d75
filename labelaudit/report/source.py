"""Where an audit's history is: at hand, named, or still where it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import History, open_history

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

Array = npt.NDArray[Any]


def history_of(audit: Audit, named: Any = None) -> History | None:
    """Return the history that an audit read; None where it is no longer there.

    Args:
        audit: the audit.
        named: a history or its path, if the user says it.

    Raises:
        LabelAuditError: the history that was named cannot be read or is of other samples or labels.
    """
    if named is not None:
        history = named if isinstance(named, History) else open_history(named)
        if not _fits(audit, history):
            raise LabelAuditError(
                f"{history.path} is not the history of this audit: samples or labels differ. Audit it again, or leave "
                "history= out"
            )
        return history
    if audit.history is not None:
        return audit.history
    places = audit.info.get("history") or []
    if not places or not all(os.path.isdir(place) for place in places):  # never fetched from elsewhere unasked
        return None
    try:
        history = open_history(places, held_out=audit.info.get("held_out"))
        return history if _fits(audit, history) else None
    except (LabelAuditError, OSError):
        return None


def rows_of(audit: Audit, history: History) -> Array:
    """Return the row of each sample of an audit in its history's table, (n,), -1 where it is not there.

    The table has more samples where the epochs that were read did not see all of them.
    """
    ids, audited = history.ids(audit.info["split"]), audit.samples.index
    if len(ids) == len(audited):
        same = np.array_equal(ids, audited.to_numpy()) or texts_of(ids) == texts_of(audited.to_numpy())
        return np.arange(len(ids)) if same else np.full(len(ids), -1)
    import pandas as pd

    return pd.Index(ids).get_indexer(audited)


def texts_of(ids: Array) -> list[str]:
    """Return ids as text."""
    return list(map(str, ids.tolist()))


def _fits(audit: Audit, history: History) -> bool:
    split = audit.info.get("split")
    if split not in history.splits:
        return False
    rows = rows_of(audit, history)
    return bool((rows >= 0).all()) and np.array_equal(history.table(split).labels[rows], audit.codes("given_label"))
