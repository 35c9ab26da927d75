"""What an audit found: tables, a summary, and how to keep them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.auditing.planted import Measured, measure
from labelaudit.auditing.shown import Shown
from labelaudit.auditing.summary import Summary
from labelaudit.errors import LabelAuditError
from labelaudit.exporting.exports import Exports
from labelaudit.history.folder import Folder, open_folder, write_file
from labelaudit.options import check_share

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.history import History

FORMAT = "labelaudit audit"
FORMAT_VERSION = 1


@dataclass
class Audit(Shown, Exports):
    """What an audit found.

    Attributes:
        samples: one row per sample, in dataset order, index sample_id; columns as listed in docs/audit.md.
        noise_matrix: (K, K) estimated P(given label | true label); rows are true labels and sum to 1.
        summary: what a person asks first; prints as text, reads as a dict.
        class_names: one name per class, or None.
        info: parameters, conventions and versions of this audit.
        history: the history that was audited, where it is at hand; it is not saved.
        folder: where this audit was saved last or loaded from; None where it is in memory alone.
        objects: of a detection audit: one row per ground-truth box, in the input's order; else None.
        missing: of a detection audit: one row per probably missing object, the likeliest first; else None.
    """

    samples: pd.DataFrame
    noise_matrix: pd.DataFrame
    summary: Summary
    class_names: list[str] | None = None
    info: dict[str, Any] = field(default_factory=dict)
    history: History | None = field(default=None, compare=False)
    folder: str | None = field(default=None, compare=False, kw_only=True)
    objects: pd.DataFrame | None = None
    missing: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return str(self.summary)

    @property
    def issues(self) -> pd.DataFrame:
        """The rows that are flagged, the most suspicious first."""
        flagged = self.samples[self.samples["is_label_issue"]]
        return flagged.sort_values("label_quality", kind="stable")

    @cached_property
    def measured(self) -> Measured | None:
        """Recall and precision of this audit on planted mistakes; None when none were planted."""
        if "true_label" not in self.samples:
            return None
        codes = {name: self.codes(name) for name in ("suggested_label", "given_label", "true_label")}
        return measure(
            self.samples["label_quality"].to_numpy(),
            self.samples["is_label_issue"].to_numpy(),
            codes["suggested_label"],
            codes["given_label"],
            codes["true_label"],
        )

    def codes(self, column: str) -> Any:
        """Return a column of labels as (n,) class numbers, -1 where missing."""
        values = self.samples[column]
        if self.class_names is None:
            return values.fillna(-1).to_numpy(dtype=np.int64)
        import pandas as pd

        return pd.Index(self.class_names).get_indexer(pd.Index(values))

    def corrections(self, min_confidence: float = 0.9) -> pd.DataFrame:
        """Return suggested corrections, the most confident first. Nothing is changed.

        Args:
            min_confidence: smallest suggestion_confidence, 0 to 1.

        Returns:
            Flagged rows with given_label, suggested_label, suggestion_confidence and reason. Of a detection audit: the
            flagged objects, with issue, suggested_box and, as suggestion_confidence, the probability of that issue.
        """
        check_share("min_confidence", min_confidence)
        if self.objects is not None:
            from labelaudit.detection.correcting import corrections

            return corrections(self.objects, min_confidence)
        sure = self.issues[lambda rows: rows["suggestion_confidence"] >= min_confidence]
        columns = ["given_label", "suggested_label", "suggestion_confidence", "label_quality", "reason"]
        return sure[columns].sort_values("suggestion_confidence", ascending=False, kind="stable")

    def refuse_boxes(self, what: str, instead: str) -> None:
        """Refuse what is about one label per sample where this is an audit of boxes."""
        if self.objects is not None:
            raise LabelAuditError(f"{what} is about one label per sample, and this audit is of boxes. {instead}")

    def to_csv(self, path: str | os.PathLike[str], *, issues_only: bool = False) -> None:
        """Write the samples, or only the flagged ones worst first, as CSV.

        Of a detection audit the objects are written, and the missing ones beside them: for ``boxes.csv`` into
        ``boxes.missing.csv``.
        """
        for place, table in self._as_files(path, issues_only):
            write_file(place, table.to_csv(lineterminator="\n").encode())

    def to_parquet(self, path: str | os.PathLike[str], *, issues_only: bool = False) -> None:
        """Write the same as Parquet, see `to_csv`."""
        for place, table in self._as_files(path, issues_only):
            write_file(place, _parquet(table))

    def _as_files(self, path: str | os.PathLike[str], issues_only: bool) -> list[tuple[str, pd.DataFrame]]:
        """Return the tables to write, and where."""
        place = os.fspath(path)
        if self.objects is None or self.missing is None:
            return [(place, self.issues if issues_only else self.samples)]
        objects, missing = self.objects, self.missing
        if issues_only:
            objects = objects[objects["is_label_issue"]].sort_values("label_quality", kind="stable")
            missing = missing[missing["is_label_issue"]]
        stem, ending = os.path.splitext(place)
        return [(place, objects), (f"{stem}.missing{ending}", missing)]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the audit into a folder (made if absent), for `load_audit`; an older audit there is replaced.

        ``audit.json`` is removed first and written last: what is interrupted is no audit, never half of two.
        """
        folder = folder_to_save_in(path)
        facts = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "class_names": self.class_names,
            "summary": dict(self.summary),
            "info": self.info,
        }
        written = json.dumps(facts, indent=1).encode()
        folder.remove("audit.json")
        for name in ("samples", "noise_matrix", *OF_DETECTIONS):
            table = getattr(self, name)
            if table is not None:
                folder.write(f"{name}.parquet", _parquet(table))
            else:
                folder.remove(f"{name}.parquet")
        folder.write("audit.json", written)
        self.folder = folder.url


