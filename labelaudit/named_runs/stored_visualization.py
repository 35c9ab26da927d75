"""A visualization in a folder: an Arrow file of its points and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from labelaudit.history import arrow_file
from labelaudit.history.folder import open_folder
from labelaudit.history.samples import numbers
from labelaudit.named_runs.view import read_view

if TYPE_CHECKING:
    from labelaudit.embedding import Visualization

NAME = "points.arrow"


def save(visualization: Visualization, path: str) -> None:
    """Write the points; the ids are the view's."""
    points = np.asarray(visualization.points, np.float32)
    columns: dict[str, Any] = {"x": pa.array(points[:, 0].copy()), "y": pa.array(points[:, 1].copy())}
    if visualization.labels is not None:
        columns["label"] = pa.array(visualization.labels.astype(np.int32))
    if visualization.splits is not None:
        columns["split"] = pa.array(visualization.splits.astype(str).tolist()).dictionary_encode()
    header = {
        "method": visualization.method,
        "seed": visualization.seed,
        "parameters": visualization.parameters,
        "class_names": visualization.class_names,
    }
    open_folder(path).write(NAME, arrow_file.encode(columns, header, compress=True))


def load(path: str) -> Visualization:
    """Read it back."""
    from labelaudit.embedding import Visualization

    folder = open_folder(path)
    header, table = arrow_file.decode(folder.read(NAME), f"{folder.url}/{NAME}")
    return Visualization(
        points=np.stack([numbers(table["x"]), numbers(table["y"])], axis=1),
        sample_ids=read_view(folder),
        labels=numbers(table["label"]) if "label" in table.column_names else None,
        splits=np.array(table["split"].to_pylist()) if "split" in table.column_names else None,
        **header,
    )
