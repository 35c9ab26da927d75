"""Corrected annotations: written to a new place, or in place with an undo log; only on an explicit call."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.auditing.result import Audit
from labelaudit.detection.sources import given_sizes, read_boxes
from labelaudit.detection.table import BoxTable
from labelaudit.detection.writing import FORMATS, rendered
from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import open_folder
from labelaudit.relabeling.new_folder import new_folder
from labelaudit.visible import typed

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("class", "location", "spurious")
SIDES = ("x", "y", "w", "h")
LEAST = 0.5  # probability of a mistake that is corrected, unless another is named


@dataclass(frozen=True, repr=False)
class CorrectedBoxes:
    """What `correct_boxes` did, or would do.

    Attributes:
        frame: the corrected boxes: image_id, category, x, y, w, h, row (of the old box, -1 for a new one) and change
            ("", "class", "location" or "missing").
        removed: rows of the old boxes that were left out as spurious.
        out: what was written, or changed in place; None for a frame, and where nothing was to be changed in place.
        undo_log: for `labelaudit.undo_relabel`; None where nothing was changed in place.
    """

    frame: pd.DataFrame
    removed: tuple[int, ...] = ()
    out: Path | None = None
    undo_log: Path | None = None

    @property
    def is_same(self) -> bool:
        """Whether no box was corrected, added or removed."""
        return not self.removed and not (self.frame["change"] != "").any()

    def __repr__(self) -> str:
        counts = self.frame["change"].value_counts()
        lines = [
            f"{int(counts.get('class', 0)):,} classes and {int(counts.get('location', 0)):,} boxes corrected, "
            f"{int(counts.get('missing', 0)):,} objects added, {len(self.removed):,} boxes removed"
        ]
        lines += [f"Written: {self.out}"] if self.out is not None else []
        lines += ["There is nothing to change, so nothing was written"] if self.is_same and self.out is None else []
        lines += [f"To undo: labelaudit relabel --undo {typed(self.undo_log)}"] if self.undo_log is not None else []
        return "\n".join(lines)


def correct_boxes(
    ground_truth: Any,
    audit: Audit,
    *,
    out: str | os.PathLike[str] | None = None,
    in_place: bool = False,
    undo_log: str | os.PathLike[str] | None = None,
    format: str | None = None,
    classes: bool = True,
    boxes: bool = True,
    remove_spurious: bool = False,
    copy_missing: bool = False,
    min_confidence: float | None = None,
    decisions: Any = None,
    images: Any = None,
    image_sizes: Any = None,
) -> CorrectedBoxes:
    """Apply an audit's suggestions to annotations: into a new file or folder, or in place with an undo log.

    Args:
        ground_truth: what was audited: a frame, or a path of COCO, YOLO or Pascal VOC annotations.
        audit: the audit of it; where the boxes are no longer those audited, nothing is written.
        out: a new file (COCO) or folder (YOLO, VOC); without it and without in_place, nothing is written.
        in_place: change the files, with an undo log for `labelaudit.undo_relabel`.
        undo_log: where to write that log; default: beside the files.
        format: "coco", "yolo" or "voc", to write ``out`` in another format; default: as it is.
        classes: give flagged boxes their suggested class.
        boxes: give flagged boxes their suggested place.
        remove_spurious: leave out boxes flagged as spurious.
        copy_missing: add the objects that are flagged as missing.
        min_confidence: smallest probability, 0 to 1, of the mistake that a correction is made for; default: 0.5.
        decisions: a review's decisions on this audit (a file, or the table of `load_decisions`): they are applied, all
            of them, instead of the suggestions; what chooses among suggestions is then refused.
        images: as for `audit_detections`.
        image_sizes: as for `audit_detections`.

    Raises:
        LabelAuditError: the boxes are not those audited, the audit's detector knew nothing, something is in the way, or
            an option would be ignored.
    """
    _refuse_void(out=out, in_place=in_place, undo_log=undo_log, format=format)
    if audit.objects is None or audit.missing is None:
        raise LabelAuditError("this audit has no boxes; expected one of labelaudit.audit_detections")
    if min_confidence is not None and not 0 <= min_confidence <= 1:
        raise LabelAuditError(f"min_confidence={min_confidence} is out of range; expected 0 to 1")
    if decisions is None and audit.info.get("trust", 1.0) == 0:
        raise LabelAuditError(
            "the detector of this audit tells nothing of these labels (see audit.summary.notes), so it corrects none. "
            "Audit with detections of a trained detector on these images, or pass decisions= (of a review)"
        )
    if decisions is not None:
        from labelaudit.detection.findings.review import reviewed

        choices = {"min_confidence": min_confidence, "remove_spurious": remove_spurious or None}
        choices |= {"copy_missing": copy_missing or None, "classes": classes and None, "boxes": boxes and None}
        for name, value in choices.items():
            if value is not None:
                raise LabelAuditError(f"decisions= are all applied, so {name}={value} says nothing; leave it out")
        audit = reviewed(audit, decisions)
        classes = boxes = remove_spurious = copy_missing = True
    image_sizes = given_sizes(image_sizes)
    table = read_boxes(ground_truth, "ground_truth", "xywh", images, image_sizes)
    if not table.category_names and "category_names" in audit.info:
        table.category_names = dict(audit.info["category_names"])
    names = _names(table, audit)
    audit = replace(audit, objects=_in_order_of(table, audit.objects, names))
    least = LEAST if min_confidence is None else min_confidence
    frame, removed = _corrected(table, audit, classes, boxes, remove_spurious, copy_missing, least)
    found = CorrectedBoxes(frame, removed)
    if out is None and not in_place:
        return found
    if not isinstance(ground_truth, str | os.PathLike) and (in_place or format is None):
        raise LabelAuditError('a frame has no files: pass out= with format="coco", "yolo" or "voc"')
    if in_place and format not in (None, table.format):
        raise LabelAuditError(f"in_place=True changes the files as they are ({table.format}); leave format= out")
    table.image_sizes = {**table.image_sizes, **image_sizes}
    table.image_ids = list(audit.samples.index) if table.image_ids is None else table.image_ids
    old = Path(ground_truth) if isinstance(ground_truth, str | os.PathLike) else None
    kind = format or table.format
    if kind != "voc":  # which has names only
        changed = frame["change"].isin(["class", "missing"])
        _refuse_nameless(frame[changed] if kind == table.format else frame, table, names)
    files = rendered(frame, table, kind, names, old if kind == table.format else None)
    if in_place and old is not None:
        log = None if found.is_same else _replace(old, files, undo_log)
        return CorrectedBoxes(frame, removed, None if log is None else old, log)
    assert out is not None
    return CorrectedBoxes(frame, removed, _write(Path(out), files))


def _refuse_void(*, out: Any, in_place: bool, undo_log: Any, format: str | None) -> None:
    """Refuse options of which one makes the other void."""
    if format is not None and format not in FORMATS:
        raise LabelAuditError(f"format={format!r} is unknown; expected one of {', '.join(FORMATS)}")
    if in_place and out is not None:
        raise LabelAuditError("out= and in_place=True say two things; pass one of them")
    if undo_log is not None and not in_place:
        raise LabelAuditError("undo_log= is about in_place=True, which was not asked for; pass both or neither")
    if format is not None and out is None and not in_place:
        raise LabelAuditError(f"format={format!r} is about what is written; pass out= as well, or leave it out")


def corrections(objects: pd.DataFrame, min_confidence: float) -> pd.DataFrame:
    """Return the flagged objects whose issue has at least this probability, the surest first; `Audit.corrections`."""
    flagged = objects[objects["is_label_issue"]]
    scores = (
        np.stack([flagged[f"{kind}_score"].to_numpy() for kind in KINDS], axis=1) if len(flagged) else np.zeros((0, 3))
    )
    place = np.array([KINDS.index(kind) for kind in flagged["issue"].tolist()], int)
    table = flagged.assign(suggestion_confidence=scores[np.arange(len(flagged)), place])
    columns = [
        "image_id",
        "issue",
        "given_label",
        "suggested_label",
        "suggested_box",
        "suggestion_confidence",
        "reason",
    ]
    sure = table.loc[table["suggestion_confidence"] >= min_confidence, columns]
    return sure.sort_values("suggestion_confidence", ascending=False, kind="stable")


def _names(table: BoxTable, audit: Audit) -> dict[Any, str]:
    """Return the name of every category value of the files."""
    if table.category_names:
        return dict(table.category_names)
    assert audit.objects is not None
    assert audit.missing is not None
    seen = [*table.frame["category"], *audit.objects["suggested_label"].dropna(), *audit.missing["category"]]
    return {value: str(value) for value in dict.fromkeys(seen)}


def _in_order_of(table: BoxTable, objects: pd.DataFrame, names: dict[Any, str]) -> pd.DataFrame:
    """Return the audited boxes in the order of the files: a history has them image by image, COCO in any order.

    Crowds that were not audited, since the training's loader left them out, get a row that says nothing.

    Raises:
        LabelAuditError: the files have other boxes.
    """
    frame, every = table.frame, len(table.frame)
    if every != len(objects) and "is_crowd" in frame and every - int(frame["is_crowd"].sum()) == len(objects):
        frame = frame[~frame["is_crowd"].astype(bool)]  # what loads boxes for training often leaves crowds out
    if len(frame) != len(objects):
        raise LabelAuditError(
            f"{table.source} has {every:,} boxes, the audit {len(objects):,}: they are not those that were audited"
        )
    first = None
    for by in ((), SIDES):  # as the boxes of an image stand, or else by their place
        place = np.empty(len(objects), np.int64)
        place[_image_by_image(frame, by)] = _image_by_image(objects, by)
        found = objects.iloc[place].reset_index(drop=True)
        differs = _differs(frame, found, names)
        if not differs.any():
            return found.astype({"suggested_label": object}).set_axis(frame.index).reindex(table.frame.index)
        first = int(frame.index[differs.argmax()]) if first is None else first
    raise LabelAuditError(f"{table.source}: box {first} is not the one that was audited; audit these first")


def _image_by_image(boxes: pd.DataFrame, by: Sequence[str]) -> Any:
    """Return the positions of boxes, (n,), sorted by image and by these columns; else their order stays."""
    keys = [boxes["image_id"].astype(str).to_numpy(str), *(boxes[name].to_numpy(np.float64) for name in by)]
    return np.lexsort(keys[::-1])


def _differs(frame: pd.DataFrame, objects: pd.DataFrame, names: dict[Any, str]) -> Any:
    """Return which boxes are not those that were audited, (n,) bool."""
    given = objects["given_label"].astype(str).to_numpy()
    category = frame["category"].astype(str).to_numpy()
    called = np.array([str(names.get(value, value)) for value in frame["category"]], dtype=object)
    differs = (given != category) & (given != called)
    differs |= frame["image_id"].astype(str).to_numpy() != objects["image_id"].astype(str).to_numpy()
    sides = list(SIDES)
    return differs | (np.abs(frame[sides].to_numpy() - objects[sides].to_numpy()) > 0.01).any(axis=1)


def _corrected(
    table: BoxTable, audit: Audit, classes: bool, boxes: bool, spurious: bool, missing: bool, least: float
) -> tuple[pd.DataFrame, tuple[int, ...]]:
    import pandas as pd

    objects, absent = audit.objects, audit.missing
    assert objects is not None
    assert absent is not None
    columns = [name for name in ("image_id", "category", "x", "y", "w", "h", "is_crowd") if name in table.frame.columns]
    frame = table.frame[columns].reset_index(drop=True).copy()
    frame["row"], frame["change"] = np.arange(len(frame)), ""
    issue = objects["issue"].astype(object).where(objects["issue"].notna(), "").to_numpy()
    sure = {kind: objects[f"{kind}_score"].to_numpy() >= least for kind in ("class", "location", "spurious")}
    if classes:
        rows = np.flatnonzero((issue == "class") & sure["class"] & objects["suggested_label"].notna().to_numpy())
        values = _values_of(objects["suggested_label"].iloc[rows], table)
        frame["category"] = _with(frame["category"], rows, values)
        frame.loc[rows, "change"] = "class"
    if boxes:
        rows = np.flatnonzero((issue == "location") & sure["location"] & objects["suggested_box"].notna().to_numpy())
        if len(rows):
            frame.loc[rows, ["x", "y", "w", "h"]] = np.stack(objects["suggested_box"].iloc[rows].tolist())
            frame.loc[rows, "change"] = "location"
    removed = np.flatnonzero((issue == "spurious") & sure["spurious"]) if spurious else np.zeros(0, int)
    frame = frame.drop(index=removed)
    if missing:
        added = absent[absent["is_label_issue"] & (absent["confidence"] >= least)]
        new = added[["image_id", "category", "x", "y", "w", "h"]].assign(row=-1, change="missing")
        new["category"] = pd.Series(_values_of(new["category"], table), new.index, dtype=object)
        if "is_crowd" in frame:
            new["is_crowd"] = False
        if len(new):
            frame = pd.concat([frame.astype({"category": object}), new], ignore_index=True).infer_objects()
    return frame.reset_index(drop=True), tuple(removed.tolist())


def _values_of(labels: Iterable[Any], table: BoxTable) -> list[Any]:
    """Return what the files write for labels: the category's number where they have numbers with names.

    Raises:
        LabelAuditError: two categories have the name of one.
    """
    found: dict[Any, list[Any]] = {}
    for value, name in (table.category_names or {}).items():
        found.setdefault(name, []).append(value)
    values = [found.get(label, [label]) for label in labels]
    unclear = next((several for several in values if len(several) > 1), None)
    if unclear is not None:
        name = (table.category_names or {})[unclear[0]]
        raise LabelAuditError(
            f"{table.source} has several categories called {name!r} ({', '.join(map(str, unclear))}), and it is not "
            "clear which of them a correction means; give each a name of its own"
        )
    return [one[0] for one in values]


def _refuse_nameless(frame: pd.DataFrame, table: BoxTable, names: dict[Any, str]) -> None:
    """Refuse to write boxes of a category that the files have neither name nor number of."""
    lacking = next((value for value in frame["category"].tolist() if value not in names), None)
    if lacking is not None:
        known = [*list(names.values())[:6], *(["..."] if len(names) > 6 else [])]
        place = "classes.txt" if table.format == "yolo" else "categories"
        raise LabelAuditError(
            f"{table.source} has no category {lacking!r}, which a box is to have; it has {', '.join(known)}. "
            f"Add it to {place} there, and correct again"
        )


def _with(column: pd.Series, rows: Any, values: list[Any]) -> Any:
    changed = column.astype(object).to_numpy(copy=True)
    for row, value in zip(rows.tolist(), values, strict=True):
        changed[row] = value
    return changed if not len(changed) else type(column)(changed).infer_objects()


def _write(out: Path, files: dict[str, bytes]) -> Path:
    """Write new files; a folder appears under its name when it is whole. "" is the one file that ``out`` itself is."""
    if out.exists() and (not out.is_dir() or any(out.iterdir()) or "" in files):
        raise LabelAuditError(f"{out} exists and is never overwritten; name a new one")
    if "" in files:
        open_folder(out.parent).write(out.name, files[""])
        return out
    with new_folder(out) as unfinished:
        folder = open_folder(unfinished)
        for name, data in files.items():
            try:
                folder.create(name, data)
            except FileExistsError:
                raise LabelAuditError(
                    f"{name} would take the place of a file whose name differs in capitals alone, which {out.parent} "
                    'does not tell apart; rename one of the pictures, or write format="coco"'
                ) from None
    return out


def _replace(place: Path, files: dict[str, bytes], undo_log: str | os.PathLike[str] | None) -> Path | None:
    """Replace files that changed, after their content went into an undo log; return the log, None where none did."""
    from labelaudit.relabeling.undo_log import UndoLog, replace_file

    paths = {name: place / name if name else place for name in files}
    absent = sorted(name for name, path in paths.items() if not path.exists())
    if absent:
        raise LabelAuditError(
            f"{place} has no file {absent[0]!r} for an image that gets a box; make an empty one, or write to out="
        )
    changed = {name: data for name, data in files.items() if paths[name].read_bytes() != data}
    if not changed:
        return None
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
    whole = place.resolve()
    log = UndoLog(Path(undo_log) if undo_log else whole.with_name(f"{whole.name}.undo-{stamp}.jsonl"), place)
    try:
        for name, data in changed.items():
            replace_file(paths[name], data, log, name)
    finally:
        log.close()
    return log.path
