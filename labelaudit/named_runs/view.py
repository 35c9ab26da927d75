"""The samples that a named run was computed on: a file beside its own."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from labelaudit.history import arrow_file
from labelaudit.history.folder import Folder
from labelaudit.history.samples import as_id_array

NAME = "view.arrow"


def write_view(folder: Folder, ids: Any, split: str) -> None:
    """Write sample ids, (n,)."""
    folder.write(NAME, arrow_file.encode({"sample_id": pa.array(ids.tolist())}, {"split": split}, compress=True))


def read_view(folder: Folder) -> Any:
    """Return the sample ids, (n,)."""
    _, table = arrow_file.decode(folder.read(NAME), f"{folder.url}/{NAME}")
    return as_id_array(table["sample_id"].to_pylist())
