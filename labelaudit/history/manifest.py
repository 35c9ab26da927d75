"""The small JSON file that says what a history is."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import Folder

NAME = "manifest.json"
FORMAT = "labelaudit history"
FORMAT_VERSION = 2  # read; what is not about classification is written as 2, which labelaudit 0.1 refuses


@dataclass(frozen=True)
class Manifest:
    """What holds for the whole history.

    Attributes:
        task: "classification" or "detection".
        n_classes: number of classes the model scores; 0 where a detector's are not known.
        class_names: one name per class, or None.
        keep: "scores" (whole score vectors), "summary" (four columns) or "detections".
        precision: "half" or "single", of the stored numbers.
        scores_are: what the model gave, "logits" or "probabilities". Logits are what is stored.
        keys: "position" (in the dataset) or "id" (the user's own ids, from the batches).
        n_samples: length of each split's dataset, None where unknown.
        every_n_epochs: how often an epoch is recorded.
        created: UTC time, ISO 8601.
        finished: whether the training that wrote it came to its end.
        class_labels: what the user calls class 0, 1, ...; None: the same numbers.
        left_out: the options that say which rows are not kept, by name; None where that was not noted.
    """

    task: str
    n_classes: int
    class_names: list[str] | None
    keep: str
    precision: str
    scores_are: str
    keys: str
    n_samples: dict[str, int | None] = field(default_factory=dict)
    every_n_epochs: int = 1
    created: str = ""
    finished: bool = False
    class_labels: list[int] | None = None
    left_out: dict[str, Any] | None = None

    def write(self, folder: Folder) -> None:
        """Put the manifest in place in one step."""
        version = 1 if self.task == "classification" else FORMAT_VERSION
        facts = {"format": FORMAT, "format_version": version, **asdict(self)}
        folder.write(NAME, json.dumps(facts | {"checksum": _checksum(facts)}, indent=1).encode())

    def with_(self, **changes: Any) -> Manifest:
        """Return a copy with some facts changed."""
        return replace(self, **changes)


def read_manifest(folder: Folder) -> Manifest:
    """Read and check a history's manifest.

    Raises:
        LabelAuditError: there is none, it is damaged, or a newer labelaudit wrote it.
    """
    where = f"{folder.url}/{NAME}"
    try:
        facts = json.loads(bytes(folder.read(NAME)))
    except (ValueError, RecursionError):
        raise LabelAuditError(f"{where} is damaged: it is not JSON. Restore it from a copy") from None
    if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
        raise LabelAuditError(f"{where} is not a labelaudit manifest, so {folder.url} is no history")
    version = facts.pop("format_version", None)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise LabelAuditError(
            f"{folder.url} has format version {version}, this labelaudit reads up to {FORMAT_VERSION}. "
            "Type: pip install --upgrade labelaudit"
        )
    checksum = facts.pop("checksum", None)
    if checksum != _checksum({"format": FORMAT, "format_version": version, **facts}):
        raise LabelAuditError(f"{where} is damaged: its checksum does not fit. Restore it from a copy")
    known = {name: value for name, value in facts.items() if name in Manifest.__dataclass_fields__}
    return Manifest(**known)


def refuse_other_options(before: Manifest, asked: dict[str, Any], where: str) -> None:
    """Refuse to go on with a history that was recorded with other options than those asked for.

    Raises:
        LabelAuditError: one differs.
    """
    known = vars(before) | (before.left_out or {})
    for option, now in asked.items():
        if now != known.get(option, now):
            raise LabelAuditError(
                f"{where} was recorded with {option}={known[option]!r}, and this run, which goes on with it, "
                f"has {now!r}. Leave {option}= as it was, name another folder, or pass overwrite=True"
            )


def _checksum(facts: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"
