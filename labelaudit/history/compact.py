"""Many epoch files of many writers into one file per epoch, without a moment at which something is missing.

The joined file takes the name of the epoch's lowest writer, in one step. From then on it holds every row of the other
files, and of a sample in two files the lower writer's row counts: a reader finds the same rows before that step, after
it, and while the other files go one by one. Whatever stops it, running it again finishes the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, layout
from labelaudit.history.folder import Folder, open_folder
from labelaudit.history.layout import EpochFile
from labelaudit.history.runs import StoredRun, open_run


@dataclass(frozen=True)
class Compacted:
    """What `compact` did.

    Attributes:
        path: where the history lies.
        epochs: number of epochs that were joined.
        files_before: epoch and samples files that counted before.
        files_after: and after.
        bytes_before: their size.
        bytes_after: and after.
    """

    path: str
    epochs: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int

    def to_dict(self) -> dict[str, Any]:
        """Return all facts."""
        return asdict(self)

    def __str__(self) -> str:
        if self.files_before == self.files_after:
            return f"{self.path}: nothing to join, every epoch is one file already"
        return (
            f"{self.path}: {self.files_before} files became {self.files_after} ({self.epochs} epochs joined), "
            f"{self.bytes_before / 2**20:.1f} MiB became {self.bytes_after / 2**20:.1f} MiB"
        )


def compact(
    path: str | os.PathLike[str], *, unfinished: bool = False, progress: Callable[[str], None] | None = None
) -> Compacted:
    """Join the files of every epoch, and those of the samples table, into one each.

    Files of earlier starts that no longer count are left alone.

    Args:
        path: a history's folder or URL.
        unfinished: also where the training did not come to its end; only if nothing writes there any more.
        progress: called with the name of every file that was joined.

    Raises:
        LabelAuditError: there is no history, a file is damaged (nothing of that epoch is touched then), or the
            history is not finished.
    """
    folder = open_folder(path)
    run = open_run(folder)
    if not run.manifest.finished and not unfinished:
        raise LabelAuditError(
            f"{run.url} is not finished: a writer may still be at work there. If none is, pass --unfinished "
            "(unfinished=True)"
        )
    before = _counted(run)
    sizes = sum(folder.size(name) for name in before)
    joined = 0
    for split in run.splits:
        for epoch in run.epochs(split):
            files = run.epoch_files(split, epoch)
            if len(files) > 1:
                _join_epoch(run, split, files)
                joined += 1
                if progress is not None:
                    progress(files[0].name)
        _join_samples(run, split)
    after = _counted(open_run(folder))
    return Compacted(run.url, joined, len(before), len(after), sizes, sum(folder.size(name) for name in after))


def _counted(run: StoredRun) -> list[str]:
    """Return the files that count, below the folder."""
    found = [name for split in run.splits for name in run.files(split)]
    return found + [name for split in run.splits for name in _samples_files(run.folder, split)]


def _samples_files(folder: Folder, split: str) -> list[str]:
    """Return the split's samples files in the order in which they are read."""
    sub = layout.samples_folder(split)
    files = sorted(layout.list_files(folder, sub), key=lambda file: (file.segment, file.epoch, file.writer))
    return [f"{sub}/{file.name}" for file in files]


def _join_epoch(run: StoredRun, split: str, files: list[EpochFile]) -> None:
    sub = layout.epochs_folder(split)
    headers = [arrow_file.header(run.folder.read(f"{sub}/{file.name}")) for file in files]
    joined = run.epoch_rows(split, files[0].epoch, sum(header["presented"] for header in headers))
    facts = headers[0] | {
        "writer": files[0].writer,
        "rows": len(joined.samples),
        "presented": joined.presented,
        "joined": sum(header.get("joined", 1) for header in headers),
    }
    data = arrow_file.encode(joined.arrow_columns(), facts, compress=not joined.dense)
    _replace(run.folder, [f"{sub}/{file.name}" for file in files], data)


def _join_samples(run: StoredRun, split: str) -> None:
    names = _samples_files(run.folder, split)
    if len(names) > 1:
        header = arrow_file.header(run.folder.read(names[0]))
        table = run.samples(split)
        _replace(run.folder, names, arrow_file.encode(table.columns(), header, compress=True))


def _replace(folder: Folder, names: list[str], data: bytearray) -> None:
    """Put a file in the first one's place in one step, read it back, then remove the others."""
    folder.write(names[0], data)
    arrow_file.decode(folder.read(names[0]), f"{folder.url}/{names[0]}")
    for name in names[1:]:
        folder.remove(name)
