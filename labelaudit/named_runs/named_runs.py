"""Audits, visualizations and indexes of a history, each under a key of its own."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import open_folder
from labelaudit.history.runs import StoredRun
from labelaudit.history.samples import as_id_array
from labelaudit.named_runs.files import described
from labelaudit.named_runs.keys import free_key
from labelaudit.named_runs.kinds import KINDS, kind_of
from labelaudit.named_runs.record import Record, RunInfo
from labelaudit.named_runs.shelf import DamagedError, Shelf
from labelaudit.named_runs.source import Source, changes, source_of
from labelaudit.named_runs.view import read_view, write_view

if TYPE_CHECKING:
    from labelaudit.history import History

Lines = list[str]  # `list` is a method below


class NamedRuns:
    """The results that are kept with a history: ``history.runs``.

    They lie in the history's folder; those of a history of several runs in the first run's. A history in memory keeps
    none.

    Example:
        >>> import labelaudit, tempfile, numpy as np
        >>> folder = tempfile.mkdtemp()
        >>> with labelaudit.Recorder(folder) as r:
        ...     r.record(np.arange(4), [[2.0, 0], [2, 0], [0, 2], [1, 0]], [0, 0, 1, 1])
        ...     _ = r.end_epoch()
        >>> history = labelaudit.open_history(folder)
        >>> _ = labelaudit.audit(history, key="first")
        >>> history.runs.list()
        ['first']
        >>> history.runs.load("first").summary["n_samples"], history.runs.view("first").tolist()
        (4, [0, 1, 2, 3])
        >>> history.runs.rename("first", "mine"), history.runs.delete("mine"), history.runs.list()
        (None, None, [])
    """

    def __init__(self, history: History) -> None:
        self._history = history
        first = history.runs_read[0]
        self._shelf = Shelf(history.path, first.folder if isinstance(first, StoredRun) else None)

    def __repr__(self) -> str:
        return f"NamedRuns({self._history.path!r}: {', '.join(self.list()) or 'none'})"

    def __contains__(self, key: object) -> bool:
        return key in self.list()

    def __iter__(self) -> Iterator[str]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def list(self, kind: str | None = None) -> Lines:
        """Return the keys, sorted; of one kind ("audit", "visualization", "similarity") if it is named."""
        keys = self._shelf.keys()
        return keys if kind is None else [key for key in keys if self._shelf.kind(key) == kind]

    def info(self, key: str) -> RunInfo:
        """Return what is known of a named run, with every file of it read and checked; damage is said, not raised.

        Raises:
            LabelAuditError: there is no run of that name.
        """
        try:
            record = self._shelf.record(key)
        except DamagedError as problem:
            return RunInfo(key, problems=[str(problem)])
        return RunInfo(
            key=key,
            kind=record.kind,
            created=record.created,
            labelaudit=record.labelaudit,
            parameters=record.parameters,
            split=record.split,
            n_samples=record.n_samples,
            of_samples=record.of_samples,
            path=self._shelf.place(record.data),
            n_bytes=sum(facts["bytes"] for facts in record.files.values()),
            problems=self._shelf.problems(record),
            notes=changes(record.source, self._source(record.split)),
        )

    def load(self, key: str) -> Any:
        """Return the result: an `Audit`, a visualization, an index.

        Raises:
            LabelAuditError: there is no run of that name, or a file of it is missing or damaged.
        """
        record = self._shelf.whole(key)
        if record.kind not in KINDS:
            raise LabelAuditError(f"{key!r} is of kind {record.kind!r}, which this labelaudit does not know")
        return KINDS[record.kind].load(self._shelf.place(record.data), self._history, record.source)

    def view(self, key: str) -> npt.NDArray[Any]:
        """Return the ids (n,) of the samples that a run was computed on; errors as of `load`."""
        return read_view(open_folder(self._shelf.place(self._shelf.whole(key).data)))

    load_view = view

    def save(
        self, key: str, result: Any, *, parameters: dict[str, Any] | None = None, overwrite: bool = False
    ) -> RunInfo:
        """Keep a result under a key.

        Args:
            key: 1 to 100 letters a to z, digits, "-", "_" or ".".
            result: an `Audit`, a visualization or an index.
            parameters: what it was computed with, JSON-ready; default: what the result says itself.
            overwrite: replace the run that has this key.

        Raises:
            LabelAuditError: the key is taken or can't be a name, or the history lies in memory.
            OSError: nothing can be written there.
        """
        self.check_free(key, overwrite=overwrite)
        kind = kind_of(result)
        how = KINDS[kind]
        ids = as_id_array(how.sample_ids(result).tolist())
        split = self._split_of(result, parameters or {})
        data = self._shelf.new_data()
        place = self._shelf.place(data)
        how.save(result, place)
        below = open_folder(place)
        write_view(below, ids, split)
        record = Record(
            kind=kind,
            data=data,
            files=described(below),
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            labelaudit=_version(),
            parameters=_plain(how.parameters(result) if parameters is None else parameters),
            split=split,
            n_samples=len(ids),
            of_samples=len(self._history.table(split)),
            source=self._source(split),
        )
        self._shelf.put(key, record, overwrite=overwrite)
        return self.info(key)

    def keep(
        self, result: Any, key: str | None, name: str, *, parameters: dict[str, Any], overwrite: bool = False
    ) -> None:
        """Keep a result under a key; without one under ``name`` or ``name-2``, ..., if the folder can be written."""
        if key is not None:
            self.save(key, result, parameters=parameters, overwrite=overwrite)
            return
        try:
            self.save(free_key(name, self.list()), result, parameters=parameters)
        except OSError as problem:
            warnings.warn(f"the {name} is not kept: {self._history.path} can't be written ({problem})", stacklevel=4)

    def rename(self, old: str, new: str) -> None:
        """Give a run another key.

        Raises:
            LabelAuditError: there is no run of the old name, or there is one of the new.
        """
        self._shelf.rename(old, new)

    def delete(self, key: str) -> None:
        """Remove a run: its record and the files that it names, nothing else.

        Raises:
            LabelAuditError: there is no run of that name, or its record is damaged, so that what it wrote is unknown.
        """
        self._shelf.delete(key)

    def check_free(self, key: str, *, overwrite: bool = False) -> None:
        """Raise a LabelAuditError if a result can't be kept under this key."""
        self._shelf.check_free(key, overwrite=overwrite)

    def find(self, kind: str, parameters: dict[str, Any]) -> str | None:
        """Return the key of a run of this kind, made of the history as it is now with these parameters; or None."""
        for key in self.list():
            record = self._shelf.readable(key)
            if record is None or (record.kind, record.parameters) != (kind, _plain(parameters)):
                continue
            if record.source == self._source(record.split) and not self._shelf.problems(record):
                return key
        return None

    def _source(self, split: str) -> Source:
        return source_of(self._history, split)

    def _split_of(self, result: Any, parameters: dict[str, Any]) -> str:
        said = (getattr(result, "info", None) or {}).get("split") or parameters.get("split")
        return str(said or self._history.splits[0])


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON gives them back: NumPy's numbers as plain ones, tuples as lists."""
    return {name: _plain_value(value) for name, value in parameters.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, set, range, np.ndarray)):
        return [_plain_value(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain_value(one) for name, one in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _version() -> str:
    import labelaudit

    return labelaudit.__version__
