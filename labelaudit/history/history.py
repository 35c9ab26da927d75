"""A history: what a model, or several runs of it, said of every sample in every epoch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history.blocks import Block, iterate_blocks
from labelaudit.history.embedded import Embedded
from labelaudit.history.part import EpochPart
from labelaudit.history.runs import AlignedRun, HeldOutRun, Run
from labelaudit.history.samples import Samples

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.named_runs import NamedRuns

Array = npt.NDArray[Any]


class History(Embedded):
    """What a model said of every sample in every epoch. Made by `open_history` or `history_from_arrays`.

    Attributes:
        runs_read: the runs it is made of, in the order given.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs_read = tuple(runs)
        first = runs[0]
        for run in runs[1:]:
            if run.manifest.n_classes != first.manifest.n_classes:
                raise LabelAuditError(
                    f"{run.url} has {run.manifest.n_classes} classes, {first.url} has {first.manifest.n_classes}: "
                    "runs of one audit share classes and samples"
                )
        named = [run for run in runs if run.manifest.class_names is not None]
        for run in named[1:]:
            if run.manifest.class_names != named[0].manifest.class_names:
                raise LabelAuditError(
                    f"{run.url} has class_names {_shortened(run.manifest.class_names)}, {named[0].url} has "
                    f"{_shortened(named[0].manifest.class_names)}: runs of one audit share classes, in one order"
                )
        self._tables: dict[str, tuple[Samples, list[Run | AlignedRun]]] = {}

    def __repr__(self) -> str:
        runs = f", {len(self.trained)} runs" if len(self.trained) > 1 else ""
        return (
            f"History({self.path!r}: {self.n_samples:,} samples, {self.n_epochs} epochs, "
            f"{self.n_classes} classes{runs})"
        )

    @property
    def runs(self) -> NamedRuns:
        """Audits, visualizations and indexes kept with this history: list, info, load, rename, delete, view, save."""
        from labelaudit.named_runs import NamedRuns

        return NamedRuns(self)

    @property
    def path(self) -> str:
        """Where it lies; several runs are joined by a comma."""
        return ", ".join(run.url for run in self.trained)

    @property
    def trained(self) -> tuple[Run, ...]:
        """The runs themselves, without what they left out of training and predicted (see `open_history`, held_out=)."""
        return tuple(run for run in self.runs_read if not isinstance(run, HeldOutRun))

    @property
    def held_out(self) -> str | None:
        """Under which name the runs recorded what they left out of training; None: that is not read."""
        return next((run.held_out for run in self.runs_read if isinstance(run, HeldOutRun)), None)

    @property
    def task(self) -> str:
        """What the model did: "classification" or "detection"."""
        return self.runs_read[0].manifest.task

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that any of the runs recorded, "train" first."""
        found = {split for run in self.trained or self.runs_read for split in run.splits}
        return tuple(sorted(found, key=lambda split: (split != "train", split)))

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.runs_read[0].manifest.n_classes

    @property
    def class_names(self) -> list[str] | None:
        """One name per class, or None."""
        return self.runs_read[0].manifest.class_names

    @property
    def n_epochs(self) -> int:
        """Number of recorded epochs, over all runs."""
        return sum(len(run.epochs(self._split(None))) for run in self.trained)

    @property
    def epochs(self) -> list[int]:
        """Numbers of the recorded epochs of the first run."""
        return self.runs_read[0].epochs(self._split(None))

    @property
    def n_samples(self) -> int:
        """Number of samples seen at least once."""
        return len(self.table())

    @property
    def labels(self) -> Array:
        """Given labels, (n,) integers in dataset order."""
        return self.table().labels

    @property
    def true_labels(self) -> Array | None:
        """True labels where mistakes were planted, else -1, (n,); None when none were."""
        return self.table().true_labels

    @property
    def sample_ids(self) -> Array:
        """Sample ids, (n,): the user's, else positions in the dataset."""
        return _ids(self.table())

    def ids(self, split: str | None = None) -> Array:
        """Return a split's sample ids, (n,)."""
        return _ids(self.table(split))

    def table(self, split: str | None = None) -> Samples:
        """Return a split's samples table, in dataset order."""
        return self._aligned(self._split(split))[0]

    def _split(self, split: str | None) -> str:
        """Return the split meant: "train" where it was recorded."""
        if split is None:
            return self.splits[0] if self.splits else "train"
        if split not in self.splits:
            raise LabelAuditError(f"{self.path} has no split {split!r}; recorded: {', '.join(self.splits)}")
        return split

    def _aligned(self, split: str) -> tuple[Samples, list[Run | AlignedRun]]:
        if split not in self._tables:
            self._tables[split] = _align(self.runs_read, split)
        return self._tables[split]

    def blocks(
        self,
        split: str | None = None,
        epochs: Iterable[int] | None = None,
        rows: tuple[int, int] | None = None,
    ) -> Iterator[Block]:
        """Stream the predictions in blocks of samples; memory does not grow with the epochs.

        Args:
            split: "train" (default), "val", ...
            epochs: numbers of the epochs to read; default all.
            rows: only samples [low, high), low a multiple of `labelaudit.history.blocks.MOST_ROWS`.
        """
        chosen = self._split(split)
        table, aligned = self._aligned(chosen)
        wanted = None if epochs is None else set(epochs)
        for number, (run, opener) in enumerate(zip(self.runs_read, aligned, strict=True)):
            of_run = [epoch for epoch in run.epochs(chosen) if wanted is None or epoch in wanted]
            yield from iterate_blocks(number, of_run, chosen, opener, table.labels, rows)

    def open_epoch(self, number: int, *, split: str | None = None, run: int = 0) -> EpochPart:
        """Return one epoch of one run, rows numbered as in `table`."""
        chosen = self._split(split)
        return self._aligned(chosen)[1][run].open_epoch(chosen, number)

    def epoch(self, number: int, *, split: str | None = None, run: int = 0) -> pa.Table:
        """Return one epoch's predictions, one row per sample seen in it.

        Columns: sample_id, given_label, prediction, p_given, p_predicted, loss (nats), margin (logits, low is
        suspicious), entropy (nats) and, where whole vectors were kept, probabilities.

        Raises:
            LabelAuditError: the epoch was not recorded, or its file is damaged.
        """
        chosen = self._split(split)
        if not 0 <= run < len(self.runs_read):
            raise LabelAuditError(f"run {run} is not in {self.path}; there are {len(self.runs_read)}, from 0")
        known = self.runs_read[run].epochs(chosen)
        if number not in known:
            raise LabelAuditError(f"epoch {number} is not in {self.path}; recorded: {_ranges(known)}")
        table, aligned = self._aligned(chosen)
        found = aligned[run].open_epoch(chosen, number).block(0, len(table), table.labels)
        if found is None:
            raise LabelAuditError(f"epoch {number} of {self.path} holds no rows")
        rows, frame = found
        columns: dict[str, Any] = {
            "sample_id": _ids(table)[rows].tolist(),
            "given_label": frame.labels,
            "prediction": frame.prediction.astype(np.int32),
            "p_given": frame.p_given,
            "p_predicted": frame.p_predicted,
            "loss": frame.loss,
            "margin": frame.margin,
            "entropy": frame.entropy,
        }
        arrays = {name: pa.array(column) for name, column in columns.items()}
        if self.runs_read[run].manifest.keep == "scores":
            flat = pa.array(np.ascontiguousarray(frame.probabilities.T).ravel())
            arrays["probabilities"] = pa.FixedSizeListArray.from_arrays(flat, self.n_classes)
        return pa.table(arrays)

    def to_pandas(self, *, split: str | None = None, max_bytes: int | None = None) -> pd.DataFrame:
        """Return all epochs as one long table, with columns run and epoch (and no probabilities).

        Args:
            split: which split.
            max_bytes: refuse a larger table; default: half of the free memory.

        Raises:
            LabelAuditError: it would not fit in memory.
        """
        import pandas as pd

        size = self.n_epochs * len(self.table(split)) * 48
        limit = _free_memory() // 2 if max_bytes is None else max_bytes
        if size > limit:
            raise LabelAuditError(
                f"the long table would take {size / 2**20:,.0f} MiB, {limit / 2**20:,.0f} MiB are allowed. "
                "Read epoch by epoch with history.epoch(i), or pass max_bytes="
            )
        chosen = self._split(split)
        frames = []
        for number, run in enumerate(self.runs_read):
            for epoch in run.epochs(chosen):
                table = self.epoch(epoch, split=chosen, run=number)
                if "probabilities" in table.column_names:
                    table = table.drop_columns(["probabilities"])
                frames.append(table.to_pandas().assign(run=number, epoch=epoch))
        return pd.concat(frames, ignore_index=True)

    def mean_scores(self, *, split: str | None = None, epochs: Iterable[int] | None = None) -> Array:
        """Return (n, K) probabilities averaged over the epochs in which a sample was seen; rows sum to 1.

        In a summary history the mass beside the given and the best other class is taken as spread evenly.
        """
        n = len(self.table(split))
        total = np.zeros((self.n_classes, n), np.float32)
        seen = np.zeros(n, np.int32)
        for block in self.blocks(split, epochs):
            total[:, block.rows] += block.frame.probabilities
            seen[block.rows] += 1
        with np.errstate(invalid="ignore"):
            total /= seen
        return total.T


