"""How every statistic is computed: one pass over the history's blocks, a few numbers kept per sample."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history.blocks import Block
from labelaudit.history.history import History
from labelaudit.options import epoch_numbers

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class Accumulator:
    """State of one or more statistics while a history streams by.

    A subclass names the columns it computes, makes its arrays, one entry per sample, in `start`, and adds a
    block of predictions to them in `update`. For a given sample the blocks come in the order of the epochs;
    a sample that an epoch did not see is simply not in that epoch's blocks. A subclass with parameters takes
    them as keyword arguments; hand `accumulate` a `functools.partial`.

    Attributes:
        columns: the statistics in `result`.
        conventions: how a column is to be read where the literature disagrees, by column.
        missing_below_zero: integer columns in which -1 means that there is no value; <NA> in pandas.
        categories: the names that a column of codes stands for, by column, -1: missing; a categorical in pandas.
        n: number of samples.
        n_classes: number of classes.
    """

    columns: ClassVar[tuple[str, ...]] = ()
    conventions: ClassVar[Mapping[str, str]] = {}
    missing_below_zero: ClassVar[frozenset[str]] = frozenset()
    categories: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, n_samples: int, n_classes: int) -> None:
        self.n, self.n_classes = n_samples, n_classes
        self.start()

    def start(self) -> None:
        """Make the arrays."""
        raise NotImplementedError

    def begin_run(self) -> None:
        """Forget what must not be compared across two training runs."""

    def update(self, block: Block) -> None:
        """Add a block's predictions."""
        raise NotImplementedError

    def result(self) -> dict[str, Array]:
        """Return every column, (n,)."""
        raise NotImplementedError


Kind = Callable[[int, int], Accumulator]


def accumulate(
    history: History,
    kinds: Sequence[Kind],
    *,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
    progress: bool = False,
    rows: tuple[int, int] | None = None,
) -> list[Accumulator]:
    """Stream a history once through several accumulators.

    Args:
        history: a history of n samples.
        kinds: Accumulator classes, or functions (n_samples, n_classes) -> Accumulator.
        split: which split; default "train".
        epochs: numbers of the epochs to count; default all.
        skip_nan: leave out predictions whose scores are NaN.
        progress: show a progress bar on standard error.
        rows: only samples [low, high), as `History.blocks` takes them; the accumulators count them from 0.

    Returns:
        One accumulator per kind, which has read everything.

    Raises:
        LabelAuditError: the scores of some samples are NaN or infinite, or no run recorded the split or an epoch named.

    Example:
        >>> from labelaudit.analyzers import Margin, worked_example
        >>> (state,) = accumulate(worked_example(), [Margin])
        >>> state.result()["aum"].round(6).tolist()
        [0.267501]
    """
    _refuse_others(history)
    first, last = (0, len(history.table(split))) if rows is None else rows
    wanted = None if epochs is None else known_epochs(history, split, epochs)
    states = [kind(last - first, history.n_classes) for kind in kinds]
    run = None
    for block in _shown(history.blocks(split, wanted, rows), progress):
        broken = np.isnan(block.frame.loss)
        if broken.any():
            if not skip_nan:
                raise _nan_error(history, block, broken, split)
            block = block.without(broken)
        if block.run != run:
            run = block.run
            for state in states:
                state.begin_run()
        if first:
            block = block.moved(-first)
        for state in states:
            state.update(block)
    return states


def epochs_of_runs(history: History, split: str | None) -> list[list[int]]:
    """Return the numbers of the recorded epochs of every run, ascending."""
    _refuse_others(history)
    chosen = history._split(split)
    return [run.epochs(chosen) for run in history.runs_read]


def _refuse_others(history: Any) -> None:
    """Refuse what is no history."""
    if not isinstance(history, History):
        path = repr(history) if isinstance(history, str) else "path"
        raise LabelAuditError(
            f"a {type(history).__name__} is no history; pass labelaudit.open_history({path}), or of arrays "
            "labelaudit.history_from_arrays(scores, labels)"
        )


