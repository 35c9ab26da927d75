"""The list of all forgetting events: which sample, when, and as what class it was then predicted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, accumulate, sample_ids
from labelaudit.history.blocks import Block
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class ForgettingLog(Accumulator):
    """The list of all forgetting events. 1 byte a sample, and 16 bytes an event."""

    def start(self) -> None:
        """Make the arrays."""
        self.was_right = np.zeros(self.n, bool)
        self.events: list[Array] = []

    def begin_run(self) -> None:
        """A new run knows nothing."""
        self.was_right[:] = False

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        now = block.frame.correct
        lost = np.flatnonzero(self.was_right[block.rows] & ~now)
        self.was_right[block.rows] = now
        if len(lost):
            rows = np.arange(self.n, dtype=np.int32)[block.rows] if isinstance(block.rows, slice) else block.rows
            event = np.empty((4, len(lost)), np.int32)
            event[0], event[1], event[2], event[3] = rows[lost], block.run, block.epoch, block.frame.other[lost]
            self.events.append(event)

    def result(self) -> dict[str, Array]:
        """No column: the events are in `table`."""
        return {}

    def table(self) -> Array:
        """Return (4, m): row of the sample, run, epoch, class predicted; by sample, then in time."""
        if not self.events:
            return np.empty((4, 0), np.int32)
        found = np.concatenate(self.events, axis=1)
        return found[:, np.lexsort((found[2], found[1], found[0]))]


def forgetting_log(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.DataFrame:
    """Return all forgetting events, one a row: by sample, then in time.

    Formula: every (sample, t) with c_{t-1} = 1 and c_t = 0, see `forgetting_events`. Memory grows with the events.
    Source: Toneva et al., ICLR 2019; InterpretDL's ForgettingEventsInterpreter lists the classes in the same way.

    Returns:
        A frame with columns sample_id, run, epoch (counted from 0) and predicted (the class, by its number).

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> forgetting_log(worked_example())
           sample_id  run  epoch  predicted
        0          0    0      2          1
    """
    import pandas as pd

    (state,) = accumulate(history, [ForgettingLog], split=split, epochs=epochs, skip_nan=skip_nan)
    assert isinstance(state, ForgettingLog)
    row, run, epoch, predicted = state.table()
    ids = sample_ids(history, split)[row]
    return pd.DataFrame({"sample_id": ids, "run": run, "epoch": epoch, "predicted": predicted})
