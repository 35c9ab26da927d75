"""An audit from wherever it is: itself, its folder, or a history that is audited now."""

from __future__ import annotations

import os
from typing import Any

from labelaudit.auditing.pipeline import audit
from labelaudit.auditing.result import Audit, load_audit
from labelaudit.history.folder import open_folder


def open_audit(source: Any) -> Audit:
    """Return an audit.

    Args:
        source: an `Audit`, the folder of one, a history, or the path of one.

    Raises:
        LabelAuditError: neither is there.
    """
    if isinstance(source, Audit):
        return source
    if isinstance(source, (str, os.PathLike)) and "audit.json" in open_folder(source).names():
        return load_audit(source)
    return audit(source)