def _align(runs: tuple[Run, ...], split: str) -> tuple[Samples, list[Run | AlignedRun]]:
    tables = [run.samples(split) for run in runs]
    recorded = [run for run, table in enumerate(tables) if len(table)] or [0]  # others lack the split
    if all(np.array_equal(_ids(tables[run]), _ids(tables[recorded[0]])) for run in recorded[1:]):
        return _one_table([runs[run] for run in recorded], [tables[run] for run in recorded]), list(runs)
    import pandas as pd

    _refuse_other_ids(runs, tables)
    index = pd.Index(_ids(tables[0]))
    for table in tables[1:]:
        index = index.append(pd.Index(_ids(table)).difference(index, sort=False))
    if all(run.manifest.keys == "position" for run in runs):  # also samples that the first run never saw have a place
        position = np.zeros(len(index), np.int64)
        for table in reversed(tables):
            position[index.get_indexer(pd.Index(_ids(table)))] = table.keys
        index = index[np.argsort(position, kind="stable")]
    elif all(table.ids is None for table in tables):  # as one run's: by the user's integers
        index = index.sort_values()
    ids = index.to_numpy()
    labels = np.full(len(ids), -1, np.int32)
    true = np.full(len(ids), -1, np.int32)
    aligned: list[Run | AlignedRun] = []
    for run, table in zip(runs, tables, strict=True):
        rows = index.get_indexer(pd.Index(_ids(table)))
        conflict = (labels[rows] >= 0) & (labels[rows] != table.labels)
        if conflict.any():
            _refuse_labels(run, int(conflict.sum()), _ids(table)[conflict][0])
        labels[rows] = table.labels
        if table.true_labels is not None:
            true[rows] = np.where(true[rows] >= 0, true[rows], table.true_labels)
        aligned.append(AlignedRun(run, rows))
    keys = np.arange(len(ids), dtype=np.int64)
    return Samples(keys, labels, ids, true if (true >= 0).any() else None), aligned


