"""AUM (asappresearch/aum): margins as its two CSV files."""

from __future__ import annotations

import io
import os

import numpy as np

from labelaudit.history import History
from labelaudit.history.folder import open_folder


def write_aum(history: History, path: str | os.PathLike[str], *, split: str | None = None) -> None:
    """Write ``aum_values.csv`` and ``full_aum_records.csv`` as the package aum does.

    ``aum_values.csv`` has sample_id and aum (mean margin in logits, **low is suspicious**), the highest first;
    ``full_aum_records.csv`` one row per sample and epoch: target_logit and other_logit are classes (the given label and
    the likeliest other one), target_val and other_val their logits, as in aum 1.0. Logits are those of the history:
    shifted, so that a sample's largest is 0 (of summaries: logarithms of probabilities); margins do not change by that.

    Args:
        history: the history.
        path: folder, made if absent.
        split: which split; default "train".
    """
    import pandas as pd

    ids, labels = history.ids(split), history.table(split).labels
    parts = []
    for block in history.blocks(split):
        frame = block.frame
        rows = np.arange(len(ids))[block.rows]
        shift = np.maximum(-frame.loss, -frame.other_loss)
        columns = {
            "row": rows,
            "run": block.run,
            "epoch": block.epoch,
            "target_val": -frame.loss - shift,
            "other_val": -frame.other_loss - shift,
            "other_logit": frame.other,
            "margin": frame.margin,
        }
        parts.append(pd.DataFrame(columns))
    table = pd.concat(parts).sort_values(["row", "run", "epoch"], kind="stable")
    table["num_measurements"] = table.groupby("row").cumcount() + 1
    table["target_logit"] = labels[table["row"]]
    table["aum"] = table.groupby("row")["margin"].cumsum() / table["num_measurements"]
    table["sample_id"] = ids[table["row"]]
    names = ["target_logit", "target_val", "other_logit", "other_val", "margin", "aum"]
    records = table[["sample_id", "num_measurements", *names]].sort_values(["sample_id", "num_measurements"])
    values = records.groupby("sample_id", sort=False)["aum"].last().sort_values(ascending=False, kind="stable")
    folder = open_folder(path)
    folder.write("full_aum_records.csv", _csv(records))
    folder.write("aum_values.csv", _csv(values.reset_index()))


def _csv(table: object) -> bytes:
    sink = io.StringIO()
    table.to_csv(sink, index=False, lineterminator="\n", float_format="%.7g")  # type: ignore[attr-defined]
    return sink.getvalue().encode()
