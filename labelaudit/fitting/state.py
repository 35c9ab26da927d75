"""What is done in a results folder: which repeats, of which images, with which settings."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.fitting.config import FitConfig
from labelaudit.fitting.image_list import ImageList
from labelaudit.history.folder import open_folder

NAME = "state.json"
FORMAT, FORMAT_VERSION = "labelaudit fit", 2  # 1 had no content
ANEW = "Name another results_path, or pass --overwrite (overwrite=True) to start anew"
FREE = ("data_path", "results_path", "n_repeats", "fast_loader", "device", "num_workers", "sensitivity", "pred_tracker")
RESULTS = ("histories", "checkpoints", "audit")  # folders that a new start deletes
OURS = (*RESULTS, "cache", "config.yaml", "unreadable.csv", "report.html")


@dataclass
class Repeat:
    """A repeat that is done.

    Attributes:
        epoch: whose held-out predictions are its votes.
        seconds: of training.
    """

    epoch: int
    seconds: float


@dataclass
class State:
    """The state of a results folder.

    Attributes:
        folder: the folder.
        data: the data set's path, absolute; empty for arrays.
        images: digest of the images' ids and labels.
        content: digest of what their files hold; empty for arrays, and where a run of version 1 was begun.
        settings: the keys that a repeat depends on.
        folds: number of folds; it stays when n_repeats grows.
        sensitivity: of the last call; what relabelling starts from.
        repeats: the repeats that are done, by number.
    """

    folder: Path
    data: str
    images: str
    settings: dict[str, Any]
    folds: int
    content: str = ""
    sensitivity: float = 0.9
    repeats: dict[int, Repeat] = field(default_factory=dict)

    def save(self) -> None:
        """Write it, whole or not at all."""
        facts = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        del facts["folder"]
        open_folder(self.folder).write(NAME, json.dumps(facts, indent=1).encode())

    def history(self, repeat: int) -> Path:
        """Return the folder of a repeat's history."""
        return self.folder / "histories" / f"repeat-{repeat:02d}"

    def checkpoints(self, repeat: int) -> Path:
        """Return the folder of a repeat's checkpoint; gone when the repeat is done."""
        return self.folder / "checkpoints" / f"repeat-{repeat:02d}"

    @property
    def trained(self) -> bool:
        """Whether there is anything to go on from: a repeat that is done, or a checkpoint of the first."""
        return bool(self.repeats) or any(self.checkpoints(0).glob("*.ckpt"))


def settings_of(config: FitConfig) -> dict[str, Any]:
    """Return the keys that a repeat depends on."""
    found = {name: value for name, value in asdict(config).items() if name not in FREE}
    if not config.track_eval:
        del found["val_split"]
    return found


def digest_of(images: ImageList) -> str:
    """Return a digest of ids, labels and, where they are files, sizes."""
    digest = hashlib.sha256()
    for position, (name, label) in enumerate(zip(images.ids, images.labels.tolist(), strict=True)):
        size = 0 if images.root is None else images.path(position).stat().st_size
        digest.update(f"{name}\0{images.class_names[label]}\0{size}\n".encode())
    if images.arrays is not None:
        digest.update(images.arrays.tobytes())
    return digest.hexdigest()


def read_state(folder: Path) -> State | None:
    """Return the state of a folder, None where nothing was begun.

    Raises:
        LabelAuditError: it is not ours, or of a newer version.
    """
    facts = _facts(folder)
    if facts is None:
        return None
    if facts.pop("format_version", 9) > FORMAT_VERSION:
        raise LabelAuditError(f"{folder / NAME} is of a newer version of labelaudit. {ANEW}")
    repeats = {int(number): Repeat(**one) for number, one in facts.pop("repeats").items()}
    del facts["format"]
    return State(folder, repeats=repeats, **facts)


def _facts(folder: Path) -> dict[str, Any] | None:
    """Return what a folder's state file holds, None where there is none; refuse somebody else's."""
    try:
        facts = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise _foreign(folder) from None
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise _foreign(folder / NAME)
    return facts


def _foreign(place: Path) -> LabelAuditError:
    return LabelAuditError(f"{place} exists and is not of labelaudit fit; name another results_path")


def holds_results(folder: Path) -> bool:
    """Say whether there is anything that a new start would delete."""
    return any(os.path.lexists(folder / name) for name in RESULTS)


def claim(config: FitConfig) -> None:
    """Mark a results folder as ours, before anything else is written into it or deleted from it.

    Raises:
        LabelAuditError: something there is not ours.
    """
    folder = config.folder
    ours = _facts(folder) is not None
    there = [place for place in (folder / name for name in OURS) if os.path.lexists(place)]
    if there and not ours:
        raise _foreign(there[0])
    if os.path.lexists(config.csv) and not (ours and _is_corrections(config.csv)):
        raise _foreign(config.csv)
    if not ours:
        State(folder, "", "", settings_of(config), 0).save()


def _is_corrections(file: Path) -> bool:
    """Say whether a file begins like the table of corrections."""
    return file.is_file() and file.read_bytes().startswith(b"filename,label,corrected_label,")


def open_state(config: FitConfig, images: ImageList, data: str, folds: int, *, overwrite: bool) -> State:
    """Return the state to go on from, or a new one; the folder is claimed.

    Args:
        config: the configuration.
        images: the readable images.
        data: the data set's path, empty for arrays.
        folds: number of folds of a new run.
        overwrite: start anew, whatever was done.

    Raises:
        LabelAuditError: what is there was done with other settings or images.
    """
    folder, settings = config.folder, settings_of(config)
    new = State(folder, data, digest_of(images), settings, folds, images.content, config.sensitivity)
    if overwrite:
        for name in RESULTS:
            shutil.rmtree(folder / name, ignore_errors=True)
        new.save()
        return new
    old = read_state(folder)
    if old is None or not old.trained:
        new.save()
        return new
    for name, value in settings.items():
        if old.settings.get(name) != value:
            raise LabelAuditError(f"{folder} was begun with {name}: {old.settings.get(name)}, not {value}. {ANEW}")
    if old.images != new.images or old.content not in ("", new.content):
        raise LabelAuditError(
            f"{folder} was begun on other images or labels than are now in {data or 'the arrays'}. {ANEW}"
        )
    old.sensitivity, old.content = config.sensitivity, new.content
    old.save()
    return old
