"""What `analysis_speed.py` compares. Each function imports and prepares, and returns what is then measured."""

from __future__ import annotations

import json
import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], Any]


def floor(folder: Path) -> Work:
    """Open every epoch file, check it, sum every column."""
    from labelaudit import open_history

    def work() -> float:
        history = open_history(folder / "history")
        parts = (history.open_epoch(epoch) for epoch in history.epochs)
        return sum(float(column.sum(dtype=np.float32)) for part in parts for column in part.columns["scores"])

    return work


def ours(folder: Path) -> Work:
    """The whole default audit."""
    import pandas  # noqa: F401

    import labelaudit
    import labelaudit.auditing

    return lambda: labelaudit.audit(folder / "history")


def long_table(folder: Path) -> Any:
    """All epochs' statistics as one long Arrow table; p, margin, loss and correctness by plain NumPy."""
    import pyarrow as pa

    labels = _labels(folder)
    tables = []
    for epoch, path in enumerate(sorted((folder / "history/epochs/train").iterdir())):
        table = pa.ipc.open_file(str(path)).read_all()
        z = np.stack([table[name].to_numpy() for name in table.column_names], axis=1).astype(np.float32)
        rows = np.arange(len(z))
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
        given, logit = p[rows, labels], z[rows, labels].copy()
        correct = z.argmax(axis=1) == labels
        z[rows, labels] = -np.inf
        columns = {"sample": rows, "epoch": np.full(len(z), epoch), "p": given, "margin": logit - z.max(axis=1)}
        columns |= {"loss": -np.log(given), "correct": correct.astype(np.int8)}
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _labels(folder: Path) -> Any:
    from labelaudit import open_history

    return open_history(folder / "history").labels


def pandas_groupby(folder: Path) -> Work:
    """Statistics by groupby over the long table."""
    import pandas  # noqa: F401

    def work() -> Any:
        table = long_table(folder).to_pandas().sort_values(["sample", "epoch"], kind="stable")
        table["lost"] = table.groupby("sample")["correct"].diff() == -1
        return table.groupby("sample").agg(
            {"p": ["mean", "std"], "margin": "mean", "correct": "mean", "loss": "mean", "lost": "sum"}
        )

    return work


def polars_groupby(folder: Path) -> Work:
    """Statistics by Polars over the long table."""
    import polars as pl

    def work() -> Any:
        table = pl.from_arrow(long_table(folder)).sort("sample", "epoch")
        means = [pl.col(name).mean().alias(f"{name}_mean") for name in ("p", "margin", "correct", "loss")]
        lost = (pl.col("correct").diff() == -1).sum().alias("lost")
        return table.group_by("sample").agg(*means, pl.col("p").std().alias("p_std"), lost)

    return work


def duckdb_groupby(folder: Path) -> Work:
    """Statistics by DuckDB over the long table."""
    import duckdb

    def work() -> Any:
        table = long_table(folder)
        connection = duckdb.connect(config={"threads": 1})
        connection.register("rows", table)
        return connection.sql(
            "select sample, avg(p), stddev_pop(p), avg(margin), avg(correct), avg(loss), sum(lost) from (select *, "
            "(lag(correct) over (partition by sample order by epoch)) > correct as lost from rows) group by sample"
        ).fetchnumpy()

    return work


