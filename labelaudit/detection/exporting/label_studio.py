"""Label Studio: one task per image, boxes as rectangles."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

import labelaudit
from labelaudit.detection.exporting.pictures import names_for
from labelaudit.detection.exporting.sizes import sizes_of
from labelaudit.detection.findings.issues import boxes, issues_of
from labelaudit.errors import LabelAuditError
from labelaudit.exporting.tables import plain, source_of
from labelaudit.history.folder import write_file


def export(found: Any, path: str | os.PathLike[str], images: Any, sizes: Any, *, issues_only: bool) -> str:
    """Write the tasks and return the configuration; see `Audit.to_label_studio`."""
    if images is None:
        raise LabelAuditError("say where the pictures are: images= (URLs)")
    ids = found.samples.index.tolist()
    of, size = source_of(names_for(found, images).tolist(), images, "images"), sizes_of(found, sizes)
    at = {one: position for position, one in enumerate(ids)}
    given: dict[int, list[dict[str, Any]]] = {}
    for row, (image, label, box) in enumerate(
        zip(
            found.objects["image_id"].tolist(), found.objects["given_label"].tolist(), boxes(found.objects), strict=True
        )
    ):
        given.setdefault(at[image], []).append(_rectangle(f"box {row}", label, box, size[at[image]]))
    issues = issues_of(found)
    rows = issues.audit.samples
    flagged = np.flatnonzero(rows["is_label_issue"].to_numpy(bool))
    order = flagged[np.argsort(rows["label_quality"].to_numpy()[flagged], kind="stable")]
    columns = {name: rows[name].tolist() for name in ("given_label", "suggested_label", "suggestion_confidence")}
    said: dict[int, list[dict[str, Any]]] = {}
    for position in order.tolist():
        image = at[issues.image[position]]
        said.setdefault(image, []).append(
            {
                "issue": issues.kind[position],
                "box": [plain(value) for value in issues.given[position].round(2)],
                "suggested_box": [plain(value) for value in issues.suggested[position].round(2)],
                **{name: plain(column[position]) for name, column in columns.items()},
                "reason": rows["reason"].iloc[position],
            }
        )
    chosen = list(said) if issues_only else list(range(len(ids)))
    tasks = [_task(ids[i], of(i), given.get(i, []), said.get(i, []), size[i]) for i in chosen]
    text = json.dumps(tasks, ensure_ascii=False, indent=1, allow_nan=False)
    write_file(path, text.encode("utf-8", "surrogateescape"))
    return _config([str(name) for name in issues.audit.class_names or []])


def _task(image: Any, url: str, given: list[Any], said: list[dict[str, Any]], size: Any) -> dict[str, Any]:
    suggested = []
    for number, one in enumerate(said):
        if one["issue"] != "spurious" and one["suggested_label"] is not None:
            box = one["suggested_box"] if one["suggested_box"][0] is not None else one["box"]
            rectangle = _rectangle(f"{image} suggested {number}", one["suggested_label"], box, size)
            suggested.append(rectangle | {"score": one["suggestion_confidence"]})
    predictions = {"model_version": f"labelaudit {labelaudit.__version__}", "result": suggested}
    return {
        "data": {"image": url, "image_id": str(image), "n_issues": len(said), "issues": said},
        "annotations": [{"result": given}],
        "predictions": [predictions] if suggested else [],
    }


def _rectangle(name: str, label: Any, box: Any, size: Any) -> dict[str, Any]:
    x, y, w, h = (float(value) for value in box)
    width, height = (float(value) for value in size)
    return {
        "id": hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:10],
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": round(width),
        "original_height": round(height),
        "image_rotation": 0,
        "value": {
            "x": 100 * x / width,
            "y": 100 * y / height,
            "width": 100 * w / width,
            "height": 100 * h / height,
            "rotation": 0,
            "rectanglelabels": [str(label)],
        },
    }


def _config(names: list[str]) -> str:
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in names)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <RectangleLabels name="label" toName="image">\n{labels}  </RectangleLabels>\n</View>\n'
    )
