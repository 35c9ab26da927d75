"""Hugging Face datasets: the audit's columns on the dataset that was trained on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labelaudit.errors import LabelAuditError
from labelaudit.exporting.tables import plain

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

COLUMNS = (
    "given_label",
    "predicted_label",
    "label_quality",
    "is_label_issue",
    "suggested_label",
    "suggestion_confidence",
    "mistakenness",
    "hardness",
    "forgetting_events",
    "reason",
)


def export(audit: Audit, dataset: Any, id_column: str | None) -> Any:
    """Return a dataset with the audit's columns; see `Audit.to_huggingface`."""
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise LabelAuditError("Hugging Face's datasets is not installed. Type: pip install datasets") from None
    table = {name: [plain(value) for value in audit.samples[name].tolist()] for name in COLUMNS}
    ids = audit.samples.index.tolist()
    if dataset is None:
        return datasets.Dataset.from_dict({"sample_id": ids, **table})
    taken = [name for name in COLUMNS if name in dataset.column_names]
    if taken:
        raise LabelAuditError(f"the dataset has a column {taken[0]!r} already; rename or remove it first")
    rows = list(range(len(dataset))) if id_column is None else list(dataset[id_column])
    at = {str(sample): row for row, sample in enumerate(ids)}
    if len(set(map(str, rows))) < len(rows):
        raise LabelAuditError(f"column {id_column!r} holds an id twice; name the column with the sample ids")
    places = [at.get(str(one)) for one in rows]
    if len(at) > sum(place is not None for place in places):
        raise LabelAuditError(
            f"{len(at) - sum(place is not None for place in places):,} of {len(at):,} audited samples are not in the "
            "dataset; name the column with the sample ids, id_column="
        )
    added = {name: [None if place is None else column[place] for place in places] for name, column in table.items()}
    return datasets.concatenate_datasets([dataset, datasets.Dataset.from_dict(added)], axis=1)
