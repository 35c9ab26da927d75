"""Checks of options."""

from __future__ import annotations

from collections.abc import Iterable
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


def epoch_numbers(epochs: Any) -> list[int]:
    """Return the numbers of the epochs asked for; refuse what is no list of integers.

    >>> epoch_numbers(range(3))
    [0, 1, 2]
    """
    numbers: list[Any] = list(epochs) if isinstance(epochs, Iterable) and not isinstance(epochs, str) else [None]
    if not all(isinstance(number, (int, np.integer)) for number in numbers):
        raise LabelAuditError(f"epochs={epochs!r} is no list of epochs; expected numbers such as range(20) or [0, 5]")
    return [int(number) for number in numbers]
