"""Names of the files in a history, and which of them count.

An epoch file is named after its epoch, the segment (which start of the training wrote it: 0, 1, ...) and
the writer (the rank). Training that starts again from a checkpoint records some epochs a second time. The
rule: from the first epoch that a newer segment holds, the files of older segments no longer count. They
stay on disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import Folder

_SPLIT = re.compile(r"[^\s./\\:*?\"<>|\x00-\x1f][^/\\:*?\"<>|\x00-\x1f]*")
_PATTERN = re.compile(r"e(\d{5,})-s(\d{2,})-w(\d{4,})\.arrow")


@dataclass(frozen=True, order=True)
class EpochFile:
    """The name of one file, of an epoch or of the samples first seen in it."""

    epoch: int
    segment: int
    writer: int

    @property
    def name(self) -> str:
        """File name, such as ``e00003-s00-w0000.arrow``."""
        return f"e{self.epoch:05d}-s{self.segment:02d}-w{self.writer:04d}.arrow"


def check_split(split: str) -> None:
    """Refuse a split whose name is not that of one folder: its files would lie where no reader looks.

    >>> check_split("a/b")
    Traceback (most recent call last):
        ...
    labelaudit.errors.LabelAuditError: split='a/b' cannot be the name of a folder; expected one such as "a_b"
    """
    if not _SPLIT.fullmatch(split):
        plain = re.sub(r"\W+", "_", split).strip("_") or "val"
        raise LabelAuditError(f'split={split!r} cannot be the name of a folder; expected one such as "{plain}"')


def epochs_folder(split: str) -> str:
    """Where a split's epoch files lie, below the history's folder."""
    return f"epochs/{split}"


def samples_folder(split: str) -> str:
    """Where a split's samples files lie, below the history's folder."""
    return f"samples/{split}"


def parts_folder(split: str) -> str:
    """Where the rows of unfinished epochs lie, below the history's folder."""
    return f"parts/{split}"


def embeddings_folder(split: str) -> str:
    """Where a split's embeddings lie, below the history's folder."""
    return f"embeddings/{split}"


def list_files(folder: Folder, sub: str) -> list[EpochFile]:
    """Return the finished files in ``sub``; temporary and foreign ones are passed over."""
    found = (_PATTERN.fullmatch(name) for name in folder.names(sub))
    return sorted(EpochFile(*map(int, match.groups())) for match in found if match)


def current_files(files: list[EpochFile]) -> dict[int, list[EpochFile]]:
    """Return the files that count, by epoch, each list in the writers' order.

    >>> old = [EpochFile(epoch, 0, 0) for epoch in range(3)]
    >>> {e: f[0].segment for e, f in current_files([*old, EpochFile(1, 1, 0)]).items()}
    {0: 0, 1: 1}
    """
    counted: dict[int, list[EpochFile]] = {}
    end = None
    for segment in sorted({file.segment for file in files}, reverse=True):
        of_segment = [file for file in files if file.segment == segment]
        for file in of_segment:
            if end is None or file.epoch < end:
                counted.setdefault(file.epoch, []).append(file)
        first = min(file.epoch for file in of_segment)
        end = first if end is None else min(end, first)
    return {epoch: sorted(counted[epoch]) for epoch in sorted(counted)}


def data_files(folder: Folder) -> list[str]:
    """Return the names of all epoch, samples and embedding files, below the folder."""
    return [
        f"{room}/{split}/{file.name}"
        for room in ("epochs", "samples", "embeddings")
        for split in folder.folders(room)
        for file in list_files(folder, f"{room}/{split}")
    ]
