"""Recorders that write a history while a model trains.

`PredictionRecorder` is a callback for Lightning; `AuditLogger` logs the audit when its training ends.
Importing this package imports neither torch nor Lightning: each recorder is loaded when its name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelaudit.callbacks.audit_logger import AuditLogger
    from labelaudit.callbacks.lightning import PredictionRecorder

__all__ = ["AuditLogger", "PredictionRecorder"]

_MODULES = {"AuditLogger": "audit_logger", "PredictionRecorder": "lightning"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
