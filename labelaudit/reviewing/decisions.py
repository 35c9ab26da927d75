"""Decisions: the records of a review's file, and the table that they add up to."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import open_folder
from labelaudit.relabeling.undo_log import read_lines

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "labelaudit review"
FORMAT_VERSION = 1
ACTIONS = ("relabel", "keep", "remove", "unsure", "move", "add")  # the last two of boxes
LABELLED = ("relabel", "add")


@dataclass(frozen=True)
class Decision:
    """One reviewer's word on one sample.

    Attributes:
        sample: the sample's id.
        given: the label it was audited with; the decision holds for no other.
        action: "relabel", "keep", "remove" (in no class) or "unsure"; of boxes also "move" and "add".
        label: the new label, for "relabel" and "add".
        reviewer: who decided.
        time: UTC, ISO 8601.
        step: number of the keystroke; look-alikes decided at once share it, and are undone together.
    """

    sample: Any
    given: Any
    action: str
    label: Any
    reviewer: str
    time: str
    step: int


class Words:
    """What each reviewer's records add up to.

    Attributes:
        current: {reviewer: {sample: `Decision`}}, the last word of each on each sample, the latest last.
    """

    def __init__(self) -> None:
        self.current: dict[str, dict[Any, Decision]] = {}
        self._steps: dict[str, list[list[tuple[Any, Decision | None]]]] = {}  # what each step replaced
        self._n_steps = 0

    def last_step(self, reviewer: str) -> list[Any]:
        """Return the samples that a reviewer decided on last, those that `undo` would take back."""
        steps = self._steps.get(reviewer)
        return [sample for sample, _ in steps[-1]] if steps else []

    def apply(self, record: dict[str, Any]) -> None:
        """Take in one record of a file."""
        reviewer = record["reviewer"]
        mine, steps = self.current.setdefault(reviewer, {}), self._steps.setdefault(reviewer, [])
        if record["action"] == "undo":
            for sample, before in steps.pop():
                del mine[sample]
                if before is not None:
                    mine[sample] = before
            return
        self._n_steps += 1
        steps.append([(sample, mine.pop(sample, None)) for sample, _ in record["samples"]])
        for sample, given in record["samples"]:
            mine[sample] = Decision(
                sample, given, record["action"], record["label"], reviewer, record["time"], self._n_steps
            )


def check_header(record: dict[str, Any], path: Path, expected: str | None = None) -> None:
    """Refuse a file of another kind, a newer version, or another fingerprint than expected."""
    if record.get("format") != FORMAT or record.get("format_version", 0) > FORMAT_VERSION:
        raise LabelAuditError(f"{path} is no file of decisions that this labelaudit reads; name another one")
    if expected is not None and record["fingerprint"] != expected:
        raise LabelAuditError(
            f"{path} holds decisions on other samples or labels (run {record['history']}); "
            "name a new file for this audit"
        )


def load_decisions(path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
    """Read a review's decisions, of one reviewer or several, into one table.

    Args:
        path: the ``.jsonl`` file of a review, or several on the same labels.

    Returns:
        One row per sample, index sample_id: given_label; action: "relabel", "keep", "remove", "unsure" (no reviewer
        was sure) or "disputed" (two sure reviewers differ), of boxes also "move" (to the suggested place) and "add" (a
        missing object); label, the new one for "relabel" and "add", else missing; reviewers,
        joined by commas; n_reviewers; time of the last decision (UTC); fingerprint of the audited labels.
        ``attrs["class_names"]`` has the names of the classes.

    Raises:
        LabelAuditError: a file is damaged, or the files belong to different labels.
    """
    paths = [Path(path)] if isinstance(path, (str, os.PathLike)) else [Path(one) for one in path]
    headers = []
    words: dict[Any, dict[str, Decision]] = {}
    for one in paths:
        if not one.is_file():
            raise LabelAuditError(f"there is no file {one}")
        header, current = _read(one)
        headers.append(header)
        if header["fingerprint"] != headers[0]["fingerprint"]:
            raise LabelAuditError(f"{one} holds decisions on other samples or labels than {paths[0]}; read them apart")
        for reviewer, decisions in current.items():
            for sample, decision in decisions.items():
                before = words.setdefault(sample, {}).get(reviewer)
                if before is None or before.time <= decision.time:
                    words[sample][reviewer] = decision
    return combined(words, headers[0])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, dict[Any, Decision]]]:
    words = Words()
    header: dict[str, Any] | None = None
    for _, record in read_lines(path):
        if header is None:
            header = record
            check_header(record, path)
        else:
            words.apply(record)
    if header is None:
        raise LabelAuditError(f"{path} is empty; expected a review's decisions")
    return header, words.current


def verdict(decisions: Sequence[Decision]) -> tuple[str, Any]:
    """Return (action, label) of all reviewers' words on one sample; "disputed" where two sure ones differ."""
    sure = {(one.action, one.label) for one in decisions if one.action != "unsure"}
    if not sure:
        return "unsure", None
    return next(iter(sure)) if len(sure) == 1 else ("disputed", None)


def combined(words: dict[Any, dict[str, Decision]], header: dict[str, Any]) -> pd.DataFrame:
    """Return the table of `load_decisions`."""
    import pandas as pd

    rows = []
    for decisions in words.values():
        said = list(decisions.values())
        action, label = verdict(said)
        names = sorted(one.reviewer for one in said)
        last = max(one.time for one in said)
        rows.append((said[0].given, action, label, ", ".join(names), len(names), last, header["fingerprint"]))
    columns = ["given_label", "action", "label", "reviewers", "n_reviewers", "time", "fingerprint"]
    table = pd.DataFrame(rows, columns=columns, index=pd.Index(list(words), name="sample_id"))
    integers = all(label is None or isinstance(label, int) for label in table["label"])
    table["label"] = table["label"].astype("Int64" if integers and len(table) else object)
    table.attrs["class_names"] = header["class_names"]
    return table


def write_decisions(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write the table of `load_decisions` as CSV, Parquet or JSON records, by the file's ending.

    Raises:
        LabelAuditError: the ending is another one.
    """
    place = Path(path)
    open_folder(place.parent).write(place.name, exported(table, place.suffix.lower().lstrip(".")))


def exported(table: pd.DataFrame, kind: str) -> bytes:
    """Return the table as the bytes of a "csv", "parquet" or "json" file."""
    if kind == "csv":
        return table.to_csv(lineterminator="\n").encode()
    if kind == "json":
        return (table.reset_index().to_json(orient="records", indent=1, force_ascii=False) + "\n").encode()
    if kind == "parquet":
        sink = io.BytesIO()
        table.to_parquet(sink)
        return sink.getvalue()
    raise LabelAuditError(f"decisions export as .csv, .parquet or .json, not as .{kind}")
