"""The audit's table in the names and types of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from labelaudit.errors import LabelAuditError
from labelaudit.report.records import is_missing

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.auditing.result import Audit


def cleanlab_frame(audit: Audit) -> pd.DataFrame:
    """Return cleanlab's frame; see `Audit.to_cleanlab`."""
    columns = ["is_label_issue", "label_quality", "given_label", "predicted_label"]
    return audit.samples[columns].rename(columns={"label_quality": "label_score"})


def plain(value: Any) -> Any:
    """Return a table's cell as JSON has it: missing as None, NumPy's numbers as Python's."""
    if is_missing(value):
        return None
    return value.item() if hasattr(value, "item") else value


def source_of(ids: list[Any], given: Any, what: str) -> Callable[[int], str]:
    """Return position -> string, from a list, a mapping or function of the sample id, or a string before the id.

    Args:
        ids: (n,) sample ids.
        given: the source.
        what: its name, for messages.

    Raises:
        LabelAuditError: a list has another length than the audit; a mapping lacks a sample.
    """
    if isinstance(given, (str, Path)):
        start = str(given).rstrip("/") + "/"
        is_url = "://" in start
        return lambda position: start + (quote(str(ids[position])) if is_url else str(ids[position]))
    if isinstance(given, Mapping) or callable(given):

        def found(position: int) -> str:
            value = given.get(ids[position]) if isinstance(given, Mapping) else given(ids[position])
            if value is None:
                raise LabelAuditError(f"{what}= has nothing for sample {ids[position]}")
            return str(value)

        return found
    entries = list(given)
    if len(entries) != len(ids):
        raise LabelAuditError(f"{what}= has {len(entries):,} entries, the audit has {len(ids):,} samples")
    return lambda position: str(entries[position])
