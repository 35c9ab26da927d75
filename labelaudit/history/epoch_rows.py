"""What a writer of epochs asks of a task's rows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]


class SampleRows(Protocol):
    """Rows of a samples table: a key per sample, and what is known of it before anything is predicted."""

    keys: Array
    ids: Array | None

    def __len__(self) -> int: ...

    def take(self, rows: Array) -> Any:
        """Return some rows."""

    def columns(self) -> dict[str, pa.Array]:
        """Return the Arrow columns of a samples file."""


class EpochRows(Protocol):
    """An epoch's rows, one per sample, sorted by key."""

    @property
    def samples(self) -> Any:
        """The epoch's samples, as `SampleRows`."""

    @property
    def presented(self) -> int:
        """Number of rows before samples that came twice were counted once."""

    @property
    def arrival(self) -> Array:
        """(n,) place at which each sample first came."""

    @property
    def dense(self) -> bool:
        """Whether the rows are exactly the keys 0 to n - 1."""

    def arrow_columns(self) -> dict[str, pa.Array]:
        """Return the columns of the epoch file."""

    def value_columns(self) -> dict[str, pa.Array]:
        """Return what was predicted, without the keys."""


class WaitingRows(Protocol):
    """Batches of one split that wait for the end of their epoch."""

    def finished(self) -> EpochRows:
        """Return one row per sample; of several presentations the last counts."""
