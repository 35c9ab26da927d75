"""What is in a history, with every file read and checked."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history import embedding_files, layout
from labelaudit.history.folder import open_folder
from labelaudit.history.foreign import foreign_files, is_foreign
from labelaudit.history.history import History
from labelaudit.history.runs import StoredRun, open_run
from labelaudit.history.sources import is_npz, open_history
from labelaudit.visible import one_line

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
        embeddings: {split: {"epochs": numbers, "samples", "features" (of the newest)}}, where any were recorded.
        named_runs: keys of the results that are kept with it; ``labelaudit runs`` checks those.
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
    embeddings: dict[str, dict[str, Any]] = field(default_factory=dict)
    named_runs: list[str] = field(default_factory=list)

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
        for split, facts in self.embeddings.items():
            epochs = ", ".join(map(str, facts["epochs"]))
            size = f"{facts['samples']:,} of {facts['features']} features, "
            lines.append(f"  {split} embeddings: {size if facts['features'] else ''}epoch {epochs}")
        if self.named_runs:
            lines.append(f"  kept results: {', '.join(self.named_runs)}")
        lines.append("  every file is whole" if not self.problems else f"  {len(self.problems)} damaged:")
        lines += [f"    {one_line(problem)}" for problem in self.problems]
        return "\n".join(lines)


def check_history(path: str | os.PathLike[str]) -> HistoryFacts:
    """Read every file of a history, also of what other tools wrote, and say what is there.

    Raises:
        LabelAuditError: there is no history, or its manifest or samples table cannot be read.
    """
    place = Path(path)
    if "://" not in os.fspath(path) and (is_npz(place) or is_foreign(place)):
        return _imported(place, open_history(place))
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
    embeddings = {split: _embeddings(run, split, problems) for split in run.splits if run.embedding_files(split)}
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
        embeddings=embeddings,
        named_runs=History([run]).runs.list(),
    )


def _imported(path: Path, history: History) -> HistoryFacts:
    """Say what is in arrays, or in what another tool wrote; it was all read to open it."""
    (run,) = history.runs_read
    epochs, n = run.epochs("train"), history.n_samples
    files = foreign_files(path)
    return HistoryFacts(
        path=str(path),
        finished=True,
        splits={
            "train": {
                "samples": n,
                "dataset": None,
                "epochs": len(epochs),
                "first_epoch": epochs[0],
                "last_epoch": epochs[-1],
                "partly_seen": sum(len(run.open_epoch("train", epoch)) < n for epoch in epochs),
            }
        },
        n_classes=history.n_classes,
        class_names=history.class_names,
        keep=run.manifest.keep,
        precision=run.manifest.precision,
        n_files=len(files),
        n_bytes=sum(file.stat().st_size for file in files),
        superseded=0,
        problems=[],
    )


def _embeddings(run: StoredRun, split: str, problems: list[str]) -> dict[str, Any]:
    """Read all embeddings of a split, and say what is there."""
    by_epoch, shape = run.embedding_files(split), (0, 0)
    for epoch in sorted(by_epoch):
        try:
            shape = embedding_files.read(run.folder, split, by_epoch[epoch])[1].shape
        except LabelAuditError as problem:
            problems.append(str(problem))
    return {"epochs": sorted(by_epoch), "samples": shape[0], "features": shape[1]}
