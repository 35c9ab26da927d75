"""dataset-cartography: training dynamics as its JSON lines, one file per epoch."""

from __future__ import annotations

import io
import json
import os

import numpy as np

from labelaudit.history import History
from labelaudit.history.folder import open_folder
from labelaudit.history.frame import ScoresFrame


def write_cartography(history: History, path: str | os.PathLike[str], *, split: str | None = None) -> int:
    """Write a history as ``training_dynamics/dynamics_epoch_*.jsonl``, as dataset-cartography reads them.

    Each line has ``guid`` (the sample id), ``logits_epoch_N`` (one per class, six decimals, the largest is 0) and
    ``gold`` (number of the given label). Of a history that kept summaries only, the classes beside the given and the
    best other one share their probability evenly. Runs follow each other, epochs are counted from 0.

    Args:
        history: the history.
        path: folder, made if absent; the files go below its ``training_dynamics``.
        split: which split; default "train".

    Returns:
        Number of files written.
    """
    folder = open_folder(path)
    ids, labels = history.ids(split).tolist(), history.table(split).labels.tolist()
    written = 0
    for run, of_run in enumerate(history.runs_read):
        for epoch in of_run.epochs(history.splits[0] if split is None else split):
            sink = io.StringIO()
            for block in history.blocks(split, [epoch]):
                if block.run != run:
                    continue
                logits = block.frame.logits if isinstance(block.frame, ScoresFrame) else None
                values = np.log(np.maximum(block.frame.probabilities, 1e-12)) if logits is None else logits
                rows = (
                    range(block.rows.start, block.rows.stop) if isinstance(block.rows, slice) else block.rows.tolist()
                )
                for row, scores in zip(rows, values.T.astype(float).round(6).tolist(), strict=True):
                    line = {"guid": ids[row], f"logits_epoch_{written}": scores, "gold": labels[row]}
                    sink.write(json.dumps(line) + "\n")
            folder.write(f"training_dynamics/dynamics_epoch_{written}.jsonl", sink.getvalue().encode())
            written += 1
    return written
