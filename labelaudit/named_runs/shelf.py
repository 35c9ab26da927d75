"""The records of named runs and the folders with their files, in a history's folder.

A named run is a record, ``runs/<key>.json``, that names a folder below ``runs/data`` and every file in it. The files
are written first and the record last, in one step: a run is there whole or not at all. Renaming writes a new record,
and overwriting makes a new folder, so a reader never sees half of either.
"""

from __future__ import annotations

import uuid

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import Folder, open_folder
from labelaudit.named_runs.files import problems
from labelaudit.named_runs.keys import checked_key
from labelaudit.named_runs.record import Record, read_record

_ROOM = "runs"


class DamagedError(LabelAuditError):
    """A record cannot be read."""


class Shelf:
    """What is on disk. Keys are checked before anything is written.

    Args:
        name: of the history, for errors.
        folder: the history's; None where it lies in memory.
    """

    def __init__(self, name: str, folder: Folder | None) -> None:
        self._name, self._folder = name, folder

    def keys(self) -> list[str]:
        """Return the keys there are, sorted."""
        names = [] if self._folder is None else self._folder.names(_ROOM)
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and name[0] != ".")

    def check_free(self, key: str, *, overwrite: bool = False) -> None:
        """Raise a LabelAuditError if a result can't be kept under this key."""
        checked_key(key)
        self._stored()
        if not overwrite and key in self.keys():
            raise LabelAuditError(
                f"{self._name} has a run {key!r} already ({self.kind(key) or 'damaged'}). Name another key, or pass "
                "overwrite=True (--overwrite)"
            )

    def record(self, key: str) -> Record:
        """Return what is known of a run.

        Raises:
            LabelAuditError: there is none of that name; a `DamagedError` if its record can't be read.
        """
        keys = self.keys()
        if key not in keys:
            known = f"there are {', '.join(keys)}" if keys else "there are none"
            raise LabelAuditError(f"{self._name} has no run {key!r}; {known}")
        folder = self._stored()
        try:
            return read_record(bytes(folder.read(_file(key))), f"{folder.url}/{_file(key)}")
        except LabelAuditError as problem:
            raise DamagedError(*problem.args) from None

    def readable(self, key: str) -> Record | None:
        """Return what is known of a run; None where that can't be read."""
        try:
            return self.record(key)
        except LabelAuditError:
            return None

    def kind(self, key: str) -> str | None:
        """Return a run's kind; None where its record can't be read."""
        record = self.readable(key)
        return None if record is None else record.kind

    def whole(self, key: str) -> Record:
        """Return what is known of a run whose files are all there and whole."""
        record = self.record(key)
        found = self.problems(record)
        if found:
            raise LabelAuditError(f"{found[0]}. Delete the run {key!r} and make it again")
        return record

    def problems(self, record: Record) -> list[str]:
        """Return one line for each file that is missing or damaged."""
        return problems(open_folder(self.place(record.data)), record.files)

    def new_data(self) -> str:
        """Return the name of a new folder for a run's files."""
        return uuid.uuid4().hex[:12]

    def place(self, data: str) -> str:
        """Return where a run's files lie, a path or URL."""
        return f"{self._stored().url}/{_ROOM}/data/{data}"

    def put(self, key: str, record: Record, *, overwrite: bool) -> None:
        """Put a record in place; files of one that it replaces go."""
        before = self.readable(key) if overwrite else None
        if overwrite:
            self._stored().write(_file(key), record.to_bytes())
        else:
            self._create(key, record)
        if before is not None:
            self._remove_data(before)

    def rename(self, old: str, new: str) -> None:
        """Give a run another key."""
        record = self.record(old)
        self.check_free(new)
        self._create(new, record)
        self._stored().remove(_file(old))

    def delete(self, key: str) -> None:
        """Remove a run's record and the files that it names."""
        record = self.record(key)
        self._stored().remove(_file(key))
        self._remove_data(record)

    def _stored(self) -> Folder:
        if self._folder is None:
            raise LabelAuditError(
                f"{self._name}: only a history in a folder keeps results. Record with labelaudit.Recorder, or leave "
                "key= out"
            )
        return self._folder

    def _create(self, key: str, record: Record) -> None:
        try:
            self._stored().create(_file(key), record.to_bytes())
        except FileExistsError:  # another process was quicker
            raise LabelAuditError(f"{self._name} has a run {key!r} already; name another key") from None

    def _remove_data(self, record: Record) -> None:
        """Remove the files of a run, unless a renaming that was stopped half way left another record of them."""
        others = (self.readable(key) for key in self.keys())
        if any(other is not None and other.data == record.data for other in others):
            return
        below = open_folder(self.place(record.data))
        for name in record.files:
            below.remove(name)
        self._stored().remove_folder(f"{_ROOM}/data/{record.data}")


def _file(key: str) -> str:
    return f"{_ROOM}/{key}.json"
