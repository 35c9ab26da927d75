"""From a history of classification to an audit: one pass for all statistics, a verdict, and the tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, accumulate, known_epochs, tabulate
from labelaudit.auditing.clues import Clues
from labelaudit.auditing.evidence import EpochUse, Evidence
from labelaudit.auditing.look_alikes import LookAlikes, look_alikes
from labelaudit.auditing.reading import read_labels
from labelaudit.auditing.result import Audit
from labelaudit.auditing.statistics import chosen
from labelaudit.auditing.summary import Summary
from labelaudit.auditing.tables import DEFAULT_COLUMNS, KEPT_COLUMNS, matrix_table, samples_table
from labelaudit.auditing.verdict import Verdict, judge
from labelaudit.auditing.window import plan
from labelaudit.errors import LabelAuditError
from labelaudit.history import History
from labelaudit.history.folder import Folder

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.embedding import Embeddings

Array = npt.NDArray[Any]
MATRICES = 5  # of classes x classes in double precision, at most at the same time


def audit_labels(
    opened: History,
    epochs: Sequence[int] | None,
    analyzers: Sequence[str],
    split: str | None,
    skip_nan: bool,
    progress: bool,
    client: Any,
    parts: Folder | None,
    embeddings: Embeddings | None,
    *,
    expected_error_rate: float | None,
    threshold: float | None,
) -> Audit:
    """Audit a history of classification; arguments as of `audit`."""
    table = opened.table(split)
    _refuse_one_class(opened, table.labels)
    _refuse_more_classes_than_fit(opened)
    kinds = chosen(analyzers)
    planned = plan(opened, split, None if epochs is None else set(known_epochs(opened, split, epochs)))
    uses = planned.uses
    read = None if epochs is None else sorted({epoch for _, epoch in uses})
    order = list(dict.fromkeys((*DEFAULT_COLUMNS, *analyzers)))
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
    conventions = statistics.attrs["conventions"]
    rows, ids = evidence.seen(), opened.ids(split)
    if len(rows) < len(table):
        _refuse_one_class(opened, table.labels[rows])
        evidence.keep(rows)
        table, statistics, ids = table.take(rows), statistics.iloc[rows], ids[rows]
    second = None
    if embeddings is not None:
        second = look_alikes(embeddings, ids, table.labels, opened.n_classes)
    averages, of_doublings = evidence.averages(), evidence.log_ratios()
    del evidence
    reading = read_labels(*averages, table.labels)
    clues = Clues.of(reading, of_doublings, planned.glances)
    del averages, of_doublings
    verdict = judge(
        reading,
        clues,
        expected_error_rate=expected_error_rate,
        threshold=threshold,
        second=second,
    )
    del reading, clues
    samples = samples_table(table, opened.class_names, verdict, statistics, shown, second)
    if parts is not None and on_cluster is not None:
        on_cluster.write(parts.url, samples, order, rows)
    return Audit(
        samples,
        matrix_table(opened, verdict.noise_matrix),
        _summary(opened, split, samples, verdict, uses, second),
        opened.class_names,
        _info(opened, split, conventions, expected_error_rate, threshold)
        | {"epochs": read, "skip_nan": bool(skip_nan)}
        | _told(second, verdict),
        opened,
    )


def _refuse_one_class(opened: History, labels: Array) -> None:
    """Refuse labels, (m,), that are all of one class, or none."""
    if not len(labels):
        raise LabelAuditError(
            f"{opened.path}: no sample has a prediction in the epochs read; read others with epochs= (--epochs 0:5)"
        )
    present = np.flatnonzero(np.bincount(labels))
    if len(present) < 2:
        what = f"all {len(labels):,} samples have" if len(labels) > 1 else "the only sample has"
        name = opened.class_names[int(present[0])] if opened.class_names else int(present[0])
        raise LabelAuditError(
            f"{opened.path}: {what} one label, {name!r}; an audit compares classes and needs samples of at least two"
        )


def _refuse_more_classes_than_fit(opened: History) -> None:
    """Refuse what no memory of this machine could hold, before anything is read."""
    needed, memory = MATRICES * 8 * opened.n_classes**2, _memory()
    if memory is not None and needed > memory:
        raise LabelAuditError(
            f"{opened.path} has {opened.n_classes:,} classes, and an audit compares every class with every other: that "
            f"takes about {needed / 2**30:,.0f} GiB of memory, of {memory / 2**30:,.0f} GiB here. What needs no such "
            "matrix are the statistics of labelaudit.analyzers, such as labelaudit.analyzers.aum(history)"
        )


def _memory() -> int | None:
    """Return the bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _released(states: list[Accumulator]) -> Iterator[Accumulator]:
    """Yield accumulators and let go of each, so that it is gone before the next one's results are made."""
    while states:
        yield states.pop(0)