def cleanlab_on_means(folder: Path) -> Work:
    """Quality scores by cleanlab and issues, on mean scores (whose making is measured with it)."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    from labelaudit import open_history

    def work() -> Any:
        history = open_history(folder / "history")
        means = history.mean_scores()
        return get_label_quality_scores(history.labels, means), find_label_issues(history.labels, means, n_jobs=1)

    return work


def aum_package(folder: Path) -> Work:
    """The aum package, fed with batches of 1,000."""
    import torch
    from aum import AUMCalculator

    from labelaudit import open_history

    def work() -> None:
        history = open_history(folder / "history")
        calculator = AUMCalculator(str(folder), compressed=True)
        labels = torch.from_numpy(history.labels.astype(np.int64))
        for epoch in history.epochs:
            columns = history.open_epoch(epoch).columns["scores"]
            scores = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
            for low in range(0, len(labels), 1000):
                ids = list(range(low, min(low + 1000, len(labels))))
                calculator.update(scores[low : low + 1000], labels[low : low + 1000], ids)
        calculator.finalize()

    return work


def cartography_jsonl(folder: Path) -> Work:
    """Dataset cartography's statistics, from JSON lines {guid, logits_epoch_i, gold}; our own code."""

    def work() -> Any:
        of_sample: dict[int, list[float]] = defaultdict(list)
        right: dict[int, int] = defaultdict(int)
        for epoch, path in enumerate(sorted((folder / "jsonl").iterdir())):
            with path.open() as file:
                for line in file:
                    row = json.loads(line)
                    logits = np.array(row[f"logits_epoch_{epoch}"])
                    p = np.exp(logits - logits.max())
                    of_sample[row["guid"]].append(float(p[row["gold"]] / p.sum()))
                    right[row["guid"]] += int(p.argmax()) == row["gold"]
        return {guid: (np.mean(p), np.std(p), right[guid]) for guid, p in of_sample.items()}

    return work


def toneva_pickle(folder: Path) -> Work:
    """Forgetting events, from a pickled dict {sample: [[losses], [accuracies], [margins]]}; our own code."""

    def work() -> Any:
        with (folder / "stats.pkl").open("rb") as file:
            stats = pickle.load(file)
        found = {}
        for sample, (_, accuracy, _) in stats.items():
            changes = np.diff(np.array(accuracy))
            first = int(np.argmax(accuracy)) if any(accuracy) else -1
            found[sample] = (int((changes == -1).sum()), first)
        return found

    return work


def write_other_formats(folder: Path) -> None:
    """Write the same predictions as JSON lines and as a pickled dict of lists."""
    from labelaudit import open_history

    history = open_history(folder / "history")
    labels = history.labels.tolist()
    stats: dict[int, list[list[float]]] = {row: [[], [], []] for row in range(len(labels))}
    (folder / "jsonl").mkdir()
    for epoch in history.epochs:
        scores = np.stack(history.open_epoch(epoch).columns["scores"], axis=1).astype(np.float64).tolist()
        with (folder / f"jsonl/dynamics_epoch_{epoch:02d}.jsonl").open("w") as file:
            for row, (logits, gold) in enumerate(zip(scores, labels, strict=True)):
                file.write(json.dumps({"guid": row, f"logits_epoch_{epoch}": logits, "gold": gold}) + "\n")
        table = history.epoch(epoch)
        right = np.asarray(table["prediction"]) == history.labels
        columns = (np.asarray(table["loss"]), right.astype(int), np.asarray(table["margin"]))
        for place, column in enumerate(columns):
            for row, value in enumerate(column.tolist()):
                stats[row][place].append(value)
    with (folder / "stats.pkl").open("wb") as file:
        pickle.dump(stats, file)


def bytes_per_row(folder: Path, rows: int) -> dict[str, float]:
    """Return the size of every format, in bytes per sample and epoch."""
    places = {"arrow": "history/epochs", "jsonl": "jsonl", "pickle": "."}
    places = {"arrow": "history/epochs", "jsonl": "jsonl", "pickle": "stats.pkl"}
    sizes = {}
    for name, place in places.items():
        found = folder / place
        files = [found] if found.is_file() else [path for path in found.rglob("*") if path.is_file()]
        sizes[name] = sum(path.stat().st_size for path in files)
    return {name: size / rows for name, size in sizes.items() if size}


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB, mapped files included.

    From Linux's VmHWM: getrusage's figure starts with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


ALL: dict[str, Callable[[Path], Work]] = {
    "floor: read and sum": floor,
    "labelaudit.audit, all columns": ours,
    "pandas groupby": pandas_groupby,
    "Polars": polars_groupby,
    "DuckDB": duckdb_groupby,
    "cleanlab on mean scores": cleanlab_on_means,
    "aum package": aum_package,
    "cartography's JSON lines": cartography_jsonl,
    "Toneva's pickled dict": toneva_pickle,
}
SLOW = {"aum package", "cartography's JSON lines", "Toneva's pickled dict"}
FORMAT = {"cartography's JSON lines": "jsonl", "Toneva's pickled dict": "pickle"}
