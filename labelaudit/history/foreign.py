"""Histories that other tools wrote: dataset-cartography's JSON lines, AUM's CSV, InterpretDL's pickle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import encode
from labelaudit.history.history import History
from labelaudit.history.manifest import Manifest
from labelaudit.history.part import EpochPart
from labelaudit.history.restricted_pickle import load_plain
from labelaudit.history.rows import unique_ids
from labelaudit.history.samples import Samples

Array = npt.NDArray[Any]
Epochs = Sequence[tuple[Array | None, dict[str, Any]]]
UNKNOWN = "(never predicted)"
CERTAIN = 0.9  # probability that a predicted class is given where only the class was recorded
_DYNAMICS = re.compile(r"dynamics_epoch_(\d+)\.jsonl")


class ForeignRun:
    """A run read whole into memory; an epoch may have seen some of the samples only.

    Args:
        url: where it was.
        table: the samples.
        epochs: for each epoch its rows, (m,) ascending, or None for all; and its columns, see `EpochPart`.
        manifest: number and names of the classes.
    """

    def __init__(self, url: str, table: Samples, epochs: Epochs, manifest: Manifest) -> None:
        self.url, self.manifest = url, manifest
        self.splits: tuple[str, ...] = ("train",)
        self._table, self._epochs = table, epochs

    def samples(self, split: str) -> Samples:
        """Return the samples table."""
        return self._table if split in self.splits else self._table.take(np.arange(0))

    def epochs(self, split: str) -> list[int]:
        """Return 0 to E - 1."""
        return list(range(len(self._epochs))) if split in self.splits else []

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """Return one epoch."""
        return EpochPart(*self._epochs[epoch], self.manifest.n_classes)


def is_foreign(path: Path) -> bool:
    """Return whether `open_foreign` reads a path: by its ending, or by the names of the files in it."""
    return (path.suffix.lower() in (".csv", ".pkl") and not path.is_dir()) or bool(_dynamics(path))


def foreign_files(path: Path) -> list[Path]:
    """Return the files that `open_foreign` reads."""
    return [file for _, file in _dynamics(path)] if path.is_dir() else [path]


def open_foreign(path: Path) -> History:
    """Read a history of another tool.

    Args:
        path: a folder with dataset-cartography's ``dynamics_epoch_*.jsonl`` (or with ``training_dynamics`` in it);
            AUM's ``full_aum_records.csv``; or InterpretDL's ``stats.pkl`` (read without executing anything).

    Returns:
        The history. AUM keeps the given label's logit and the largest other one: its probabilities are of those two
        classes. InterpretDL keeps predicted classes only: such a class counts as predicted with probability 0.9, and
        as the given label, which is not in the file, stands the class that was predicted when the file says
        "right"; where it never does, a class of its own, "(never predicted)".

    Raises:
        LabelAuditError: the file is damaged, or of another form.
    """
    if not path.exists():
        raise LabelAuditError(f"there is no file {path}")
    try:
        if path.is_dir():
            return _cartography(path)
        return _aum(path) if path.suffix.lower() == ".csv" else _interpretdl(path)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as problem:
        if isinstance(problem, LabelAuditError):
            raise
        raise LabelAuditError(f"{path} cannot be read as a history: {type(problem).__name__}: {problem}") from None


def _dynamics(path: Path) -> list[tuple[int, Path]]:
    for folder in (path, path / "training_dynamics"):
        if folder.is_dir():
            named = [(_DYNAMICS.fullmatch(one.name), one) for one in folder.iterdir()]
            found = [(int(match[1]), one) for match, one in named if match]
            if found:
                return sorted(found)
    return []


def _history(path: Path, ids: list[Any], labels: Array, epochs: Epochs, classes: Any) -> History:
    n_classes, names = (classes, None) if isinstance(classes, int) else (len(classes), list(classes))
    table = Samples(np.arange(len(ids), dtype=np.int64), labels.astype(np.int32), unique_ids(ids))
    keep = "scores" if "scores" in epochs[0][1] else "summary"
    facts = Manifest("classification", n_classes, names, keep, "single", "logits", "id", {"train": len(ids)})
    return History([ForeignRun(str(path), table, epochs, facts.with_(finished=True))])


def _cartography(path: Path) -> History:
    row_of: dict[Any, int] = {}
    labels: list[int] = []
    epochs: list[tuple[Array | None, dict[str, Any]]] = []
    classes = 0
    for number, file in _dynamics(path):
        rows, scores = [], []
        for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not text.strip():
                continue
            record = json.loads(text)
            row = row_of.setdefault(record["guid"], len(row_of))
            label = _class_number(record["gold"], f"{file}, line {line}")
            if row == len(labels):
                labels.append(label)
            elif labels[row] != label:
                raise LabelAuditError(f"{file}, line {line}: sample {record['guid']} has another label than before")
            rows.append(row)
            scores.append(record[f"logits_epoch_{number}"])
        if not rows:
            raise LabelAuditError(f"{file} is empty")
        logits = np.array(scores, dtype=np.float64)
        if logits.ndim != 2 or np.isnan(logits).any() or classes not in (0, logits.shape[1]):
            expected = f"{classes} numbers" if classes else "numbers"
            raise LabelAuditError(f"{file} has logits of shape {logits.shape} or NaN; expected {expected} in each line")
        classes = logits.shape[1]
        epochs.append(_sorted(np.array(rows), {"scores": list(encode.as_logits(logits, "logits").T)}))
    given = np.array(labels, np.int64)
    if given.min() < 0 or given.max() >= classes:
        wrong = given.min() if given.min() < 0 else given.max()
        raise LabelAuditError(f"{path}: gold label {wrong} is out of range: there are {classes} logits")
    return _history(path, list(row_of), given, epochs, classes)


def _class_number(gold: Any, where: str) -> int:
    try:
        number = int(gold)
        if isinstance(gold, str) or number == gold:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise LabelAuditError(f"{where}: gold is {gold!r}; expected the number of a class, 0, 1, ..., as in the logits")


def _sorted(rows: Array, columns: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Return an epoch in ascending order of the rows; a sample that is there twice counts as it came last."""
    last = len(rows) - 1 - np.unique(rows[::-1], return_index=True)[1]
    return rows[last], {
        name: [one[last] for one in column] if name == "scores" else column[last] for name, column in columns.items()
    }