def _refuse_other_ids(runs: tuple[Run, ...], tables: list[Samples]) -> None:
    """Refuse runs that call their samples by integers and runs that call them by text."""
    found = [(run, _ids(table)) for run, table in zip(runs, tables, strict=True) if len(table)]
    for run, ids in found[1:]:
        first, of_first = found[0]
        examples = ids.tolist()[0], of_first.tolist()[0]
        if (ids.dtype == object) != (of_first.dtype == object):
            raise LabelAuditError(
                f"{run.url} has sample ids such as {examples[0]!r}, {first.url} such as {examples[1]!r}: it is unknown "
                "which samples are the same ones. Record all runs with the same sample_ids=, or all without"
            )


def _shortened(names: list[str] | None) -> str:
    listed = list(names or ())
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")


def _one_table(runs: list[Run], tables: list[Samples]) -> Samples:
    """Return the table of runs that saw the same samples, with what any of them knows of planted mistakes."""
    first = tables[0]
    planted = np.full(len(first), -1, np.int32)
    for run, table in zip(runs, tables, strict=True):
        differing = table.labels != first.labels
        if differing.any():
            _refuse_labels(run, int(differing.sum()), _ids(table)[differing][0])
        if table.true_labels is not None:
            planted = np.where(planted >= 0, planted, table.true_labels)
    if first.true_labels is None and not (planted >= 0).any():
        return first
    return replace(first, true_labels=planted)


def _refuse_labels(run: Run, count: int, sample: Any) -> None:
    raise LabelAuditError(
        f"{run.url} gives {count:,} samples other labels than the runs before it (first: sample {sample}). "
        "Audit runs on the same labels together; use labelaudit compare for before and after"
    )


def _ids(table: Samples) -> Array:
    return table.keys if table.ids is None else table.ids


def _ranges(numbers: list[int]) -> str:
    if not numbers:
        return "none"
    gaps = len(numbers) != numbers[-1] - numbers[0] + 1
    return f"{numbers[0]} to {numbers[-1]}" + (f" ({len(numbers)} of them)" if gaps else "")


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 4 * 2**30
