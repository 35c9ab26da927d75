"""The picture of the embeddings in a report: points, and columns that can colour them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.report.charts import base64_of

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.auditing.result import Audit
    from labelaudit.embedding import Visualization
    from labelaudit.history import History

Array = npt.NDArray[Any]
MAX_POINTS = 50_000
STEPS = 65_535  # a place or a number, of its range
NO_VALUE = 65_535
FIRST = ("given_label", "predicted_label", "label_quality", "is_label_issue", "suggested_label", "region")
NOT_SHOWN = ("reason",)


def chosen_visualization(audit: Audit, asked: Any, history: History | None) -> tuple[Visualization | None, str]:
    """Return the picture to show, or None, and a note on one that could not be shown.

    Args:
        audit: the audit.
        asked: a visualization, the key of one that is kept with the history, False for none, or None: the newest one
            that is kept there and has points of this audit's samples.
        history: the audit's history, where it is at hand.

    Raises:
        LabelAuditError: there is none of that key, or it has no point of any of the samples.
    """
    if asked is False:
        return None, ""
    if asked is None:
        return _newest(audit, history)
    if isinstance(asked, str):
        if history is None:
            raise LabelAuditError(f"visualization={asked!r} is a key, and the history is not at hand; pass history=")
        asked = history.runs.load(asked)
    if not hasattr(asked, "points") or not hasattr(asked, "sample_ids"):
        raise LabelAuditError(
            f"visualization= is a {type(asked).__name__}; expected what history.visualize() returns, its key, or False"
        )
    if not (_rows(audit, asked) >= 0).any():
        ids = [*asked.sample_ids[:1].tolist(), *audit.samples.index[:1].tolist()]
        raise LabelAuditError(
            f"the visualization has no point of any sample: its ids are like {ids[0]!r}, the audit's like {ids[-1]!r}. "
            "Make it of embeddings with the same sample_ids="
        )
    return asked, ""


def _newest(audit: Audit, history: History | None) -> tuple[Visualization | None, str]:
    if history is None:
        return None, ""
    infos = [history.runs.info(key) for key in history.runs.list("visualization")]
    for info in sorted(infos, key=lambda one: (one.created, one.key), reverse=True):
        if info.problems:
            return None, f"The visualization {info.key} is damaged and not shown: {info.problems[0]}."
        found = history.runs.load(info.key)
        if info.split == audit.info.get("split", info.split) and (_rows(audit, found) >= 0).any():
            return found, ""
    return None, ""


def _rows(audit: Audit, visualization: Visualization) -> Array:
    """Return the point of each sample of the audit, (n,), -1 for none."""
    import pandas as pd

    return pd.Index(visualization.sample_ids).get_indexer(audit.samples.index)


def embedding_map(
    audit: Audit, visualization: Visualization, shown: Array, most: int = MAX_POINTS
) -> dict[str, Any] | None:
    """Return points and columns, JSON-ready.

    Args:
        audit: the audit.
        visualization: points, some of which are samples of the audit.
        shown: (c,) rows of the samples that have a card, in the cards' order.
        most: points at most; those with a card first, the others evenly thinned out.

    Returns:
        base64 of little-endian numbers: uint16 ``x`` and ``y`` over their range, int32 ``place`` (which card, or -1 - i
        for the i-th of the other samples); ``columns`` that can colour them; ``method``; ``left_out`` points.
    """
    n = len(audit.samples)
    place = np.full(n, -1, np.int64)
    place[shown] = np.arange(len(shown))
    others = place < 0
    place[others] = -1 - np.arange(others.sum())
    point = _rows(audit, visualization)
    there = np.flatnonzero((point >= 0) & np.isfinite(visualization.points[point]).all(axis=1))
    if not len(there):
        return None
    rows = _thinned(there, place, most)
    points = np.asarray(visualization.points, np.float64)[point[rows]]
    table = audit.samples.iloc[rows]
    names = [name for name in (*FIRST, *table.columns) if name in table and name not in NOT_SHOWN]
    columns = (_column(name, table[name]) for name in dict.fromkeys(names))
    return {
        "method": visualization.method,
        "left_out": len(there) - len(rows),
        "x": base64_of(_scaled(points[:, 0])[0]),
        "y": base64_of(_scaled(points[:, 1])[0]),
        "place": base64_of(place[rows].astype("<i4")),
        "columns": [column for column in columns if column is not None],
    }


def _thinned(rows: Array, place: Array, most: int) -> Array:
    """Return at most ``most`` rows: those with a card, then others at even distances."""
    if len(rows) <= most:
        return rows
    cards, others = rows[place[rows] >= 0], rows[place[rows] < 0]
    room = max(most - len(cards), 0)
    some = others[np.linspace(0, len(others) - 1, room).astype(np.int64)] if room else others[:0]
    return np.sort(np.concatenate([cards[:most], np.unique(some)]))


def _scaled(values: Array, low: float | None = None, high: float | None = None) -> tuple[Array, float, float]:
    """Return values as shares of their range, 0 to STEPS - 1, and the range; what is missing is NO_VALUE."""
    known = np.isfinite(values)
    low = float(values[known].min()) if low is None else low
    high = float(values[known].max()) if high is None else high
    share = np.clip((np.where(known, values, low) - low) / ((high - low) or 1), 0, 1)
    return np.where(known, np.round(share * (STEPS - 1)), NO_VALUE).astype("<u2"), low, high


def _column(name: str, column: pd.Series[Any]) -> dict[str, Any] | None:
    """Return a column as numbers on a scale or as codes of its names; None where it is neither."""
    import pandas as pd

    title = name.replace("_", " ")
    if pd.api.types.is_bool_dtype(column.dtype):
        return _named(name, title, column.to_numpy(bool).astype(np.int64), ["no", "yes"])
    of_labels = name.endswith("_label") or not pd.api.types.is_numeric_dtype(column.dtype)
    if of_labels:
        codes, names = pd.factorize(column, sort=True)
        if len(names) >= NO_VALUE:
            return None
        return _named(name, title, codes, [str(one) for one in names])
    values = column.to_numpy(np.float64, na_value=np.nan)
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, [1, 99]).tolist()  # one far value must not leave one colour for all others
    packed, low, high = _scaled(values, low, high)
    return {"name": name, "title": title, "values": base64_of(packed), "low": low, "high": high}


def _named(name: str, title: str, codes: Array, names: list[str]) -> dict[str, Any]:
    packed = np.where(codes < 0, NO_VALUE, codes).astype("<u2")
    return {"name": name, "title": title, "codes": base64_of(packed), "names": names}
