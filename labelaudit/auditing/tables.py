"""The tables of an audit, built from arrays without copying them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.reason import READ_BY_REASONS, reasons
from labelaudit.auditing.verdict import Verdict
from labelaudit.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

DEFAULT_COLUMNS = (
    "mistakenness",
    "hardness",
    "forgetting_events",
    "first_learned_epoch",
    "never_learned",
    "aum",
    "confidence",
    "variability",
    "correctness",
    "mean_loss",
    "mean_entropy",
    "region",
    "n_epochs",
)


KEPT_COLUMNS = (*READ_BY_REASONS, "variability", "region")  # what a report draws of every sample


def samples_table(
    history: History, split: str | None, verdict: Verdict, statistics: pd.DataFrame, columns: Sequence[str]
) -> pd.DataFrame:
    """Return `Audit.samples`.

    Args:
        history: the history.
        split: which split.
        verdict: what was judged.
        statistics: at least the columns and READ_BY_REASONS.
        columns: names of the statistics that it shows.
    """
    import pandas as pd

    table = history.table(split)
    names = history.class_names
    given = _label_column(table.labels, names)
    suggested = _label_column(verdict.suggested, names)
    found: dict[str, Any] = {
        "given_label": given,
        "predicted_label": _label_column(verdict.consensus, names),
        "label_quality": verdict.quality,
        "is_label_issue": verdict.flagged,
        "suggested_label": suggested,
        "suggestion_confidence": verdict.suggestion_confidence,
        **{name: statistics[name].array for name in columns},
        "reason": _reason_column(verdict, table.labels, names, statistics),
    }
    if table.true_labels is not None:
        true = np.where(table.true_labels >= 0, table.true_labels, table.labels)
        found["true_label"] = _label_column(true, names)
    return pd.DataFrame(found, index=statistics.index, copy=False)


def _reason_column(verdict: Verdict, labels: Array, names: list[str] | None, statistics: pd.DataFrame) -> Any:
    """Return the reason of every flagged sample, and an empty one for the others."""
    import pandas as pd

    rows = np.flatnonzero(verdict.flagged)
    suggested = [None if label < 0 else label for label in verdict.suggested[rows].tolist()]
    given = labels[rows].tolist()
    why = reasons(
        given if names is None else [names[label] for label in given],
        suggested if names is None else [None if label is None else names[label] for label in suggested],
        {name: statistics[name].to_numpy()[rows] for name in READ_BY_REASONS},
    )
    place = np.zeros(len(labels), np.intp)
    place[rows] = np.arange(1, len(rows) + 1)
    return pd.Series(["", *why]).array.take(place)


def _label_column(labels: Array, names: list[str] | None) -> Any:
    """Return class numbers as names, or as integers; -1 becomes missing."""
    import pandas as pd

    if names is not None:
        return pd.Series([*names, None]).array.take(labels)
    if (labels >= 0).all():
        return labels.astype(np.int64)
    missing = pd.array(labels, dtype="Int64")
    missing[labels < 0] = pd.NA
    return missing


def matrix_table(history: History, matrix: Array) -> pd.DataFrame:
    """Return `Audit.noise_matrix`: true classes in rows, given ones in columns."""
    import pandas as pd

    names: list[Any] = list(history.class_names or range(history.n_classes))
    return pd.DataFrame(matrix, pd.Index(names, name="true_label"), pd.Index(names, name="given_label"))
