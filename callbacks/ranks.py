"""Several processes that train together: none may wait for one that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelaudit.errors import LabelAuditError


def answer_of_rank_zero(ask: Callable[[], Any], broadcast: Callable[[Any], Any]) -> Any:
    """Return what rank 0 finds out, on every rank.

    Args:
        ask: looks it up; what it raises on rank 0, every rank raises.
        broadcast: returns rank 0's argument on every rank.
    """
    try:
        answer = ask()
    except (OSError, LabelAuditError) as problem:
        answer = problem
    answer = broadcast(answer)
    if isinstance(answer, Exception):
        raise answer
    return answer
