"""What is in a history, with every file read and checked."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history import layout
from labelaudit.history.folder import open_folder
from labelaudit.history.runs import open_run

KEPT = {"scores": "whole score vectors", "summary": "summaries", "detections": "boxes, and their scores"}


@dataclass(frozen=True)
class HistoryFacts:
    """What `check_history` found.

    Attributes:
        path: where the history lies.
        finished: whether the training that wrote it came to its end.
        splits: {split: {"samples", "dataset", "epochs", "first_epoch", "last_epoch", "partly_seen"}}; partly_seen
            counts epochs that saw fewer than all of the split's known samples.
        n_classes: number of classes.
        class_names: their names, or None.
        keep: "scores", "summary" or "detections".
        n_files: epoch files that count.
        n_bytes: their size in bytes.
        superseded: epoch files of earlier starts that no longer count.
        problems: one line for each damaged file.
        joinable: epoch files that `labelaudit compact` would spare.
    """

    path: str
    finished: bool
    splits: dict[str, dict[str, Any]]
    n_classes: int
    class_names: list[str] | None
    keep: str
    precision: str
    n_files: int
    n_bytes: int
    superseded: int
    problems: list[str]
    joinable: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return all facts."""
        return asdict(self)

    def __str__(self) -> str:
        state = "finished" if self.finished else "not finished: the next run can go on after its last epoch"
        lines = [f"{self.path}: {state}"]
        for split, facts in self.splits.items():
            of = "" if facts["dataset"] in (None, facts["samples"]) else f" of {facts['dataset']:,}"
            lines.append(
                f"  {split}: {facts['samples']:,}{of} samples, {facts['epochs']} epochs "
                f"({facts['first_epoch']} to {facts['last_epoch']})"
                + (f", {facts['partly_seen']} of them saw only some samples" if facts["partly_seen"] else "")
            )
        what = KEPT.get(self.keep, self.keep)
        classes = f"{self.n_classes} classes, " if self.n_classes else ""
        lines.append(f"  {classes}{what} in {self.precision} precision")
        lines.append(f"  {self.n_files} epoch files, {self.n_bytes / 2**20:.1f} MiB")
        if self.superseded:
            lines.append(f"  {self.superseded} files of earlier starts no longer count")
        if self.joinable:
            left = self.n_files - self.joinable
            lines.append(
                f"  {self.n_files} files of {left} epochs: labelaudit compact joins them, and reads get quicker"
            )
        lines.append("  every file is whole" if not self.problems else f"  {len(self.problems)} damaged:")
        lines += [f"    {problem}" for problem in self.problems]
        return "\n".join(lines)


def check_history(path: str | os.PathLike[str]) -> HistoryFacts:
    """Read every file of a history and say what is there.

    Raises:
        LabelAuditError: there is no history, or its manifest or samples table cannot be read.
    """
    folder = open_folder(path)
    run = open_run(folder)
    splits: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for split in run.splits:
        n, partly = len(run.samples(split)), 0
        epochs = run.epochs(split)
        for epoch in epochs:
            try:
                partly += run.n_rows(split, epoch) < n
            except LabelAuditError as problem:
                problems.append(str(problem))
        splits[split] = {
            "samples": n,
            "dataset": run.manifest.n_samples.get(split),
            "epochs": len(epochs),
            "first_epoch": epochs[0],
            "last_epoch": epochs[-1],
            "partly_seen": partly,
        }
    files = [name for split in run.splits for name in run.files(split)]
    on_disk = sum(len(layout.list_files(folder, layout.epochs_folder(split))) for split in run.splits)
    return HistoryFacts(
        path=run.url,
        finished=run.manifest.finished,
        splits=splits,
        n_classes=run.manifest.n_classes,
        class_names=run.manifest.class_names,
        keep=run.manifest.keep,
        precision=run.manifest.precision,
        n_files=len(files),
        n_bytes=sum(folder.size(name) for name in files),
        superseded=on_disk - len(files),
        problems=problems,
        joinable=len(files) - sum(len(run.epochs(split)) for split in run.splits),
    )
