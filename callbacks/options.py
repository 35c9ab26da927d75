"""Checks of the options that recorders are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labelaudit.errors import LabelAuditError


def one_of(name: str, values: Sequence[str], allowed: tuple[str, ...]) -> None:
    """Refuse an option's values that are not known."""
    for value in values:
        if value not in allowed:
            raise LabelAuditError(f"{name}={value!r} is unknown. Pass one of {', '.join(map(repr, allowed))}")


def check_numbers(every_n_epochs: int, max_pending_mib: float) -> None:
    """Refuse to record no epoch, or without memory."""
    if every_n_epochs < 1 or max_pending_mib <= 0:
        raise LabelAuditError(
            f"every_n_epochs must be 1 or more and max_pending_mib above 0, not {every_n_epochs} and {max_pending_mib}"
        )


def refuse_unknown(given: Iterable[str], known: Sequence[str], owner: str) -> None:
    """Refuse an option's name that is not known."""
    for name in given:
        if name not in known:
            raise LabelAuditError(f"{name} is no option of {owner}. Pass some of {', '.join(known)}")
