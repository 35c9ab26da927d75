"""The one pass over a history, by ranges of samples on the workers of a Dask cluster.

Every worker opens the history itself (checking each file that it reads), streams all epochs of its ranges through the
same accumulators in the same blocks as one machine would, and sends back the columns. Ranges begin where blocks begin,
so the numbers are the same to the last bit. What needs all samples (the noise model, the cut) happens on the client.
Columns that it does not need can stay with the workers, which write them as Parquet once the verdict is there.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, accumulate, frame_of
from labelaudit.auditing.evidence import EpochUse, Evidence
from labelaudit.errors import LabelAuditError
from labelaudit.history import History, open_history
from labelaudit.history.blocks import MOST_ROWS
from labelaudit.history.folder import open_folder
from labelaudit.history.runs import StoredRun

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
RANGES_PER_WORKER = 4  # so that a lost worker costs little, and slow ones do not hold up the others


class Columns(Accumulator):
    """The columns of an accumulator that ran elsewhere.

    Args:
        kind: the accumulator's class.
        columns: {name: (n,) values}.
    """

    def __init__(self, kind: type[Accumulator], columns: dict[str, Array]) -> None:
        self._columns = columns
        for name in ("conventions", "missing_below_zero", "categories"):
            setattr(self, name, getattr(kind, name))

    def result(self) -> dict[str, Array]:
        """Return the columns."""
        return self._columns


class ClusterPass:
    """A history streamed through accumulators on a cluster; what it found lies with the workers until it is fetched.

    Args:
        client: a ``distributed.Client``. A worker that dies is replaced by another one, as Dask does.
        history: a history that the workers can read under the same path or URL.
        kinds: accumulators.
        uses: how the verdict uses each (run, epoch).
        columns: names of the statistics that will be wanted, here or in the parts.
        split: which split.
        epochs: numbers of the epochs to count; None: all.
        skip_nan: leave out predictions that are NaN.

    Raises:
        LabelAuditError: the history lies in memory only; when fetched, also what `accumulate` raises.
    """

    def __init__(
        self,
        client: Any,
        history: History,
        kinds: Sequence[type[Accumulator]],
        uses: Mapping[tuple[int, int], EpochUse],
        *,
        columns: Iterable[str],
        split: str | None,
        epochs: list[int] | None,
        skip_nan: bool,
    ) -> None:
        task = partial(
            _of_range,
            _places(history),
            history.held_out,
            uuid.uuid4().hex,
            tuple(kinds),
            dict(uses),
            frozenset(columns),
            {"split": split, "epochs": epochs, "skip_nan": skip_nan},
        )
        self._client, self._kinds = client, tuple(kinds)
        self._ranges = _ranges(len(history.table(split)), max(len(client.nthreads()), 1))
        self._found = self._map(task, self._ranges)

    def fetch(self, wanted: Iterable[str]) -> tuple[list[Accumulator], Evidence]:
        """Return the wanted columns of every accumulator, and the evidence, of all samples."""
        parts = self._client.gather(self._map(partial(_only, frozenset(wanted)), self._found))
        states: list[Accumulator] = [
            Columns(kind, {name: np.concatenate([part[0][at][name] for part in parts]) for name in parts[0][0][at]})
            for at, kind in enumerate(self._kinds)
        ]
        return states, Evidence.joined([part[1] for part in parts])

    def write(self, url: str, samples: pd.DataFrame, order: Sequence[str], rows: Array) -> list[str]:
        """Let the workers write one Parquet file per range, and return the files' names.

        Args:
            url: of the folder.
            samples: (m, ...) table of what the client knows of the samples audited.
            order: the statistics' columns, in the order wanted; those that ``samples`` lacks are added.
            rows: (m,) which samples of the history those are, ascending.
        """
        ends = [np.searchsorted(rows, of_range) for of_range in self._ranges]
        tables = [samples.iloc[low:high] for low, high in ends]
        within = [rows[low:high] - first for (low, high), (first, _) in zip(ends, self._ranges, strict=True)]
        names = [f"part-{number:05d}.parquet" for number in range(len(tables))]
        task = partial(_write_part, url, self._kinds, tuple(order))
        return list(self._client.gather(self._map(task, self._found, tables, within, names)))

    def _map(self, task: Any, *arguments: Any) -> Any:
        return self._client.map(task, *arguments, pure=False, key="labelaudit-" + uuid.uuid4().hex)


def _places(history: History) -> tuple[str, ...]:
    """Return where the workers find the runs."""
    if not all(isinstance(run, StoredRun) for run in history.trained):
        raise LabelAuditError(
            f"{history.path} is no history that workers of a cluster could open. Record it with labelaudit.Recorder "
            "into a folder or a URL that all of them reach, or leave client= out"
        )
    urls = (run.url for run in history.trained)
    return tuple(url if "://" in url else os.path.abspath(url) for url in urls)


def _ranges(n: int, workers: int) -> list[tuple[int, int]]:
    """Cut n samples into ranges of whole blocks."""
    blocks = -(-n // MOST_ROWS)
    size = -(-blocks // (workers * RANGES_PER_WORKER)) * MOST_ROWS
    return [(low, min(low + size, n)) for low in range(0, n, size)]


@lru_cache(maxsize=1)
def _opened(places: tuple[str, ...], held_out: str | None, audit: str) -> History:
    """Open a history once for each worker and audit: another audit may find other files there."""
    return open_history(list(places), held_out=held_out)


def _of_range(
    places: tuple[str, ...],
    held_out: str | None,
    audit: str,
    kinds: tuple[type[Accumulator], ...],
    uses: Mapping[tuple[int, int], EpochUse],
    wanted: frozenset[str],
    options: Mapping[str, Any],
    rows: tuple[int, int],
) -> tuple[list[dict[str, Array]], Evidence]:
    """Return the wanted columns of every accumulator, and the evidence, of samples [low, high)."""
    history = _opened(places, held_out, audit)
    *states, evidence = accumulate(history, [*kinds, partial(Evidence, uses=uses)], rows=rows, **options)
    assert isinstance(evidence, Evidence)
    columns = [{name: values for name, values in state.result().items() if name in wanted} for state in states]
    return columns, evidence


def _only(wanted: frozenset[str], found: tuple[list[dict[str, Array]], Evidence]) -> Any:
    """Return the wanted ones of a range's columns, and its evidence."""
    columns, evidence = found
    return [{name: of_kind[name] for name in of_kind if name in wanted} for of_kind in columns], evidence


def _write_part(
    url: str,
    kinds: tuple[type[Accumulator], ...],
    order: tuple[str, ...],
    found: tuple[list[dict[str, Array]], Evidence],
    samples: pd.DataFrame,
    rows: Array,
    name: str,
) -> str:
    """Write some rows of a range: what the client knows of them, and the statistics that stayed here."""
    of_rows = [{column: values[rows] for column, values in columns.items()} for columns in found[0]]
    states = [Columns(kind, columns) for kind, columns in zip(kinds, of_rows, strict=True)]
    statistics = frame_of(states, samples.index, only=set(order) - set(samples.columns))
    whole = samples.join(statistics)
    is_statistic = samples.columns.isin(order)
    at = int(is_statistic.argmax())  # some are here: the others join them, as in `Audit.samples`
    others = samples.columns[~is_statistic]
    sink = io.BytesIO()
    whole[[*others[:at], *order, *others[at:]]].to_parquet(sink)
    open_folder(url).write(name, sink.getvalue())
    return name
