"""From a history to an audit: one pass for all statistics, a verdict, and the tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers import Consensus, Correctness, DataMap, ErrorNorm, Loss, Margin, Mistakenness, Votes
from labelaudit.analyzers.accumulator import Accumulator, accumulate, tabulate
from labelaudit.auditing.evidence import EpochUse, Evidence
from labelaudit.auditing.result import Audit
from labelaudit.auditing.summary import Summary
from labelaudit.auditing.tables import DEFAULT_COLUMNS, KEPT_COLUMNS, matrix_table, samples_table
from labelaudit.auditing.verdict import Verdict, judge
from labelaudit.auditing.window import epoch_uses
from labelaudit.errors import LabelAuditError
from labelaudit.history import History, open_history
from labelaudit.history.folder import Folder, open_folder

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]

DEFAULT: tuple[type[Accumulator], ...] = (Correctness, Margin, DataMap, Loss, Mistakenness)
ON_REQUEST: tuple[type[Accumulator], ...] = (Votes, Consensus, ErrorNorm)


def audit(
    history: History | PathLike | Sequence[PathLike],
    *,
    expected_error_rate: float | None = None,
    threshold: float | None = None,
    analyzers: Sequence[str] | None = None,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
    progress: bool = False,
    client: Any = None,
    partitions: PathLike | None = None,
    **detection_options: Any,
) -> Audit:
    """Find the likely label errors of a training history.

    Args:
        history: a history, or the path of one, or several paths (runs on the same samples); of classification or of
            object detection, whose audit also has ``objects`` and ``missing``.
        expected_error_rate: share of wrong labels, 0 to 1, if you know it: that many are flagged.
        threshold: flag every sample with label_quality below it, 0 to 1.
        analyzers: names of further statistics to put into ``samples``, such as "el2n" or "prediction_flips"; the
            functions of `labelaudit.analyzers` have the same names.
        split: which split to audit; default "train".
        epochs: numbers of the epochs to read; default all.
        skip_nan: leave out predictions that are NaN instead of refusing the history.
        progress: show a progress bar on standard error.
        client: a ``distributed.Client``: the pass over the history runs on that Dask cluster, whose workers must
            reach the history under the same path or URL. The numbers are the same to the last bit.
        partitions: with ``client``: a new folder or URL, where the workers write the whole table as Parquet files
            ``part-00000.parquet``, ... of ranges of samples. ``samples`` then lacks the statistics that neither the
            verdict nor the report needs of every sample: they stay there.
        detection_options: for a history of detections: rules, iou_threshold, missing_confidence and seed, as of
            `audit_detections`.

    Returns:
        An `Audit`: ``samples``, ``issues``, ``summary``, ``noise_matrix``.

    Raises:
        LabelAuditError: the history cannot be read, holds NaN, or all its labels are one class.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> scores = [[[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1]]] * 3
        >>> found = audit(history_from_arrays(scores, [0, 0, 1, 1, 1]))
        >>> int(found.samples["label_quality"].idxmin())
        4
    """
    opened = history if isinstance(history, History) else open_history(history)
    _check_options(expected_error_rate, threshold)
    if opened.task == "detection":
        _refuse_of_classification(opened, analyzers=analyzers, skip_nan=skip_nan, client=client, partitions=partitions)
        from labelaudit.detection.from_history import audit_history

        thresholds = {"expected_error_rate": expected_error_rate, "threshold": threshold, **detection_options}
        return audit_history(opened, split=split, epochs=epochs, progress=progress, **thresholds)
    if detection_options:
        raise LabelAuditError(f"an audit of classification has no option {next(iter(detection_options))!r}")
    parts = None if partitions is None else _new_folder(partitions, client)
    table = opened.table(split)
    present = np.flatnonzero(np.bincount(table.labels))
    if len(present) < 2:
        name = opened.class_names[int(present[0])] if opened.class_names else int(present[0])
        raise LabelAuditError(
            f"{opened.path}: all {len(table):,} samples have one label, {name!r}; an audit compares classes and "
            "needs samples of at least two"
        )
    kinds = _chosen(analyzers)
    uses = epoch_uses(opened, split, None if epochs is None else set(epochs))
    read = None if epochs is None else sorted({epoch for _, epoch in uses})
    order = list(dict.fromkeys((*DEFAULT_COLUMNS, *(analyzers or ()))))
    shown = order if parts is None else [name for name in order if name in KEPT_COLUMNS]
    on_cluster = None
    if client is None:
        *states, evidence = accumulate(
            opened,
            [*kinds, partial(Evidence, uses=uses)],
            split=split,
            epochs=read,
            skip_nan=skip_nan,
            progress=progress,
        )
    else:
        from labelaudit.auditing.partitions import ClusterPass

        on_cluster = ClusterPass(
            client, opened, kinds, uses, columns=order, split=split, epochs=read, skip_nan=skip_nan
        )
        states, evidence = on_cluster.fetch(shown)
    assert isinstance(evidence, Evidence)
    statistics = tabulate(opened, _released(states), split=split, only=shown)
    verdict = judge(*evidence.averages(), table.labels, expected_error_rate=expected_error_rate, threshold=threshold)
    del evidence
    conventions = statistics.attrs["conventions"]
    samples = samples_table(opened, split, verdict, statistics, shown)
    if parts is not None and on_cluster is not None:
        on_cluster.write(parts.url, samples, order)
    return Audit(
        samples,
        matrix_table(opened, verdict.noise_matrix),
        _summary(opened, split, samples, verdict, uses),
        opened.class_names,
        _info(opened, split, conventions, expected_error_rate, threshold),
        opened,
    )


def _released(states: list[Accumulator]) -> Iterator[Accumulator]:
    """Yield accumulators and let go of each, so that it is gone before the next one's results are made."""
    while states:
        yield states.pop(0)


