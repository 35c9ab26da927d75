"""Audits of object detection: wrong classes, wrong boxes, missing and spurious objects."""