def _summary(
    history: History,
    split: str | None,
    samples: pd.DataFrame,
    verdict: Verdict,
    uses: dict[tuple[int, int], EpochUse],
    second: LookAlikes | None,
) -> Summary:
    n, recorded = len(samples), len(history.table(split))
    flagged = samples.loc[verdict.flagged, ["given_label", "suggested_label"]]
    of_class = samples.groupby("given_label", observed=True)["is_label_issue"].agg(["sum", "count"])
    of_class["share"] = of_class["sum"] / of_class["count"]
    worst = of_class[of_class["sum"] > 0].sort_values(["share", "sum"], ascending=False, kind="stable").head(5)
    pairs = flagged.groupby(["given_label", "suggested_label"], observed=True).size()
    pairs = pairs.sort_values(ascending=False, kind="stable").head(5)
    of_trained = {(run, epoch): use for (run, epoch), use in uses.items() if run < len(history.trained)}
    early = [epoch for (_, epoch), use in (of_trained or uses).items() if use.early]
    notes = list(verdict.notes)
    length = max(run.manifest.n_samples.get(split or history.splits[0]) or 0 for run in history.trained)
    if length > recorded:
        notes.append(f"{length - recorded:,} of {length:,} samples were never seen and are not in the table.")
    if recorded > n:
        notes.append(
            f"{recorded - n:,} of {recorded:,} samples have no prediction in the epochs read and are not in the table."
        )
    notes += _strangers(history, split)
    partly = int((samples["n_epochs"] < samples["n_epochs"].max()).sum())
    if partly:
        notes.append(f"{partly:,} samples were seen in fewer epochs than others; theirs are averages over fewer.")
    if second is not None and second.n_embedded < n:
        lacking = n - second.n_embedded
        notes.append(f"{lacking:,} of {n:,} samples have no embedding and are judged by the history alone.")
    return Summary(
        n_samples=n,
        n_epochs=len(of_trained or uses),
        n_classes=history.n_classes,
        n_runs=len({run for run, _ in of_trained or uses}),
        n_flagged=int(verdict.flagged.sum()),
        estimated_errors=verdict.estimated_errors,
        estimated_error_rate=verdict.estimated_errors / n,
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


def _strangers(history: History, split: str | None) -> list[str]:
    """Return a note on runs that have no sample in common with any other run; folds of one data set may not."""
    chosen = split or history.splits[0]
    runs = [run for run in history.trained if chosen in run.splits]
    if len(runs) < 2 or history.held_out is not None:
        return []
    import pandas as pd

    tables = [run.samples(chosen) for run in runs]
    ids = [pd.Index(table.keys if table.ids is None else table.ids) for table in tables]
    urls = [
        run.url
        for i, run in enumerate(runs)
        if not any(ids[i].equals(other) or ids[i].isin(other).any() for j, other in enumerate(ids) if j != i)
    ]
    if not urls:
        return []
    return [
        f"{', '.join(urls)}: no sample in common with another run. Runs that are audited together are of one data set; "
        "of several data sets, audit each by itself."
    ]


def _plain(label: Any) -> Any:
    return int(label) if isinstance(label, np.integer) else label


def _told(second: LookAlikes | None, verdict: Verdict) -> dict[str, Any]:
    """Return what the look-alikes were and how far they counted."""
    if second is None or verdict.reliability is None:
        return {}
    return {
        "embeddings": {
            "samples": second.n_embedded,
            "neighbours": second.neighbours.indices.shape[1],
            "recall": round(second.neighbours.recall, 4),
            "reliability": round(verdict.reliability, 4),
        }
    }


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
