"""FiftyOne: a dataset on disk whose samples carry boxes."""

from __future__ import annotations

import json
import os
from typing import Any

from labelaudit.detection.exporting.pictures import names_for
from labelaudit.detection.exporting.sizes import sizes_of
from labelaudit.detection.findings.issues import boxes, suggested_boxes
from labelaudit.errors import LabelAuditError
from labelaudit.exporting.fiftyone import TAG
from labelaudit.exporting.tables import plain, source_of
from labelaudit.history.folder import open_folder

OF_A_BOX = (
    "label_quality",
    "is_label_issue",
    "issue",
    "suggested_label",
    "mistakenness",
    "mistakenness_loc",
    "possible_spurious",
)
OF_AN_IMAGE = ("mistakenness", "possible_missing", "possible_spurious")


def export(found: Any, path: str | os.PathLike[str] | None, images: Any, dataset: Any, sizes: Any, name: str) -> None:
    """Write the dataset; see `Audit.to_fiftyone`."""
    if path is None or dataset is not None:
        raise LabelAuditError("an audit of boxes is written as a dataset of its own: pass path=, and no dataset=")
    ids = found.samples.index.tolist()
    size = sizes_of(found, sizes)
    at = {one: position for position, one in enumerate(ids)}
    if images is None and not all(isinstance(one, str) for one in ids):
        raise LabelAuditError("FiftyOne needs a file per image, and these ids are no paths; pass images=")
    of = (
        (lambda position: ids[position])
        if images is None
        else source_of(names_for(found, images).tolist(), images, "images")
    )
    given: list[list[Any]] = [[] for _ in ids]
    absent: list[list[Any]] = [[] for _ in ids]
    _add(given, at, size, found.objects.rename(columns={"given_label": "category"}), OF_A_BOX, suggested=True)
    absent_rows = found.missing[found.missing["is_label_issue"]]
    _add(absent, at, size, absent_rows, ("confidence", "n_epochs"), suggested=False)
    flagged = set(found.objects.loc[found.objects["is_label_issue"], "image_id"].tolist())
    samples = []
    shown = [one for one in OF_AN_IMAGE if one in found.samples]
    columns = {one: [plain(value) for value in found.samples[one].tolist()] for one in shown}
    for position, one in enumerate(ids):
        samples.append(
            {
                "filepath": os.path.abspath(of(position)),
                "tags": [TAG] if one in flagged or absent[position] else [],
                "metadata": None,
                "image_id": str(one),
                "ground_truth": {"_cls": "Detections", "detections": given[position]},
                "missing_objects": {"_cls": "Detections", "detections": absent[position]},
                **{column: values[position] for column, values in columns.items()},
            }
        )
    classes = [str(one) for one in found.class_names or []]
    facts = {"name": name, "media_type": "image", "info": {"classes": classes, "summary": str(found.summary)}}
    folder = open_folder(path)
    others = [one for one in folder.names() if one not in ("metadata.json", "samples.json")]
    if others:
        raise LabelAuditError(f"{folder.url} holds other files ({others[0]}); name an empty or a new folder")
    folder.write("samples.json", json.dumps({"samples": samples}, allow_nan=False).encode())
    folder.write("metadata.json", json.dumps(facts, indent=1).encode())


def _add(
    into: list[list[Any]], at: dict[Any, int], size: Any, table: Any, columns: tuple[str, ...], *, suggested: bool
) -> None:
    """Add a table's boxes to their images, relative to width and height."""
    values = {name: [plain(one) for one in table[name].tolist()] for name in columns if name in table}
    labels, where = table["category"].tolist(), [at[one] for one in table["image_id"].tolist()]
    relative = boxes(table) / size[where][:, [0, 1, 0, 1]]
    better = suggested_boxes(table) / size[where][:, [0, 1, 0, 1]] if suggested else None
    for row, position in enumerate(where):
        found = {
            "_cls": "Detection",
            "label": str(labels[row]),
            "bounding_box": relative[row].tolist(),
            **{name: column[row] for name, column in values.items()},
        }
        if better is not None and better[row][0] == better[row][0]:
            found["suggested_box"] = better[row].tolist()
        into[position].append(found)
