"""A folder that appears under its name when it is whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder to fill, which is ``out`` afterwards; where filling it fails nothing is left of it.

    Args:
        out: not there yet, or an empty folder.
    """
    whole = Path(os.path.abspath(out))
    unfinished = whole.with_name(f"{whole.name}.{uuid.uuid4().hex[:8]}.unfinished")
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        if whole.exists():
            whole.rmdir()
        unfinished.rename(whole)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
