"""Audits of object detection: wrong classes, wrong boxes, missing and spurious objects."""

from labelaudit.detection.auditing import audit_detections, audit_epochs
from labelaudit.detection.boxes import Detections, Objects

__all__ = ["Detections", "Objects", "audit_detections", "audit_epochs"]
