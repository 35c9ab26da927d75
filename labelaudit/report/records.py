"""The samples as the pages read them: one plain dict per sample, as listed at the top of static/card.js."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.report.curves import Curves, binned
from labelaudit.report.media import Media

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

Array = npt.NDArray[Any]
STATISTICS = {
    "forgetting_events": "forgetting events",
    "first_learned_epoch": "first learned in epoch",
    "correctness": "epochs that predict the given label",
    "confidence": "confidence: mean p(given)",
    "variability": "variability of p(given)",
    "aum": "area under the margin",
    "mean_loss": "mean loss",
    "mistakenness": "mistakenness",
    "hardness": "hardness",
    "n_epochs": "epochs seen",
    "predicted_label": "predicted label",
    "true_label": "true label (planted)",
}


def worst_first(audit: Audit, most: int | None = None) -> Array:
    """Return positions of samples in the table, the lowest label_quality first."""
    order = np.argsort(audit.samples["label_quality"].to_numpy(), kind="stable")
    return order if most is None else order[:most]


def sample_records(
    audit: Audit,
    positions: Sequence[int] | Array,
    *,
    media: Media | None = None,
    images: Sequence[str | None] | None = None,
    curves: Curves | None = None,
) -> list[dict[str, Any]]:
    """Return one JSON-ready dict per sample.

    Args:
        audit: the audit.
        positions: (m,) rows of ``audit.samples``.
        media: where texts and table rows come from.
        images: (m,) URL or data URI of each image.
        curves: the curves of exactly these samples, in this order.
    """
    rows = np.asarray(positions, dtype=np.intp)
    table = audit.samples.iloc[rows]
    shown = [name for name in STATISTICS if name in table]
    columns = {name: table[name].tolist() for name in [*FIELDS, *shown]}
    lines = None if curves is None else _curve_lists(curves)
    records = []
    for i, sample in enumerate(table.index):
        suggested = columns["suggested_label"][i]
        none = is_missing(suggested)
        records.append(
            {
                "id": str(sample),
                "given": str(columns["given_label"][i]),
                "suggested": None if none else str(suggested),
                "confidence": None if none else round(float(columns["suggestion_confidence"][i]), 4),
                "quality": round(float(columns["label_quality"][i]), 5),
                "flagged": bool(columns["is_label_issue"][i]),
                "region": str(columns["region"][i]),
                "reason": columns["reason"][i],
                "statistics": [[STATISTICS[name], _said(columns[name][i])] for name in shown],
                "image": None if images is None else images[i],
                "text": None if media is None else media.text(int(rows[i])),
                "row": None if media is None else media.row(int(rows[i])),
                "curve": None if lines is None else _curve(lines, i, suggested=not none),
            }
        )
    return records


FIELDS = (
    "given_label",
    "suggested_label",
    "suggestion_confidence",
    "label_quality",
    "is_label_issue",
    "region",
    "reason",
)


def is_missing(value: Any) -> bool:
    """Return whether a cell of a table is empty: None, NaN or <NA>."""
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _said(value: Any) -> str:
    if is_missing(value):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _curve_lists(curves: Curves) -> dict[str, Any]:
    return {
        "epochs": np.round(binned(curves.epochs.astype(float))).astype(int).tolist(),
        "given": rounded(binned(curves.given)),
        "suggested": rounded(binned(curves.suggested)),
    }


def _curve(lines: dict[str, Any], i: int, *, suggested: bool) -> dict[str, Any]:
    return {
        "epochs": lines["epochs"],
        "given": lines["given"][i],
        "suggested": lines["suggested"][i] if suggested else None,
    }


def rounded(values: Array, digits: int = 3) -> Any:
    """Return nested lists of rounded numbers, None for NaN."""
    near = np.round(values.astype(np.float64), digits)
    found = near.astype(object)
    found[np.isnan(near)] = None
    return found.tolist()