def known_epochs(history: History, split: str | None, epochs: Iterable[int]) -> list[int]:
    """Return the numbers of the epochs asked for.

    Raises:
        LabelAuditError: none is asked for, or no run recorded one of them.
    """
    wanted = epoch_numbers(epochs)
    known = sorted({epoch for of_run in epochs_of_runs(history, split) for epoch in of_run})
    unknown = sorted(set(wanted) - set(known))
    if unknown or not wanted:
        found = f"epoch {unknown[0]} is not" if unknown else "epochs=[] names none of those"
        raise LabelAuditError(
            f"{found} in {history.path}; recorded: {len(known)} epochs from {known[0]} to {known[-1]}. "
            "Name some of them, or leave epochs= out for all"
        )
    return wanted


def _shown(blocks: Iterator[Block], progress: bool) -> Iterable[Block]:
    """Return the blocks, with a progress bar on standard error where one is wanted."""
    if not progress:
        return blocks
    from tqdm import tqdm

    return tqdm(blocks, desc="reading", unit=" blocks", leave=False, dynamic_ncols=True)


def _nan_error(history: History, block: Block, broken: Array, split: str | None) -> LabelAuditError:
    rows = np.arange(block.rows.start, block.rows.stop) if isinstance(block.rows, slice) else block.rows
    return LabelAuditError(
        f"{history.path}: epoch {block.epoch} holds NaN or infinite scores (first: sample "
        f"{sample_ids(history, split)[rows[broken][0]]}). Training may have diverged: leave epochs out with epochs= "
        "(--epochs 0:5), or only those predictions with skip_nan=True (--skip-nan)"
    )


def sample_ids(history: History, split: str | None) -> Array:
    """Return the ids of a split's samples, (n,), in dataset order."""
    table = history.table(split)
    return table.keys if table.ids is None else table.ids


def tabulate(
    history: History,
    states: Iterable[Accumulator],
    *,
    split: str | None = None,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return all columns of some accumulators, or only some of them, indexed by sample_id in dataset order.

    Missing integers are <NA> (Int64), names are categoricals; ``attrs["conventions"]`` says how to read them.
    The accumulators' arrays are not copied: they must not be updated after this.

    Example:
        >>> from labelaudit.analyzers import Correctness, worked_example
        >>> history = worked_example()
        >>> tabulate(history, accumulate(history, [Correctness]), only=["correctness", "never_learned"])
                   correctness  never_learned
        sample_id
        0                  0.6          False
    """
    import pandas as pd

    return frame_of(states, pd.Index(sample_ids(history, split), name="sample_id"), only=only)


def frame_of(states: Iterable[Accumulator], index: pd.Index[Any], *, only: Collection[str] | None) -> pd.DataFrame:
    """Return columns of accumulators of the samples in ``index``, as `tabulate` does."""
    import pandas as pd

    columns: dict[str, Any] = {}
    conventions: dict[str, str] = {}
    for state in states:
        conventions |= state.conventions
        for name, values in state.result().items():
            if only is not None and name not in only:
                continue
            if name in state.categories:
                columns[name] = pd.Categorical.from_codes(values, state.categories[name], ordered=True)
            elif name in state.missing_below_zero:
                columns[name] = pd.arrays.IntegerArray(values.astype(np.int64), values < 0)
            else:
                columns[name] = values
    frame = pd.DataFrame(columns, index=index, copy=False)
    frame.attrs["conventions"] = conventions
    return frame


def series(
    history: History,
    kind: Kind,
    column: str,
    *,
    split: str | None,
    epochs: Iterable[int] | None,
    skip_nan: bool,
) -> pd.Series[Any]:
    """Return one column of one accumulator, indexed by sample_id, its convention in ``attrs``."""
    states = accumulate(history, [kind], split=split, epochs=epochs, skip_nan=skip_nan)
    found = tabulate(history, states, split=split)[column]
    conventions = states[0].conventions
    found.attrs = {"convention": conventions[column]} if column in conventions else {}
    return found


def mean_of(total: Array, seen: Array) -> Array:
    """Return total / seen, NaN where nothing was seen."""
    with np.errstate(invalid="ignore"):
        return total / seen