OF_DETECTIONS = ("objects", "missing")
_COLUMNS = ("given_label", "label_quality", "is_label_issue", "suggested_label", "suggestion_confidence", "reason")
_FILES = ("audit.json", "samples.parquet", "noise_matrix.parquet", "objects.parquet", "missing.parquet")


def folder_to_save_in(path: str | os.PathLike[str]) -> Folder:
    """Return the folder to save an audit in; refuse one that holds other files."""
    folder = open_folder(path)
    others = [name for name in folder.names() if name not in _FILES]
    if others and "audit.json" not in folder.names():
        raise LabelAuditError(
            f"{folder.url} holds other files ({others[0]}) and no audit; name an empty or a new folder"
        )
    return folder


def load_audit(path: str | os.PathLike[str]) -> Audit:
    """Read an audit that `Audit.save` wrote.

    Raises:
        LabelAuditError: the folder holds no audit, or one of a newer version.
    """
    import pandas as pd

    folder = open_folder(path)
    if "audit.json" not in folder.names():
        hint = "expected a folder that save() wrote"
        if "manifest.json" in folder.names():
            hint = f"it is a run, which labelaudit.audit({folder.url!r}) audits"
        raise LabelAuditError(f"{folder.url} holds no audit (no audit.json); {hint}")
    facts = _facts(folder)
    tables: dict[str, pd.DataFrame] = {}
    of_detections = [name for name in OF_DETECTIONS if f"{name}.parquet" in folder.names()]
    for name in ("samples", "noise_matrix", *of_detections):
        try:
            tables[name] = pd.read_parquet(io.BytesIO(bytes(folder.read(f"{name}.parquet"))))
        except (OSError, ValueError) as problem:
            raise LabelAuditError(f"{folder.url}/{name}.parquet cannot be read: {problem}") from None
    if "objects" not in tables:
        lacking = [name for name in _COLUMNS if name not in tables["samples"]]
        if lacking:
            raise LabelAuditError(f"{folder.url}/samples.parquet lacks column {lacking[0]!r}; run the audit again")
    else:
        boxes = [None if box is None else [float(side) for side in box] for box in tables["objects"]["suggested_box"]]
        tables["objects"]["suggested_box"] = pd.Series(boxes, tables["objects"].index, dtype="object")
    return Audit(
        **tables,
        summary=Summary(facts["summary"]),
        class_names=facts["class_names"],
        info=facts["info"],
        folder=folder.url,
    )


def _facts(folder: Folder) -> Mapping[str, Any]:
    """Return what ``audit.json`` holds: summary, class_names, info."""
    try:
        facts = json.loads(bytes(folder.read("audit.json")))
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise LabelAuditError(f"{folder.url}/audit.json is damaged: it is not JSON. Run the audit again")
    version = facts.get("format_version")
    if facts.get("format") != FORMAT or not isinstance(version, int) or version > FORMAT_VERSION:
        raise LabelAuditError(
            f"{folder.url}/audit.json has format {facts.get('format')!r} version {version}; "
            f"this labelaudit reads {FORMAT!r} up to {FORMAT_VERSION}. Type: pip install --upgrade labelaudit"
        )
    if not {"summary", "class_names", "info"} <= facts.keys():
        raise LabelAuditError(f"{folder.url}/audit.json is damaged: a part of it is missing. Run the audit again")
    return facts


def _parquet(table: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    table.to_parquet(sink)
    return sink.getvalue()
