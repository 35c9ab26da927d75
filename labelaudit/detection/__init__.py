"""Audits of object detection: wrong classes, wrong boxes, missing and spurious objects."""

from labelaudit.detection.auditing import audit_detections, audit_epochs
from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.correcting import CorrectedBoxes, correct_boxes

__all__ = ["CorrectedBoxes", "Detections", "Objects", "audit_detections", "audit_epochs", "correct_boxes"]
