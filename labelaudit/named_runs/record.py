"""What is known of a named run: a small JSON file, and what `info` says of it."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

from labelaudit.errors import LabelAuditError

FORMAT = "labelaudit named run"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Record:
    """The facts in ``runs/<key>.json``.

    Attributes:
        kind: "audit", "visualization", "similarity".
        data: name of the folder with its files, below ``runs/data``.
        files: {name: {"bytes", "crc32"}} of everything it wrote there.
        created: UTC time, ISO 8601.
        labelaudit: version that made it.
        parameters: what it was computed with.
        split: of the samples it was computed on.
        n_samples: how many those are (the view).
        of_samples: how many samples the history had then.
        source: the histories it was made of: {"url", "created", "epochs", "last_epoch"} each.
    """

    kind: str
    data: str
    files: dict[str, dict[str, Any]]
    created: str
    labelaudit: str
    parameters: dict[str, Any]
    split: str
    n_samples: int
    of_samples: int
    source: list[dict[str, Any]]

    def to_bytes(self) -> bytes:
        """Return the file's bytes, with a checksum in them."""
        facts = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(facts | {"checksum": _checksum(facts)}, indent=1).encode()


def read_record(data: bytes, where: str) -> Record:
    """Return what a record's bytes say.

    Raises:
        LabelAuditError: it is damaged, or a newer labelaudit wrote it.
    """
    try:
        facts = json.loads(data)
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise LabelAuditError(f"{where} is damaged: it is no record of a named run. Restore it from a copy")
    version = facts.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise LabelAuditError(
            f"{where} has format version {version}, this labelaudit reads up to {FORMAT_VERSION}. "
            "Type: pip install --upgrade labelaudit"
        )
    checksum = facts.pop("checksum", None)
    if checksum != _checksum(facts):
        raise LabelAuditError(f"{where} is damaged: its checksum does not fit. Restore it from a copy")
    known = {name: value for name, value in facts.items() if name in Record.__dataclass_fields__}
    return Record(**known)


def _checksum(facts: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"


@dataclass(frozen=True)
class RunInfo:
    """What `history.runs.info` says of a named run.

    Attributes:
        key: its name.
        kind: "audit", "visualization", "similarity"; "" where the record is damaged.
        created: UTC time, ISO 8601.
        labelaudit: version that made it.
        parameters: what it was computed with.
        split: of the samples it was computed on.
        n_samples: how many those are; `history.runs.view` gives their ids.
        of_samples: how many samples the history had then.
        path: where its files lie; an audit's can be opened with `labelaudit.load_audit`.
        n_bytes: their size.
        problems: one line for each file that is missing or damaged.
        notes: what has changed since, such as a history that went on.
    """

    key: str
    kind: str = ""
    created: str = ""
    labelaudit: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    split: str = ""
    n_samples: int = 0
    of_samples: int = 0
    path: str = ""
    n_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return all facts."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.kind:
            return f"{self.key}: damaged\n  {self.problems[0]}"
        given = {name: value for name, value in self.parameters.items() if value is not None}
        said = ", ".join(f"{name}={value!r}" for name, value in given.items()) or "defaults"
        of = "" if self.n_samples == self.of_samples else f" of {self.of_samples:,}"
        lines = [
            f"{self.key}: {self.kind}, made {self.created} by labelaudit {self.labelaudit}",
            f"  {self.n_samples:,}{of} {self.split} samples; {said}",
            f"  {self.path} ({self.n_bytes / 2**20:.1f} MiB)",
        ]
        return "\n".join(lines + [f"  {line}" for line in (*self.notes, *self.problems)])
