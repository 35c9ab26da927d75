"""The tables of a detection audit as files."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from labelaudit.history.folder import write_file

if TYPE_CHECKING:
    import pandas as pd


def flagged_objects(found: Any) -> pd.DataFrame:
    """Return the flagged rows of ``objects``, the most suspicious first."""
    objects = found.objects
    return objects[objects["is_label_issue"]].sort_values("label_quality", kind="stable")


def write(
    found: Any,
    path: str | os.PathLike[str],
    missing: str | os.PathLike[str] | None,
    kind: str,
    *,
    issues_only: bool,
) -> None:
    """Write ``objects``, and ``missing`` where a place is named, as "csv" or "parquet"."""
    write_file(path, _bytes(flagged_objects(found) if issues_only else found.objects, kind))
    if missing is not None:
        write_file(missing, _bytes(found.missing, kind))


def _bytes(table: pd.DataFrame, kind: str) -> bytes:
    if kind == "csv":
        return str(table.to_csv(lineterminator="\n")).encode()
    sink = io.BytesIO()
    table.to_parquet(sink)
    return sink.getvalue()
