"""Which statistics an audit's table shows beside those that it always has."""

from __future__ import annotations

from collections.abc import Sequence

from labelaudit.analyzers import (
    Consensus,
    Correctness,
    DataMap,
    ErrorNorm,
    Loss,
    Margin,
    Mistakenness,
    MovingLoss,
    SecondSplit,
    Trend,
    Votes,
)
from labelaudit.analyzers.accumulator import Accumulator
from labelaudit.errors import LabelAuditError

DEFAULT: tuple[type[Accumulator], ...] = (Correctness, Margin, DataMap, Loss, Mistakenness)
ON_REQUEST: tuple[type[Accumulator], ...] = (Votes, Consensus, ErrorNorm, MovingLoss, Trend, SecondSplit)
OF_THEIR_OWN = ("centred_loss", "find_label_issues", "loss_cluster", "second_half_forgetting")


def chosen(analyzers: Sequence[str]) -> list[type[Accumulator]]:
    """Return the accumulators of the default table, and those that further statistics need.

    Args:
        analyzers: names of statistics.

    Raises:
        LabelAuditError: these are no names, or there is no such statistic, or it needs more than the audit's one pass.
    """
    if isinstance(analyzers, str):
        raise LabelAuditError(f"analyzers={analyzers!r} is one name; expected a list of names: [{analyzers!r}]")
    by_column = {column: kind for kind in (*DEFAULT, *ON_REQUEST) for column in kind.columns}
    for name in analyzers:
        if name in OF_THEIR_OWN:
            raise LabelAuditError(
                f"{name} needs more than the audit's one pass over the history. Add it afterwards: "
                f"audit.samples[{name!r}] = labelaudit.analyzers.{name}(history)"
            )
        if name not in by_column:
            raise LabelAuditError(f"no statistic is called {name!r}; known: {', '.join(sorted(by_column))}")
    return list(dict.fromkeys([*DEFAULT, *(by_column[name] for name in analyzers)]))
