"""The tables of an audit, built from arrays without copying them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.look_alikes import LookAlikes
from labelaudit.auditing.reason import READ_BY_REASONS, reasons, said_by_look_alikes
from labelaudit.auditing.verdict import Verdict
from labelaudit.history import History
from labelaudit.history.samples import Samples

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
    table: Samples,
    names: list[str] | None,
    verdict: Verdict,
    statistics: pd.DataFrame,
    columns: Sequence[str],
    second: LookAlikes | None = None,
) -> pd.DataFrame:
    """Return `Audit.samples`.

    Args:
        table: the samples judged.
        names: of the classes.
        verdict: what was judged.
        statistics: at least the columns and READ_BY_REASONS.
        columns: names of the statistics that it shows.
        second: the samples' look-alikes, if embeddings were given.
    """
    import pandas as pd

    given = _label_column(table.labels, names)
    suggested = _label_column(verdict.suggested, names)
    found: dict[str, Any] = {
        "given_label": given,
        "predicted_label": _label_column(verdict.consensus, names),
        "label_quality": verdict.quality,
        "is_label_issue": verdict.flagged,
        "suggested_label": suggested,
        "suggestion_confidence": verdict.suggestion_confidence,
        "runner_up_label": _label_column(verdict.runner_up, names),
        **{name: statistics[name].array for name in columns},
        **({} if second is None else _look_alike_columns(second, table.labels, statistics.index)),
        "reason": _reason_column(verdict, table.labels, names, statistics, second),
    }
    if table.true_labels is not None:
        true = np.where(table.true_labels >= 0, table.true_labels, table.labels)
        found["true_label"] = _label_column(true, names)
    return pd.DataFrame(found, index=statistics.index, copy=False)


def _look_alike_columns(second: LookAlikes, labels: Array, ids: pd.Index[Any]) -> dict[str, Any]:
    """Return neighbor_agreement and nearest_conflict."""
    import pandas as pd

    conflict = second.votes.conflict
    named = pd.Series(ids).convert_dtypes().array.take(conflict, allow_fill=True)
    return {"neighbor_agreement": second.votes.share(labels), "nearest_conflict": named}


def _names_or_none(labels: Array, names: list[str] | None) -> list[Any]:
    """Return the names of (m,) labels, None below zero."""
    return [None if label < 0 else label if names is None else names[label] for label in labels.tolist()]


def _reason_column(
    verdict: Verdict, labels: Array, names: list[str] | None, statistics: pd.DataFrame, second: LookAlikes | None
) -> Any:
    """Return the reason of every flagged sample, and an empty one for the others."""
    import pandas as pd

    rows = np.flatnonzero(verdict.flagged)
    unclear = np.where((verdict.suggested < 0) & (verdict.quality < 0.5), verdict.runner_up, -1)
    why = reasons(
        _names_or_none(labels[rows], names),
        _names_or_none(verdict.suggested[rows], names),
        _names_or_none(unclear[rows], names),
        {name: statistics[name].to_numpy()[rows] for name in READ_BY_REASONS},
    )
    if second is not None:
        more = said_by_look_alikes(second.votes, rows, labels, names, statistics.index)
        why = [one + other for one, other in zip(why, more, strict=True)]
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
