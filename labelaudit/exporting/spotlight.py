"""Renumics Spotlight: a Parquet file, and issues that point at its rows."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.history.folder import write_file

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

PAIRS = 20  # issues of their own; the rest is one more


def export(audit: Audit, path: str | os.PathLike[str]) -> list[Any]:
    """Write the file and return the issues; see `Audit.to_spotlight`."""
    import io

    sink = io.BytesIO()
    audit.samples.reset_index().to_parquet(sink, index=False)
    write_file(path, sink.getvalue())
    issues = _issues(audit)
    try:
        kind = import_module("renumics.spotlight.analysis.typing").DataIssue
    except ImportError:
        return issues
    return [kind(**issue) for issue in issues]


def _issues(audit: Audit) -> list[dict[str, Any]]:
    flagged = audit.samples["is_label_issue"].to_numpy(bool)
    rows: dict[tuple[str, str], list[int]] = {}
    pairs = audit.samples[["given_label", "suggested_label"]].astype(object)
    columns = [pairs[name].where(pairs[name].notna(), "another class").astype(str).tolist() for name in pairs]
    for row in np.flatnonzero(flagged).tolist():
        rows.setdefault((columns[0][row], columns[1][row]), []).append(row)
    order = sorted(rows, key=lambda pair: -len(rows[pair]))
    named = [(f"{given} is probably {suggested}", rows[given, suggested]) for given, suggested in order[:PAIRS]]
    rest = [row for pair in order[PAIRS:] for row in rows[pair]]
    if rest:
        named.append(("Other probably wrong labels", sorted(rest)))
    return [
        {
            "title": title,
            "rows": of_pair,
            "severity": "high" if np.mean(audit.samples["label_quality"].to_numpy()[of_pair]) < 0.25 else "medium",
            "columns": ["given_label", "suggested_label"],
            "description": f"Past the audit's cut: {len(of_pair):,}.",
        }
        for title, of_pair in named
    ]
