"""The command ``labelaudit relabel``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from labelaudit.commands.terminal import tell
from labelaudit.errors import LabelAuditError
from labelaudit.visible import one_line

BOXES_CONFIDENCE = 0.9  # of corrections of boxes, unless another is named
BESIDE_UNDO = ("undo", "json", "run", "target")


def add_relabel(commands: Any) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser(
        "relabel",
        help="apply an audit's suggestions or a review's decisions to labels or annotations",
        description="Writes a new file or tree; the old one changes only with --in-place, which keeps an undo log.",
    )
    sub.add_argument(
        "target",
        nargs="?",
        help="label file (CSV, Parquet, JSON), folder of class folders, results folder of labelaudit fit, or "
        "annotations as COCO, YOLO or Pascal VOC",
    )
    sub.add_argument(
        "--audit", metavar="DIR", help="the audit (or a run, which is audited): its suggestions are applied"
    )
    sub.add_argument("--decisions", metavar="FILE", help="decisions of a review, or a table of corrections")
    sub.add_argument(
        "--min-confidence", type=float, metavar="P", help="smallest suggestion confidence (default 0.9 of an audit)"
    )
    sub.add_argument("--sensitivity", type=float, metavar="P", help="the same; above 1 in per cent, such as 60")
    sub.add_argument("--out", metavar="NEW", help="new label file or folder")
    sub.add_argument("--in-place", action="store_true", help="change the file, or move files inside the tree")
    sub.add_argument("--how", choices=("copy", "link"), help="for a new tree (default copy)")
    sub.add_argument("--id-column", metavar="NAME", help="column of sample ids (default: found)")
    sub.add_argument("--label-column", metavar="NAME", help="column of labels (default: found)")
    sub.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="of CSV: the first line has the names of the columns, or is the first sample (default: found)",
    )
    sub.add_argument("--remove-spurious", action="store_true", help="of boxes: leave out those flagged as spurious")
    sub.add_argument("--copy-missing", action="store_true", help="of boxes: add the objects that are missing")
    sub.add_argument("--images", metavar="DIR", help="of boxes in YOLO's files: the pictures, for their sizes")
    sub.add_argument("--undo-log", metavar="FILE", help="where --in-place writes its undo log (default: beside)")
    sub.add_argument("--undo", metavar="LOG", help="undo what --in-place did")
    sub.add_argument("--dry-run", action="store_true", help="only say what would change")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.set_defaults(run=_relabel)


def _relabel(arguments: argparse.Namespace) -> int:
    from labelaudit.relabeling import relabel, undo_relabel
    from labelaudit.report.records import is_missing

    if arguments.undo is not None:
        _refuse_beside_undo(arguments)
        restored = undo_relabel(arguments.undo)
        tell(json.dumps({"restored": restored}) if arguments.json else f"Put back {restored:,} files")
        return 0
    if arguments.target is None:
        raise LabelAuditError("name the label file or folder to relabel")
    target, audit, sensitivity = _target(arguments)
    if audit is not None and audit.objects is not None:
        return _relabel_boxes(arguments, audit)
    for option in _passed(arguments, "remove_spurious", "copy_missing", "images"):
        raise LabelAuditError(f"{option} is about boxes, and these are labels of whole samples; leave it out")
    _refuse_void(arguments)
    done = relabel(
        target,
        audit if arguments.decisions is None else arguments.decisions,
        out=arguments.out,
        min_confidence=_confidence(arguments, sensitivity),
        audit=None if arguments.decisions is None else audit,
        id_column=arguments.id_column,
        label_column=arguments.label_column,
        header=arguments.header,
        how=arguments.how,
        in_place=arguments.in_place,
        undo_log=arguments.undo_log,
        dry_run=arguments.dry_run,
    )
    if arguments.json:
        rows = done.changes.reset_index().astype(object)
        tell(json.dumps({**done.to_dict(), "changes": rows.where(rows.notna(), None).to_dict("records")}, default=str))
        return 0
    if arguments.dry_run:
        table = done.changes
        for sample, given, new in zip(table.index, table["given_label"], table["new_label"], strict=True):
            tell(one_line(f"  {sample}: {given} -> {'left out' if is_missing(new) else new}"))
    tell(done)
    return 0


def _target(arguments: argparse.Namespace) -> tuple[Any, Any, float | None]:
    """Return what to relabel, the audit that is applied or that decisions belong to, and the default confidence."""
    from labelaudit.fitting.results import is_results, open_results

    if is_results(arguments.target):
        if arguments.audit is not None:
            raise LabelAuditError(
                f"{arguments.target} are results of labelaudit fit, which have their own audit; leave --audit out, or "
                "name the images that were trained on"
            )
        results = open_results(arguments.target)
        return results.data, results.audit, results.sensitivity if arguments.decisions is None else None
    if arguments.audit is None and arguments.decisions is None:
        raise LabelAuditError("say what to apply: --audit DIR (its suggestions) or --decisions FILE (of a review)")
    return arguments.target, None if arguments.audit is None else _open(arguments.audit), None


def _relabel_boxes(arguments: argparse.Namespace, audit: Any) -> int:
    from labelaudit.detection.correcting import correct_boxes

    for option in _passed(arguments, "id_column", "label_column", "header"):
        raise LabelAuditError(f"{option} is about one label per sample; annotations have none")
    for option in _passed(arguments, "how"):
        raise LabelAuditError(f"{option} is about a folder of class folders; for annotations leave it out")
    if arguments.images is not None and not _has_yolo_files(arguments.target):
        raise LabelAuditError(
            f"--images is for the sizes of pictures that YOLO's files lack; {arguments.target} is no folder of them: "
            "leave it out"
        )
    confidence = _confidence(arguments, None)
    if arguments.decisions is not None:
        if confidence is not None:
            raise LabelAuditError("decisions on boxes are all applied; leave --min-confidence and --sensitivity out")
        for option in _passed(arguments, "remove_spurious", "copy_missing"):
            raise LabelAuditError(f"decisions on boxes are all applied; leave {option} out")
    if not arguments.dry_run and arguments.out is None and not arguments.in_place:
        raise LabelAuditError("say where to: --out NEW, or --in-place with an undo log; --dry-run only says what")
    _refuse_void(arguments)
    done = correct_boxes(
        arguments.target,
        audit,
        out=None if arguments.dry_run else arguments.out,
        in_place=arguments.in_place and not arguments.dry_run,
        undo_log=None if arguments.dry_run else arguments.undo_log,
        remove_spurious=arguments.remove_spurious,
        copy_missing=arguments.copy_missing,
        min_confidence=BOXES_CONFIDENCE if confidence is None and arguments.decisions is None else confidence,
        decisions=arguments.decisions,
        images=arguments.images,
    )
    if arguments.json:
        changed = done.frame[done.frame["change"] != ""].astype(object)
        places = {"out": done.out and str(done.out), "undo_log": done.undo_log and str(done.undo_log)}
        facts = {"changes": changed.to_dict("records"), "removed": list(done.removed), **places}
        tell(json.dumps(facts, default=str))
    else:
        tell(done)
    return 0


def _passed(arguments: argparse.Namespace, *names: str) -> list[str]:
    """Return which options of these were passed, as they are typed."""
    given = {name: getattr(arguments, name) for name in names}
    return [
        f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
        for name, value in given.items()
        if value is not None and (value is not False or name == "header")
    ]


def _refuse_beside_undo(arguments: argparse.Namespace) -> None:
    if arguments.target is not None:
        raise LabelAuditError("--undo LOG knows its target; leave the target out")
    for option in _passed(arguments, *(name for name in vars(arguments) if name not in BESIDE_UNDO)):
        raise LabelAuditError(f"--undo puts all back that its log names, and nothing else; leave {option} out")


def _refuse_void(arguments: argparse.Namespace) -> None:
    """Refuse options of which one makes the other void."""
    if arguments.in_place:
        for option in _passed(arguments, "out", "how"):
            raise LabelAuditError(f"{option} is about something new, and --in-place changes the old; pass one of them")
    elif arguments.undo_log is not None:
        raise LabelAuditError("--undo-log is about --in-place, which was not asked for; pass both or neither")


def _has_yolo_files(target: str) -> bool:
    from pathlib import Path

    place = Path(target)
    return not place.exists() or (place.is_dir() and not any(one.suffix.lower() == ".xml" for one in place.rglob("*")))


def _confidence(arguments: argparse.Namespace, default: float | None) -> float | None:
    if arguments.sensitivity is None:
        return default if arguments.min_confidence is None else float(arguments.min_confidence)
    if arguments.min_confidence is not None:
        raise LabelAuditError("--sensitivity and --min-confidence say the same; pass one of them")
    sensitivity = float(arguments.sensitivity)
    return sensitivity if sensitivity <= 1 else sensitivity / 100


def _open(path: str) -> Any:
    from labelaudit.auditing.opening import open_audit

    return open_audit(path)
