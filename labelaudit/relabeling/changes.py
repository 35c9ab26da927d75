"""What is to be changed: sample, the label it was audited with, the new label or none."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.auditing import Audit, load_audit
from labelaudit.auditing.fingerprint import fingerprint
from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.whole_numbers import as_integer, same_label

if TYPE_CHECKING:
    import pandas as pd


MIN_CONFIDENCE = 0.9  # of an audit's suggestions, unless another is named


@dataclass(frozen=True)
class Change:
    """One label to change.

    Attributes:
        sample: the sample's id.
        given: the label it was audited with; the change holds for no other.
        new: its new label; None: the sample belongs to no class and is to be left out.
    """

    sample: Any
    given: Any
    new: Any


@dataclass(frozen=True)
class Changes:
    """Labels to change, and what is known of the data they were found in.

    Attributes:
        rows: the changes; a sample is there once.
        class_names: one name per class, or None.
        audited: (ids, given labels) of all audited samples in dataset order, where an audit is at hand.
        disputed: samples left out since reviewers disagree on them.
    """

    rows: tuple[Change, ...]
    class_names: list[str] | None = None
    audited: tuple[list[Any], list[Any]] | None = None
    disputed: tuple[Any, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.rows)


def changes_from(
    source: Any,
    *,
    min_confidence: float | None = None,
    class_names: Sequence[str] | None = None,
    audit: Audit | None = None,
) -> Changes:
    """Return the changes that an audit, a table of corrections, or decisions ask for.

    Args:
        source: an `Audit` or the folder of one (its suggestions from ``min_confidence`` up); what
            `Audit.corrections` returned; what `labelaudit.load_decisions` returned; or the path of a review's
            decisions (``.jsonl``), or of a CSV, Parquet or JSON file that either was exported to, or the audit's table
            was (of it the flagged rows count).
        min_confidence: smallest suggestion_confidence, 0 to 1; default: 0.9 for an audit and for its table, none for
            corrections, which were chosen already. Decisions have no confidence.
        class_names: one name per class, where the labels on disk are numbers and the source has names, or the other
            way round.
        audit: the audit that the decisions belong to; then they are checked against it.

    Raises:
        LabelAuditError: the source is none of these, its decisions belong to other labels than the audit's, it has no
            confidences to compare ``min_confidence`` with, or ``class_names`` are not those of the audit.
    """
    if isinstance(class_names, str):
        raise LabelAuditError(
            f"class_names is the text {class_names!r}; expected one name per class, such as ['a', 'b']"
        )
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if isinstance(source, Audit) or (path is not None and path.is_dir()):
        found = source if path is None else load_audit(path)
        if audit is not None and audit is not found and fingerprint(audit) != fingerprint(found):
            raise LabelAuditError("corrections is an audit, and audit= another one; leave audit= out")
        return _of_audit(found, min_confidence, class_names)
    if path is not None:
        return _of_table(_read(path), min_confidence, class_names, audit, str(path))
    return _of_table(source, min_confidence, class_names, audit, "the table")


def _of_audit(audit: Audit, min_confidence: float | None, class_names: Sequence[str] | None) -> Changes:
    names = _names(class_names, audit.class_names)
    table = audit.corrections(MIN_CONFIDENCE if min_confidence is None else min_confidence)
    labels = zip(table["given_label"].tolist(), table["suggested_label"].tolist(), strict=True)
    rows = [Change(sample, given, new) for sample, (given, new) in zip(table.index.tolist(), labels, strict=True)]
    return Changes(tuple(rows), names, _audited(audit))


def _names(given: Sequence[str] | None, known: Sequence[str] | None) -> list[str] | None:
    """Return the names of the classes as the caller or the source gives them; refuse two that differ."""
    names, others = ([str(name) for name in one] if one is not None else None for one in (given, known))
    if names is not None and others is not None and names != others:
        raise LabelAuditError(
            f"class_names is {', '.join(names)}, and the audit's classes are {', '.join(others)}; leave class_names= "
            "out"
        )
    return others if names is None else names


def _audited(audit: Audit) -> tuple[list[Any], list[Any]]:
    return audit.samples.index.tolist(), audit.samples["given_label"].tolist()


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    from labelaudit.reviewing import load_decisions

    if not path.is_file():
        raise LabelAuditError(f"there is no file {path}; expected decisions, corrections or an audit's folder")
    kind = path.suffix.lower()
    if kind == ".jsonl":
        return load_decisions(path)
    try:
        if kind == ".csv":
            # all as text: "007" is an id, "None" may be a class
            return pd.read_csv(path, index_col=0, dtype=str, keep_default_na=False, na_values=[""])
        if kind == ".parquet":
            return pd.read_parquet(path)
        if kind == ".json":
            return pd.DataFrame(json.loads(path.read_bytes())).set_index("sample_id")
    except (ValueError, KeyError, OSError) as problem:
        raise LabelAuditError(f"{path} cannot be read as decisions: {problem}") from None
    raise LabelAuditError(f"{path} is no table of decisions; expected .jsonl, .csv, .parquet or .json")


def _of_table(
    table: Any, min_confidence: float | None, class_names: Sequence[str] | None, audit: Audit | None, where: str
) -> Changes:
    import pandas as pd

    columns = set(getattr(table, "columns", ()))
    decided = {"given_label", "action", "label"} <= columns
    if not decided and not {"given_label", "suggested_label"} <= columns:
        raise LabelAuditError(
            f"{where} has columns {', '.join(map(str, columns)) or 'none'}; expected given_label with suggested_label "
            "(audit.corrections()), or with action and label (labelaudit.load_decisions())"
        )
    twice = table.index.astype(str).duplicated()  # 2 and "2" are one sample
    if twice.any():
        raise LabelAuditError(f"{where} names sample {table.index[twice][0]} twice")
    if audit is not None:
        _same_run(table, audit, where)
    table = _sure(table, min_confidence, where, decided=decided)
    names = _names(class_names, table.attrs.get("class_names") or (audit.class_names if audit is not None else None))
    new = table["label" if decided else "suggested_label"]
    rows, disputed = [], []
    actions = table["action"].tolist() if decided else ["relabel"] * len(table)
    for sample, given, label, action in zip(table.index, table["given_label"], new, actions, strict=True):
        if action == "disputed":
            disputed.append(sample)
        elif action == "remove":
            rows.append(Change(sample, as_integer(given), None))
        elif action == "relabel" and isinstance(label, str) and not label.strip():
            raise LabelAuditError(f"{where}: the new label of sample {sample} is empty; expected a class")
        elif action == "relabel" and not pd.isna(label) and label != given:
            rows.append(Change(sample, as_integer(given), as_integer(label)))
    return Changes(tuple(rows), names, None if audit is None else _audited(audit), tuple(disputed))


def _sure(table: pd.DataFrame, min_confidence: float | None, where: str, *, decided: bool) -> pd.DataFrame:
    """Return the rows of a table of suggestions that are flagged and sure enough; all where it says neither."""
    import pandas as pd

    if decided or "suggestion_confidence" not in table:
        if min_confidence is not None:
            what = "holds decisions, which have no confidence" if decided else "has no column suggestion_confidence"
            raise LabelAuditError(
                f"{where} {what}: leave min_confidence= (--min-confidence, --sensitivity) out, and all of it is applied"
            )
        return table
    if "is_label_issue" in table:
        table = table[table["is_label_issue"].astype(str).str.lower() == "true"]
        min_confidence = MIN_CONFIDENCE if min_confidence is None else min_confidence
    if min_confidence is None:
        return table
    if not 0 <= min_confidence <= 1:
        raise LabelAuditError(f"min_confidence={min_confidence} is out of range; expected 0 to 1")
    try:
        return table[pd.to_numeric(table["suggestion_confidence"]) >= min_confidence]
    except (ValueError, TypeError) as problem:
        raise LabelAuditError(f"{where}: suggestion_confidence holds what is no number: {problem}") from None


def _same_run(table: pd.DataFrame, audit: Audit, where: str) -> None:
    bound = table["fingerprint"].unique() if "fingerprint" in table else []
    if len(bound) and list(bound) != [fingerprint(audit)]:
        raise LabelAuditError(
            f"{where} was decided on other samples or labels than this audit's (fingerprint {bound[0]}, "
            f"not {fingerprint(audit)}); name the audit that was reviewed"
        )
    audited = audit.samples["given_label"]
    given = audited.set_axis(audited.index.astype(str)).reindex(table.index.astype(str))
    pairs = zip(given.astype(str), table["given_label"].astype(str), strict=True)
    names = audit.class_names or ()
    differing = given.isna().to_numpy() | np.array([not same_label(there, one, names) for one, there in pairs], bool)
    if differing.any():
        raise LabelAuditError(
            f"{where} decides on sample {table.index[differing.argmax()]}, which the audit lacks with that label"
        )
