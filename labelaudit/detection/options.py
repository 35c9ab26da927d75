"""The thresholds of a detection audit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.errors import LabelAuditError

RULES = ("labelaudit", "fiftyone")


@dataclass(frozen=True)
class Options:
    """The thresholds of an audit; see `audit_detections`."""

    rules: str = "labelaudit"
    iou_threshold: float = 0.5
    missing_confidence: float | None = None
    expected_error_rate: float | None = None
    threshold: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rules not in RULES:
            raise LabelAuditError(f"rules={self.rules!r} is unknown; expected one of {', '.join(RULES)}")
        if not 0 < self.iou_threshold <= 1:
            raise LabelAuditError(f"iou_threshold={self.iou_threshold} is out of range; expected above 0, at most 1")
        for name in ("missing_confidence", "expected_error_rate", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise LabelAuditError(f"{name}={value} is out of range; expected 0 to 1")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise LabelAuditError(f"seed={self.seed!r} is no seed; expected a whole number, 0 or more")
        if self.expected_error_rate is not None and self.threshold is not None:
            raise LabelAuditError("expected_error_rate and threshold both set the cut; pass one of them")