def _check_options(expected_error_rate: float | None, threshold: float | None) -> None:
    for name, value in (("expected_error_rate", expected_error_rate), ("threshold", threshold)):
        if value is not None and not 0 <= value <= 1:
            raise LabelAuditError(f"{name}={value} is out of range; expected 0 to 1")
    if expected_error_rate is not None and threshold is not None:
        raise LabelAuditError("expected_error_rate and threshold both set the cut; pass one of them")


def _refuse_of_classification(history: History, **options: Any) -> None:
    for name, value in options.items():
        if value:
            raise LabelAuditError(f"{name}= is about classification, and {history.path} is a history of detections")


def _new_folder(partitions: PathLike, client: Any) -> Folder:
    folder = open_folder(os.path.abspath(partitions) if "://" not in os.fspath(partitions) else partitions)
    if client is None:
        raise LabelAuditError("partitions= is written by the workers of a Dask cluster; pass client= with it")
    if folder.names():
        raise LabelAuditError(f"{folder.url} already holds files ({folder.names()[0]}); name a new folder")
    return folder


def _chosen(analyzers: Sequence[str] | None) -> list[type[Accumulator]]:
    """Return the accumulators of the default table, and those that further statistics need."""
    by_column = {column: kind for kind in (*DEFAULT, *ON_REQUEST) for column in kind.columns}
    wanted = list(analyzers or ())
    unknown = [name for name in wanted if name not in by_column]
    if unknown:
        raise LabelAuditError(f"no statistic is called {unknown[0]!r}; known: {', '.join(sorted(by_column))}")
    return list(dict.fromkeys([*DEFAULT, *(by_column[name] for name in wanted)]))


def _summary(
    history: History, split: str | None, samples: pd.DataFrame, verdict: Verdict, uses: dict[tuple[int, int], EpochUse]
) -> Summary:
    table = history.table(split)
    flagged = samples.loc[verdict.flagged, ["given_label", "suggested_label"]]
    of_class = samples.groupby("given_label", observed=True)["is_label_issue"].agg(["sum", "count"])
    of_class["share"] = of_class["sum"] / of_class["count"]
    worst = of_class[of_class["sum"] > 0].sort_values(["share", "sum"], ascending=False, kind="stable").head(5)
    pairs = flagged.groupby(["given_label", "suggested_label"], observed=True).size()
    pairs = pairs.sort_values(ascending=False, kind="stable").head(5)
    early = [epoch for (run, epoch), use in uses.items() if use.early and run < len(history.trained)]
    notes = list(verdict.notes)
    length = sum(run.manifest.n_samples.get(split or "train") or 0 for run in history.runs_read[:1])
    if length > len(table):
        notes.append(f"{length - len(table):,} of {length:,} samples were never seen and are not in the table.")
    partly = int((samples["n_epochs"] < samples["n_epochs"].max()).sum())
    if partly:
        notes.append(f"{partly:,} samples were seen in fewer epochs than others; theirs are averages over fewer.")
    return Summary(
        n_samples=len(table),
        n_epochs=history.n_epochs,
        n_classes=history.n_classes,
        n_runs=len(history.trained),
        n_flagged=int(verdict.flagged.sum()),
        estimated_errors=verdict.estimated_errors,
        estimated_error_rate=verdict.estimated_errors / len(table),
        interval=list(verdict.interval),
        window=[min(early), max(early)],
        worst_classes=[
            {"label": _plain(label), "flagged": int(row["sum"]), "samples": int(row["count"]), "share": row["share"]}
            for label, row in worst.iterrows()
        ],
        worst_pairs=[
            {"given": _plain(given), "suggested": _plain(suggested), "flagged": int(count)}
            for (given, suggested), count in pairs.items()
        ],
        notes=notes,
    )


def _plain(label: Any) -> Any:
    return int(label) if isinstance(label, np.integer) else label


def _info(
    history: History,
    split: str | None,
    conventions: dict[str, str],
    expected_error_rate: float | None,
    threshold: float | None,
) -> dict[str, Any]:
    import labelaudit

    return {
        "history": [run.url for run in history.trained],
        "held_out": history.held_out,
        "split": split or history.splits[0],
        "labelaudit": labelaudit.__version__,
        "expected_error_rate": expected_error_rate,
        "threshold": threshold,
        "conventions": conventions,
    }
