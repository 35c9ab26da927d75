"""Recorders that write a history while a model trains.

`PredictionRecorder` and, for object detection, `DetectionRecorder` are callbacks for Lightning, `TorchRecorder` is for
a plain PyTorch loop, `TrainerRecorder` is a callback for Hugging Face's Trainer; `AuditLogger` logs the audit when a
training with Lightning ends. Importing this package imports neither torch nor Lightning: each is loaded when its name
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelaudit.callbacks.audit_logger import AuditLogger
    from labelaudit.callbacks.detection_recorder import DetectionRecorder
    from labelaudit.callbacks.detection_results import coco_results, ultralytics_results
    from labelaudit.callbacks.hugging_face import TrainerRecorder
    from labelaudit.callbacks.lightning import PredictionRecorder
    from labelaudit.callbacks.torch_recorder import TorchRecorder

__all__ = [
    "AuditLogger",
    "DetectionRecorder",
    "PredictionRecorder",
    "TorchRecorder",
    "TrainerRecorder",
    "coco_results",
    "ultralytics_results",
]

_MODULES = {
    "AuditLogger": "audit_logger",
    "DetectionRecorder": "detection_recorder",
    "PredictionRecorder": "lightning",
    "TorchRecorder": "torch_recorder",
    "TrainerRecorder": "hugging_face",
    "coco_results": "detection_results",
    "ultralytics_results": "detection_results",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        hint = f'{name} needs PyTorch. Type: pip install "labelaudit[train]"'
        raise ModuleNotFoundError(hint, name=error.name) from None
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
