"""Label Studio: tasks as JSON, and the labelling configuration they are made for."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import labelaudit
from labelaudit.errors import LabelAuditError
from labelaudit.exporting.tables import plain, source_of
from labelaudit.history.folder import write_file

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

COLUMNS = ("given_label", "suggested_label", "suggestion_confidence", "label_quality", "is_label_issue", "reason")


def export(audit: Audit, path: str | os.PathLike[str], images: Any, texts: Any, *, issues_only: bool) -> str:
    """Write the tasks and return the configuration; see `Audit.to_label_studio`."""
    if (images is None) == (texts is None):
        raise LabelAuditError("say what is shown: images= (URLs) or texts=")
    ids = audit.samples.index.tolist()
    kind = "image" if texts is None else "text"
    of = source_of(ids, images if texts is None else texts, f"{kind}s")
    row_of = {sample: row for row, sample in enumerate(ids)}
    positions = [row_of[sample] for sample in audit.issues.index.tolist()] if issues_only else range(len(ids))
    columns = {name: audit.samples[name].tolist() for name in COLUMNS}
    tasks = [
        _task(ids[row], kind, of(row), {name: plain(column[row]) for name, column in columns.items()})
        for row in positions
    ]
    text = json.dumps(tasks, ensure_ascii=False, indent=1, allow_nan=False)
    write_file(path, text.encode("utf-8", "surrogateescape"))
    return _config(kind, [str(label) for label in audit.noise_matrix.index])


def _task(sample: Any, kind: str, shown: str, row: dict[str, Any]) -> dict[str, Any]:
    task: dict[str, Any] = {
        "data": {kind: shown, "sample_id": str(sample), **row},
        "annotations": [{"result": [_choice(sample, kind, row["given_label"], "given")]}],
        "predictions": [],
    }
    if row["suggested_label"] is not None:
        task["predictions"] = [
            {
                "model_version": f"labelaudit {labelaudit.__version__}",
                "score": row["suggestion_confidence"],
                "result": [_choice(sample, kind, row["suggested_label"], "suggested")],
            }
        ]
    return task


def _choice(sample: Any, kind: str, label: Any, part: str) -> dict[str, Any]:
    identity = hashlib.sha256(f"{part}\x1f{sample}".encode("utf-8", "surrogateescape")).hexdigest()[:10]
    value = {"choices": [str(label)]}
    return {"id": identity, "from_name": "label", "to_name": kind, "type": "choices", "value": value}


def _config(kind: str, labels: list[str]) -> str:
    shown = kind.capitalize()
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in labels)
    return (
        f'<View>\n  <{shown} name="{kind}" value="${kind}"/>\n'
        f'  <Choices name="label" toName="{kind}" choice="single">\n{choices}  </Choices>\n</View>\n'
    )
