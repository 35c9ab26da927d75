"""Checks of options."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.errors import LabelAuditError


def check_share(name: str, value: Any) -> None:
    """Refuse what is no number from 0 to 1.

    >>> check_share("threshold", 0.25)
    """
    if not isinstance(value, (int, float, np.integer, np.floating)) or not 0 <= value <= 1:
        raise LabelAuditError(f"{name}={value!r} is out of range; expected a number, 0 to 1")


def check_whole(name: str, value: Any, least: int = 0) -> None:
    """Refuse what is no integer from ``least`` up.

    >>> check_whole("seed", 0)
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise LabelAuditError(f"{name}={value!r} is out of range; expected an integer from {least} up")
