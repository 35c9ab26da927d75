"""The rows of an epoch that is not finished yet, kept beside the epochs for a run that is resumed in its middle.

A part is an Arrow file with the same checksum, `parts/<split>/<name>-w0000.arrow`. Readers of the history never look
there. It holds what `rows.OpenEpoch` holds, one row per sample, and the manifest of the run that wrote it.
"""

from __future__ import annotations

import re
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file, rows, samples
from labelaudit.history.folder import Folder
from labelaudit.history.layout import parts_folder
from labelaudit.history.manifest import Manifest

_NAME = re.compile(r"e(\d{5,})-s\d{2,}-p\d{4,}(-w\d{4,}\.arrow)?")
_MUST_AGREE = ("n_classes", "keep", "precision", "scores_are", "keys")


def name_of(epoch: int, segment: int, number: int) -> str:
    """What all writers of one checkpoint call their parts, such as ``e00003-s00-p0000``."""
    return f"e{epoch:05d}-s{segment:02d}-p{number:04d}"


def write(folder: Folder, split: str, name: str, writer: int, epoch: rows.FinishedEpoch, facts: Manifest) -> None:
    """Put a part in place, whole or not at all."""
    seen = epoch.samples
    columns = {"sample": pa.array(seen.keys), "given_label": pa.array(seen.labels)}
    if seen.ids is not None:
        columns["sample_id"] = pa.array(seen.ids.tolist())
    header = {"split": split, "part": name, "presented": epoch.presented, "manifest": asdict(facts)}
    data = arrow_file.encode(columns | epoch.value_columns(), header, compress=True)
    folder.write(_path(split, name, writer), data)


def read(folder: Folder, split: str, name: str, writer: int, facts: Manifest | None) -> tuple[rows.OpenEpoch, Manifest]:
    """Return the rows of a part and the manifest they were recorded under.

    Raises:
        FileNotFoundError: there is no such part.
        LabelAuditError: it is damaged, or was recorded with other options than `facts`.
    """
    path = _path(split, name, writer)
    header, table = arrow_file.decode(folder.read(path), f"{folder.url}/{path}")
    written = Manifest(**header["manifest"])
    for option in _MUST_AGREE if facts is not None else ():
        before, now = getattr(written, option), getattr(facts, option)
        if before != now:
            raise LabelAuditError(
                f"{folder.url}/{path} was recorded with {option}={before!r}, this run has {now!r}. "
                "Resume with the options of the run that saved the checkpoint"
            )
    part = samples.from_table(table)
    values = [column for column in table.column_names if column not in ("sample", "given_label", "sample_id")]
    scores = [samples.numbers(table[column]) for column in values if column.startswith("score_")]
    columns = {"scores": np.stack(scores)} if scores else {c: samples.numbers(table[c]) for c in values}
    epoch = rows.OpenEpoch([part.keys], [part.labels], [] if part.ids is None else [part.ids])
    epoch.columns = {column: [chunk] for column, chunk in columns.items()}
    epoch.presented_before = header["presented"] - len(part)
    return epoch, written


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
