"""The findings of a detection audit as one list, in the form that the report's cards and the review read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.result import Audit
from labelaudit.auditing.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
KINDS = ("class", "location", "spurious", "missing")
NOT_LABELLED = "(not labelled)"
FACTS = {
    "class_score": "p(wrong class)",
    "location_score": "p(wrong box)",
    "spurious_score": "p(no object there)",
    "mistakenness": "mistakenness",
    "mistakenness_loc": "mistakenness of the box",
}
FACTS_MISSING = {
    "confidence": "p(missing)",
    "n_epochs": "epochs in which it was found",
    "score": "detector's mean score",
}


@dataclass(frozen=True)
class Issues:
    """Every given box, then every probably missing object.

    Attributes:
        audit: the list in the form of a classification audit, one sample per finding: id, given label, suggested
            label, label_quality (low is suspicious), is_label_issue, region (the kind of issue, or "ok"), reason.
        image: (m,) id of each finding's image.
        given: (m, 4) given box x, y, width, height in pixels, NaN for a missing object.
        suggested: (m, 4) suggested box, NaN where there is none.
        kind: (m,) "class", "location", "spurious", "missing", or "ok".
        row: (m,) row in ``objects``, or in ``missing``.
        objects: the audit's table of given boxes.
        missing: the audit's table of missing objects.
    """

    audit: Audit
    image: Array
    given: Array
    suggested: Array
    kind: Array
    row: Array
    objects: pd.DataFrame
    missing: pd.DataFrame

    def __len__(self) -> int:
        return len(self.row)

    def facts(self, position: int) -> list[list[str]]:
        """Return [name, value] pairs of what the audit says of a finding."""
        table, names = (self.missing, FACTS_MISSING) if self.kind[position] == "missing" else (self.objects, FACTS)
        row = table.iloc[int(self.row[position])]
        facts = [["image", str(self.image[position])]]
        for name, box in (("given box", self.given[position]), ("suggested box", self.suggested[position])):
            if not np.isnan(box[0]):
                x, y, w, h = box
                facts.append([name, f"{w:.0f} \u00d7 {h:.0f} px at {x:.0f}, {y:.0f}"])
        return facts + [[text, _said(row[column])] for column, text in names.items()]


def issues_of(found: Audit) -> Issues:
    """Return the findings of a detection audit."""
    import pandas as pd

    objects, missing = found.objects, found.missing
    assert objects is not None
    assert missing is not None
    n, m = len(objects), len(missing)
    kind = np.concatenate([_kinds(objects), np.full(m, "missing", object)])
    image = np.concatenate([objects["image_id"].to_numpy(object), missing["image_id"].to_numpy(object)])
    row = np.concatenate([np.arange(n), np.arange(m)])
    ids = [
        f"{one}: {'missing' if i >= n else 'box'} {number}"
        for i, (one, number) in enumerate(zip(image, row, strict=True))
    ]
    absent = np.full((m, 4), np.nan)
    given = np.concatenate([boxes(objects), absent])
    suggested = np.concatenate([suggested_boxes(objects), boxes(missing)])
    location = kind[:n] == "location"
    label = objects["suggested_label"].to_numpy(object)
    label = np.where(location, objects["given_label"].to_numpy(object), label)  # the box moves, its class stays
    label = np.where(kind[:n] == "spurious", None, label)  # the suggestion is to take the box away
    doubt = 1 - objects["label_quality"].to_numpy(float)
    confidence = np.where(location | (kind[:n] == "spurious"), doubt, objects["suggestion_confidence"].to_numpy(float))
    samples = pd.DataFrame(
        {
            "given_label": [*objects["given_label"].astype(str), *[NOT_LABELLED] * m],
            "label_quality": [*objects["label_quality"], *(1 - missing["confidence"])],
            "is_label_issue": [*objects["is_label_issue"], *missing["is_label_issue"]],
            "suggested_label": [*_names(label), *missing["category"].astype(str)],
            "suggestion_confidence": [*confidence, *missing["confidence"]],
            "region": kind,
            "reason": [*objects["reason"], *_reasons(missing)],
        },
        index=pd.Index(ids, name="sample_id"),
    )
    return Issues(_as_audit(found, samples), image, given, suggested, kind, row, objects, missing)


def boxes(table: pd.DataFrame) -> Array:
    """Return (n, 4) x, y, width, height of a table's boxes."""
    return table[["x", "y", "w", "h"]].to_numpy(np.float64).reshape(-1, 4)


def suggested_boxes(objects: pd.DataFrame) -> Array:
    """Return (n, 4) x, y, width, height of the suggested boxes, NaN where there is none."""
    found = np.full((len(objects), 4), np.nan)
    for row, box in enumerate(objects["suggested_box"].tolist()):
        if box is not None and not np.isscalar(box) and len(box) == 4:
            found[row] = box
    return found


def _said(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (float, np.floating)) else str(value)


def _kinds(objects: pd.DataFrame) -> Array:
    kind = objects["issue"].to_numpy(object)
    return np.where(objects["is_label_issue"].to_numpy(bool), kind, "ok").astype(object)


def _names(labels: Any) -> list[str | None]:
    import pandas as pd

    return [None if missing else str(label) for label, missing in zip(labels, pd.isna(labels), strict=True)]


def _reasons(missing: pd.DataFrame) -> list[str]:
    times = [f"in {n} epochs" if n > 1 else "in 1 epoch" for n in missing["n_epochs"].tolist()]
    return [f"The detector found an object here {often}, and nobody labelled it." for often in times]


def _as_audit(found: Audit, samples: pd.DataFrame) -> Audit:
    import pandas as pd

    names = [str(name) for name in found.class_names or []]
    n_flagged = int(samples["is_label_issue"].sum())
    summary = found.summary
    errors = summary["estimated_errors"] + summary["n_missing"]
    facts = {
        "n_samples": len(samples),
        "n_epochs": summary["n_epochs"],
        "n_classes": len(names),
        "n_runs": summary["n_runs"],
        "n_flagged": n_flagged,
        "estimated_errors": errors,
        "estimated_error_rate": errors / max(len(samples), 1),
        "interval": [errors, errors],
        "worst_classes": [],
        "worst_pairs": [],
        "notes": list(summary["notes"]),
    }
    matrix = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    return Audit(samples, matrix, Summary(facts), names, dict(found.info))
