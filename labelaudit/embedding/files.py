"""Files with the same content."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.embedding.checks import checked_column, checked_ids
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

_FILES = "{}; expected a list of files. Those of a folder: [file for file in Path({!r}).rglob('*') if file.is_file()]"


def file_duplicates(
    paths: Sequence[str | os.PathLike[str]],
    *,
    sample_ids: Any = None,
    labels: Any = None,
    splits: Any = None,
) -> pd.DataFrame:
    """Find files with the same content, byte by byte; no model is needed. Only files of equal size are read.

    Args:
        paths: n files.
        sample_ids: (n,) ids; default the paths.
        labels: (n,) labels, to see duplicates with different ones.
        splits: (n,) splits, to see leaks.

    Returns:
        One row for every later copy of a file: sample_id (the first copy), other_id and, where given, label,
        other_label, split, other_split.

    Raises:
        LabelAuditError: ``paths`` is no list of files, or one cannot be read.
    """
    import pandas as pd

    if isinstance(paths, (str, os.PathLike)):
        raise LabelAuditError(_FILES.format(f"paths is {os.fspath(paths)!r}", os.fspath(paths)))
    names = [os.fspath(path) for path in paths]
    folder = next((name for name in names if os.path.isdir(name)), None)
    if folder is not None:
        raise LabelAuditError(_FILES.format(f"{folder!r} is a folder", folder))
    n = len(names)
    ids = np.array(names, dtype=object) if sample_ids is None else checked_ids(sample_ids, n)
    try:
        sizes = [Path(name).stat().st_size for name in names]
        shared = {size for size, count in Counter(sizes).items() if count > 1}
        contents = [(size, _digest(name) if size in shared else name) for name, size in zip(names, sizes, strict=True)]
    except OSError as problem:
        raise LabelAuditError(f"cannot read {problem.filename}: {problem.strerror}") from None
    seen: dict[tuple[int, str], int] = {}
    pairs = [(seen.setdefault(content, row), row) for row, content in enumerate(contents)]
    first, later = np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2).T
    columns: dict[str, Any] = {"sample_id": ids[first], "other_id": ids[later]}
    for name, values in (("label", labels), ("split", splits)):
        if values is not None:
            column = checked_column(f"{name}s", values, n)
            columns[name], columns[f"other_{name}"] = column[first], column[later]
    return pd.DataFrame(columns)


def _digest(name: str) -> str:
    found = hashlib.sha256()
    with open(name, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
