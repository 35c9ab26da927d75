"""FiftyOne: its dataset as JSON, written without it, and fields set on a dataset that is loaded."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from labelaudit.errors import LabelAuditError
from labelaudit.exporting.tables import plain, source_of
from labelaudit.history.folder import open_folder
from labelaudit.report.media import Media

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

NUMBERS = ("label_quality", "is_label_issue", "mistakenness", "hardness", "forgetting_events")
TAG = "label_issue"


def export(
    audit: Audit, path: str | os.PathLike[str] | None, images: Any, dataset: Any, key_field: str, name: str
) -> None:
    """Write a folder or set fields; see `Audit.to_fiftyone`."""
    if (path is None) == (dataset is None):
        raise LabelAuditError("say where to: path= for a folder, or dataset= for a FiftyOne dataset that is loaded")
    if path is not None:
        _write(audit, path, images, name)
    elif dataset is not None:
        _set(audit, dataset, images, key_field)


def _places(audit: Audit, images: Any) -> list[str]:
    ids = audit.samples.index.tolist()
    if images is None:
        if not all(isinstance(one, str) for one in ids):
            raise LabelAuditError("FiftyOne needs a file per sample, and these ids are no paths; pass images=")
        return [os.path.abspath(one) for one in ids]
    if isinstance(images, (str, os.PathLike)) and os.path.isdir(images):
        Media(audit.samples.index.to_numpy(), images)  # refuses a folder that has none of them
    of = source_of(ids, images, "images")
    return [os.path.abspath(of(position)) for position in range(len(ids))]


def _fields(audit: Audit) -> dict[str, list[Any]]:
    """Return the values of each field, (n,) each, as JSON has them."""
    table = audit.samples
    columns = {name: [plain(value) for value in table[name].tolist()] for name in NUMBERS}
    suggested = zip(table["suggested_label"].tolist(), table["suggestion_confidence"].tolist(), strict=True)
    return {
        "sample_id": [str(one) for one in table.index],
        **columns,
        "suggested_label": [_classification(plain(label), plain(share)) for label, share in suggested],
    }


def _classification(label: Any, confidence: float | None) -> dict[str, Any] | None:
    return None if label is None else {"_cls": "Classification", "label": str(label), "confidence": confidence}


def _write(audit: Audit, path: str | os.PathLike[str], images: Any, name: str) -> None:
    fields = _fields(audit)
    given = audit.samples["given_label"].tolist()
    samples = []
    for position, place in enumerate(_places(audit, images)):
        values = {field: column[position] for field, column in fields.items()}
        samples.append(
            {
                "filepath": place,
                "tags": [TAG] if values["is_label_issue"] else [],
                "metadata": None,
                "ground_truth": {"_cls": "Classification", "label": str(given[position])},
                **values,
            }
        )
    classes = [str(label) for label in audit.noise_matrix.index]
    facts = {"name": name, "media_type": "image", "info": {"classes": classes, "summary": str(audit.summary)}}
    folder = open_folder(path)
    others = [one for one in folder.names() if one not in ("metadata.json", "samples.json")]
    if others:
        raise LabelAuditError(f"{folder.url} holds other files ({others[0]}); name an empty or a new folder")
    folder.write("samples.json", json.dumps({"samples": samples}, allow_nan=False).encode())
    folder.write("metadata.json", json.dumps(facts, indent=1).encode())


def _set(audit: Audit, dataset: Any, images: Any, key_field: str) -> None:
    """Set all fields with one call each; FiftyOne's own objects are made only here."""
    from importlib import import_module

    labels = import_module("fiftyone")
    if key_field == "filepath":
        keys = _places(audit, images)
    else:
        of_type = type(next(iter(dataset.values(key_field)), ""))
        keys = [of_type(one) for one in audit.samples.index.tolist()]
    known = set(dataset.values(key_field))
    missing = [key for key in keys if key not in known]
    if missing:
        raise LabelAuditError(
            f"{len(missing):,} of {len(keys):,} samples are not in the dataset by {key_field!r} (first: {missing[0]}); "
            "pass images= with their paths, or key_field="
        )
    fields = _fields(audit)
    for name, column in fields.items():
        values = dict(zip(keys, column, strict=True))
        if name == "suggested_label":
            values = {key: value and labels.Classification(**_without_class(value)) for key, value in values.items()}
        dataset.set_values(name, values, key_field=key_field)
    tags = dict(zip(dataset.values(key_field), dataset.values("tags"), strict=True))
    flags = dict(zip(keys, fields["is_label_issue"], strict=True))
    new = {key: sorted({*tags[key], TAG} if flag else {*tags[key]} - {TAG}) for key, flag in flags.items()}
    dataset.set_values("tags", new, key_field=key_field)


def _without_class(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name != "_cls"}
