"""Find label mistakes in the prediction history of a model's training run.

Names are loaded when they are first used, so `import labelaudit` is quick and pulls in neither
pandas nor scikit-learn. Nothing here ever imports torch; the recorders for training loops are in
`labelaudit.callbacks`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import labelaudit.analyzers as analyzers
    from labelaudit.auditing import Audit, Comparison, audit, compare, load_audit, plant_mistakes
    from labelaudit.detection import CorrectedBoxes, audit_detections, correct_boxes
    from labelaudit.detection.store.writer import DetectionWriter
    from labelaudit.embedding import Embeddings, file_duplicates
    from labelaudit.fitting.config import FitConfig
    from labelaudit.fitting.fitted import Fitted
    from labelaudit.fitting.fitting import fit
    from labelaudit.history import History, Recorder, history_from_arrays, open_history
    from labelaudit.relabeling import Relabelled, relabel, undo_relabel
    from labelaudit.reviewing import DecisionLog, Review, load_decisions, review, write_decisions

    __version__: str

__all__ = [
    "Audit",
    "Comparison",
    "CorrectedBoxes",
    "DecisionLog",
    "DetectionWriter",
    "Embeddings",
    "FitConfig",
    "Fitted",
    "History",
    "LabelAuditError",
    "Recorder",
    "Relabelled",
    "Review",
    "__version__",
    "analyzers",
    "audit",
    "audit_detections",
    "compare",
    "correct_boxes",
    "file_duplicates",
    "fit",
    "history_from_arrays",
    "load_audit",
    "load_decisions",
    "open_history",
    "plant_mistakes",
    "relabel",
    "review",
    "undo_relabel",
    "write_decisions",
]

# The code of `audit` lies in `labelaudit.auditing`: a sub-package called `audit` would replace the function.
_MODULE_OF = {
    "Audit": "labelaudit.auditing",
    "Comparison": "labelaudit.auditing",
    "CorrectedBoxes": "labelaudit.detection",
    "DecisionLog": "labelaudit.reviewing",
    "DetectionWriter": "labelaudit.detection.store.writer",
    "Embeddings": "labelaudit.embedding",
    "FitConfig": "labelaudit.fitting.config",
    "Fitted": "labelaudit.fitting.fitted",
    "History": "labelaudit.history",
    "Recorder": "labelaudit.history",
    "Relabelled": "labelaudit.relabeling",
    "Review": "labelaudit.reviewing",
    "audit": "labelaudit.auditing",
    "audit_detections": "labelaudit.detection",
    "compare": "labelaudit.auditing",
    "correct_boxes": "labelaudit.detection",
    "file_duplicates": "labelaudit.embedding",
    "fit": "labelaudit.fitting.fitting",
    "history_from_arrays": "labelaudit.history",
    "load_audit": "labelaudit.auditing",
    "load_decisions": "labelaudit.reviewing",
    "open_history": "labelaudit.history",
    "plant_mistakes": "labelaudit.auditing",
    "relabel": "labelaudit.relabeling",
    "review": "labelaudit.reviewing",
    "undo_relabel": "labelaudit.relabeling",
    "write_decisions": "labelaudit.reviewing",
}


def _version() -> str:
    """Return the installed version, or "0+unknown" in a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("labelaudit")
    except PackageNotFoundError:
        return "0+unknown"


if not TYPE_CHECKING:  # a type checker would take a module's __getattr__ as leave for any name

    def __getattr__(name: str) -> object:
        if name in _MODULE_OF:
            value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        elif name == "analyzers":
            return importlib.import_module("labelaudit.analyzers")
        elif name == "__version__":
            value = _version()
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
