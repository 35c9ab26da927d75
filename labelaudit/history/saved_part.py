"""The rows of an epoch that is not finished yet, kept beside the epochs for a run that is resumed in its middle.

A part is an Arrow file with the same checksum, `parts/<split>/<name>-w0000.arrow`. Readers of the history never look
there. It holds the rows that wait, one per sample, with what is known of the sample, and the manifest of the run.
"""

from __future__ import annotations

import re
from dataclasses import asdict

import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file
from labelaudit.history.epoch_rows import EpochRows
from labelaudit.history.folder import Folder
from labelaudit.history.layout import parts_folder
from labelaudit.history.manifest import Manifest

_NAME = re.compile(r"e(\d{5,})-s\d{2,}-p(\d{4,})(-w\d{4,}\.arrow)?")
_MUST_AGREE = ("task", "n_classes", "keep", "precision", "scores_are", "keys")


def name_of(epoch: int, segment: int, number: int) -> str:
    """What all writers of one checkpoint call their parts, such as ``e00003-s00-p0000``."""
    return f"e{epoch:05d}-s{segment:02d}-p{number:04d}"


def next_number(folder: Folder) -> int:
    """Return a number that no part in a folder has; 0 where there are none."""
    names = [name for split in folder.folders("parts") for name in folder.names(parts_folder(split))]
    return max((int(match[2]) + 1 for match in map(_NAME.fullmatch, names) if match), default=0)


def write(folder: Folder, split: str, name: str, writer: int, epoch: EpochRows, facts: Manifest) -> None:
    """Put a part in place, whole or not at all."""
    header = {"split": split, "part": name, "presented": epoch.presented, "manifest": asdict(facts)}
    data = arrow_file.encode(epoch.samples.columns() | epoch.value_columns(), header, compress=True)
    folder.write(_path(split, name, writer), data)


def read(folder: Folder, split: str, name: str, writer: int, facts: Manifest | None) -> tuple[pa.Table, int, Manifest]:
    """Return the rows of a part, of how many presentations they are, and the manifest they were recorded under.

    Raises:
        FileNotFoundError: there is no such part.
        LabelAuditError: it is damaged, or was recorded with other options than `facts`.
    """
    path = _path(split, name, writer)
    header, table = arrow_file.decode(folder.read(path), f"{folder.url}/{path}", spare=True)
    written = Manifest(**header["manifest"])
    for option in _MUST_AGREE if facts is not None else ():
        before, now = getattr(written, option), getattr(facts, option)
        if before != now:
            raise LabelAuditError(
                f"{folder.url}/{path} was recorded with {option}={before!r}, this run has {now!r}. "
                "Resume with the options of the run that saved the checkpoint"
            )
    return table, header["presented"], written


def remove(folder: Folder, split: str, writer: int, *, up_to: int) -> None:
    """Remove a writer's parts of the epochs up to `up_to`."""
    for name in folder.names(parts_folder(split)):
        match = _NAME.fullmatch(name)
        if match and int(match[1]) <= up_to and name.endswith(_ending(writer)):
            folder.remove(f"{parts_folder(split)}/{name}")


def _path(split: str, name: str, writer: int) -> str:
    if not _NAME.fullmatch(name):
        raise LabelAuditError(f"{name!r} names no saved part; expected what save_part returned")
    return f"{parts_folder(split)}/{name}{_ending(writer)}"


def _ending(writer: int) -> str:
    return f"-w{writer:04d}.arrow"