def _aum(path: Path) -> History:
    import pandas as pd

    numeric = ["num_measurements", "target_logit", "target_val", "other_logit", "other_val"]
    missing = {name: ["", "nan", "NaN"] for name in numeric}  # an id may be any text, "NA" or "null" too
    table = pd.read_csv(path, dtype={"sample_id": str}, keep_default_na=False, na_values=missing)
    if not {"sample_id", *numeric} <= set(table.columns):
        raise LabelAuditError(
            f"{path} has columns {', '.join(map(str, table.columns))}: expected AUM's full_aum_records.csv, which "
            "AUMCalculator(..., compressed=False) writes; aum_values.csv has no epochs and no labels"
        )
    if table.empty:
        raise LabelAuditError(f"{path} has no rows; expected one for every sample and epoch")
    # aum 1.0 has classes under "_logit" and values under "_val"; its sources since then have them the other way round.
    turned = _whole(table["target_val"]) and not _whole(table["target_logit"])
    logit, label = ("_logit", "_val") if turned else ("_val", "_logit")
    codes, ids = pd.factorize(table["sample_id"])
    given, other = (table[f"{one}{label}"].to_numpy(np.int64) for one in ("target", "other"))
    labels = np.full(len(ids), -1)
    labels[codes] = given
    if (labels[codes] != given).any() or min(given.min(), other.min()) < 0:
        raise LabelAuditError(f"{path}: a sample has two labels, or a label below 0")
    margin = (table[f"target{logit}"] - table[f"other{logit}"]).to_numpy(np.float64)
    loss, other_loss = np.logaddexp(0, -margin), np.logaddexp(0, margin)
    entropy = np.exp(-loss) * loss + np.exp(-other_loss) * other_loss
    columns = {"loss": loss, "other_loss": other_loss, "other": other, "entropy": entropy}
    numbers = table["num_measurements"].to_numpy()
    epochs = [
        _sorted(codes[here], {name: column[here] for name, column in columns.items()})
        for here in (numbers == number for number in np.unique(numbers))
    ]
    return _history(path, _plain_ids(ids.tolist()), labels, epochs, int(max(given.max(), other.max())) + 1)


def _plain_ids(ids: list[str]) -> list[Any]:
    """Return integers where every id is written as one, else the text as it is: "007" is not 7."""
    if all(one.removeprefix("-").isdecimal() and len(one) < 19 and str(int(one)) == one for one in ids):
        return [int(one) for one in ids]
    return ids


def _whole(column: Any) -> bool:
    values = column.to_numpy(np.float64)
    return bool(np.all(values == np.round(values)))


def _interpretdl(path: Path) -> History:
    stats = load_plain(path)
    if not isinstance(stats, dict) or not stats:
        raise LabelAuditError(f"{path} holds a {type(stats).__name__}; expected InterpretDL's stats, a dict by sample")
    ids = list(stats)
    right = [np.asarray(stats[one][0]).astype(bool).ravel() for one in ids]
    predicted = [np.asarray(stats[one][1]).astype(np.int64).ravel() for one in ids]
    if any(len(one) != len(other) or not len(one) for one, other in zip(right, predicted, strict=True)):
        raise LabelAuditError(f"{path}: a sample has no epochs, or another number of predictions than of marks")
    classes = max(int(one.max()) for one in predicted) + 1
    if min(int(one.min()) for one in predicted) < 0:
        raise LabelAuditError(f"{path}: a predicted class is below 0")
    labels = np.array([_given(path, *one, classes) for one in zip(ids, right, predicted, strict=True)])
    names = [str(k) for k in range(classes)] + ([UNKNOWN] if (labels == classes).any() else [])
    rest = np.log((1 - CERTAIN) / max(len(names) - 1, 1) / CERTAIN)
    epochs: list[tuple[Array | None, dict[str, Any]]] = []
    for epoch in range(max(map(len, predicted))):
        rows = np.array([row for row, one in enumerate(predicted) if epoch < len(one)])
        logits = np.full((len(names), len(rows)), rest, np.float32)
        logits[[int(predicted[row][epoch]) for row in rows], np.arange(len(rows))] = 0
        epochs.append((rows, {"scores": list(logits)}))
    return _history(path, ids, labels, epochs, names)


def _given(path: Path, sample: Any, right: Array, predicted: Array, unknown: int) -> int:
    labels: Iterable[int] = set(predicted[right].tolist())
    if len(set(labels)) > 1:
        raise LabelAuditError(f"{path}: sample {sample} was right with several labels: {sorted(labels)}")
    return next(iter(labels), unknown)
